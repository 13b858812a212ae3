//! A ledger behind a network that can be cut, and the same one reached directly.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use usage_core::{
    Account, DimensionSet, Dimensions, Endpoint, ManualClock, Metrics, ProjectFilter, Provider, Scope,
    UsageRow, Width, Window, parse_day, parse_instant,
};
use usage_store::{
    Lease, LeaseAttempt, Ledger, NewRun, OpenMode, Replacement, StoreError, StoredAccount, WindowRows,
};
use usage_testkit::{PostgresCluster, PostgresDatabase, Proxy, Then};

pub(crate) const NOW: &str = "2025-10-20T12:00:00Z";
/// Longer than any test runs.
pub(crate) const LONG: Duration = Duration::from_hours(1);

pub(crate) struct World {
    pub(crate) database: PostgresDatabase,
    pub(crate) proxy: Proxy,
    /// Reached through the proxy.
    pub(crate) ledger: Ledger,
    /// Reached directly, to set a scene.
    pub(crate) direct: Ledger,
    pub(crate) account: StoredAccount,
    pub(crate) lease: Lease,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(PostgresCluster::shared().create_database_from(template().name())).await
    }

    pub(crate) async fn on(database: PostgresDatabase) -> Self {
        let proxy = Proxy::to(address_of(database.url()));
        let direct = open(database.url(), LONG).await.unwrap();
        let ledger = open(&proxy.lead(database.url()), LONG).await.unwrap();
        let account = direct.add_account(openai("org-first")).await.unwrap();
        let lease = take(&direct, &account).await;
        Self {
            database,
            proxy,
            ledger,
            direct,
            account,
            lease,
        }
    }

    /// Does something while the network is cut at the next COMMIT, and mended after that.
    pub(crate) async fn cut<T>(&self, then: Then, work: impl Future<Output = T>) -> T {
        self.proxy.when_client_sends(&["COMMIT"], then);
        self.mending(work).await
    }

    /// Does something during which the proxy acts, which is mended after that.
    #[expect(clippy::unused_async, reason = "it awaits inside a blocking section")]
    pub(crate) async fn mending<T>(&self, work: impl Future<Output = T>) -> T {
        let proxy = &self.proxy;
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    proxy.wait_until_acted();
                    proxy.mend();
                });
                tokio::runtime::Handle::current().block_on(work)
            })
        })
    }

    /// Ends every connection to the database, those of both ledgers.
    pub(crate) fn end_connections(&self) {
        self.database.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    }

    /// A daily read that began at that time, grouped by everything.
    pub(crate) fn read(&self, started_at: &str, rows: Vec<UsageRow>) -> Replacement {
        Replacement {
            scope: Scope {
                account: self.account.account.clone(),
                endpoint: Endpoint::Completions,
                width: Width::Day,
                filter: ProjectFilter::ALL,
                grouped_by: Endpoint::Completions.dimensions(),
            },
            refused: DimensionSet::EMPTY,
            empty: DimensionSet::EMPTY,
            read_started_at: parse_instant(started_at).unwrap(),
            run_id: 1,
            accept_retractions: false,
            windows: vec![WindowRows {
                window: day("2025-09-01"),
                rows,
            }],
        }
    }
}

pub(crate) async fn open(url: &str, retry: Duration) -> Result<Ledger, StoreError> {
    let clock = Arc::new(ManualClock::new(parse_instant(NOW).unwrap()));
    Ledger::open_retrying(url, clock, OpenMode::SetUpIfEmpty, retry).await
}

pub(crate) async fn take(ledger: &Ledger, account: &StoredAccount) -> Lease {
    match ledger.acquire_lease(account.id, "the test", LONG, None).await {
        Ok(LeaseAttempt::Acquired(lease)) => lease,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn openai(organization: &str) -> Account {
    Account::new(Provider::OpenAi, organization).unwrap()
}

pub(crate) fn day(text: &str) -> Window {
    Window::day(parse_day(text).unwrap())
}

/// Rows of different models with this many input tokens each.
pub(crate) fn rows(models: i64, input_tokens: i64) -> Vec<UsageRow> {
    let row = |number| UsageRow {
        dimensions: Dimensions {
            project_id: Some("proj_a".to_owned()),
            api_key_id: Some("key_1".to_owned()),
            user_id: Some("user-1".to_owned()),
            model: Some(format!("model-{number}")),
            ..Dimensions::default()
        },
        metrics: Metrics {
            input_tokens: Some(input_tokens),
            ..Metrics::default()
        },
    };
    (0..models).map(row).collect()
}

pub(crate) fn new_run(kind: &'static str) -> NewRun {
    NewRun {
        kind,
        label: None,
        range_start: parse_instant(NOW).unwrap(),
        range_end: parse_instant(NOW).unwrap(),
        holder: "the test".to_owned(),
        plan: "{}".to_owned(),
        notes: "{}".to_owned(),
    }
}

pub(crate) fn address_of(url: &str) -> std::net::SocketAddr {
    let (_, rest) = url.rsplit_once('@').unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// An empty ledger to be copied by the server, which is quicker than to set up one for each world.
fn template() -> &'static PostgresDatabase {
    static TEMPLATE: OnceLock<PostgresDatabase> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let database = PostgresCluster::shared().create_database();
        let url = database.url().to_owned();
        let set_up = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            // Nobody may be connected to a template.
            runtime.block_on(async { drop(open(&url, Duration::ZERO).await.unwrap()) });
        });
        set_up.join().unwrap();
        database
    })
}
