//! A simulated organisation, a ledger, and a clock that both follow.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use tempfile::TempDir;
use tokio::sync::watch;
use usage_app::commands::keys::{self, AddKeyOptions};
use usage_app::cron::{LoggedProgress, PassOptions, PassReport, run_pass};
use usage_app::settings::{Environment, Flags, Settings, Sources};
use usage_app::{App, AppError};
use usage_core::{
    Account, Decimal, Endpoint, ManualClock, ProjectFilter, Provider, Width, WindowRange, parse_day,
    parse_instant,
};
use usage_simulator::{AdminKey, Generate, LivingOrganization, Organization, Simulator};
use usage_store::{AccountScope, EventQuery, Ledger};
use usage_testkit::{PostgresCluster, PostgresDatabase};

pub(crate) const KEY: &str = "sk-admin-test-not-a-real-key";
pub(crate) const ORGANIZATION: &str = "org-cron";
/// The first day with usage; there are sixty.
pub(crate) const FIRST_DAY: &str = "2025-09-01";

/// Runs each story on both databases, each with a database of its own.
macro_rules! on_both_databases {
    ($($story:path as $name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $story(crate::world::World::on_sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $story(crate::world::World::on_postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both_databases;

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) simulator: Simulator,
    pub(crate) folder: TempDir,
    database_url: String,
    _postgres: Option<PostgresDatabase>,
}

impl World {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
        Self::new(folder, &url, None).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let database = PostgresCluster::shared().create_database();
        let url = database.url().to_owned();
        Self::new(tempfile::tempdir().unwrap(), &url, Some(database)).await
    }

    async fn new(folder: TempDir, url: &str, postgres: Option<PostgresDatabase>) -> Self {
        let clock = Arc::new(ManualClock::new(parse_instant("2025-10-10T02:00:00Z").unwrap()));
        let simulator = Simulator::builder()
            .organization(organization(ORGANIZATION))
            .key(AdminKey::owner(KEY))
            .clock(clock.clone())
            .start()
            .await
            .unwrap();
        let app = App {
            clock: clock.clone(),
            ..App::new(settings(&folder, url, &simulator.base_url(), &[]))
        };
        let world = Self {
            app,
            clock,
            simulator,
            folder,
            database_url: url.to_owned(),
            _postgres: postgres,
        };
        world.add_key(ORGANIZATION).await;
        world
    }

    /// The same place with another provider, whose organisation lives.
    pub(crate) async fn with(self, organization: LivingOrganization) -> Self {
        let simulator = Simulator::builder()
            .living(organization)
            .key(AdminKey::owner(KEY))
            .clock(self.clock.clone())
            .start()
            .await
            .unwrap();
        let app = App {
            clock: self.clock.clone(),
            ..App::new(settings(
                &self.folder,
                &self.database_url,
                &simulator.base_url(),
                &[],
            ))
        };
        Self {
            app,
            simulator,
            ..self
        }
    }

    /// The same place, with a webhook.
    pub(crate) fn telling(self, webhook: &str) -> Self {
        let settings = settings(
            &self.folder,
            &self.database_url,
            &self.simulator.base_url(),
            &[("USAGE_WEBHOOK_URL", webhook)],
        );
        Self {
            app: App {
                clock: self.clock.clone(),
                ..App::new(settings)
            },
            ..self
        }
    }

    pub(crate) async fn add_key(&self, organization: &str) {
        self.add_key_with(organization, KEY).await;
    }

    pub(crate) async fn add_key_with(&self, organization: &str, secret: &str) {
        let options = AddKeyOptions {
            account: Account::new(Provider::OpenAi, organization).unwrap(),
            label: None,
            filter: ProjectFilter::ALL,
            secret: secret.to_owned().into(),
            check: false,
        };
        keys::add(&self.app, options).await.unwrap();
    }

    pub(crate) fn set(&self, instant: &str) {
        self.clock.set(parse_instant(instant).unwrap());
    }

    pub(crate) fn options(&self) -> PassOptions {
        PassOptions {
            accounts: Vec::new(),
            endpoints: vec![Endpoint::Completions, Endpoint::Costs],
            horizon_days: 35,
            due: None,
            label: None,
            plan_only: false,
            exports: None,
            audit_dir: self.audit(),
            max_variance: Decimal::from(2_i64),
            keeps_reports: false,
        }
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    pub(crate) async fn pass(&self) -> PassReport {
        self.pass_with(&self.options()).await.unwrap()
    }

    pub(crate) async fn pass_with(&self, options: &PassOptions) -> Result<PassReport, AppError> {
        run_pass(&self.app, options, &LoggedProgress, watch::channel(false).1).await
    }

    pub(crate) async fn ledger(&self) -> Ledger {
        self.app.ledger().await.unwrap()
    }

    /// How many events of completions the ledger has.
    pub(crate) async fn stored(&self) -> u64 {
        let query = EventQuery {
            scope: AccountScope::All,
            endpoint: Some(Endpoint::Completions),
            windows: None,
            width: Width::Day,
        };
        let events = self.ledger().await.all_events(query).await.unwrap();
        events.len().try_into().unwrap()
    }

    /// Requests for usage and costs, with and without grouping.
    pub(crate) fn requests(&self) -> usize {
        let requests = self.simulator.requests();
        requests
            .iter()
            .filter(|request| request.path.contains("/usage/") || request.path.contains("/costs"))
            .count()
    }

    /// Requests of every kind.
    pub(crate) fn all_requests(&self) -> usize {
        self.simulator.requests().len()
    }

    /// How many groups the provider has on these days.
    pub(crate) fn groups(&self, first: &str, last: &str) -> u64 {
        let days = WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap();
        self.simulator
            .inspect(|organization| organization.usage(Endpoint::Completions).totals(days).rows)
            .try_into()
            .unwrap()
    }
}

/// Two months of usage; every model has a price.
pub(crate) fn organization(id: &str) -> Organization {
    Organization::generate(&Generate {
        organization: id.to_owned(),
        first_day: day(FIRST_DAY),
        days: 60,
        groups_per_day: 6,
        models: 2,
        bursts: 1,
        idle_days_percent: 0,
        ..Generate::default()
    })
}

pub(crate) fn day(text: &str) -> NaiveDate {
    parse_day(text).unwrap()
}

fn settings(folder: &TempDir, url: &str, base_url: &str, more: &[(&str, &str)]) -> Settings {
    let home = folder.path().join("home").display().to_string();
    let own = [
        ("USAGE_DATABASE_URL", url),
        ("USAGE_OPENAI_BASE_URL", base_url),
        ("USAGE_REQUESTS_PER_MINUTE", "100000"),
        ("HOME", &home),
    ];
    let environment: Environment = own.into_iter().chain(more.iter().copied()).collect();
    Settings::resolve(&Sources::gather(Flags::default(), environment, folder.path())).unwrap()
}
