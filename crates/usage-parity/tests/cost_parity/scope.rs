//! Which windows and groups are compared at all.

use usage_core::{ProjectFilter, WindowState};
use usage_parity::costs::{CostRow, summarize_costs};
use usage_parity::{CompareOptions, ExportScope, NotCoveredReason, TimeRange, Verdict};

use crate::support::{MemoryLedger, at, compared, compared_with, day, days, options, row, value, wide};

const A: &str = "proj_a/key_a/gpt-5, input/usd";
const B: &str = "proj_b/key_b/gpt-5, output/usd";

fn covered() -> MemoryLedger {
    MemoryLedger::covering(days(3))
}

#[test]
fn what_the_ledger_never_read_is_said() {
    let mut ledger = MemoryLedger::covering([day(0), day(3)]).with(day(0), A, value("1"));
    ledger.coverage[1].state = WindowState::Open;
    let file = wide([
        row(day(0), A, "1"),
        row(day(1), A, "1"),
        row(day(2), A, "1"),
        row(day(3), A, "1"),
    ]);
    let comparison = compared(file, &ledger);
    assert_eq!(comparison.verdict(), Verdict::NotCovered);
    let counts = comparison.counts;
    assert_eq!(
        (
            counts.matched,
            counts.windows_not_covered,
            counts.groups_not_covered
        ),
        (1, 3, 3)
    );
    let reasons: Vec<_> = comparison
        .not_covered
        .iter()
        .map(|found| (found.reason, found.windows.len()))
        .collect();
    assert_eq!(
        reasons,
        [
            (NotCoveredReason::NeverRead, 2),
            (NotCoveredReason::ReadBeforeEnd, 1)
        ]
    );
}

#[test]
fn windows_that_are_not_over_never_differ() {
    let ledger = covered().with(day(0), A, value("1")).with(day(1), A, value("1"));
    let now = CompareOptions {
        now: at("2025-09-02T12:00:00Z"),
        ..options()
    };
    let file = || wide([row(day(0), A, "1"), row(day(1), A, "2")]);
    let comparison = compared_with(file(), &ledger, &now);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!(
        (comparison.counts.windows_open, comparison.open[0].csv_groups),
        (1, 1)
    );
    let early = CompareOptions {
        now: at("2025-09-01T12:00:00Z"),
        ..options()
    };
    assert_eq!(
        compared_with(file(), &ledger, &early).verdict(),
        Verdict::NothingCompared
    );
}

#[test]
fn a_filter_of_projects_narrows_both_sides() {
    let ledger = covered().with(day(0), A, value("1")).with(day(0), B, value("7"));
    let only_a = CompareOptions {
        scope: ExportScope {
            projects: vec!["proj_a".to_owned()],
            users: Vec::new(),
        },
        ..options()
    };
    let comparison = compared_with(wide([row(day(0), A, "1")]), &ledger, &only_a);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!(
        (
            comparison.counts.out_of_scope_csv,
            comparison.counts.out_of_scope_db
        ),
        (0, 1)
    );
    let both = wide([row(day(0), A, "1"), row(day(0), B, "8")]);
    let comparison = compared_with(both, &ledger, &only_a);
    assert_eq!(
        (comparison.verdict(), comparison.counts.out_of_scope_csv),
        (Verdict::Matched, 1)
    );
    let mistyped = CompareOptions {
        scope: ExportScope {
            projects: vec!["proj_typo".to_owned()],
            users: Vec::new(),
        },
        ..options()
    };
    let comparison = compared_with(wide([row(day(0), A, "1")]), &ledger, &mistyped);
    assert_eq!(comparison.verdict(), Verdict::NothingCompared);
}

#[test]
fn no_ledger_has_the_costs_of_one_user() {
    let ledger = covered().with(day(0), A, value("1"));
    let one_user = CompareOptions {
        scope: ExportScope {
            projects: Vec::new(),
            users: vec!["user-a".to_owned()],
        },
        ..options()
    };
    let comparison = compared_with(wide([row(day(0), A, "1")]), &ledger, &one_user);
    assert_eq!(comparison.verdict(), Verdict::NotCovered);
    assert_eq!(
        comparison.not_covered[0].reason,
        NotCoveredReason::ScopeNotGrouped
    );
}

#[test]
fn projects_that_no_read_asked_for_are_not_covered() {
    let mut ledger = covered().with(day(0), A, value("1"));
    ledger.coverage[0].filter = ProjectFilter::projects(["proj_a".to_owned()]);
    let comparison = compared(wide([row(day(0), A, "1"), row(day(0), B, "1")]), &ledger);
    assert_eq!(comparison.verdict(), Verdict::NotCovered);
    assert_eq!(
        (comparison.counts.matched, comparison.counts.groups_not_covered),
        (1, 1)
    );
}

#[test]
fn a_range_narrows_what_the_export_says_and_widens_what_it_is_asked() {
    let ledger = MemoryLedger::covering(days(5))
        .with(day(0), A, value("1"))
        .with(day(1), A, value("1"))
        .with(day(4), A, value("1"));
    let file = || wide([row(day(0), A, "2"), row(day(1), A, "1")]);
    let range = |from: &str, to: &str| CompareOptions {
        range: TimeRange {
            from: Some(at(from)),
            to: Some(at(to)),
        },
        ..options()
    };
    let second = range("2025-09-02T00:00:00Z", "2025-09-03T00:00:00Z");
    let comparison = compared_with(file(), &ledger, &second);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!(comparison.files[0].rows_outside_range, 1);
    assert_eq!(comparison.counts.windows_csv, 1);
    let wider = range("2025-09-02T00:00:00Z", "2025-09-06T00:00:00Z");
    let comparison = compared_with(file(), &ledger, &wider);
    assert_eq!(
        (comparison.counts.matched, comparison.counts.missing_in_csv),
        (1, 1),
        "beyond its last window, too"
    );
}

#[test]
fn windows_idle_on_both_sides_and_those_that_the_export_passes_over() {
    let ledger = covered().with(day(1), A, value("1"));
    let file = wide([CostRow::idle(day(0)), CostRow::idle(day(2))]);
    let comparison = compared(file, &ledger);
    let counts = comparison.counts;
    assert_eq!(
        (counts.windows_idle, counts.idle_rows, counts.missing_in_csv),
        (2, 2, 1),
        "within a file, a window that it passes over was idle"
    );
}

#[test]
fn without_a_ledger_exports_are_summed_up() {
    let file = [wide([
        row(day(0), A, "1.25"),
        row(day(1), B, "-0.25"),
        row(day(1), B, "?"),
    ])];
    let comparison = summarize_costs(&file, &options()).unwrap();
    assert_eq!(comparison.verdict(), Verdict::NoLedger);
    let surface = &comparison.surfaces[0];
    assert_eq!(surface.csv.get(Some("usd")).unwrap().to_string(), "1");
    assert_eq!((surface.csv.rows(), surface.csv.rows_without_amount()), (3, 1));
    assert_eq!(surface.range.unwrap().len(), 2);
    assert_eq!(comparison.counts.groups_csv, 2);
}

#[test]
fn a_sum_without_a_ledger_keeps_to_the_projects_and_users_named() {
    let of = |user: &str, who: &str, amount: &str| CostRow {
        user_id: Some(user.to_owned()),
        ..row(day(0), who, amount)
    };
    let file = [wide([
        of("user-a", A, "1"),
        of("user-b", A, "2"),
        of("user-a", B, "4"),
        row(day(0), A, "8"),
    ])];
    for (projects, users, sum, out_of_scope) in [
        (&[][..], &[][..], "15", 0),
        (&["proj_a"][..], &[][..], "11", 1),
        (&[][..], &["user-a"][..], "5", 2),
        (&["proj_a"][..], &["user-a"][..], "1", 3),
    ] {
        let texts = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let scope = ExportScope {
            projects: texts(projects),
            users: texts(users),
        };
        let comparison = summarize_costs(&file, &CompareOptions { scope, ..options() }).unwrap();
        let found = comparison.surfaces[0].csv.get(Some("usd")).unwrap().to_string();
        assert_eq!(
            (found.as_str(), comparison.counts.out_of_scope_csv),
            (sum, out_of_scope),
            "{projects:?} {users:?}"
        );
    }
}
