//! A simulated organisation whose truth is known, and places in which the real binary runs against it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use usage_core::{Endpoint, WindowRange, parse_day};
use usage_simulator::{AdminKey, Generate, LoggedRequest, Organization, Simulator};
use usage_testkit::{PostgresCluster, PostgresDatabase};

/// An admin key that the simulator accepts.
pub(crate) const KEY: &str = "sk-admin-test-not-a-real-key";
/// The organisation that is served.
pub(crate) const ORGANIZATION: &str = "org-fire";
/// The first day with usage.
pub(crate) const FIRST_DAY: &str = "2025-03-01";
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
    "2025-03-06",
    "--chunk-days",
    "2",
];

/// Where a ledger lives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// A provider, served over HTTP until it is dropped.
pub(crate) struct Provider {
    pub(crate) simulator: Simulator,
    // Dropped after the simulator, which runs on it.
    _runtime: Runtime,
}

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
                ..Generate::default()
            }),
            KEY,
        )
    }

    /// Any organisation, readable with this key.
    pub(crate) fn of(organization: Organization, key: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let starting = Simulator::builder()
            .organization(organization)
            .key(AdminKey::owner(key))
            .start();
        let simulator = runtime.block_on(starting).unwrap();
        Self {
            simulator,
            _runtime: runtime,
        }
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

    /// Returns once the provider has answered such requests.
    pub(crate) fn wait_for(&self, is_it: impl Fn(&[LoggedRequest]) -> bool) {
        eventually("the provider is asked", || is_it(&self.simulator.requests()));
    }
}

/// What the provider holds, independent of every line of the product.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Truth {
    pub(crate) csv: String,
    pub(crate) rows: i64,
}

/// Asks until it is so, and fails after two minutes.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..24_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never comes to this: {what}");
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

/// An empty database.
pub(crate) enum Database {
    /// A file that does not exist yet.
    Sqlite(PathBuf),
    /// A database of a server.
    Postgres(PostgresDatabase),
}

impl Place {
    /// An empty place.
    pub(crate) fn new(kind: DatabaseKind, provider: &Provider) -> Self {
        match kind {
            DatabaseKind::Sqlite => Self::on_sqlite("work/ledger.db", provider),
            DatabaseKind::Postgres => Self::on(PostgresCluster::shared().create_database(), provider),
        }
    }

    /// An empty place with this PostgreSQL database.
    pub(crate) fn on(database: PostgresDatabase, provider: &Provider) -> Self {
        let database_url = database.url().to_owned();
        Self {
            folder: new_folder(),
            database: Database::Postgres(database),
            database_url,
            base_url: provider.simulator.base_url(),
        }
    }

    /// An empty place with this SQLite file in its folder.
    pub(crate) fn on_sqlite(file: &str, provider: &Provider) -> Self {
        let folder = new_folder();
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        Self {
            folder,
            database_url: format!("sqlite:{}", path.display()),
            database: Database::Sqlite(path),
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
        let home = self.folder.path().join("home");
        command
            .current_dir(self.work())
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("HOME", home)
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env("USAGE_DATABASE_URL", &self.database_url)
            .env("USAGE_OPENAI_BASE_URL", &self.base_url)
            .env("USAGE_REQUESTS_PER_MINUTE", "100000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
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
        let sql = format!("SELECT count(*) FROM {from}");
        match &self.database {
            Database::Sqlite(path) => rusqlite::Connection::open(path)
                .unwrap()
                .query_row(&sql, [], |row| row.get(0))
                .unwrap(),
            Database::Postgres(database) => database.execute(&sql).parse().unwrap(),
        }
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

fn new_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["home", "work", "tmp"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    folder
}

/// Runs a prepared command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let child = command.spawn().unwrap();
    finished(child)
}

/// Runs a prepared command to its end, with this on its standard input.
pub(crate) fn finish_with(command: &mut Command, input: &str) -> Finished {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // A command that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    finished(child)
}

/// Waits for a child.
pub(crate) fn finished(child: Child) -> Finished {
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    Finished {
        status: status.to_string(),
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    /// The exit status in words, or the signal that ended it.
    pub(crate) status: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// It is done and clean.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        self.ends_with(0)
    }

    /// It ended with this exit status.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}: {self:#?}", self.status);
        self
    }

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

    /// Its standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Sends a signal to a child, as a person with a terminal does.
pub(crate) fn signal(child: &Child, name: &str) {
    let command = format!("kill -{name} {}", child.id());
    let sent = Command::new("/bin/sh").args(["-c", &command]).status().unwrap();
    assert!(sent.success(), "{command}");
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
