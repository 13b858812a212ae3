//! `usage backup`: whole or not at all, and never over something.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use usage_simulator::{Generate, Organization};

use crate::fixture::{DatabaseKind, ORGANIZATION, Place, Provider};

#[test]
fn a_backup_is_a_ledger_as_good_as_the_first() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.backfill_month(&[]).succeeds();
    let before = place.contents();
    let told = place.run(&["backup", "copy.db"]).succeeds().stdout;
    let events = before.events.lines().count();
    assert_eq!(
        told,
        format!(
            "copy.db: {events} events, 31 covered windows, 1 sealed key; checked\n\
             the master key is not in it; keep a copy of that elsewhere\n"
        )
    );
    let copy = place.work().join("copy.db");
    let mode = fs::metadata(&copy).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    let beside: Vec<_> = place
        .files()
        .into_keys()
        .filter(|name| name.contains("copy") || name.contains("backup"))
        .collect();
    assert_eq!(beside, ["work/copy.db"], "nothing is left beside it");

    // Restored, it reads on: the key opens, and there is nothing to ask.
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(place.work().join(format!("ledger.db{suffix}")));
    }
    fs::rename(&copy, place.work().join("ledger.db")).unwrap();
    assert_eq!(place.contents(), before);
    place.run(&["keys", "check", "1"]).succeeds();
    provider.simulator.clear_requests();
    place.backfill_month(&[]).succeeds();
    assert_eq!(provider.simulator.requests(), []);
}

/// A backup is what one makes before `usage migrate`; and the ledger that was taken back is one again afterwards.
#[test]
fn a_ledger_from_before_money_is_backed_up_and_migrated() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let month = [&["backfill"], &crate::fixture::MONTH[..]].concat();
    place.run(&month).succeeds();
    // Sums of days have what usage costs in them, so they are taken back first.
    place.execute(include_str!(
        "../../../../migrations/sqlite/2026-11-26-000018_rollups/down.sql"
    ));
    place.execute(include_str!(
        "../../../../migrations/sqlite/2026-11-25-000007_money/down.sql"
    ));
    place.execute(
        "DELETE FROM __diesel_schema_migrations WHERE version IN ('20261125000007', '20261126000018')",
    );
    let refused = place.run(&["status"]).ends_with(2).stderr;
    assert!(refused.contains("usage migrate"), "{refused}");
    place.run(&["backup", "before.db"]).succeeds();
    place.run(&["migrate"]).succeeds();
    place.run(&["doctor"]).succeeds();

    // What was taken away was not read: costs are asked for again, usage is not, and waits for its prices.
    provider.simulator.clear_requests();
    let report = place
        .run(&[&month[..], &["--format", "json"]].concat())
        .succeeds()
        .json();
    assert!(
        report["run"]["telemetry"]["storedCosts"].as_u64() > Some(0),
        "{report:#}"
    );
    assert_eq!(provider.simulator.count_requests("/usage/completions"), 0);
    assert_eq!(report["totals"][0]["unpricedEvents"], 31);
    place
        .run(&["reprice", "--start", "2025-09-01", "--end", "2025-10-01"])
        .succeeds();
    place.run(&["prices", "check"]).succeeds();
}

#[test]
fn a_backup_during_a_backfill_is_one_moment_of_it() {
    let provider = Provider::of(Organization::generate(&Generate {
        organization: ORGANIZATION.to_owned(),
        first_day: usage_core::parse_day("2025-03-01").unwrap(),
        days: 60,
        groups_per_day: 30,
        bursts: 1,
        ..Generate::default()
    }));
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let backfill = [
        "backfill",
        "--start",
        "2025-03-01",
        "--end",
        "2025-04-29",
        "--chunk-days",
        "1",
        "--endpoint",
        "completions",
    ];
    provider.simulator.clear_requests();
    let mut command = place.command(&backfill);
    let running = command.spawn().unwrap();
    let mut copies = Vec::new();
    for requests in [20, 40, 60] {
        provider.wait_for(|asked| asked.len() >= requests);
        let name = format!("after-{requests}.db");
        place.run(&["backup", &name]).succeeds();
        copies.push(name);
    }
    place.finished(&command, running).succeeds();
    let truth = place.events();
    for name in copies {
        let url = format!("sqlite:{name}");
        let export = ["export", "--format", "jsonl", "--database", &url];
        let copied = place.run(&export).succeeds().stdout;
        assert!(truth.starts_with(&copied), "{name} is no beginning of the ledger");
        let doctor = place.run(&["doctor", "--database", &url]).succeeds().stdout;
        assert!(doctor.contains("ok    integrity"), "{doctor}");
    }
}

#[test]
fn what_cannot_be_backed_up_leaves_everything_as_it_was() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let before = place.files();
    place
        .run(&["backup", "copy.db"])
        .refuses_with("there is no ledger at [place]/work/ledger.db");
    assert_eq!(place.files(), before);

    place.add_key(ORGANIZATION, crate::fixture::KEY).succeeds();
    fs::write(place.work().join("there"), "somebody's").unwrap();
    fs::create_dir(place.work().join("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.work().join("link")).unwrap();
    let before = place.files();
    for name in ["there", "folder", "link", "ledger.db"] {
        place.run(&["backup", name]).refuses_with(&format!(
            "cannot write {name}: it exists already; a backup replaces nothing, so name another file"
        ));
    }
    place
        .run(&["backup", "missing/copy.db"])
        .refuses_with("cannot write missing/copy.db: there is no folder missing");
    assert_eq!(place.files(), before);
    assert_eq!(fs::read(place.work().join("there")).unwrap(), b"somebody's");

    fs::write(place.work().join("notes.txt"), "These are notes. ".repeat(100)).unwrap();
    place
        .run(&["backup", "copy.db", "--database", "sqlite:notes.txt"])
        .refuses_with(
            "notes.txt is not a usage ledger: the file is not a SQLite database; name another file",
        );
    assert!(!place.work().join("copy.db").exists());
}

#[test]
fn postgresql_names_its_own_tool() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Postgres, &provider);
    place.run(&["backup", "copy.db"]).refuses_with(
        "a PostgreSQL ledger is backed up by its server's own tools, as in `pg_dump --format=custom --file=copy.db …`",
    );
    assert!(!place.work().join("copy.db").exists());
}
