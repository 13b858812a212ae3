//! No room for evidence.

use std::fs;
use std::path::Path;

use chrono::Days;
use usage_core::WindowRange;

use crate::namespace::Namespace;
use crate::place::{DAYS, Place, first_day, organization, provider};
use crate::shared::{DatabaseKind, finish_with};

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

/// The reports of parity, which only processes in the namespace see.
fn reports(namespace: &Namespace, work: &Path) -> Vec<String> {
    let mut command = namespace.enter("ls", work);
    let listed = command.args(["-A", "evidence/telemetry-audit"]).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().map(ToOwned::to_owned).collect()
}
