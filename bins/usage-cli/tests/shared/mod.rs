//! What the tests of the real binary have in common: a simulated provider in this process, databases and folders in
//! which the binary runs as a process of its own, and what became of it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use usage_simulator::{LoggedRequest, Simulator, SimulatorBuilder};
use usage_testkit::{PostgresCluster, PostgresDatabase};

/// An admin key that the simulator accepts.
pub(crate) const KEY: &str = "sk-admin-test-not-a-real-key";

/// Runs each story on both databases, each with a database of its own.
macro_rules! on_both_databases {
    ($($story:path as $name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                $story(crate::shared::DatabaseKind::Sqlite);
            })+
        }
        mod postgres {
            $(#[test]
            fn $name() {
                $story(crate::shared::DatabaseKind::Postgres);
            })+
        }
    };
}
pub(crate) use on_both_databases;

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
    /// Serves what the builder has, on a free port.
    pub(crate) fn start(simulator: SimulatorBuilder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let simulator = runtime.block_on(simulator.start()).unwrap();
        Self {
            simulator,
            _runtime: runtime,
        }
    }

    /// Returns once the provider has answered such requests.
    #[track_caller]
    pub(crate) fn wait_for(&self, is_it: impl Fn(&[LoggedRequest]) -> bool) {
        eventually("the provider is asked", || is_it(&self.simulator.requests()));
    }
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

/// An empty database.
pub(crate) enum Database {
    /// A file that does not exist yet.
    Sqlite(PathBuf),
    /// A database of a server.
    Postgres(PostgresDatabase),
}

impl Database {
    /// A database of this kind: a file in this folder, or one of the server that all tests share.
    pub(crate) fn new(kind: DatabaseKind, folder: &Path) -> Self {
        match kind {
            DatabaseKind::Sqlite => Self::Sqlite(folder.join("ledger.db")),
            DatabaseKind::Postgres => Self::Postgres(PostgresCluster::shared().create_database()),
        }
    }

    /// As the settings have it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }

    /// How many rows there are behind `SELECT count(*) FROM`.
    pub(crate) fn count(&self, from: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {from}");
        match self {
            Self::Sqlite(path) => rusqlite::Connection::open(path)
                .unwrap()
                .query_row(&sql, [], |row| row.get(0))
                .unwrap(),
            Self::Postgres(database) => database.execute(&sql).parse().unwrap(),
        }
    }
}

/// A folder with a `home`, a `work` in which commands run, and a `tmp`.
pub(crate) fn new_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["home", "work", "tmp"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    folder
}

/// Gives a command such a folder, and an environment that holds nothing of this process's.
pub(crate) fn settle(command: &mut Command, folder: &Path, database_url: &str, base_url: &str) {
    let home = folder.join("home");
    command
        .current_dir(folder.join("work"))
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("HOME", home)
        .env("TMPDIR", folder.join("tmp"))
        .env("USAGE_DATABASE_URL", database_url)
        .env("USAGE_OPENAI_BASE_URL", base_url)
        .env("USAGE_REQUESTS_PER_MINUTE", "100000")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
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
