//! A provider, a ledger and a clock of its own for each story.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use tempfile::TempDir;
use tokio::sync::watch;
use usage_core::{
    Account, Clock, DimensionSet, Dimensions, Endpoint, IssueCode, ManualClock, ProjectFilter, Provider,
    Width, Window, WindowRange, parse_day, parse_instant,
};
use usage_ingest::{
    Backfill, ChosenKey, Outcome, Plan, PlanRequest, Progress, Reader, ReadingKey, RunReport, Silent,
    choose_keys, plan, run,
};
use usage_providers::{OpenAi, OpenAiOptions, Pace, RetryPolicy, UsageSource};
use usage_simulator::{AdminKey, Organization, Simulator, SimulatorBuilder};
use usage_store::{
    AccountScope, Coverage, CoverageQuery, EventQuery, EventTotals, KeyStatus, Ledger, MasterKey,
    NewProviderKey, OpenMode, ProviderKey, StoredAccount, StoredEvent, StoredRevision,
};
use usage_testkit::{PostgresCluster, PostgresDatabase};

/// The secret of the key that every world begins with; the simulator calls it `owner`.
pub(crate) const OWNER: &str = "sk-admin-test-not-a-real-key";
/// When every story begins, unless it says otherwise: long after the windows it uses have settled.
pub(crate) const NOW: &str = "2025-10-20T12:00:00Z";
/// How often the client sends a request at most.
pub(crate) const ATTEMPTS: u32 = 2;

/// An empty database.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres(PostgresDatabase),
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(PostgresCluster::shared().create_database())
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => format!("sqlite:{}", directory.path().join("ledger.db").display()),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }
}

pub(crate) struct World {
    pub(crate) ledger: Ledger,
    /// The time of the simulator, the ledger, the client and the plan.
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) simulator: Simulator,
    pub(crate) account: StoredAccount,
    /// The key that the world begins with.
    pub(crate) key: ProviderKey,
    database: Database,
}

/// A run to be planned and worked off.
pub(crate) struct Job<'a> {
    pub(crate) first: &'a str,
    pub(crate) last: &'a str,
    pub(crate) width: Width,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) chunk_windows: Option<usize>,
    pub(crate) group_by: Option<DimensionSet>,
    pub(crate) force: bool,
    pub(crate) accept_retractions: bool,
    /// Instead of the readers that follow from the ledger's keys.
    pub(crate) readers: Option<Vec<Reader>>,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) stop: watch::Receiver<bool>,
}

impl<'a> Job<'a> {
    /// These UTC days, both included.
    pub(crate) fn days(first: &'a str, last: &'a str) -> Self {
        Self {
            first,
            last,
            width: Width::Day,
            endpoints: vec![Endpoint::Completions],
            chunk_windows: None,
            group_by: None,
            force: false,
            accept_retractions: false,
            readers: None,
            progress: &Silent,
            stop: watch::channel(false).1,
        }
    }

    /// These UTC days, settled ones too.
    pub(crate) fn again(first: &'a str, last: &'a str) -> Self {
        Self {
            force: true,
            ..Self::days(first, last)
        }
    }

    fn windows(&self) -> WindowRange {
        let days = days(self.first, self.last);
        WindowRange::new(days.start(), days.end(), self.width).unwrap()
    }
}

impl World {
    pub(crate) async fn of(organization: Organization, database: Database) -> Self {
        Self::open(Simulator::builder().organization(organization), database).await
    }

    pub(crate) async fn open(simulator: SimulatorBuilder, database: Database) -> Self {
        let clock = Arc::new(ManualClock::new(instant(NOW)));
        let simulator = simulator
            .key(AdminKey::owner(OWNER))
            .clock(clock.clone())
            .start()
            .await
            .unwrap();
        let ledger = Ledger::open(&database.url(), clock.clone(), OpenMode::SetUpIfEmpty)
            .await
            .unwrap();
        let key = add_key(&ledger, "org-first", Some("first"), OWNER, ProjectFilter::ALL).await;
        Self {
            account: key.account.clone(),
            ledger,
            clock,
            simulator,
            key,
            database,
        }
    }

    pub(crate) fn set_time(&self, text: &str) {
        self.clock.set(instant(text));
    }

    /// Stores a key of the account.
    pub(crate) async fn add_key(&self, secret: &str, filter: ProjectFilter) -> ProviderKey {
        add_key(&self.ledger, "org-first", None, secret, filter).await
    }

    /// Stores a key of the account under a name for people.
    pub(crate) async fn add_labelled_key(
        &self,
        label: &str,
        secret: &str,
        filter: ProjectFilter,
    ) -> ProviderKey {
        add_key(&self.ledger, "org-first", Some(label), secret, filter).await
    }

    /// Stores a key for everything of another account.
    pub(crate) async fn add_key_of(&self, organization: &str, secret: &str) -> ProviderKey {
        add_key(&self.ledger, organization, None, secret, ProjectFilter::ALL).await
    }

    /// A client that does not make tests wait.
    pub(crate) fn client(&self, secret: &str) -> Arc<dyn UsageSource> {
        let client = OpenAi::new(OpenAiOptions {
            base_url: self.simulator.base_url().parse().unwrap(),
            pace: Pace {
                requests_per_minute: 1_000_000,
                burst: 1_000_000,
            },
            retry: RetryPolicy {
                attempts: ATTEMPTS,
                base: Duration::from_millis(1),
                ceiling: Duration::from_millis(1),
                ..RetryPolicy::default()
            },
            clock: self.clock.clone(),
            ..OpenAiOptions::new(secret.to_owned().into())
        });
        Arc::new(client.unwrap())
    }

    /// A reader with the key that the world begins with, through another source.
    pub(crate) fn reader_through(&self, source: Arc<dyn UsageSource>) -> Reader {
        Reader {
            account: self.account.clone(),
            filter: ProjectFilter::ALL,
            key: ReadingKey {
                id: self.key.id,
                label: self.key.label.clone(),
                source,
            },
            spare_keys: Vec::new(),
        }
    }

    /// The reader of a stored key, with a client of its own.
    pub(crate) async fn reader(&self, key: &ProviderKey) -> Reader {
        Reader {
            account: key.account.clone(),
            filter: key.filter.clone(),
            key: self.reading_key(key).await,
            spare_keys: Vec::new(),
        }
    }

    /// A stored key, with a client of its own.
    pub(crate) async fn reading_key(&self, key: &ProviderKey) -> ReadingKey {
        let secret = self.ledger.open_key(master(), key.id).await.unwrap();
        ReadingKey {
            id: key.id,
            label: key.label.clone(),
            source: self.client(secret.expose_secret()),
        }
    }

    /// The readers of the keys that together read each account once, with those that stand in for them.
    pub(crate) async fn readers(&self) -> Vec<Reader> {
        let keys = self.ledger.keys().await.unwrap();
        let mut readers = Vec::new();
        for ChosenKey { key, spare } in choose_keys(&keys) {
            let mut reader = self.reader(key).await;
            for key in spare {
                reader.spare_keys.push(self.reading_key(key).await);
            }
            readers.push(reader);
        }
        readers
    }

    pub(crate) async fn plan(&self, job: &Job<'_>) -> Plan {
        let readers = match &job.readers {
            Some(readers) => readers.clone(),
            None => self.readers().await,
        };
        let request = PlanRequest {
            windows: job.windows(),
            endpoints: job.endpoints.clone(),
            chunk_windows: job.chunk_windows,
            group_by: job.group_by,
            force: job.force,
            fresh_since: None,
            now: self.clock.now(),
        };
        plan(&self.ledger, readers, &request).await.unwrap()
    }

    pub(crate) async fn work_off(&self, job: &Job<'_>, plan: &Plan) -> RunReport {
        let backfill = Backfill {
            ledger: &self.ledger,
            kind: "backfill",
            label: None,
            range_start: job.windows().start(),
            range_end: job.windows().end(),
            accept_retractions: job.accept_retractions,
            progress: job.progress,
            stop: job.stop.clone(),
            notes: serde_json::Map::new(),
        };
        run(backfill, plan).await.unwrap()
    }

    pub(crate) async fn run(&self, job: &Job<'_>) -> RunReport {
        let plan = self.plan(job).await;
        self.work_off(job, &plan).await
    }

    /// Plans and works off these UTC days, both included.
    pub(crate) async fn backfill(&self, first: &str, last: &str) -> RunReport {
        self.run(&Job::days(first, last)).await
    }

    pub(crate) async fn events(&self) -> Vec<StoredEvent> {
        let query = EventQuery::daily(AccountScope::All);
        self.ledger.all_events(query).await.unwrap()
    }

    pub(crate) async fn totals(&self) -> EventTotals {
        let query = EventQuery::daily(AccountScope::All);
        self.ledger.totals(query).await.unwrap()
    }

    /// Runs SQL behind the ledger's back.
    pub(crate) fn sql(&self, statement: &str) {
        match &self.database {
            Database::Sqlite(_) => {
                let path = self.ledger.name().to_owned();
                rusqlite::Connection::open(path)
                    .unwrap()
                    .execute_batch(statement)
                    .unwrap();
            }
            Database::Postgres(database) => {
                database.execute(statement);
            }
        }
    }

    pub(crate) async fn revisions(&self) -> Vec<StoredRevision> {
        self.ledger.revisions(AccountScope::All).await.unwrap()
    }

    pub(crate) async fn coverage(&self) -> Vec<Coverage> {
        let query = CoverageQuery {
            scope: AccountScope::All,
            endpoint: None,
            windows: None,
        };
        self.ledger.coverage(query).await.unwrap()
    }

    /// Project and input tokens of each row of a day, by project.
    pub(crate) async fn inputs(&self, date: &str) -> Vec<(String, i64)> {
        let mut rows: Vec<(String, i64)> = self
            .events()
            .await
            .into_iter()
            .filter(|stored| stored.event.window == day(date))
            .map(|stored| {
                (
                    stored.event.dimensions.project_id.unwrap(),
                    stored.event.metrics.input_tokens.unwrap(),
                )
            })
            .collect();
        rows.sort();
        rows
    }

    /// Everything that a run may not change if it has nothing to say, as text.
    pub(crate) async fn snapshot(&self) -> String {
        format!("{:#?}\n{:#?}", self.events().await, self.revisions().await)
    }

    /// Changes the truth of one day at the provider: every number becomes so many per cent.
    pub(crate) fn restate(&self, date: &str, percent: u32) {
        self.simulator.update(|organization| {
            organization
                .usage_mut(Endpoint::Completions)
                .scale(day(date), percent)
        });
    }

    /// Removes rows of one day from the truth.
    pub(crate) fn remove(&self, date: &str, is_chosen: impl FnMut(&Dimensions) -> bool) {
        let removed = self.simulator.update(|organization| {
            organization
                .usage_mut(Endpoint::Completions)
                .remove(day(date), is_chosen)
        });
        assert!(removed > 0, "nothing to remove on {date}");
    }

    /// The ledger has exactly what the provider's books say of these days, row for row and token for token.
    pub(crate) async fn assert_equals_truth(&self, first: &str, last: &str) {
        let truth = self.simulator.inspect(|organization| {
            organization
                .usage(Endpoint::Completions)
                .totals(days(first, last))
        });
        let totals = self.totals().await;
        assert_eq!(
            totals.metrics.differing(&truth.metrics),
            [],
            "{totals:?}\n{truth:?}"
        );
        assert_eq!(totals.events, truth.rows as u64);
        assert_eq!(totals.windows_with_usage, truth.active_windows as u64);
    }

    /// How many requests for usage the simulator answered.
    pub(crate) fn requests(&self) -> usize {
        self.simulator.count_requests("/usage/completions")
    }
}

pub(crate) fn projects(ids: &[&str]) -> ProjectFilter {
    ProjectFilter::projects(ids.iter().map(|id| (*id).to_owned()))
}

pub(crate) fn openai(organization: &str) -> Account {
    Account::new(Provider::OpenAi, organization).unwrap()
}

pub(crate) fn instant(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

pub(crate) fn day(text: &str) -> Window {
    Window::day(parse_day(text).unwrap())
}

/// These UTC days, both included.
pub(crate) fn days(first: &str, last: &str) -> WindowRange {
    WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap()
}

pub(crate) fn codes(report: &RunReport) -> Vec<IssueCode> {
    report.issues.iter().map(|issue| issue.code).collect()
}

/// The run stored what it planned and has nothing to say.
pub(crate) fn assert_clean(report: &RunReport) {
    assert_eq!(report.issues, []);
    assert_eq!(report.outcome, Outcome::Clean);
    assert_eq!(report.telemetry.windows_failed, 0);
    assert_eq!(report.telemetry.skipped_events, 0);
}

async fn add_key(
    ledger: &Ledger,
    organization: &str,
    label: Option<&str>,
    secret: &str,
    filter: ProjectFilter,
) -> ProviderKey {
    let key = NewProviderKey {
        account: openai(organization),
        label: label.map(str::to_owned),
        filter,
        secret: SecretString::from(secret),
        status: KeyStatus::Active,
    };
    ledger.add_key(master(), key).await.unwrap()
}

fn master() -> Arc<MasterKey> {
    Arc::new(MasterKey::new(&SecretBox::new(Box::new([7; 32]))))
}
