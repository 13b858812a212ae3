//! What the ledger never read, or not after its end.

use usage_core::{Endpoint, ProjectFilter, WindowState};
use usage_parity::{CompareOptions, ExportScope, NotCoveredReason, Verdict};

use crate::support::{
    A, B, MemoryLedger, at, compared, compared_with, covered, csv, day, days, group, idle, line, one,
    options, tokens,
};

#[test]
fn a_window_never_read_is_not_an_empty_one() {
    let ledger = MemoryLedger::covering(Endpoint::Completions, days(1)).with(day(0), group(A), one());
    let text = csv([
        line(day(0), &group(A), &one()),
        line(day(1), &group(A), &one()),
        idle(day(2)),
    ]);
    let comparison = compared(text, &ledger);
    assert_eq!(comparison.verdict(), Verdict::NotCovered);
    let counts = comparison.counts;
    assert_eq!(
        (
            counts.matched,
            counts.windows_not_covered,
            counts.groups_not_covered
        ),
        (1, 2, 1)
    );
    assert_eq!(comparison.not_covered.len(), 1, "neighbours are one gap");
    assert_eq!(comparison.not_covered[0].reason, NotCoveredReason::NeverRead);
    assert_eq!(comparison.not_covered[0].windows.len(), 2);
}

#[test]
fn a_window_read_only_before_its_end_is_not_covered() {
    let mut ledger = covered().with(day(0), group(A), one());
    ledger.coverage[0].state = WindowState::Open;
    let comparison = compared(csv([line(day(0), &group(A), &one())]), &ledger);
    assert_eq!(comparison.verdict(), Verdict::NotCovered);
    assert_eq!(comparison.not_covered[0].reason, NotCoveredReason::ReadBeforeEnd);
    assert_eq!(comparison.not_covered[0].db_groups, 1);
}

#[test]
fn a_window_that_is_not_over_is_told_apart_and_never_differs() {
    let ledger = covered()
        .with(day(0), group(A), one())
        .with(day(1), group(A), tokens(1, 1, 0, 1));
    let text = csv([line(day(0), &group(A), &one()), line(day(1), &group(A), &one())]);
    let noon = CompareOptions {
        now: at("2025-09-02T12:00:00Z"),
        ..options()
    };
    let comparison = compared_with(text.clone(), &ledger, &noon);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!((comparison.counts.windows_open, comparison.open.len()), (1, 1));

    let earlier = CompareOptions {
        now: at("2025-09-01T12:00:00Z"),
        ..options()
    };
    let comparison = compared_with(text, &ledger, &earlier);
    assert_eq!(
        comparison.verdict(),
        Verdict::NothingCompared,
        "every window is open"
    );
}

#[test]
fn projects_that_no_read_asked_for_are_not_covered() {
    let mut ledger = covered().with(day(0), group(A), one());
    ledger.coverage[0].filter = ProjectFilter::projects(["proj_a".to_owned()]);
    let text = csv([line(day(0), &group(A), &one()), line(day(0), &group(B), &one())]);
    let comparison = compared(text.clone(), &ledger);
    assert_eq!(comparison.verdict(), Verdict::NotCovered);
    assert_eq!(
        (comparison.counts.matched, comparison.counts.groups_not_covered),
        (1, 1)
    );

    let scope = ExportScope {
        projects: vec!["proj_a".to_owned()],
        users: Vec::new(),
    };
    let comparison = compared_with(text, &ledger, &CompareOptions { scope, ..options() });
    assert_eq!(
        (comparison.verdict(), comparison.counts.out_of_scope_csv),
        (Verdict::Matched, 1)
    );
}
