use usage_core::{Decimal, parse_instant};

use super::record::{
    CodeCount, Counters, ExpectedDays, PassFacts, RunRevisions, Smoke, SmokeAccount, WindowTally,
};
use super::*;
use crate::cron::{ParityResult, ReconciliationResult};

fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

/// A rehearsal of 48 hours in which everything went well: three passes, a restatement in each, one pass interrupted.
fn rehearsal() -> Rehearsal {
    let begun_at = at("2025-10-01T02:00:00Z");
    let mut rehearsal = Rehearsal {
        version: 1,
        program: "usage-cron 0.0.0".to_owned(),
        begun_at,
        hours: 48,
        every_seconds: 86_400,
        clock: ClockUsed {
            scale: 3_600,
            origin: Some(begun_at),
        },
        place: Place {
            database: "sqlite:usage.db".to_owned(),
            providers: [("openai".to_owned(), "http://127.0.0.1:8000/v1".to_owned())].into(),
            accounts: Vec::new(),
            endpoints: vec!["completions".to_owned(), "costs".to_owned()],
            horizon_days: 35,
            exports: Some("exports".to_owned()),
        },
        explained: BTreeMap::new(),
        smoke: Some(Smoke {
            file: "smoke-20251001T020000Z.log".to_owned(),
            at: begun_at,
            accounts: vec![SmokeAccount {
                account: "openai/org-a".to_owned(),
                available: vec!["completions".to_owned(), "costs".to_owned()],
                unavailable: Vec::new(),
                unclear: Vec::new(),
                error: None,
            }],
        }),
        passes: Vec::new(),
        verdict: None,
    };
    for number in 0..3 {
        let due = rehearsal.due(number).unwrap();
        let facts = facts(number as u64, due);
        rehearsal.passes.push(PassEntry {
            due,
            begun_at: if number == 1 {
                vec![due, due + chrono::TimeDelta::hours(3)]
            } else {
                vec![due]
            },
            expected: Vec::new(),
            notes: format!("notes-{}.md", due.format("%Y-%m-%d")),
            outcome: Some(PassOutcome::Ran(Box::new(facts))),
        });
    }
    rehearsal
}

fn facts(number: u64, due: DateTime<Utc>) -> PassFacts {
    let days = if number == 0 { 36 } else { 5 };
    let tally = |endpoint: &str| WindowTally {
        account: "openai/org-a".to_owned(),
        endpoint: endpoint.to_owned(),
        expected: days,
        read: days,
        first_unread: None,
    };
    let day = due.format("%Y-%m-%dT%H-%M-%SZ");
    PassFacts {
        ended_at: due + chrono::TimeDelta::hours(1),
        success: true,
        telemetry: serde_json::json!({"processedUsers": 1, "windowsProcessed": 2 * days}),
        counters: Counters {
            windows_processed: 2 * days,
            events: [10, 2, 30, 1],
            requests: 12,
            retries: number,
            throttled_requests: number,
            throttled_ms: 1_000 * number,
            ..Counters::default()
        },
        windows: vec![tally("completions"), tally("costs")],
        issues: vec![CodeCount {
            code: "UNPRICED".to_owned(),
            severity: "warning".to_owned(),
            count: 1,
            message: "25 events without a price".to_owned(),
        }],
        revisions: vec![
            RunRevisions {
                run: 10 * number.cast_signed() + 1,
                status: "interrupted".to_owned(),
                counted: None,
                kept: number,
            },
            RunRevisions {
                run: 10 * number.cast_signed() + 2,
                status: "succeeded".to_owned(),
                counted: Some(3),
                kept: 3,
            },
        ],
        parity: [(
            "openai/org-a".to_owned(),
            ParityResult {
                clean: true,
                windows_compared: 70,
                windows_by_endpoint: [("completions".to_owned(), 35), ("costs".to_owned(), 35)].into(),
                differences: 0,
                missing_in_db: 0,
                missing_in_csv: 0,
                mismatched: 0,
                restated_since: 0,
                not_covered: 0,
                report: Some(format!("evidence/telemetry-audit/{day}-cron.json")),
            },
        )]
        .into(),
        reconciliation: [(
            "openai/org-a".to_owned(),
            ReconciliationResult {
                clean: true,
                days_compared: 35,
                charged: "163.76".to_owned(),
                compared: "160.1".to_owned(),
                complaints: Vec::new(),
                variance_percent: Some("0".to_owned()),
                passes_limit: false,
                report: Some(format!("evidence/reconciliation/{day}-cron.json")),
            },
        )]
        .into(),
        foreign_revisions: BTreeMap::new(),
        remarks: Vec::new(),
    }
}

fn judged(rehearsal: &Rehearsal) -> Verdict {
    checklist::evaluate(rehearsal, &[], &Decimal::from(2_i64), at("2025-10-03T03:00:00Z"))
}

/// Changes the facts of the last pass.
fn change(rehearsal: &mut Rehearsal, change: impl FnOnce(&mut PassFacts)) {
    match &mut rehearsal.passes.last_mut().unwrap().outcome {
        Some(PassOutcome::Ran(facts)) => change(facts),
        other => panic!("{other:?}"),
    }
}

/// The only check that fails after a change, as a line.
fn failing(change: impl FnOnce(&mut Rehearsal)) -> String {
    let mut rehearsal = rehearsal();
    change(&mut rehearsal);
    let verdict = judged(&rehearsal);
    assert!(!verdict.passed);
    let failed: Vec<String> = verdict
        .checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    failed.join("\n")
}

#[test]
fn a_rehearsal_in_which_nothing_is_wrong_passes() {
    let verdict = judged(&rehearsal());
    assert!(verdict.passed, "{verdict:#?}");
    let lines: Vec<String> = verdict
        .checks
        .iter()
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn whatever_is_wrong_fails_its_check_with_the_reason() {
    let of_last = |with: fn(&mut PassFacts)| failing(move |rehearsal| change(rehearsal, with));
    let failures = [
        failing(|rehearsal| rehearsal.smoke = None),
        failing(|rehearsal| {
            let smoke = rehearsal.smoke.as_mut().unwrap();
            smoke.accounts[0].available.clear();
        }),
        failing(|rehearsal| rehearsal.passes[1].outcome = Some(PassOutcome::Missed)),
        failing(|rehearsal| {
            rehearsal.passes[0].outcome = Some(PassOutcome::Failed {
                at: rehearsal.begun_at,
                error: "the database is locked".to_owned(),
            });
        }),
        failing(|rehearsal| drop(rehearsal.passes.pop())),
        of_last(|facts| {
            facts.windows[0].read = 4;
            facts.windows[0].first_unread = usage_core::parse_day("2025-10-02").ok();
        }),
        of_last(|facts| facts.windows.clear()),
        of_last(|facts| {
            facts.issues.push(CodeCount {
                code: "UNAUTHORIZED".to_owned(),
                severity: "error".to_owned(),
                count: 2,
                message: "the key is not accepted".to_owned(),
            });
        }),
        of_last(|facts| facts.issues[0].severity = "error".to_owned()),
        failing(|rehearsal| {
            for entry in &mut rehearsal.passes {
                if let Some(PassOutcome::Ran(facts)) = &mut entry.outcome {
                    facts.counters.manual_fallback_windows = 5;
                }
            }
        }),
        of_last(|facts| {
            let parity = facts.parity.get_mut("openai/org-a").unwrap();
            (parity.clean, parity.mismatched) = (false, 3);
        }),
        of_last(|facts| facts.parity.clear()),
        failing(|rehearsal| {
            rehearsal.place.exports = None;
            change(rehearsal, |facts| facts.parity.clear());
        }),
        of_last(|facts| {
            let result = facts.reconciliation.get_mut("openai/org-a").unwrap();
            (result.clean, result.passes_limit) = (false, true);
            result.variance_percent = Some("3.1".to_owned());
            result.complaints = vec!["the variance of 3.1 % passes 2 %".to_owned()];
        }),
        of_last(|facts| {
            let result = facts.reconciliation.get_mut("openai/org-a").unwrap();
            result.clean = false;
            result.complaints = vec!["charged without a price: 3.66 USD".to_owned()];
        }),
        of_last(|facts| facts.reconciliation.clear()),
        of_last(|facts| {
            let parity = facts.parity.get_mut("openai/org-a").unwrap();
            parity.windows_by_endpoint.remove("costs");
        }),
        of_last(|facts| facts.counters.throttled_ms = 0),
        of_last(|facts| {
            facts.foreign_revisions.insert(99, 4);
        }),
        of_last(|facts| facts.revisions[1].kept = 2),
    ];
    insta::assert_snapshot!(failures.join("\n"));
    let missing = ["audit/cron-dry-run/notes-2025-10-01.md".to_owned()];
    let verdict = checklist::evaluate(
        &rehearsal(),
        &missing,
        &Decimal::from(2_i64),
        at("2025-10-03T03:00:00Z"),
    );
    assert!(!verdict.passed);
}

#[test]
fn what_the_operator_explains_is_explained() {
    let mut explained = rehearsal();
    change(&mut explained, |facts| {
        facts.issues.push(CodeCount {
            code: "COST_VARIANCE".to_owned(),
            severity: "warning".to_owned(),
            count: 1,
            message: "4 % apart".to_owned(),
        });
    });
    assert!(!judged(&explained).passed);
    explained
        .explained
        .insert("COST_VARIANCE".to_owned(), "a new discount".to_owned());
    assert!(judged(&explained).passed);
}

#[test]
fn one_manual_fallback_is_no_series() {
    let mut once = rehearsal();
    change(&mut once, |facts| facts.counters.manual_fallback_windows = 5);
    assert!(judged(&once).passed);
}

#[test]
fn notes_have_every_field() {
    let rehearsal = rehearsal();
    insta::assert_snapshot!(notes::text(&rehearsal, 1, &rehearsal.passes[1], true));
    let mut failed = rehearsal.clone();
    failed.passes[1].outcome = Some(PassOutcome::Failed {
        at: rehearsal.passes[1].due,
        error: "the server is gone".to_owned(),
    });
    insta::assert_snapshot!(
        "notes_of_a_pass_that_could_not_be_run",
        notes::text(&failed, 1, &failed.passes[1], false)
    );
}

#[test]
fn the_summary_has_the_verdict_at_its_head_and_the_newest_first() {
    let mut old = rehearsal();
    old.passes.truncate(1);
    old.verdict = Some(judged(&old));
    let mut new = rehearsal();
    new.begun_at = at("2025-11-01T02:00:00Z");
    new.verdict = Some(judged(&new));
    insta::assert_snapshot!(summary::text(&[&old, &new]));
    new.verdict = None;
    let going_on = summary::text(&[&old, &new]);
    assert!(going_on.contains("**Verdict: not given yet**"), "{going_on}");
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let mut rehearsal = rehearsal();
    rehearsal.passes[0].expected = vec![ExpectedDays {
        account: "openai/org-a".to_owned(),
        endpoint: "costs".to_owned(),
        days: ExpectedDays::stretches(usage_core::parse_day("2025-10-01").ok()),
    }];
    rehearsal.verdict = Some(judged(&rehearsal));
    let audit = tempfile::tempdir().unwrap();
    let folder = Folder::open(audit.path()).unwrap();
    let recorded = Recorded {
        file: folder.new_file(rehearsal.begun_at),
        rehearsal,
    };
    recorded.save().unwrap();
    let read = folder.rehearsals().unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].rehearsal, recorded.rehearsal);
    assert_eq!(read[0].file, recorded.file);
    assert_eq!(unfinished_origin(audit.path(), 3_600).unwrap(), None);
    let mut going_on = read[0].clone();
    going_on.rehearsal.verdict = None;
    going_on.save().unwrap();
    let origin = unfinished_origin(audit.path(), 3_600).unwrap();
    assert_eq!(origin, recorded.rehearsal.clock.origin);
    assert_eq!(unfinished_origin(audit.path(), 2).unwrap(), None);
}

#[test]
fn one_process_rehearses_in_a_folder() {
    let audit = tempfile::tempdir().unwrap();
    let held = Folder::open(audit.path()).unwrap();
    let refused = Folder::open(audit.path()).unwrap_err().to_string();
    assert!(refused.starts_with("another process rehearses in "), "{refused}");
    drop(held);
    assert!(Folder::open(audit.path()).is_ok());
}

#[test]
fn a_record_that_cannot_be_read_is_named() {
    let audit = tempfile::tempdir().unwrap();
    let folder = Folder::open(audit.path()).unwrap();
    std::fs::write(folder.join("rehearsal-x.json"), "{").unwrap();
    let refused = folder.rehearsals().unwrap_err().to_string();
    assert!(
        refused.contains("rehearsal-x.json: the record of a rehearsal cannot be read: "),
        "{refused}"
    );
    assert!(!refused.contains('\n'));
}

#[test]
fn notes_never_replace_those_of_another_pass() {
    let audit = tempfile::tempdir().unwrap();
    let folder = Folder::open(audit.path()).unwrap();
    let due = at("2025-10-01T02:00:00Z");
    let mut rehearsal = rehearsal();
    rehearsal.passes.clear();
    let names: Vec<String> = (0..3)
        .map(|_| {
            let name = folder.notes_name(&rehearsal, due);
            folder.write(&name, "").unwrap();
            name
        })
        .collect();
    // Those that could not be written have their name all the same.
    rehearsal.passes.push(PassEntry {
        due,
        begun_at: Vec::new(),
        expected: Vec::new(),
        notes: "notes-2025-10-02.md".to_owned(),
        outcome: None,
    });
    let next = folder.notes_name(&rehearsal, at("2025-10-02T02:00:00Z"));
    assert_eq!(next, "notes-2025-10-02T02-00-00Z.md");
    assert_eq!(
        names,
        [
            "notes-2025-10-01.md",
            "notes-2025-10-01T02-00-00Z.md",
            "notes-2025-10-01T02-00-00Z-2.md"
        ]
    );
}
