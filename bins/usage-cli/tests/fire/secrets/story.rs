//! Every command, well and badly, and a look at everything it says and stores.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use usage_simulator::{AdminKey, Generate, Organization};

use super::leaks::{
    CRON_SECRET, Leaks, MASTER_KEY_BASE64, OTHER_PROVIDER_KEY, PASSWORD, PROVIDER_KEY, SANITIZE_SALT,
};
use super::parrot::Parrot;
use crate::fixture::{
    ADD_KEY, BACKFILL, DAYS, Database, DatabaseKind, FIRST_DAY, Finished, ORGANIZATION, Place, Provider,
    files_below, finish_with,
};

/// Commands in an order in which all succeed. The last one takes the key away. Those that change keys, and the backup, need
/// more than a line.
const LINES: &[&[&str]] = &[
    &["migrate"],
    &ADD_KEY,
    &["keys", "list"],
    &["keys", "list", "--format", "json"],
    &["keys", "check", "1"],
    // As long as there is no usage, none lacks a price.
    &["prices", "check"],
    &BACKFILL,
    &[
        "backfill",
        "--start",
        FIRST_DAY,
        "--end",
        FIRST_DAY,
        "--force",
        "--artifact",
    ],
    &["backfill", "--plan", "--format", "json"],
    &["status"],
    &["status", "--format", "json"],
    &["budgets"],
    &["metrics"],
    &["metrics", "--output", "usage.prom"],
    &["alerts", "list"],
    &["prices", "show", "gpt-5"],
    &["reprice", "--start", FIRST_DAY, "--end", FIRST_DAY],
    &["export", "--format", "jsonl"],
    &["export", "--format", "csv", "--output", "events.csv"],
    &[
        "export",
        "--format",
        "provider-csv",
        "--endpoint",
        "completions",
        "--output",
        "provider.csv",
    ],
    &[
        "export",
        "--format",
        "provider-csv",
        "--endpoint",
        "costs",
        "--output",
        "costs.csv",
    ],
    &["export", "--format", "focus", "--output", "focus.csv"],
    &["parity", "--csv", "provider.csv"],
    &["backfill", "--start", IDLE_DAY, "--end", IDLE_DAY],
    &["reconcile", "--start", IDLE_DAY, "--end", IDLE_DAY],
    &["cleanup", "blank-metadata"],
    &[
        "fixtures", "capture", "--start", FIRST_DAY, "--end", FIRST_DAY, "--output", "captured",
    ],
    &["fixtures", "sanitize", "captured", "sanitized"],
    &["fixtures", "summarize", "sanitized"],
    &["doctor"],
    &["doctor", "--format", "json"],
    &["completions", "fish"],
    &["demo"],
    &["names", "erase", "--user", "user-sim000100000"],
    &["keys", "remove", "1"],
];

/// A day after the last with usage: of others the bill may be another than our prices make it.
const IDLE_DAY: &str = "2025-09-07";

/// The file of the master key, where it is in one.
const OLD_MASTER: &str = "master.key";
/// The file of the one that takes its place for a while.
const NEW_MASTER: &str = "new-master.key";

/// No settings are used by these, so that wrong ones do not matter.
const WITHOUT_SETTINGS: [&str; 2] = ["demo", "completions"];

/// These open no ledger, so that one that cannot be reached does not matter.
const WITHOUT_LEDGER: [[&str; 2]; 3] = [
    ["fixtures", "sanitize"],
    ["fixtures", "summarize"],
    ["prices", "show"],
];

pub(crate) fn no_command_tells_or_stores_a_secret(kind: DatabaseKind) {
    let provider = Provider::of(
        Organization::generate(&Generate {
            organization: ORGANIZATION.to_owned(),
            first_day: usage_core::parse_day(FIRST_DAY).unwrap(),
            days: DAYS,
            groups_per_day: 4,
            bursts: 1,
            idle_days_percent: 0,
            ..Generate::default()
        }),
        PROVIDER_KEY,
    );
    let other = AdminKey::owner(OTHER_PROVIDER_KEY).labelled("other");
    provider.simulator.add_key(other);
    std::thread::scope(|scope| {
        for format in ["text", "json"] {
            let provider = &provider;
            scope.spawn(move || Story::new(kind, format, provider).tell());
        }
    });
}

/// One ledger, and everything that can be done with it, at the most verbose level.
struct Story {
    place: Place,
    log_format: &'static str,
    leaks: Leaks,
    /// Files that hold secrets because somebody put them there.
    own: TempDir,
    master_key_in_file: bool,
    leaves: Vec<Vec<String>>,
    succeeded: BTreeSet<Vec<String>>,
    failed: BTreeSet<Vec<String>>,
    lines_logged: usize,
}

impl Story {
    fn new(kind: DatabaseKind, log_format: &'static str, provider: &Provider) -> Self {
        let mut place = Place::new(kind, provider);
        place.database_url = place
            .database_url
            .replace("postgres@", &format!("postgres:{PASSWORD}@"));
        let own = tempfile::tempdir().unwrap();
        write_private(&own.path().join(OLD_MASTER), MASTER_KEY_BASE64);
        Self {
            leaves: leaves(&place, &[]),
            place,
            log_format,
            leaks: Leaks::new(),
            own,
            master_key_in_file: matches!(kind, DatabaseKind::Postgres),
            succeeded: BTreeSet::new(),
            failed: BTreeSet::new(),
            lines_logged: 0,
        }
    }

    fn tell(mut self) {
        let (remove, others) = LINES.split_last().unwrap();
        let (first, rest) = others.split_at(2);
        for line in first {
            self.succeeds(line);
        }
        // Whoever looks at a SQLite ledger keeps its write-ahead log from going.
        let looking = match &self.place.database {
            Database::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection
                    .query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))
                    .unwrap();
                Some(connection)
            }
            Database::Postgres(_) => None,
        };
        for line in rest {
            self.succeeds(line);
        }
        self.reconciles();
        self.changes_keys();
        self.backs_up();
        self.imports();
        self.copies();
        self.alerts();
        self.makes_tokens();
        let new_master = self.own_file(NEW_MASTER);
        let more: [&[&str]; 11] = [
            // Nothing listens there.
            &[
                "import",
                "cognitrack",
                "postgres://nobody@127.0.0.1:1/old",
                "--account",
                ORGANIZATION,
            ],
            &["keys", "new-master", &new_master],
            &["keys", "reseal"],
            &["keys", "rotate", "1"],
            &["backup", "backup.db"],
            &["copy", "--to", "sqlite:copied.db"],
            &["alerts", "test"],
            &["tokens", "add", "more", "--role", "reader"],
            &["tokens", "list"],
            &["tokens", "revoke", "1"],
            // The key that is used stays.
            &["keys", "remove", "2"],
        ];
        for line in others.iter().copied().chain(more) {
            self.fails_with_the_key_as_an_argument(line);
            let opens_ledger = !WITHOUT_LEDGER.iter().any(|words| line.starts_with(words));
            if opens_ledger && !WITHOUT_SETTINGS.contains(&line[0]) {
                self.fails_with_wrong_settings(line);
            }
        }
        self.talks_to_a_provider_that_repeats_the_key();
        assert!(self.lines_logged > 0, "nothing was logged at all");
        self.no_file_holds_a_secret();
        self.no_table_holds_a_secret();
        self.succeeds(remove);
        drop(looking);

        let all: BTreeSet<Vec<String>> = self.leaves.iter().cloned().collect();
        assert!(all.len() >= 10, "{all:?}");
        let mut succeeded = self.succeeded;
        if let Database::Postgres(_) = self.place.database {
            // The server's own tools do that.
            assert!(succeeded.insert(vec!["backup".to_owned()]));
        }
        assert_eq!(succeeded, all, "a command is missing from the lines above");
        assert_eq!(self.failed, all, "a command was never seen to fail");
    }

    /// A day with usage and costs, whatever comes of it.
    fn reconciles(&mut self) {
        for format in ["text", "json", "csv"] {
            let line = [
                "reconcile",
                "--start",
                FIRST_DAY,
                "--end",
                FIRST_DAY,
                "--format",
                format,
            ];
            let finished = self.run(&line, |_| ());
            assert!(matches!(finished.code, Some(0 | 1)), "{finished:#?}");
            assert!(!finished.stdout.is_empty(), "{finished:#?}");
        }
    }

    /// A token is told once, to whoever made it.
    fn makes_tokens(&mut self) {
        let made = self.run(&["tokens", "add", "fire", "--role", "admin"], |_| ());
        let token = made.succeeds().stdout;
        self.leaks.add("the API token", token.trim());
        self.succeeds(&["tokens", "list"]);
        self.succeeds(&["tokens", "list", "--format", "json"]);
        self.succeeds(&["tokens", "revoke", "1"]);
    }

    /// Another master key and back again, another secret and back again.
    fn changes_keys(&mut self) {
        let (old, new) = (self.own_file(OLD_MASTER), self.own_file(NEW_MASTER));
        self.succeeds(&["keys", "new-master", &new]);
        self.leaks
            .add("the new master key", fs::read_to_string(&new).unwrap().trim());
        for (current, previous) in [(&new, &old), (&old, &new)] {
            for line in [&["keys", "reseal"][..], &["keys", "check", "1"]] {
                let changed = self.run(line, |command| {
                    command
                        .env_remove("USAGE_MASTER_KEY")
                        .env("USAGE_MASTER_KEY_FILE", current)
                        .env("USAGE_PREVIOUS_MASTER_KEY_FILE", previous);
                });
                changed.succeeds();
            }
        }
        let other = self.own_file("other.key");
        write_private(Path::new(&other), OTHER_PROVIDER_KEY);
        self.succeeds(&["keys", "rotate", "1", "--secret-file", &other]);
        self.succeeds(&BACKFILL);
        self.succeeds(&["keys", "rotate", "1"]);
    }

    fn backs_up(&mut self) {
        let code = match self.place.database {
            Database::Sqlite(_) => 0,
            Database::Postgres(_) => 2,
        };
        self.run(&["backup", "backup.db"], |_| ()).ends_with(code);
    }

    /// An old database, whose password must not be told either.
    fn imports(&mut self) {
        let old = usage_testkit::PostgresCluster::shared().create_database();
        old.execute(
            "CREATE TABLE usage_events (id serial PRIMARY KEY, key_id integer NOT NULL, model text NOT NULL, \
             tokens_in integer, tokens_out integer, cost_estimate numeric(10, 6), timestamp timestamp NOT NULL); \
             INSERT INTO usage_events (key_id, model, tokens_in, tokens_out, timestamp) \
             VALUES (1, 'gpt-4o', 10, 1, '2024-07-01')",
        );
        let url = old.url().replace("postgres@", &format!("postgres:{PASSWORD}@"));
        self.succeeds(&["import", "cognitrack", &url, "--account", ORGANIZATION]);
    }

    /// Into a database with a password; the sealed keys are in it, and nothing else of a secret is.
    fn copies(&mut self) {
        let target = usage_testkit::PostgresCluster::shared().create_database();
        let url = target
            .url()
            .replace("postgres@", &format!("postgres:{PASSWORD}@"));
        self.succeeds(&["copy", "--to", &url]);
        let nowhere = format!("postgres://postgres:{PASSWORD}@127.0.0.1:1/nowhere");
        for refused in [&url, &nowhere] {
            self.run(&["copy", "--to", refused], |_| ()).ends_with(2);
        }
        self.succeeds(&["copy", "--to", "sqlite:copied.db", "--format", "json"]);
    }

    fn own_file(&self, name: &str) -> String {
        self.own.path().join(name).to_str().unwrap().to_owned()
    }

    /// A webhook is known by its path, which is as good as a password.
    fn alerts(&mut self) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook/{PASSWORD}", listener.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
        });
        self.run(&["alerts", "test"], |command| {
            command.env("USAGE_WEBHOOK_URL", url);
        })
        .succeeds();
        answering.join().unwrap();
    }

    fn succeeds(&mut self, line: &[&str]) {
        self.run(line, |_| ()).succeeds();
    }

    fn fails_with_the_key_as_an_argument(&mut self, line: &[&str]) {
        let refused = self.run(&[line, &[PROVIDER_KEY]].concat(), |_| ()).ends_with(2);
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:#?}");
    }

    fn fails_with_wrong_settings(&mut self, line: &[&str]) {
        for database in [
            format!("postgres://postgres:{PASSWORD}@127.0.0.1:1/nowhere?sslmode=disable"),
            format!("postgres://127.0.0.1:1/nowhere?user=postgres&password={PASSWORD}"),
            format!("postgress://postgres:{PASSWORD}@127.0.0.1/nowhere"),
            format!("postgres:postgres:{PASSWORD}@127.0.0.1/nowhere"),
            format!("postgres://postgres:{PASSWORD}@127.0.0.1:port/nowhere"),
        ] {
            let refused = self.run(&[line, &["--database", &database]].concat(), |_| ());
            assert_ne!(refused.code, Some(0), "{refused:#?}");
        }
        let truncated = &MASTER_KEY_BASE64[..MASTER_KEY_BASE64.len() - 8];
        let base_url = format!("http://me:{PASSWORD}@127.0.0.1:1/v1");
        self.run(line, |command| {
            command
                .env_remove("USAGE_MASTER_KEY_FILE")
                .env("USAGE_MASTER_KEY", truncated);
        });
        self.run(line, |command| {
            command.env("USAGE_OPENAI_BASE_URL", &base_url);
        });
        for (index, content) in [
            format!("master_key = \"{MASTER_KEY_BASE64}\"\n"),
            format!("master_key = {MASTER_KEY_BASE64}\n"),
            format!("cron_secret = \"{CRON_SECRET}\"\n"),
            format!("databse_url = \"postgres://postgres:{PASSWORD}@127.0.0.1/nowhere\"\n"),
        ]
        .iter()
        .enumerate()
        {
            let path = self.own.path().join(format!("wrong-{index}.toml"));
            write_private(&path, content);
            let line = [line, &["--config", path.to_str().unwrap()]].concat();
            let refused = self.run(&line, |_| ());
            assert_ne!(refused.code, Some(0), "{refused:#?}");
        }
    }

    /// A provider, or a proxy on the way, that puts the key into whatever it says.
    fn talks_to_a_provider_that_repeats_the_key(&mut self) {
        let read = [&BACKFILL[..], &["--force", "--deadline", "1s"]].concat();
        for answer in Parrot::refusals() {
            let parrot = Parrot::saying(answer);
            for line in [
                &read[..],
                &["keys", "check", "1"],
                &["doctor"],
                &ADD_KEY,
                &["keys", "rotate", "1"],
            ] {
                self.run_at(&parrot, line);
            }
        }
        for answer in Parrot::pages() {
            let parrot = Parrot::saying(answer);
            let finished = self.run_at(&parrot, &read);
            assert_ne!(finished.code, Some(0), "{finished:#?}");
        }
    }

    fn run_at(&mut self, parrot: &Parrot, line: &[&str]) -> Finished {
        self.run(line, |command| {
            command.env("USAGE_OPENAI_BASE_URL", parrot.base_url());
        })
    }

    /// Runs a command line, with more in its environment, and looks at everything it says.
    fn run(&mut self, line: &[&str], prepare: impl FnOnce(&mut Command)) -> Finished {
        let loud = ["--log-level", "trace", "--log-format", self.log_format];
        let mut command = self.place.command(&[line, &loud].concat());
        command.env("CRON_SECRET", CRON_SECRET);
        command.env("DAILY_USAGE_SANITIZE_SALT", SANITIZE_SALT);
        if self.master_key_in_file {
            command.env("USAGE_MASTER_KEY_FILE", self.own.path().join(OLD_MASTER));
        } else {
            command.env("USAGE_MASTER_KEY", MASTER_KEY_BASE64);
        }
        prepare(&mut command);
        let finished = finish_with(&mut command, PROVIDER_KEY);
        for said in [&finished.stdout, &finished.stderr] {
            let leak = self.leaks.find(said.as_bytes());
            assert_eq!(leak, None, "told by {line:?}: {finished:#?}");
        }
        self.lines_logged += finished.stderr.matches("DEBUG").count();
        let leaf = self
            .leaves
            .iter()
            .find(|leaf| line.len() >= leaf.len() && leaf.iter().zip(line).all(|(name, word)| name == word));
        let leaf = leaf.unwrap_or_else(|| panic!("{line:?} is no command")).clone();
        if finished.code == Some(0) {
            self.succeeded.insert(leaf);
        } else {
            self.failed.insert(leaf);
        }
        finished
    }

    fn no_file_holds_a_secret(&self) {
        let files = files_below(self.place.folder.path());
        for path in &files {
            let leak = self.leaks.find(&fs::read(path).unwrap());
            assert_eq!(leak, None, "in {}", path.display());
        }
        let seen = |part: &str| {
            let holds = |path: &PathBuf| {
                path.to_string_lossy().contains(part) && fs::metadata(path).unwrap().len() > 0
            };
            assert!(files.iter().any(holds), "no {part} among {files:?}");
        };
        seen("events.csv");
        seen("provider.csv");
        seen("costs.csv");
        seen("focus.csv");
        seen("audit/");
        if let Database::Sqlite(_) = self.place.database {
            seen("ledger.db");
            seen("ledger.db-wal");
            seen("backup.db");
        }
    }

    fn no_table_holds_a_secret(&self) {
        let Database::Postgres(database) = &self.place.database else {
            return;
        };
        let tables = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
        let mut bytes = 0;
        for table in tables.lines() {
            let text = database.execute(&format!("SELECT row::text FROM \"{table}\" AS row"));
            assert_eq!(self.leaks.find(text.as_bytes()), None, "in {table}");
            bytes += text.len();
        }
        assert!(
            tables.contains("provider_keys") && bytes > 1_000,
            "{tables}: {bytes}"
        );
    }
}

/// The command lines of the commands that have no commands below them, as the binary's own help names them.
fn leaves(place: &Place, path: &[String]) -> Vec<Vec<String>> {
    let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let help = place.run(&words).succeeds().stdout;
    let commands = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // What a description continues on is indented further.
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    let below: Vec<Vec<String>> = commands
        .flat_map(|name| leaves(place, &[path, &[name.to_owned()]].concat()))
        .collect();
    if below.is_empty() {
        vec![path.to_vec()]
    } else {
        below
    }
}

/// A file that only its owner may read, as one keeps secrets.
fn write_private(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
