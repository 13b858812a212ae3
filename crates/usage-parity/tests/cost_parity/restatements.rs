//! Exports that are older than the ledger.

use usage_parity::costs::CostChange;
use usage_parity::{Cause, Verdict};

use crate::support::{MemoryLedger, at, compared, day, days, group, narrow, row, value, wide};

const A: &str = "proj_a/key_a/gpt-5, input/usd";

fn change(who: &str, number: u32, before: Option<&str>, after: Option<&str>) -> CostChange {
    CostChange {
        group: group(who),
        before: before.map(value),
        after: after.map(value),
        changed_at: at(&format!("2025-09-{number:02}T00:00:00Z")),
        run_id: number.into(),
    }
}

fn ledger(changes: Vec<CostChange>, now: Option<&str>) -> MemoryLedger {
    let mut ledger = MemoryLedger::covering(days(1));
    if let Some(now) = now {
        ledger = ledger.with(day(0), A, value(now));
    }
    ledger.changes.insert(day(0), changes);
    ledger
}

#[test]
fn what_equals_the_ledger_before_a_restatement_is_an_old_export() {
    let long = "0.123456789012345678901234567890123456789";
    for (what, ledger, csv, run_id) in [
        (
            "changed",
            ledger(vec![change(A, 5, Some("1"), Some("1.5"))], Some("1.5")),
            "1",
            5,
        ),
        (
            "changed twice, the export is two restatements old",
            ledger(
                vec![
                    change(A, 5, Some("1"), Some("1.25")),
                    change(A, 8, Some("1.25"), Some("1.5")),
                ],
                Some("1.5"),
            ),
            "1",
            5,
        ),
        (
            "taken away",
            ledger(vec![change(A, 6, Some("1"), None)], None),
            "1",
            6,
        ),
        (
            "unknown before, as in the export",
            ledger(vec![change(A, 7, Some("?"), Some("1"))], Some("1")),
            "?",
            7,
        ),
        (
            "from zero",
            ledger(vec![change(A, 9, Some("0E-6176"), Some("1"))], Some("1")),
            "0",
            9,
        ),
        (
            "more decimals than the export prints",
            ledger(vec![change(A, 10, Some(long), Some("1"))], Some("1")),
            "0.123456789012345678901234567890",
            10,
        ),
        (
            "another quantity",
            ledger(
                vec![change(A, 11, Some("1 10 tokens"), Some("1 12 tokens"))],
                Some("1 12 tokens"),
            ),
            "1 10 tokens",
            11,
        ),
    ] {
        let comparison = compared(wide([row(day(0), A, csv)]), &ledger);
        assert_eq!(comparison.verdict(), Verdict::Different, "{what}");
        assert_eq!(
            (comparison.counts.restated_since, comparison.counts.differences()),
            (1, 1),
            "{what}"
        );
        let cause = comparison.worst[0].cause.clone();
        assert!(
            matches!(cause, Some(Cause::RestatedSince { run_id: by, .. }) if by == run_id),
            "{what}: {cause:?}"
        );
    }
}

#[test]
fn what_was_added_since_is_not_in_an_old_export() {
    let ledger = ledger(vec![change(A, 7, None, Some("1"))], Some("1"));
    let other = "proj_b/key_b/gpt-5, input/usd";
    let comparison = compared(wide([row(day(0), other, "0")]), &ledger);
    assert_eq!(
        (comparison.counts.restated_since, comparison.counts.zero_only),
        (1, 1)
    );
}

#[test]
fn what_never_was_in_the_ledger_is_no_restatement() {
    for (changes, now, csv) in [
        (vec![change(A, 5, Some("1"), Some("1.5"))], "1.5", "1.25"),
        (vec![change(A, 5, Some("1"), Some("1.5"))], "1.5", "?"),
        (
            vec![change(A, 5, Some("1 9 tokens"), Some("1 12 tokens"))],
            "1 12 tokens",
            "1 10 tokens",
        ),
        (
            vec![change("proj_b/key_a/gpt-5, input/usd", 5, Some("1"), Some("1.5"))],
            "1.5",
            "1",
        ),
        (
            vec![change("proj_a/key_a/gpt-5, input/eur", 5, Some("1"), Some("1.5"))],
            "1.5",
            "1",
        ),
    ] {
        let comparison = compared(wide([row(day(0), A, csv)]), &ledger(changes, Some(now)));
        assert_eq!(comparison.counts.mismatched, 1, "{now} and {csv}");
    }
}

#[test]
fn the_restatement_from_rows_without_keys_is_undone_by_group() {
    let without_key = "proj_a//gpt-5, input/usd";
    let ledger = ledger(
        vec![
            change(without_key, 9, Some("3"), None),
            change(A, 9, None, Some("3")),
        ],
        Some("3"),
    );
    let comparison = compared(wide([row(day(0), without_key, "3")]), &ledger);
    assert_eq!(
        (comparison.counts.restated_since, comparison.counts.differences()),
        (2, 2)
    );
}

#[test]
fn half_of_a_restatement_is_no_state_that_the_ledger_ever_had() {
    let other = "proj_a/key_b/gpt-5, input/usd";
    let changes = vec![
        change(A, 9, Some("1"), Some("2")),
        change(other, 9, Some("5"), Some("4")),
    ];
    let ledger = ledger(changes, Some("2")).with(day(0), other, value("4"));
    // The older layout has the sum over both keys: 6 before and after, 5 and 7 with one of the two undone.
    for csv in ["5", "7"] {
        let export = narrow([row(day(0), "proj_a//gpt-5, input/usd", csv)]);
        assert_eq!(compared(export, &ledger).counts.mismatched, 1, "{csv}");
    }
}
