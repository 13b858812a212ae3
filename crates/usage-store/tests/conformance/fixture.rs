//! A ledger of its own for each story, with an account, a lease and a clock.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tempfile::TempDir;
use usage_core::{
    Account, DimensionSet, Dimensions, Endpoint, Issue, ManualClock, Metrics, ProjectFilter, Provider, Scope,
    UsageRow, Width, Window, parse_day, parse_instant,
};
use usage_store::{
    AccountScope, EventQuery, Lease, LeaseAttempt, Ledger, OpenMode, Replacement, StoredAccount, StoredEvent,
    WindowCounts, WindowOutcome, WindowRows,
};
use usage_testkit::{PostgresCluster, PostgresDatabase};

/// When every story begins, unless it says otherwise: long after the windows it uses.
pub(crate) const NOW: &str = "2025-10-20T12:00:00Z";
/// Real time for which a story's lease holds.
pub(crate) const LEASE: Duration = Duration::from_mins(10);

pub(crate) struct Fixture {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) account: StoredAccount,
    pub(crate) lease: Lease,
    pub(crate) url: String,
    database: Database,
}

enum Database {
    Sqlite(#[expect(dead_code, reason = "the folder lives as long as the story")] TempDir),
    Postgres(PostgresDatabase),
}

impl Fixture {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
        Self::open(url, Database::Sqlite(directory)).await
    }

    pub(crate) async fn postgres() -> Self {
        let database = PostgresCluster::shared().create_database();
        Self::open(database.url().to_owned(), Database::Postgres(database)).await
    }

    async fn open(url: String, database: Database) -> Self {
        let clock = Arc::new(ManualClock::new(instant(NOW)));
        let ledger = Ledger::open(&url, clock.clone(), OpenMode::SetUpIfEmpty)
            .await
            .unwrap();
        let account = ledger.add_account(openai("org-first")).await.unwrap();
        let lease = take(&ledger, &account).await;
        Self {
            ledger,
            clock,
            account,
            lease,
            url,
            database,
        }
    }

    /// An empty database of the same kind: `sqlite` needs a new file, PostgreSQL a new database.
    pub(crate) fn empty_database(&self) -> EmptyDatabase {
        match &self.database {
            Database::Sqlite(_) => {
                let directory = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", directory.path().join("other.db").display());
                EmptyDatabase {
                    url,
                    _database: Database::Sqlite(directory),
                }
            }
            Database::Postgres(_) => {
                let database = PostgresCluster::shared().create_database();
                EmptyDatabase {
                    url: database.url().to_owned(),
                    _database: Database::Postgres(database),
                }
            }
        }
    }

    /// Runs SQL behind the ledger's back.
    pub(crate) fn sql(&self, statement: &str) -> String {
        match &self.database {
            Database::Sqlite(_) => sqlite_sql(&self.url, statement),
            Database::Postgres(database) => database.execute(statement),
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.database, Database::Postgres(_))
    }

    /// The scope of an unfiltered daily read grouped by everything.
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            account: self.account.account.clone(),
            endpoint: Endpoint::Completions,
            width: Width::Day,
            filter: ProjectFilter::ALL,
            grouped_by: Endpoint::Completions.dimensions(),
        }
    }

    /// A read of the scope that began `started_at`.
    pub(crate) fn read(&self, started_at: &str, windows: Vec<WindowRows>) -> Replacement {
        Replacement {
            scope: self.scope(),
            refused: DimensionSet::EMPTY,
            empty: DimensionSet::EMPTY,
            read_started_at: instant(started_at),
            run_id: 1,
            accept_retractions: false,
            windows,
        }
    }

    pub(crate) async fn replace(&self, replacement: Replacement) -> Vec<WindowOutcome> {
        self.ledger
            .replace_windows(&self.lease, replacement)
            .await
            .unwrap()
    }

    /// Replaces one window and expects that it is written.
    pub(crate) async fn store(&self, replacement: Replacement) -> WindowCounts {
        let outcomes = self.replace(replacement).await;
        assert_eq!(outcomes.len(), 1);
        outcomes.into_iter().next().unwrap().result.unwrap()
    }

    /// Replaces one window and expects that it is refused.
    pub(crate) async fn refuse(&self, replacement: Replacement) -> Issue {
        let outcomes = self.replace(replacement).await;
        assert_eq!(outcomes.len(), 1);
        outcomes.into_iter().next().unwrap().result.unwrap_err()
    }

    pub(crate) async fn events(&self) -> Vec<StoredEvent> {
        self.ledger
            .all_events(EventQuery::daily(AccountScope::All))
            .await
            .unwrap()
    }

    /// Everything that a re-read may not change, as text: events with their history, and revisions.
    pub(crate) async fn snapshot(&self) -> String {
        let revisions = self.ledger.revisions(AccountScope::All).await.unwrap();
        format!("{:#?}\n{revisions:#?}", self.events().await)
    }
}

pub(crate) struct EmptyDatabase {
    pub(crate) url: String,
    _database: Database,
}

pub(crate) async fn take(ledger: &Ledger, account: &StoredAccount) -> Lease {
    match ledger
        .acquire_lease(account.id, "the story", LEASE, None)
        .await
        .unwrap()
    {
        LeaseAttempt::Acquired(lease) => lease,
        held @ LeaseAttempt::Held { .. } => panic!("{held:?}"),
    }
}

pub(crate) fn sqlite_sql(url: &str, statement: &str) -> String {
    let connection = rusqlite::Connection::open(url.strip_prefix("sqlite:").unwrap()).unwrap();
    if !statement.trim_start().to_ascii_uppercase().starts_with("SELECT") {
        connection.execute_batch(statement).unwrap();
        return String::new();
    }
    let mut query = connection.prepare(statement).unwrap();
    let columns = query.column_count();
    let rows = query.query_map([], |row| {
        let cells: Vec<String> = (0..columns)
            .map(|index| match row.get_ref(index).unwrap() {
                rusqlite::types::ValueRef::Null => String::new(),
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                other => format!("{other:?}"),
            })
            .collect();
        Ok(cells.join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

/// The steps in which SQLite would answer a query.
pub(crate) fn sqlite_plan(url: &str, query: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(url.strip_prefix("sqlite:").unwrap()).unwrap();
    let mut plan = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
        .unwrap();
    let steps = plan.query_map([], |row| row.get("detail")).unwrap();
    steps.map(Result::unwrap).collect()
}

pub(crate) fn instant(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

pub(crate) fn openai(organization: &str) -> Account {
    Account::new(Provider::OpenAi, organization).unwrap()
}

pub(crate) fn day(text: &str) -> Window {
    Window::day(parse_day(text).unwrap())
}

/// A window with rows.
pub(crate) fn rows(window: Window, rows: impl IntoIterator<Item = UsageRow>) -> WindowRows {
    WindowRows {
        window,
        rows: rows.into_iter().collect(),
    }
}

/// A row of a project and model with this many input tokens and nothing cached.
pub(crate) fn row(project: &str, model: &str, input_tokens: i64) -> UsageRow {
    UsageRow {
        dimensions: Dimensions {
            project_id: Some(project.to_owned()),
            api_key_id: Some("key_1".to_owned()),
            user_id: Some("user-1".to_owned()),
            model: Some(model.to_owned()),
            service_tier: Some("default".to_owned()),
            batch: Some(false),
            ..Dimensions::default()
        },
        metrics: Metrics {
            input_tokens: Some(input_tokens),
            output_tokens: Some(1),
            input_cached_tokens: Some(0),
            input_uncached_tokens: Some(input_tokens),
            num_model_requests: Some(1),
            ..Metrics::default()
        },
    }
}
