//! A simulated organisation whose truth is known, and places in which the real binary runs against it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use usage_core::{Endpoint, WindowRange, parse_day};
use usage_simulator::{AdminKey, Generate, Organization, Simulator};
use usage_testkit::PostgresDatabase;

use crate::shared::{self, new_folder};
pub(crate) use crate::shared::{
    Database, DatabaseKind, Finished, KEY, Provider, eventually, finish_with, finished, signal,
};

/// The organisation that is served.
pub(crate) const ORGANIZATION: &str = "org-fire";
/// The first day with usage.
pub(crate) const FIRST_DAY: &str = "2025-09-01";
/// How many days have usage, from the first on.
pub(crate) const DAYS: u32 = 6;
/// A backfill of all of them, two at a time.
pub(crate) const BACKFILL: [&str; 9] = [
    "backfill",
    "--endpoint",
    "completions",
    "--start",
    FIRST_DAY,
    "--end",
    "2025-09-06",
    "--chunk-days",
    "2",
];

impl Provider {
    /// An organisation with so many groups a day, readable with [`KEY`].
    pub(crate) fn with_groups(groups_per_day: u32) -> Self {
        Self::of(
            Organization::generate(&Generate {
                organization: ORGANIZATION.to_owned(),
                first_day: parse_day(FIRST_DAY).unwrap(),
                days: DAYS,
                groups_per_day,
                bursts: 1,
                idle_days_percent: 0,
                // Every tier of these has a price, so that a run in order has nothing to tell.
                models: 2,
                ..Generate::default()
            }),
            KEY,
        )
    }

    /// Any organisation, readable with this key.
    pub(crate) fn of(organization: Organization, key: &str) -> Self {
        Self::start(
            Simulator::builder()
                .organization(organization)
                .key(AdminKey::owner(key)),
        )
    }

    /// The provider's own export of every day, and how many rows a ledger of it has.
    pub(crate) fn truth(&self) -> Truth {
        self.truth_until(BACKFILL[6])
    }

    /// The same, up to another day.
    pub(crate) fn truth_until(&self, last: &str) -> Truth {
        let last = parse_day(last).unwrap();
        let days = WindowRange::days(parse_day(FIRST_DAY).unwrap(), last).unwrap();
        self.simulator.inspect(|organization| Truth {
            csv: organization.completions_csv(days),
            rows: i64::try_from(organization.usage(Endpoint::Completions).totals(days).rows).unwrap(),
        })
    }

    /// Where the API is, as host and port.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        let url = self.simulator.base_url();
        let rest = url.strip_prefix("http://").unwrap();
        rest.split('/').next().unwrap().parse().unwrap()
    }
}

/// What the provider holds, independent of every line of the product.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Truth {
    pub(crate) csv: String,
    pub(crate) rows: i64,
}

/// A home, a working folder and a database of their own, in which commands run.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) database: Database,
    /// The ledger's URL, which a test may lead through a proxy.
    pub(crate) database_url: String,
    /// The provider's URL, which a test may lead through a proxy.
    pub(crate) base_url: String,
}

impl Place {
    /// An empty place.
    pub(crate) fn new(kind: DatabaseKind, provider: &Provider) -> Self {
        let folder = new_folder();
        let database = Database::new(kind, &folder.path().join("work"));
        Self::with(folder, database, provider)
    }

    /// An empty place with this PostgreSQL database.
    pub(crate) fn on(database: PostgresDatabase, provider: &Provider) -> Self {
        Self::with(new_folder(), Database::Postgres(database), provider)
    }

    /// An empty place with this SQLite file in its folder.
    pub(crate) fn on_sqlite(file: &str, provider: &Provider) -> Self {
        let folder = new_folder();
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        Self::with(folder, Database::Sqlite(path), provider)
    }

    fn with(folder: TempDir, database: Database, provider: &Provider) -> Self {
        Self {
            folder,
            database_url: database.url(),
            database,
            base_url: provider.simulator.base_url(),
        }
    }

    /// A place with the organisation's key in its ledger.
    pub(crate) fn with_key(kind: DatabaseKind, provider: &Provider) -> Self {
        let place = Self::new(kind, provider);
        place.add_key().succeeds();
        place
    }

    /// Where commands run.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The command line, in an environment that holds nothing of this process's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usage"));
        command.args(arguments);
        self.settle(&mut command);
        command
    }

    /// A shell script in which `"$@"` is this command line.
    pub(crate) fn script(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_usage")])
            .args(arguments);
        self.settle(&mut command);
        command
    }

    /// Gives a command this place's environment and folder.
    pub(crate) fn settle(&self, command: &mut Command) {
        shared::settle(command, self.folder.path(), &self.database_url, &self.base_url);
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish(&mut self.command(arguments))
    }

    /// Runs a command to its end, with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Finished {
        finish_with(&mut self.command(arguments), input)
    }

    /// `usage keys add`, with the secret on standard input.
    pub(crate) fn add_key(&self) -> Finished {
        self.run_with(&ADD_KEY, KEY)
    }

    /// How many rows there are behind `SELECT count(*) FROM`.
    pub(crate) fn count(&self, from: &str) -> i64 {
        self.database.count(from)
    }

    /// The ledger in the provider's own layout, a row for every day that was read.
    pub(crate) fn provider_csv(&self) -> String {
        self.run(&["export", "--format", "provider-csv"])
            .succeeds()
            .stdout
    }

    /// The ledger is the provider's truth exactly: nothing lost, nothing twice, every day covered.
    #[track_caller]
    pub(crate) fn holds(&self, truth: &Truth) {
        assert!(
            self.provider_csv() == truth.csv,
            "the ledger differs from the truth"
        );
        assert_eq!(self.count("usage_events"), truth.rows);
        let status = self.run(&["status", "--format", "json"]).succeeds().json();
        assert_eq!(status["coverage"][0]["windows"], DAYS, "{status:#}");
    }

    /// What became of the runs, the last first.
    pub(crate) fn run_statuses(&self) -> Vec<String> {
        let status = self.run(&["status", "--format", "json"]).succeeds().json();
        let runs = status["runs"].as_array().unwrap();
        runs.iter()
            .filter_map(|run| run["status"].as_str().map(str::to_owned))
            .collect()
    }
}

/// The arguments that store a key.
pub(crate) const ADD_KEY: [&str; 6] = [
    "keys",
    "add",
    "--provider",
    "openai",
    "--organization",
    ORGANIZATION,
];

/// Runs a prepared command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let child = command.spawn().unwrap();
    finished(child)
}

impl Finished {
    /// It could not be done, or not all of it, and its errors are plain lines. Returns them.
    #[track_caller]
    pub(crate) fn fails_plainly(&self) -> Vec<&str> {
        assert!(matches!(self.code, Some(1 | 2)), "{self:#?}");
        let mut errors = Vec::new();
        for line in self.stderr.lines() {
            if let Some(error) = line.strip_prefix("error: ") {
                errors.push(error);
            } else {
                assert!(
                    line.starts_with("read ")
                        || line.starts_with("warning: ")
                        || line.contains(" WARN usage_"),
                    "`{line}` is no plain line: {self:#?}"
                );
            }
        }
        assert!(!errors.is_empty(), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        errors
    }

    /// It could do nothing at all and says so in exactly one line, which is returned.
    #[track_caller]
    pub(crate) fn refuses(&self) -> &str {
        assert_eq!(
            (self.code, self.stderr.lines().count()),
            (Some(2), 1),
            "{self:#?}"
        );
        self.stderr.trim_end().strip_prefix("error: ").unwrap()
    }
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
