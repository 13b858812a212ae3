//! No room for evidence.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use chrono::Days;
use serde_json::Value;
use usage_core::WindowRange;

use crate::namespace::Namespace;
use crate::place::{DAYS, Place, first_day, organization, provider};
use crate::shared::{DatabaseKind, eventually, finish_with, finished};

/// Room for everything, until something fills it.
const DISK_KIB: usize = 16 * 1024;

#[test]
fn a_full_disk_under_the_evidence_leaves_what_the_pass_has_read() {
    let provider = provider();
    let place = Place::new(DatabaseKind::Sqlite, &provider, &["org-cron"]);
    let work = place.folder.path().join("work");
    let last = first_day() + Days::new(u64::from(DAYS) - 1);
    let export = organization().completions_csv(WindowRange::days(first_day(), last).unwrap());
    fs::create_dir_all(work.join("exports")).unwrap();
    fs::write(work.join("exports/completions.csv"), export).unwrap();
    let evidence = work.join("evidence");
    fs::create_dir(&evidence).unwrap();
    let mut namespace = Namespace::with_disk(&evidence, DISK_KIB);
    let run = |namespace: &Namespace| {
        let mut command = namespace.enter(env!("CARGO_BIN_EXE_usage-cron"), &work);
        command.args([
            "run",
            "--format",
            "json",
            "--exports",
            "exports",
            "--audit-dir",
            "evidence",
        ]);
        place.settle(&mut command);
        finish_with(&mut command, "")
    };

    namespace.fill();
    let report = run(&namespace).ends_with(1).json();
    assert_eq!(report["success"], false, "{report:#}");
    assert_eq!(report["telemetry"]["storedEvents"], 6 * DAYS, "{report:#}");
    let issues = report["accounts"][0]["issues"].as_array().unwrap();
    let failed = issues.iter().find(|issue| issue["code"] == "PARITY_FAILED");
    let message = failed.unwrap_or_else(|| panic!("{report:#}"))["message"]
        .as_str()
        .unwrap();
    assert!(
        message.contains("evidence/telemetry-audit/") && message.contains("No space left on device"),
        "{message}"
    );
    assert_eq!(place.database.count("usage_events"), i64::from(6 * DAYS));
    assert_eq!(
        place
            .database
            .count("runs WHERE telemetry LIKE '%PARITY_FAILED%'"),
        1
    );

    namespace.resize(2 * DISK_KIB);
    let report = run(&namespace).succeeds().json();
    assert_eq!(report["success"], true, "{report:#}");
    assert_eq!(
        reports(&namespace, &work),
        ["latest-cron.json"],
        "no half file is left"
    );
}

/// The disk fills up in the middle of a rehearsal's first pass and has room again before the second: the rehearsal goes on,
/// its record and notes are whole in the end, and the verdict names what that pass could not write.
#[test]
fn a_full_disk_under_a_rehearsal_is_made_up_for_and_judged() {
    let provider = provider();
    let place = Place::new(DatabaseKind::Sqlite, &provider, &["org-cron"]);
    let work = place.folder.path().join("work");
    let evidence = work.join("evidence");
    fs::create_dir(&evidence).unwrap();
    let mut namespace = Namespace::with_disk(&evidence, DISK_KIB);
    // The provider keeps the first pass waiting in its middle.
    provider
        .simulator
        .inject("retry-after-seconds@once=3@grouped".parse().unwrap());
    let mut command = namespace.enter(env!("CARGO_BIN_EXE_usage-cron"), &work);
    command.args([
        "rehearse",
        "--hours",
        "6",
        "--every",
        "6h",
        "--clock-scale",
        "720",
    ]);
    command.args(["--endpoint", "completions", "--endpoint", "costs"]);
    command.args(["--audit-dir", "evidence"]);
    place.settle(&mut command);
    let rehearsal = command.spawn().unwrap();
    provider.wait_for(|requests| requests.iter().any(|request| request.status == 429));
    namespace.fill();
    eventually("the first pass has ended", || {
        place.database.count("runs WHERE finished_at IS NOT NULL") == 1
    });
    thread::sleep(Duration::from_secs(2));
    namespace.resize(2 * DISK_KIB);

    let ended = finished(rehearsal).ends_with(1);
    assert!(
        ended.stderr.contains("No space left on device"),
        "{}",
        ended.stderr
    );
    let told = |what: &str| {
        ended
            .stdout
            .lines()
            .any(|line| line.starts_with("  FAIL ") && line.contains(what))
    };
    assert!(told("RECONCILIATION_FAILED"), "{}", ended.stdout);
    let files = listed(&namespace, &work, "evidence/cron-dry-run");
    let notes = files.iter().filter(|name| name.starts_with("notes-")).count();
    assert_eq!(notes, 2, "those of the first pass were written later: {files:?}");
    assert!(files.iter().all(|name| !name.contains("tmp")), "{files:?}");
    let record = files.iter().find(|name| name.starts_with("rehearsal-")).unwrap();
    let record = read(&namespace, &work, &format!("evidence/cron-dry-run/{record}"));
    let record: Value = serde_json::from_str(&record).unwrap();
    let passes = record["passes"].as_array().unwrap();
    assert!(
        passes.iter().all(|pass| pass["outcome"]["ran"].is_object()),
        "{record:#}"
    );
    assert_eq!(place.database.count("usage_events"), i64::from(6 * DAYS));
}

/// The reports of parity, which only processes in the namespace see.
fn reports(namespace: &Namespace, work: &Path) -> Vec<String> {
    listed(namespace, work, "evidence/telemetry-audit")
}

fn listed(namespace: &Namespace, work: &Path, folder: &str) -> Vec<String> {
    let listed = run_in(namespace, work, "ls", &["-A", folder]);
    listed.lines().map(ToOwned::to_owned).collect()
}

fn read(namespace: &Namespace, work: &Path, file: &str) -> String {
    run_in(namespace, work, "cat", &[file])
}

fn run_in(namespace: &Namespace, work: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = namespace.enter(program, work);
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
