//! Where the real binary runs, and what became of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use usage_testkit::{PostgresCluster, PostgresDatabase};

/// A key that every provider of these tests accepts.
pub(crate) const KEY: &str = "sk-admin-test-not-a-real-key";

/// Where a ledger lives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// A home, a working folder and an empty database.
pub(crate) struct Place {
    folder: TempDir,
    base_url: String,
    database_url: String,
    _database: Option<PostgresDatabase>,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new(kind: DatabaseKind, base_url: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (database_url, database) = match kind {
            DatabaseKind::Sqlite => (
                format!("sqlite:{}", folder.path().join("ledger.db").display()),
                None,
            ),
            DatabaseKind::Postgres => {
                let database = PostgresCluster::shared().create_database();
                (database.url().to_owned(), Some(database))
            }
        };
        fs::create_dir(folder.path().join("work")).unwrap();
        Self {
            folder,
            base_url,
            database_url,
            _database: database,
        }
    }

    /// Where commands run.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Runs a command to its end, in an environment that holds nothing of this process's.
    pub(crate) fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usage"));
        command
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("USAGE_DATABASE_URL", &self.database_url)
            .env("USAGE_OPENAI_BASE_URL", &self.base_url)
            .env("USAGE_REQUESTS_PER_MINUTE", "100000")
            .envs(environment.iter().copied())
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let plain = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(&self.folder.path().display().to_string(), "[place]")
        };
        Finished {
            code: output.status.code(),
            stdout: plain(output.stdout),
            stderr: plain(output.stderr),
        }
    }

    /// Stores [`KEY`] for an organisation without asking the provider.
    pub(crate) fn add_key(&self, organization: &str) {
        fs::write(self.folder.path().join("admin.key"), KEY).unwrap();
        let file = self.folder.path().join("admin.key");
        let add = [
            "keys",
            "add",
            "--provider",
            "openai",
            "--no-check",
            "--organization",
        ];
        let secret = ["--secret-file", file.to_str().unwrap()];
        self.run(&[&add[..], &[organization], &secret].concat(), &[])
            .ends_with(0);
    }

    /// The names of everything in the working folder, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        names_in(&self.work())
    }
}

/// The names of everything in a folder, sorted.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

impl Finished {
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
