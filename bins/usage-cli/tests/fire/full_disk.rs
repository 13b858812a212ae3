//! No room: a full disk, a limit on the size of files, a standard output that takes nothing.

use std::fs;
use std::process::Command;

use crate::fixture::{BACKFILL, DAYS, DatabaseKind, Place, Provider, Truth, finish};
use crate::namespace::Namespace;

/// So many groups a day that the days of a backfill do not fit into what the disk has left.
const GROUPS: u32 = 1_000;

const JSONL: [&str; 3] = ["export", "--format", "jsonl"];

/// A ledger of a key and nothing else has some 200 KiB with its write-ahead log; two days of usage have a megabyte.
const DISK_KIB: usize = 1_200;

#[test]
fn a_full_disk_ends_a_run_plainly_and_the_next_one_goes_on() {
    let provider = Provider::with_groups(GROUPS);
    let truth = provider.truth();
    let place = Place::on_sqlite("disk/ledger.db", &provider);
    let mut namespace = Namespace::with_disk(&place.folder.path().join("disk"), DISK_KIB);
    let run = |namespace: &Namespace, arguments: &[&str]| finish(&mut inside(namespace, &place, arguments));
    let add = [&crate::fixture::ADD_KEY[..], &["--secret-file", "admin.key"]].concat();
    fs::write(place.work().join("admin.key"), crate::fixture::KEY).unwrap();
    run(&namespace, &add).succeeds();

    let full = run(&namespace, &BACKFILL);
    let errors = full.fails_plainly();
    assert!(
        errors.len() == 1 && errors[0].contains("database or disk is full"),
        "{full:#?}"
    );
    assert_eq!(full.stdout, "");
    assert!(full.stderr.contains("read completions 2025-09-01"), "{full:#?}");

    namespace.resize(64 * 1024);
    let left = run(&namespace, &JSONL).succeeds().stdout;
    let resumed = run(&namespace, &BACKFILL).succeeds();
    assert!(!resumed.stderr.contains("waiting"), "{resumed:#?}");
    let whole = run(&namespace, &JSONL).succeeds().stdout;
    assert!(
        !left.is_empty() && whole.starts_with(&left),
        "what was stored stands"
    );
    let csv = run(&namespace, &["export", "--format", "provider-csv"]).succeeds();
    assert!(csv.stdout == truth.csv, "the ledger differs from the truth");
    assert_eq!(i64::try_from(whole.lines().count()), Ok(truth.rows));
}

#[test]
fn a_full_disk_under_an_export_or_a_record_leaves_no_half_file() {
    let provider = Provider::with_groups(GROUPS);
    let truth = provider.truth();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.run(&BACKFILL).succeeds();
    let disk = place.folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut namespace = Namespace::with_disk(&disk, 16);
    let (events, audit) = (disk.join("events.jsonl"), disk.join("audit"));
    let (events, audit) = (events.to_str().unwrap(), audit.to_str().unwrap());
    let export = [&JSONL[..], &["--output", events]].concat();
    let refused = finish(&mut inside(&namespace, &place, &export));
    let line = refused.refuses();
    assert!(
        line.starts_with(&format!("cannot write {events}: ")) && line.contains("No space left on device"),
        "{refused:#?}"
    );

    // The record of a run that cannot be written is an error, although the run is done.
    let record = [&BACKFILL[..], &["--artifact", "--audit-dir", audit]].concat();
    namespace.fill();
    let refused = finish(&mut inside(&namespace, &place, &record));
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    let errors = refused.fails_plainly();
    assert!(
        errors.len() == 1 && errors[0].starts_with("cannot write ") && errors[0].contains("No space left"),
        "{refused:#?}"
    );

    namespace.resize(16 * 1024);
    finish(&mut inside(&namespace, &place, &export)).succeeds();
    finish(&mut inside(&namespace, &place, &record)).succeeds();
    place.holds(&truth);
}

#[test]
fn a_standard_output_that_takes_nothing_is_an_error() {
    let provider = Provider::with_groups(8);
    let truth = provider.truth();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let to_nowhere = |arguments: &[&str]| finish(&mut place.script("exec \"$@\" > /dev/full", arguments));
    let refused = to_nowhere(&BACKFILL);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    let errors = refused.fails_plainly();
    assert!(
        errors.len() == 1 && errors[0].contains("No space left"),
        "{refused:#?}"
    );
    // What was read is stored all the same.
    place.holds(&truth);
    for arguments in [
        &JSONL[..],
        &["export", "--format", "csv"],
        &["export", "--format", "provider-csv"],
        &["status"],
        &["status", "--format", "json"],
        &["doctor"],
        &["keys", "list"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
    ] {
        let refused = to_nowhere(arguments);
        assert!(
            refused.refuses().contains("No space left"),
            "{arguments:?}: {refused:#?}"
        );
    }
}

/// The ledger's files may grow to some blocks of 512 bytes and no further, as a service manager or a shell may say.
#[test]
fn a_limit_on_file_sizes_ends_a_run_plainly_and_the_next_one_goes_on() {
    let provider = Provider::with_groups(GROUPS);
    let truth = provider.truth();
    std::thread::scope(|scope| {
        for blocks in [600, 1_200, 2_400] {
            let (provider, truth) = (&provider, &truth);
            scope.spawn(move || go_on_after_a_limit(blocks, provider, truth));
        }
    });
}

fn go_on_after_a_limit(blocks: u32, provider: &Provider, truth: &Truth) {
    let place = Place::with_key(DatabaseKind::Sqlite, provider);
    let limited = finish(&mut place.script(&format!("ulimit -f {blocks}; exec \"$@\""), &BACKFILL));
    let errors = limited.fails_plainly();
    assert_eq!(errors.len(), 1, "{limited:#?}");
    assert_eq!(limited.stdout, "", "{limited:#?}");
    assert!(
        place.count("usage_coverage") < i64::from(DAYS),
        "no limit was met"
    );

    let resumed = place.run(&BACKFILL).succeeds();
    assert!(!resumed.stderr.contains("waiting"), "{resumed:#?}");
    place.holds(truth);
}

#[test]
fn a_limit_on_file_sizes_leaves_no_half_export() {
    let provider = Provider::with_groups(GROUPS);
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.run(&BACKFILL).succeeds();
    let export = [&JSONL[..], &["--output", "events.jsonl"]].concat();
    let limited = finish(&mut place.script("ulimit -f 100; exec \"$@\"", &export));
    assert!(
        limited.refuses().starts_with("cannot write events.jsonl: "),
        "{limited:#?}"
    );
    let left: Vec<_> = crate::fixture::files_below(&place.work())
        .into_iter()
        .filter(|path| !path.to_string_lossy().contains("ledger.db"))
        .collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

/// A command line of the place, run where its disk is.
fn inside(namespace: &Namespace, place: &Place, arguments: &[&str]) -> Command {
    let mut command = namespace.enter(env!("CARGO_BIN_EXE_usage"), &place.work());
    command.args(arguments);
    place.settle(&mut command);
    command
}
