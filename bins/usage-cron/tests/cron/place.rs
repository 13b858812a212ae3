//! Simulated organisations, and a place in which the real binary runs against them.

use std::path::Path;
use std::process::{Child, Command};

use chrono::{Days, NaiveDate};
use tempfile::TempDir;
use usage_app::App;
use usage_app::commands::keys::{self, AddKeyOptions};
use usage_app::settings::{Environment, Flags, Settings, Sources};
use usage_core::{Account, Clock as _, ProjectFilter, SystemClock};
use usage_simulator::{AdminKey, Generate, Organization, Simulator};

use crate::shared::{self, Database, DatabaseKind, Finished, KEY, Provider, finish_with, new_folder};

/// Days with usage, until yesterday.
pub(crate) const DAYS: u32 = 20;

/// A provider with usage of the last days, every model of which has a price.
pub(crate) fn provider() -> Provider {
    Provider::start(
        Simulator::builder()
            .organization(organization())
            .key(AdminKey::owner(KEY)),
    )
}

/// Whose usage it has.
pub(crate) fn organization() -> Organization {
    Organization::generate(&Generate {
        organization: "org-cron".to_owned(),
        first_day: first_day(),
        days: DAYS,
        groups_per_day: 6,
        models: 2,
        bursts: 1,
        idle_days_percent: 0,
        ..Generate::default()
    })
}

/// The same with usage of every endpoint, and more of it.
pub(crate) fn every_endpoint() -> Organization {
    Organization::generate(&Generate {
        organization: "org-cron".to_owned(),
        first_day: first_day(),
        days: DAYS,
        groups_per_day: 6,
        models: 2,
        bursts: 1,
        idle_days_percent: 0,
        every_endpoint: true,
        ..Generate::default()
    })
}

pub(crate) fn yesterday() -> NaiveDate {
    SystemClock.now().date_naive() - Days::new(1)
}

pub(crate) fn first_day() -> NaiveDate {
    SystemClock.now().date_naive() - Days::new(DAYS.into())
}

pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) database: Database,
    base_url: String,
}

impl Place {
    /// A place whose ledger has these accounts, each with a key that the provider accepts.
    pub(crate) fn new(kind: DatabaseKind, provider: &Provider, accounts: &[&str]) -> Self {
        Self::on(provider, accounts, |work| Database::new(kind, work))
    }

    /// The same, on the database made for the folder in which commands run.
    pub(crate) fn on(
        provider: &Provider,
        accounts: &[&str],
        database: impl FnOnce(&Path) -> Database,
    ) -> Self {
        let folder = new_folder();
        let database = database(&folder.path().join("work"));
        let place = Self {
            folder,
            database,
            base_url: provider.simulator.base_url(),
        };
        for account in accounts {
            place.add_key(account, KEY);
        }
        place
    }

    pub(crate) fn add_key(&self, account: &str, secret: &str) {
        let home = self.folder.path().join("home");
        let variables = [
            ("USAGE_DATABASE_URL", self.database.url()),
            ("USAGE_OPENAI_BASE_URL", self.base_url.clone()),
            ("XDG_CONFIG_HOME", home.join("config").display().to_string()),
        ];
        let sources = Sources::gather(
            Flags::default(),
            Environment::from_iter(variables),
            self.folder.path(),
        );
        let app = App::new(Settings::resolve(&sources).unwrap());
        let options = AddKeyOptions {
            account: Account::new(usage_core::Provider::OpenAi, account).unwrap(),
            label: None,
            filter: ProjectFilter::ALL,
            secret: secret.to_owned().into(),
            check: false,
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(keys::add(&app, options)).unwrap();
    }

    /// The command line, in an environment that holds nothing of this process's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usage-cron"));
        command.args(arguments);
        self.settle(&mut command);
        command
    }

    /// The environment of a command line.
    pub(crate) fn settle(&self, command: &mut Command) {
        shared::settle(command, self.folder.path(), &self.database.url(), &self.base_url);
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish_with(&mut self.command(arguments), "")
    }
}
