//! What cannot be done is refused in one line, with exit status 2, and leaves everything as it was.

use std::fs;
use std::net::TcpListener;

use serde_json::json;
use usage_simulator::AdminKey;

use crate::fixture::{DatabaseKind, Finished, KEY, MONTH, ORGANIZATION, Place, Provider};

/// A command that is refused.
struct Refusal<'a> {
    arguments: Vec<&'a str>,
    environment: Vec<(&'a str, String)>,
    input: &'a str,
    line: String,
}

impl<'a> Refusal<'a> {
    /// These arguments (words without blanks in them) are refused with this line.
    fn of(arguments: &'a str, line: impl Into<String>) -> Self {
        Self {
            arguments: arguments.split_whitespace().collect(),
            environment: Vec::new(),
            input: KEY,
            line: line.into(),
        }
    }

    fn with(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    fn reading(mut self, input: &'a str) -> Self {
        self.input = input;
        self
    }

    fn run(&self, place: &Place<'_>) -> Finished {
        let mut command = place.command(&self.arguments);
        command.envs(
            self.environment
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        place.finish(&mut command, self.input)
    }
}

const ADD: &str = "keys add --provider openai --organization org-anon";

#[test]
fn arguments_and_settings_are_refused_before_anything_is_made() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let before = place.files();
    let database = |url: &str, line: &str| {
        Refusal::of("status", format!("USAGE_DATABASE_URL: {line}")).with("USAGE_DATABASE_URL", url)
    };
    let base_url = |url: &str, line: &str| {
        Refusal::of(ADD, format!("USAGE_OPENAI_BASE_URL: {line}")).with("USAGE_OPENAI_BASE_URL", url)
    };
    for refusal in [
        Refusal::of("backfill --start 2025-02-30", "--start: `2025-02-30` is not a day; write it as YYYY-MM-DD, for example 2025-09-01; try 'usage backfill --help'"),
        Refusal::of("backfill --start 2025-09-02 --end 2025-09-01", "the end 2025-09-01 lies before the start 2025-09-02; give the earlier day first"),
        Refusal::of("export --format csv --start 2025-09-02 --end 2025-09-01", "the end 2025-09-01 lies before the start 2025-09-02; give the earlier day first"),
        Refusal::of("backfill --end 2025-09-01", "the following required arguments were not provided: --start <DAY>; try 'usage backfill --help'"),
        Refusal::of("backfill --endpoint chats", "--endpoint: unknown endpoint `chats`; this version reads: completions, decisions, embeddings, moderations, images, audio_speeches, audio_transcriptions, vector_stores, code_interpreter_sessions, file_search_calls, web_search_calls, costs; try 'usage backfill --help'"),
        Refusal::of("backfill --chunk-days 0", "--chunk-days: `0` is not a number of days; write a whole number, 1 or more; try 'usage backfill --help'"),
        Refusal::of("backfill --account org-a/b", "--account: unknown provider `org-a`; this version reads: openai; try 'usage backfill --help'"),
        Refusal::of("backfill --database usage.db", "--database: the database URL names no kind of database; write sqlite:usage.db; try 'usage backfill --help'"),
        database("mysql://me:hunter2@db/usage", "`mysql` is not a supported kind of database; write sqlite:PATH or postgres://…"),
        database("usage.db", "the database URL names no kind of database; write sqlite:usage.db"),
        database("sqlite:", "the database URL names no file; write sqlite:PATH, for example sqlite:usage.db"),
        base_url("ftp://api.openai.com/v1", "the base URL must start with https:// (or http:// for this machine itself)"),
        base_url("http://api.openai.com/v1", "the base URL is http to another machine, which would send the admin key in the clear; use https, or a loopback address"),
        base_url("https://me:hunter2@api.openai.com/v1", "the base URL holds a user name or password; leave it out, the admin key is the only credential"),
        Refusal::of("backfill", "USAGE_REQUESTS_PER_MINUTE: `0` is not a number of requests per minute; write a whole number from 1 to 100000").with("USAGE_REQUESTS_PER_MINUTE", "0"),
        Refusal::of("backfill", "USAGE_OPENAI_ARRAY_ENCODING: `semicolon` is not a way to write lists; write repeated, brackets or comma").with("USAGE_OPENAI_ARRAY_ENCODING", "semicolon"),
        Refusal::of("status --config missing.toml", "--config: the settings file missing.toml does not exist"),
        Refusal::of(ADD, "USAGE_MASTER_KEY is not base64; a master key is 32 bytes in base64, as `openssl rand -base64 32` prints").with("USAGE_MASTER_KEY", "not base64!"),
        Refusal::of(ADD, "USAGE_MASTER_KEY holds 5 bytes; a master key is 32 bytes in base64, as `openssl rand -base64 32` prints").with("USAGE_MASTER_KEY", "c2hvcnQ="),
        Refusal::of(ADD, "no secret was given; pipe it in, as in `usage keys add … < admin.key`").reading(" \n"),
        Refusal::of(ADD, "the secret holds white space; give the key alone, on one line").reading("sk-admin-test and more"),
        Refusal::of(ADD, "the secret holds white space; give the key alone, on one line").reading("sk-admin-test\nsk-admin-other"),
    ] {
        refusal.run(&place).refuses_with(&refusal.line);
        assert_eq!(place.files(), before, "{:?}", refusal.arguments);
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_neither_shown_nor_stored() {
    const SECRET: &str = "sk-admin-hunter2";
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let before = (place.contents(), place.keys(), place.files());
    let add = "keys add --provider openai --no-check --organization";
    let arguments = [
        "keys check sk-admin-hunter2",
        "keys remove sk-admin-hunter2",
        "keys add --no-check --organization org-b --provider sk-admin-hunter2",
        &format!("{add} sk-admin-hunter2"),
        &format!("{add} org-sk-admin-hunter2"),
        &format!("{add} org-b --project sk-admin-hunter2"),
        &format!("{add} org-b --label sk-admin-hunter2"),
        &format!("{add} org-b --secret-file sk-admin-hunter2"),
        &format!("{add} org-b sk-admin-hunter2"),
        "backfill --label sk-admin-hunter2",
        "backfill --account sk-admin-hunter2",
        "backfill --start sk-admin-hunter2",
        "status --account openai/sk-admin-hunter2",
        "status --database sk-admin-hunter2",
        "status --config sk-admin-hunter2",
    ];
    let variables = [
        ("USAGE_DATABASE_URL", SECRET),
        ("USAGE_DATABASE_URL", "sk-admin-hunter2:usage"),
        ("USAGE_DATABASE_URL", "postgres://me:p@hunter2@127.0.0.1:1/usage"),
        ("USAGE_DATABASE_URL", "postgres://me:pa/hunter2@127.0.0.1:1/usage"),
        ("USAGE_OPENAI_BASE_URL", SECRET),
        ("USAGE_OPENAI_ARRAY_ENCODING", SECRET),
        ("USAGE_REQUESTS_PER_MINUTE", SECRET),
        ("USAGE_BIND", SECRET),
        ("USAGE_LOG", SECRET),
        ("USAGE_CONFIG", SECRET),
        ("USAGE_MASTER_KEY", SECRET),
    ];
    // The secret on standard input is one that could be stored.
    let arguments = arguments.map(|arguments| Refusal::of(arguments, "").reading("sk-admin-test-other"));
    let variables = variables.map(|(name, value)| Refusal::of("backfill", "").with(name, value));
    for refusal in arguments.into_iter().chain(variables) {
        let finished = refusal.run(&place).ends_with(2);
        let shown = [&finished.stdout, &finished.stderr];
        assert!(
            !shown.iter().any(|text| text.contains("hunter2")),
            "{finished:#?}"
        );
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:#?}");
        if !refusal.environment.is_empty() {
            let mut doctor = place.command(&["doctor"]);
            doctor.envs(refusal.environment.iter().map(|(name, value)| (*name, value)));
            let finished = place.finish(&mut doctor, "");
            assert!(!finished.stdout.contains("hunter2"), "{finished:#?}");
        }
    }
    assert_eq!((place.contents(), place.keys(), place.files()), before);
}

#[test]
fn a_ledger_stays_as_it_was() {
    let provider = Provider::of_the_real_month();
    provider
        .simulator
        .add_key(AdminKey::member("sk-admin-test-member"));
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.backfill_month(&[]).succeeds();
    fs::write(place.work().join("file"), "").unwrap();
    fs::create_dir(place.work().join("folder")).unwrap();
    fs::write(
        place.work().join("strange.toml"),
        "requests_per_minute = 10\ncolour = \"red\"\n",
    )
    .unwrap();
    let (before, keys, files) = (place.contents(), place.keys(), place.files());
    let other_master_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let closed_port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let unreachable = format!("postgres://me:hunter2@127.0.0.1:{closed_port}/usage");
    for refusal in [
        Refusal::of("backfill --account org-other", "the ledger has no account openai/org-other with a usable key; see `usage keys list`"),
        Refusal::of("status --account org-other", "the ledger has no account openai/org-other; see `usage status`"),
        Refusal::of("export --format jsonl --account org-other", "the ledger has no account openai/org-other; see `usage status`"),
        Refusal::of("keys check 7", "there is no provider key 7"),
        Refusal::of("keys remove 7", "there is no provider key 7"),
        Refusal::of("keys remove first", "`first` is no key id; see `usage keys list`"),
        Refusal::of(ADD, "UNAUTHORIZED: openai completions [windows]: HTTP 401, the key is not accepted: Incorrect API key provided: sk-… (1 attempt)").reading("sk-admin-test-unknown"),
        Refusal::of(ADD, "UNAUTHORIZED: openai completions [windows]: HTTP 401, the key is not accepted: sk-… is a project API key. This endpoint requires an admin API key. (1 attempt)").reading("sk-proj-test-not-an-admin-key"),
        Refusal::of(ADD, "FORBIDDEN: openai completions [windows]: HTTP 403, the key may not read this: You have insufficient permissions for this operation. You must be an organization owner. (1 attempt)").reading("sk-admin-test-member"),
        Refusal::of(ADD, "this key is already stored as key 1; remove that one first to add it anew"),
        Refusal::of("keys add --provider openai --organization org-other", "project proj_anon0001 already belongs to account openai/org-anon: this key reads the same organization; add it with --organization org-anon"),
        Refusal::of("backfill --force", "provider key 1 is sealed with another master key; set the master key it was added with").with("USAGE_MASTER_KEY", other_master_key),
        Refusal::of(ADD, "provider key 1 is sealed with another master key; set the master key it was added with").with("USAGE_MASTER_KEY", other_master_key),
        Refusal::of("keys check 1", "provider key 1 is sealed with another master key; set the master key it was added with").with("USAGE_MASTER_KEY", other_master_key),
        Refusal::of("backfill --force", "USAGE_MASTER_KEY holds 3 bytes; a master key is 32 bytes in base64, as `openssl rand -base64 32` prints").with("USAGE_MASTER_KEY", "AAAA"),
        Refusal::of("backfill --force", "the master key file missing.key does not exist; restore it from a backup or name another in USAGE_MASTER_KEY_FILE").with("USAGE_MASTER_KEY_FILE", "missing.key"),
        Refusal::of("status --config strange.toml", "strange.toml:2: there is no setting `colour`; the settings are database_url, database_retry_seconds, master_key_file, previous_master_key_file, openai_base_url, openai_array_encoding, anthropic_base_url, requests_per_minute, request_timeout, prices_file, no_names, bind, webhook_url, webhook_format, webhook_timeout, ping_url, budgets"),
        Refusal::of("status", "cannot open the database postgres://127.0.0.1:[port]/usage: connection to server at \"127.0.0.1\", port [port] failed: Connection refused; Is the server running on that host and accepting TCP/IP connections?").with("USAGE_DATABASE_URL", unreachable.as_str()),
        Refusal::of("export --format jsonl --output missing/events.jsonl", "cannot write missing/events.jsonl: there is no folder missing"),
        Refusal::of("export --format jsonl --output file/events.jsonl", "cannot write file/events.jsonl: there is no folder file"),
        Refusal::of("export --format jsonl --output folder", "cannot write folder: Is a directory (os error 21)"),
        Refusal::of("backfill --start 2025-09-01 --end 2025-09-01 --force --artifact --audit-dir file", "cannot write file/backfill-rehearsal: Not a directory (os error 20)"),
    ] {
        let line = refusal.line.replace("[port]", &closed_port.to_string());
        refusal.run(&place).refuses_with(&line);
        assert_eq!(place.contents(), before, "{:?}", refusal.arguments);
        assert_eq!(place.keys(), keys, "{:?}", refusal.arguments);
        assert_eq!(place.files(), files, "{:?}", refusal.arguments);
    }
}

#[test]
fn without_a_key_nothing_is_read() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    place.run(&["migrate"]).succeeds();
    for command in ["backfill", "backfill --plan"] {
        let refusal = Refusal::of(
            command,
            "no usable provider key; add one with `usage keys add --provider openai --organization org-…`",
        );
        refusal.run(&place).refuses_with(&refusal.line);
    }
    assert_eq!(provider.simulator.requests(), []);
    assert_eq!(place.count("runs"), 0);
}

#[test]
fn a_key_that_is_refused_when_it_is_added_is_not_stored() {
    let provider = Provider::of_the_real_month();
    provider
        .simulator
        .add_key(AdminKey::member("sk-admin-test-member"));
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    for input in ["sk-proj-test-not-an-admin-key", "sk-admin-test-member"] {
        assert_eq!(place.add_key(ORGANIZATION, input).ends_with(2).stdout, "");
        assert_eq!(place.keys(), json!([]));
        assert_eq!(place.count("accounts"), 0);
    }
}

#[test]
fn a_key_that_was_revoked_reads_nothing() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.backfill_month(&[]).succeeds();
    let before = place.contents();
    assert!(provider.simulator.revoke_key("owner"));
    place.backfill_month(&["--force"]).refuses_with("UNAUTHORIZED: openai completions [windows]: HTTP 401, the key is not accepted: Incorrect API key provided: sk-… (1 attempt)");
    assert_eq!(place.contents(), before);
}

#[test]
fn files_that_are_no_ledger_are_not_touched() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let good = Place::with_key(DatabaseKind::Sqlite, &provider);
    let whole = fs::read(good.work().join("ledger.db")).unwrap();
    for (name, bytes) in [
        (
            "notes.txt",
            &b"This is a text file, and somebody needs it.\n".repeat(50)[..],
        ),
        ("header.db", &whole[..60]),
        ("half.db", &whole[..whole.len() / 2]),
    ] {
        fs::write(place.work().join(name), bytes).unwrap();
    }
    fs::create_dir(place.work().join("folder")).unwrap();
    rusqlite::Connection::open(place.work().join("other.db"))
        .unwrap()
        .execute_batch("CREATE TABLE songs (title TEXT)")
        .unwrap();
    let contents = || {
        ["notes.txt", "header.db", "half.db", "other.db"]
            .map(|name| fs::read(place.work().join(name)).unwrap())
    };
    let (before, files) = (contents(), place.files());
    for command in ["status", "migrate", "backfill", "export --format jsonl", ADD] {
        for (name, line) in [
            (
                "notes.txt",
                "notes.txt is not a usage ledger: the file is not a SQLite database; name another file",
            ),
            (
                "header.db",
                "cannot open the database header.db: database disk image is malformed; restore a backup, or name another file",
            ),
            (
                "half.db",
                "cannot open the database half.db: database disk image is malformed; restore a backup, or name another file",
            ),
            (
                "other.db",
                "other.db is not a usage ledger: it holds other tables; give the ledger a database of its own",
            ),
            (
                "folder",
                "cannot open the database folder: it is a folder; name a file in it",
            ),
            (
                "missing/ledger.db",
                "cannot open the database missing/ledger.db: unable to open database file; its folder must exist and be writable",
            ),
        ] {
            let refusal = Refusal::of(command, line).with("USAGE_DATABASE_URL", format!("sqlite:{name}"));
            refusal.run(&place).refuses_with(line);
        }
    }
    assert!(contents() == before, "a file was changed");
    assert_eq!(place.files(), files);
}

pub(crate) fn a_ledger_of_a_newer_version_is_refused(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    let before = place.contents();
    provider.simulator.clear_requests();
    place.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')");
    let month = MONTH.join(" ");
    for command in [
        "status",
        "keys list",
        "keys check 1",
        "keys remove 1",
        "export --format jsonl",
        "migrate",
        ADD,
        &format!("backfill --force {month}"),
    ] {
        let refusal = Refusal::of(
            command,
            "the ledger was written by a newer version (migration 20991231000001 is unknown here); update this program",
        );
        refusal.run(&place).refuses_with(&refusal.line);
    }
    assert_eq!(provider.simulator.requests(), []);
    place.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20991231000001'");
    assert_eq!(place.contents(), before);
}

#[test]
fn an_export_for_the_provider_is_about_one_account() {
    let first = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &first);
    place.backfill_month(&[]).succeeds();
    place
        .finish(
            &mut place.command(&[
                "keys",
                "add",
                "--provider",
                "openai",
                "--organization",
                "org-b",
                "--no-check",
            ]),
            "sk-admin-test-b",
        )
        .succeeds();
    let before = place.files();
    place
        .run(&["export", "--format", "provider-csv", "--output", "all.csv"])
        .refuses_with("the ledger has 2 accounts; name one with --account");
    assert_eq!(place.files(), before);
    place
        .run(&["export", "--format", "provider-csv", "--account", ORGANIZATION])
        .succeeds();
    place.run(&["export", "--format", "jsonl"]).succeeds();
}
