//! A simulated provider in this process, and places in which the real binary runs as a process of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;
use tempfile::TempDir;
use usage_simulator::{AdminKey, ArrayEncoding, Organization, Simulator, SimulatorBuilder};

use crate::shared;
pub(crate) use crate::shared::{Database, DatabaseKind, Finished, KEY, Provider, signal};

/// The organisation whose recorded month is served.
pub(crate) const ORGANIZATION: &str = "org-anon";
/// The month that the fixture records.
pub(crate) const MONTH: [&str; 4] = ["--start", "2025-09-01", "--end", "2025-10-01"];

/// How a range of days is written in messages, for [`replace_shape`].
pub(crate) const WINDOWS: &str = "0000-00-00T00:00:00Z..0000-00-00T00:00:00Z/1d";

impl Provider {
    /// The organisation of the recorded month.
    pub(crate) fn of_the_real_month() -> Self {
        let export = fs::File::open(real_export()).unwrap();
        Self::of(Organization::from_completions_csv(ORGANIZATION, export).unwrap())
    }

    /// The same, for requests whose lists are written in this way; it takes no notice of others.
    pub(crate) fn of_the_real_month_reading(encoding: ArrayEncoding) -> Self {
        let export = fs::File::open(real_export()).unwrap();
        let organization = Organization::from_completions_csv(ORGANIZATION, export).unwrap();
        Self::readable(
            Simulator::builder()
                .organization(organization)
                .array_encodings([encoding]),
        )
    }

    /// Any organisation, readable with [`KEY`].
    pub(crate) fn of(organization: Organization) -> Self {
        Self::readable(Simulator::builder().organization(organization))
    }

    fn readable(simulator: SimulatorBuilder) -> Self {
        Self::start(simulator.key(AdminKey::owner(KEY)))
    }
}

/// The provider's own export of the recorded month.
pub(crate) fn real_export() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv")
}

/// A home, a working folder and a database of their own, in which commands run.
pub(crate) struct Place<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) folder: TempDir,
    pub(crate) database: Database,
}

impl<'a> Place<'a> {
    /// An empty place.
    pub(crate) fn new(kind: DatabaseKind, provider: &'a Provider) -> Self {
        let folder = shared::new_folder();
        let database = Database::new(kind, &folder.path().join("work"));
        Self {
            provider,
            folder,
            database,
        }
    }

    /// A place with the organisation's key in its ledger.
    pub(crate) fn with_key(kind: DatabaseKind, provider: &'a Provider) -> Self {
        let place = Self::new(kind, provider);
        place.add_key(ORGANIZATION, KEY).succeeds();
        place
    }

    /// Where commands run.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The database's URL.
    pub(crate) fn database_url(&self) -> String {
        self.database.url()
    }

    /// Changes the database behind the program's back.
    pub(crate) fn execute(&self, sql: &str) {
        match &self.database {
            Database::Sqlite(path) => rusqlite::Connection::open(path)
                .unwrap()
                .execute_batch(sql)
                .unwrap(),
            Database::Postgres(database) => {
                database.execute(sql);
            }
        }
    }

    /// How many rows there are behind `SELECT count(*) FROM`.
    pub(crate) fn count(&self, from: &str) -> i64 {
        self.database.count(from)
    }

    /// The command line, in an environment that holds nothing of this process's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usage"));
        command.args(arguments);
        let (database, provider) = (self.database_url(), self.provider.simulator.base_url());
        shared::settle(&mut command, self.folder.path(), &database, &provider);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.finish(&mut self.command(arguments), "")
    }

    /// Runs a prepared command to its end, with this on its standard input.
    pub(crate) fn finish(&self, command: &mut Command, input: &str) -> Finished {
        let finished = shared::finish_with(command, input);
        self.described(command, &finished)
    }

    /// What became of a child of this command.
    pub(crate) fn finished(&self, command: &Command, child: Child) -> Finished {
        self.described(command, &shared::finished(child))
    }

    /// With the command in its status, and what it says without what differs from run to run.
    fn described(&self, command: &Command, finished: &Finished) -> Finished {
        let arguments: Vec<_> = command.get_args().collect();
        Finished {
            status: format!("{arguments:?}: {}", finished.status),
            code: finished.code,
            stdout: self.plain(&finished.stdout),
            stderr: self.plain(&finished.stderr),
        }
    }

    /// `usage keys add`, with the secret on standard input.
    pub(crate) fn add_key(&self, organization: &str, secret: &str) -> Finished {
        let arguments = [
            "keys",
            "add",
            "--provider",
            "openai",
            "--organization",
            organization,
        ];
        self.finish(&mut self.command(&arguments), secret)
    }

    /// `usage backfill` of the recorded month, with more arguments.
    pub(crate) fn backfill_month(&self, more: &[&str]) -> Finished {
        self.run(&[&["backfill", "--endpoint", "completions"], &MONTH[..], more].concat())
    }

    /// Everything in the ledger, a line an event.
    pub(crate) fn events(&self) -> String {
        self.run(&["export", "--format", "jsonl"]).succeeds().stdout
    }

    /// The events and the coverage, which two ledgers of the same usage have in common.
    pub(crate) fn contents(&self) -> Contents {
        let mut status = self.run(&["status", "--format", "json"]).succeeds().json();
        Contents {
            events: self.events(),
            coverage: status["coverage"].take(),
        }
    }

    /// The stored keys, as a list for programs.
    pub(crate) fn keys(&self) -> Value {
        self.run(&["keys", "list", "--format", "json"]).succeeds().json()
    }

    /// Every file of the place with its size. A SQLite ledger's size is its own affair, as are the files beside it.
    pub(crate) fn files(&self) -> BTreeMap<String, u64> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let name = path
                    .strip_prefix(self.folder.path())
                    .unwrap()
                    .display()
                    .to_string();
                let size = match name.strip_prefix("work/ledger.db") {
                    Some("-wal" | "-shm") => continue,
                    Some(_) => 0,
                    None if path.is_dir() => 0,
                    None => entry.metadata().unwrap().len(),
                };
                files.insert(name, size);
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        files
    }

    /// A text without what differs from run to run: this place's folder, its database, the provider's port.
    fn plain(&self, text: &str) -> String {
        let text = text
            .replace(&self.folder.path().display().to_string(), "[place]")
            .replace(&self.provider.simulator.base_url(), "[provider]");
        match &self.database {
            Database::Sqlite(_) => text,
            Database::Postgres(database) => {
                let without_user = database.url().replace("postgres@", "");
                text.replace(database.url(), "[database]")
                    .replace(&without_user, "[database]")
            }
        }
    }
}

/// What a ledger says about usage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contents {
    /// JSON lines, in time order.
    pub(crate) events: String,
    /// As `usage status` has it.
    pub(crate) coverage: Value,
}

impl Finished {
    /// It could do nothing and says so in exactly this line.
    #[track_caller]
    pub(crate) fn refuses_with(&self, line: &str) {
        let stderr = replace_shape(&self.stderr, WINDOWS, "[windows]");
        assert_eq!(stderr, format!("error: {line}\n"), "{}", self.status);
        assert_eq!((self.code, self.stdout.as_str()), (Some(2), ""), "{self:#?}");
    }
}

/// Replaces every text of this shape, in which a 0 stands for any digit.
pub(crate) fn replace_shape(text: &str, shape: &str, with: &str) -> String {
    let fits = |candidate: &str| {
        candidate
            .chars()
            .zip(shape.chars())
            .all(|(character, model)| character == model || (model == '0' && character.is_ascii_digit()))
    };
    let mut result = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..shape.len()) {
            Some(candidate) if fits(candidate) => {
                result.push_str(with);
                rest = &rest[shape.len()..];
            }
            _ => {
                result.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    result
}
