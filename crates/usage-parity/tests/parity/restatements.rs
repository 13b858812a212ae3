//! Exports from before a restatement.

use usage_core::Metrics;
use usage_parity::{Cause, LedgerChange, Verdict};

use crate::support::{A, at, compared, covered, csv, day, group, idle, line, one, tokens};

#[test]
fn what_equals_the_ledger_before_a_restatement_is_an_old_export() {
    let (old, new) = (tokens(10, 2, 4, 1), tokens(12, 2, 4, 1));
    let change = |number: u32, before, after| LedgerChange {
        dimensions: group(A),
        before,
        after,
        changed_at: at(&format!("2025-09-{number:02}T00:00:00Z")),
        run_id: number.into(),
    };
    let ledger = |changes: Vec<LedgerChange>, now: Option<Metrics>| {
        let mut ledger = covered();
        if let Some(now) = now {
            ledger = ledger.with(day(0), group(A), now);
        }
        ledger.changes.insert(day(0), changes);
        ledger
    };
    let text = csv([line(day(0), &group(A), &old)]);
    let earlier = tokens(9, 2, 4, 1);
    for (what, ledger, text, run_id) in [
        (
            "changed",
            ledger(vec![change(5, Some(old), Some(new))], Some(new)),
            text.clone(),
            5,
        ),
        (
            "changed twice, the export is two restatements old",
            ledger(
                vec![
                    change(5, Some(old), Some(earlier)),
                    change(8, Some(earlier), Some(new)),
                ],
                Some(new),
            ),
            text.clone(),
            5,
        ),
        (
            "taken away",
            ledger(vec![change(6, Some(old), None)], None),
            text.clone(),
            6,
        ),
        (
            "added",
            ledger(vec![change(7, None, Some(new))], Some(new)),
            csv([idle(day(0))]),
            7,
        ),
    ] {
        let comparison = compared(text, &ledger);
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
    let other = ledger(vec![change(5, Some(earlier), Some(new))], Some(new));
    assert_eq!(
        compared(text, &other).counts.mismatched,
        1,
        "it never was what the export has"
    );
}

#[test]
fn the_restatement_from_coarse_to_fine_rows_is_undone_by_group() {
    let tierless = "proj_a/key_a/user-a/gpt-5//n";
    let mut ledger = covered().with(day(0), group(A), one());
    let changed_at = at("2025-09-09T00:00:00Z");
    let change = |who: &str, before, after| LedgerChange {
        dimensions: group(who),
        before,
        after,
        changed_at,
        run_id: 2,
    };
    ledger.changes.insert(
        day(0),
        vec![change(tierless, Some(one()), None), change(A, None, Some(one()))],
    );
    let comparison = compared(csv([line(day(0), &group(tierless), &one())]), &ledger);
    assert_eq!(
        (comparison.counts.restated_since, comparison.counts.differences()),
        (2, 2)
    );
}
