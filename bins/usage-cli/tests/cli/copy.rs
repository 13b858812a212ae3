//! `usage copy`: the ledger moves to another database and answers there as it did, or nothing moved.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;

use serde_json::Value;
use usage_simulator::{Generate, Organization};

use crate::fixture::{Database, DatabaseKind, KEY, MONTH, ORGANIZATION, Place, Provider, real_export};
use crate::lease::waiting_backfill;

const BOTH: [DatabaseKind; 2] = [DatabaseKind::Sqlite, DatabaseKind::Postgres];

/// An empty database in the place, which is not its ledger's.
fn target(kind: DatabaseKind, place: &Place<'_>) -> Database {
    match kind {
        DatabaseKind::Sqlite => {
            Database::Sqlite(place.work().join(format!("copy-of-{}.db", place.files().len())))
        }
        DatabaseKind::Postgres => Database::new(kind, &place.work()),
    }
}

/// The URL with a password, which the server of the tests does not ask for.
fn with_password(url: &str) -> String {
    url.replace("postgres://postgres@", "postgres://postgres:hunter2@")
}

/// What a command says of the ledger in this database, without the database's name.
fn answers(place: &Place<'_>, url: &str) -> Vec<String> {
    let mut status: Value = place
        .run(&["status", "--format", "json", "--database", url])
        .succeeds()
        .json();
    status["database"] = Value::Null;
    let run = |arguments: &[&str]| {
        place
            .run(&[arguments, &["--database", url]].concat())
            .succeeds()
            .stdout
    };
    let export = real_export();
    let parity = place.run(&[
        "parity",
        "--csv",
        export.to_str().unwrap(),
        "--format",
        "json",
        "--database",
        url,
    ]);
    let parity = parity.succeeds().json();
    vec![
        status.to_string(),
        run(&["export", "--format", "jsonl"]),
        run(&["export", "--format", "csv"]),
        run(&["export", "--format", "csv", "--endpoint", "costs"]),
        run(&["keys", "list", "--format", "json"]),
        parity["verdict"].to_string(),
        parity["summary"].to_string(),
        parity["totals"].to_string(),
    ]
}

pub(crate) fn the_copy_answers_as_the_ledger_does(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.run(&[&["backfill"], &MONTH[..]].concat()).succeeds();
    let source = place.database_url();
    let truth = answers(&place, &source);
    for kind in BOTH {
        let target = target(kind, &place);
        let url = target.url();
        let copied = place
            .run(&["copy", "--to", &with_password(&url), "--format", "json"])
            .succeeds();
        for told in [&copied.stdout, &copied.stderr] {
            assert!(!told.contains("hunter2"), "{copied:#?}");
        }
        let report = copied.json();
        let tables = report["tables"].as_array().unwrap();
        assert!(
            tables.iter().all(|table| table["result"] == "equal"),
            "{report:#}"
        );
        let events = tables
            .iter()
            .find(|table| table["table"] == "usage_events")
            .unwrap();
        assert_eq!(events["rows"], place.count("usage_events"));
        assert_eq!(report["notCopied"][2]["table"], "leases");
        assert!(copied.stderr.contains("copied usage_events: "), "{copied:#?}");
        assert!(copied.stderr.contains("compared usage_events: "), "{copied:#?}");
        let last = copied.stderr.lines().next_back().unwrap();
        assert!(
            last.starts_with("warning: 1 provider key copied as sealed; only the master key of "),
            "{last}"
        );
        if let Database::Sqlite(path) = &target {
            let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600);
        }

        assert!(answers(&place, &url) == truth, "{kind:?}");
        let run = |arguments: &[&str]| place.run(&[arguments, &["--database", &url]].concat());
        run(&["doctor"]).succeeds();
        run(&["keys", "check", "1"]).succeeds();
        let again = run(&[&["backfill", "--force", "--format", "json"], &MONTH[..]].concat())
            .succeeds()
            .json();
        let telemetry = &again["run"]["telemetry"];
        for untouched in ["storedEvents", "updatedEvents", "retractedEvents"] {
            assert_eq!(telemetry[untouched], 0, "{again:#}");
        }
        assert_eq!(telemetry["unchangedEvents"], place.count("usage_events"));
        assert_eq!(run(&["export", "--format", "jsonl"]).succeeds().stdout, truth[1]);
    }
    assert!(answers(&place, &source) == truth, "the source is only read");
}

pub(crate) fn a_target_that_is_not_empty_stays_as_it_is(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    let url = place.database_url();
    let itself = with_password(&url);
    let refused = place.run(&["copy", "--to", &itself]).ends_with(2);
    assert!(
        refused
            .stderr
            .ends_with(": it is the ledger itself; name another database\n"),
        "{refused:#?}"
    );
    assert!(!refused.stderr.contains("hunter2") && refused.stdout.is_empty());

    for kind in BOTH {
        let other = Place::with_key(kind, &provider);
        let before = other.contents();
        let refused = place.run(&["copy", "--to", &other.database_url()]).ends_with(2);
        assert!(
            refused.stderr.starts_with("error: cannot copy into ")
                && refused
                    .stderr
                    .ends_with(": its table accounts has rows already; name an empty database\n")
                && refused.stderr.lines().count() == 1,
            "{refused:#?}"
        );
        assert_eq!(other.contents(), before);
    }
}

#[test]
fn nothing_is_made_where_there_is_nothing_to_copy() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let before = place.files();
    place
        .run(&["copy", "--to", "sqlite:copy.db"])
        .refuses_with("there is no ledger at [place]/work/ledger.db");
    assert_eq!(place.files(), before);

    place.add_key(ORGANIZATION, KEY).succeeds();
    place
        .run(&["copy", "--to", "sqlite:missing/copy.db"])
        .refuses_with(
            "cannot copy into missing/copy.db: No such file or directory (os error 2); its folder must exist and be \
             writable",
        );
    place.execute("DELETE FROM __diesel_schema_migrations WHERE version > '20261125'");
    let refused = place.run(&["copy", "--to", "sqlite:copy.db"]).ends_with(2).stderr;
    assert!(refused.contains("run `usage migrate`"), "{refused}");
    assert!(!place.work().join("copy.db").exists());
}

#[test]
fn no_names_are_copied_where_none_may_be() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let copy = || {
        let mut command = place.command(&["copy", "--to", "sqlite:copy.db"]);
        place.finish(command.env("USAGE_NO_NAMES", "true"), "")
    };
    copy().refuses_with(
        "users' names are stored although no_names is set; run `usage migrate`, which erases them, then copy",
    );
    assert!(!place.work().join("copy.db").exists());
    let mut migrate = place.command(&["migrate"]);
    place.finish(migrate.env("USAGE_NO_NAMES", "true"), "").succeeds();
    let told = copy().succeeds().stdout;
    let (tables, rest): (Vec<&str>, Vec<&str>) = told.lines().partition(|line| line.ends_with("  equal"));
    let copied: Vec<&str> = tables
        .iter()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(
        copied.contains(&"usage_events") && copied.contains(&"erased_names"),
        "{told}"
    );
    let [migrations, versions, leases, days, rollups, stale, marks, last] = rest[..] else {
        panic!("{told}")
    };
    assert!(
        migrations.starts_with("__diesel_schema_migrations: not copied, "),
        "{told}"
    );
    for (told_of, table) in [
        (versions, "data_versions"),
        (leases, "leases"),
        (days, "usage_days"),
        (rollups, "usage_rollups"),
        (stale, "usage_stale_days"),
    ] {
        assert!(told_of.starts_with(&format!("{table}: not copied, ")), "{told}");
    }
    assert!(marks.starts_with("write_marks: not copied, "), "{told}");
    assert!(
        last.starts_with("[place]/work/ledger.db -> copy.db: ")
            && last.ends_with(&format!(
                " rows of {} tables, every field read again and equal",
                copied.len()
            )),
        "{told}"
    );
    let target = Database::Sqlite(place.work().join("copy.db"));
    assert!(target.count("directory_names WHERE kind = 'user'") > 0);
    assert_eq!(
        target.count("directory_names WHERE kind = 'user' AND name IS NOT NULL"),
        0
    );
}

/// Whoever copies means to go on with the copy, in which the rest of that run would be missing.
pub(crate) fn a_ledger_that_is_being_written_is_not_copied(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    let mut writing = waiting_backfill(&place, "500");
    let target = target(kind, &place);
    let refused = place.run(&["copy", "--to", &target.url()]).ends_with(2);
    assert!(
        refused
            .stderr
            .starts_with("error: openai/org-anon is being written by another process (host=")
            && refused.stderr.contains(&format!("pid={} ", writing.id()))
            && refused.stderr.lines().count() == 1,
        "{refused:#?}"
    );
    // A dead one writes no more, though its lease has not run out.
    writing.kill().unwrap();
    writing.wait().unwrap();
    let copied = place.run(&["copy", "--to", &target.url()]).succeeds();
    assert!(copied.stdout.contains("provider_keys"), "{copied:#?}");
    assert_eq!(target.count("provider_keys"), 1);
}

pub(crate) fn a_killed_copy_leaves_an_empty_target(kind: DatabaseKind) {
    let provider = Provider::of(Organization::generate(&Generate {
        organization: ORGANIZATION.to_owned(),
        first_day: usage_core::parse_day("2025-03-01").unwrap(),
        days: 20,
        groups_per_day: 50,
        bursts: 1,
        ..Generate::default()
    }));
    let place = Place::with_key(kind, &provider);
    place
        .run(&["backfill", "--start", "2025-03-01", "--end", "2025-03-20"])
        .succeeds();
    // Enough history that the copy is far from done when it is killed.
    place.execute(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 60) \
         INSERT INTO usage_revisions SELECT 'changed', n.n, 1, e.* FROM usage_events e CROSS JOIN n",
    );
    let revisions = place.count("usage_revisions");
    assert!(revisions > 20_000, "{revisions}");
    for target_kind in BOTH {
        let target = target(target_kind, &place);
        let url = target.url();
        for moment in ["copied accounts", "copied usage_events", "compared accounts"] {
            let mut command = place.command(&["copy", "--to", &url]);
            let mut child = command.spawn().unwrap();
            let lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let reached = lines.map(Result::unwrap).any(|line| line.starts_with(moment));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            assert!(reached && status.signal() == Some(9), "{moment}: {status}");
            for table in [
                "accounts",
                "provider_keys",
                "runs",
                "usage_events",
                "usage_revisions",
            ] {
                assert_eq!(
                    target.count(table),
                    0,
                    "{kind:?} to {target_kind:?}, {moment}: {table}"
                );
            }
        }
        place.run(&["copy", "--to", &url]).succeeds();
        assert_eq!(target.count("usage_revisions"), revisions);
        let events = place.run(&["export", "--format", "jsonl", "--database", &url]);
        assert!(events.succeeds().stdout == place.events());
    }
}
