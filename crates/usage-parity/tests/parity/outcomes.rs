//! Every outcome that a group or a window can have.

use usage_core::{Dimension, DimensionSet, Endpoint, Metrics, ProjectFilter, WindowState};
use usage_parity::{
    Cause, CompareOptions, DifferenceKind, ExportScope, LedgerChange, NotCoveredReason, TimeRange, Verdict,
};

use crate::support::{
    MemoryLedger, at, compared, compared_with, csv, day, days, group, idle, line, options, tokens,
};

const A: &str = "proj_a/key_a/user-a/gpt-5/default/n";
const B: &str = "proj_b/key_b/user-b/gpt-5/default/n";

fn one() -> Metrics {
    tokens(10, 2, 4, 1)
}

fn covered() -> MemoryLedger {
    MemoryLedger::covering(Endpoint::Completions, days(3))
}

#[test]
fn a_group_of_one_side_is_missing_on_the_other() {
    let ledger = covered().with(day(0), group(A), one());
    let comparison = compared(csv([line(day(0), &group(B), &one())]), &ledger);
    assert_eq!(comparison.verdict(), Verdict::Different);
    assert_eq!(
        (comparison.counts.missing_in_db, comparison.counts.missing_in_csv),
        (1, 1)
    );
    let kinds: Vec<DifferenceKind> = comparison.worst.iter().map(|worst| worst.kind).collect();
    assert!(kinds.contains(&DifferenceKind::MissingInDb) && kinds.contains(&DifferenceKind::MissingInCsv));
}

#[test]
fn an_idle_row_says_that_there_was_nothing() {
    let ledger = covered().with(day(0), group(A), one());
    let comparison = compared(csv([idle(day(0))]), &ledger);
    assert_eq!(
        (comparison.verdict(), comparison.counts.missing_in_csv),
        (Verdict::Different, 1)
    );
}

#[test]
fn numbers_are_compared_to_the_integer_unless_a_tolerance_is_chosen() {
    let ledger = covered().with(day(0), group(A), one());
    let text = csv([line(day(0), &group(A), &tokens(11, 2, 4, 1))]);
    let comparison = compared(text.clone(), &ledger);
    assert_eq!(
        (comparison.verdict(), comparison.counts.mismatched),
        (Verdict::Different, 1)
    );
    let deltas = comparison.worst[0].deltas();
    assert_eq!(deltas.iter().map(|(_, delta)| *delta).collect::<Vec<_>>(), [1]);

    let tolerant = CompareOptions {
        tolerance: 1,
        ..options()
    };
    let comparison = compared_with(text, &ledger, &tolerant);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!(comparison.counts.matched_within_tolerance, 1);
}

#[test]
fn absent_and_zero_are_the_same_number_but_not_the_same_group() {
    let nothing = Metrics {
        output_tokens: None,
        ..tokens(10, 0, 4, 1)
    };
    let ledger = covered().with(day(0), group(A), tokens(10, 0, 4, 1));
    let comparison = compared(csv([line(day(0), &group(A), &nothing)]), &ledger);
    assert_eq!(comparison.verdict(), Verdict::Matched);

    let zero = tokens(0, 0, 0, 0);
    let comparison = compared(csv([line(day(0), &group(A), &zero)]), &covered());
    assert_eq!(comparison.counts.missing_in_db, 1, "a group of zeros is a group");
}

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
fn a_filtered_export_is_compared_within_its_filter() {
    let ledger = covered()
        .with(day(0), group(A), one())
        .with(day(0), group(B), one());
    let text = csv([line(day(0), &group(A), &one())]);
    assert_eq!(compared(text.clone(), &ledger).counts.missing_in_csv, 1);
    for scope in [
        ExportScope {
            projects: vec!["proj_a".to_owned()],
            users: Vec::new(),
        },
        ExportScope {
            projects: Vec::new(),
            users: vec!["user-a".to_owned()],
        },
    ] {
        let comparison = compared_with(text.clone(), &ledger, &CompareOptions { scope, ..options() });
        assert_eq!(comparison.verdict(), Verdict::Matched);
        assert_eq!(
            (
                comparison.counts.out_of_scope_db,
                comparison.counts.out_of_scope_csv
            ),
            (1, 0)
        );
    }
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

#[test]
fn a_dimension_that_the_ledger_lacks_is_summed_over_and_named() {
    let flex = "proj_a/key_a/user-a/gpt-5/flex/n";
    let text = csv([
        line(day(0), &group(A), &one()),
        line(day(0), &group(flex), &one()),
    ]);
    let tierless = "proj_a/key_a/user-a/gpt-5//n";
    let both = tokens(20, 4, 8, 2);
    let told = |change: &dyn Fn(&mut DimensionSet, &mut DimensionSet)| {
        let mut ledger = covered().with(day(0), group(tierless), both);
        for covered in &mut ledger.coverage {
            change(&mut covered.grouped_by, &mut covered.empty);
        }
        compared(text.clone(), &ledger)
    };
    for comparison in [
        told(&|grouped, _| *grouped = grouped.without(Dimension::ServiceTier)),
        told(&|_, empty| *empty = empty.with(Dimension::ServiceTier)),
    ] {
        assert_eq!(comparison.verdict(), Verdict::MatchedCoarse);
        assert_eq!(
            (comparison.counts.matched, comparison.counts.matched_coarse),
            (0, 1)
        );
        assert_eq!(comparison.coarsened.len(), 1);
        assert_eq!(comparison.coarsened[0].dimension, Dimension::ServiceTier);
    }
    // Single nulls prove nothing: grouped by the tier and with one, a row without it is another group.
    let comparison = told(&|_, _| {});
    assert_eq!(comparison.verdict(), Verdict::Different);
    assert!(comparison.coarsened.is_empty());
}

#[test]
fn a_dimension_that_neither_side_has_values_of_coarsens_nothing() {
    let bare = "proj_a/key_a//gpt-5/default/n";
    let mut ledger = covered().with(day(0), group(bare), one());
    for covered in &mut ledger.coverage {
        covered.empty = covered.empty.with(Dimension::UserId);
    }
    let comparison = compared(csv([line(day(0), &group(bare), &one())]), &ledger);
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 1)
    );
}

#[test]
fn a_dimension_that_the_export_has_no_column_for_is_summed_on_the_ledgers_side() {
    let with_source = |source: &str| {
        let mut dimensions = group(A);
        dimensions.api_source = Some(source.to_owned());
        dimensions
    };
    let ledger = covered().with(day(0), with_source("agents_api"), one()).with(
        day(0),
        with_source("unlabeled"),
        one(),
    );
    let comparison = compared(csv([line(day(0), &group(A), &tokens(20, 4, 8, 2))]), &ledger);
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 1)
    );
    assert!(comparison.surfaces[0].summed_over.contains(Dimension::ApiSource));
    assert!(comparison.coarsened.is_empty());
}

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

#[test]
fn rows_without_metadata_are_compared_and_counted() {
    let nobody = "///gpt-5/default/n";
    let text = csv([
        line(day(0), &group(nobody), &one()),
        line(day(0), &group(A), &one()),
    ]);
    let ledger = covered().with(day(0), group(A), one());
    let comparison = compared(text.clone(), &ledger);
    assert_eq!(
        (
            comparison.counts.missing_in_db,
            comparison.counts.without_metadata_csv
        ),
        (1, 1)
    );
    let comparison = compared(text, &ledger.with(day(0), group(nobody), one()));
    assert_eq!(comparison.verdict(), Verdict::Matched);
    let counts = comparison.counts;
    assert_eq!((counts.without_metadata_csv, counts.without_metadata_db), (1, 1));
}

#[test]
fn a_range_narrows_what_the_export_says_and_widens_what_it_is_asked() {
    let ledger = MemoryLedger::covering(Endpoint::Completions, days(5))
        .with(day(0), group(A), one())
        .with(day(1), group(A), one())
        .with(day(4), group(A), one());
    let text = csv([line(day(0), &group(A), &one()), line(day(1), &group(A), &one())]);
    // Beyond its last window the export says nothing.
    assert_eq!(compared(text.clone(), &ledger).verdict(), Verdict::Matched);
    let range = |from: Option<&str>, to: Option<&str>| CompareOptions {
        range: TimeRange {
            from: from.map(at),
            to: to.map(at),
        },
        ..options()
    };
    let second = range(Some("2025-09-02T00:00:00Z"), Some("2025-09-03T00:00:00Z"));
    let comparison = compared_with(text.clone(), &ledger, &second);
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 1)
    );
    assert_eq!(comparison.files[0].rows_outside_range, 1);
    // Unless the range that is asked for goes on.
    let until_the_fifth = range(None, Some("2025-09-06T00:00:00Z"));
    let comparison = compared_with(text.clone(), &ledger, &until_the_fifth);
    assert_eq!(
        (comparison.counts.missing_in_csv, comparison.counts.windows_idle),
        (1, 2)
    );
    let before = range(Some("2025-08-30T00:00:00Z"), None);
    let comparison = compared_with(text, &ledger, &before);
    assert_eq!(
        (comparison.verdict(), comparison.counts.windows_not_covered),
        (Verdict::NotCovered, 2)
    );
}

#[test]
fn a_window_that_the_export_passes_over_is_idle_in_it() {
    let ledger = covered()
        .with(day(0), group(A), one())
        .with(day(1), group(A), one())
        .with(day(2), group(A), one());
    let text = csv([line(day(0), &group(A), &one()), line(day(2), &group(A), &one())]);
    let comparison = compared(text, &ledger);
    assert_eq!(
        (comparison.counts.matched, comparison.counts.missing_in_csv),
        (2, 1)
    );
}

#[test]
fn probable_causes_are_named_where_the_numbers_say_so() {
    let ours = "proj_a/key_a/user-a/gpt-4-1/default/n";
    let theirs = "proj_a/key_a/user-a/gpt-4.1/default/n";
    let text = csv([line(day(0), &group(theirs), &one())]);
    let comparison = compared(text, &covered().with(day(0), group(ours), one()));
    for worst in &comparison.worst {
        let cause = Cause::OtherValue {
            dimension: Dimension::Model,
            csv: Some("gpt-4.1".to_owned()),
            db: Some("gpt-4-1".to_owned()),
        };
        assert_eq!(worst.cause.as_ref(), Some(&cause));
    }
    let text = csv([line(day(0), &group(A), &one())]);
    for (ledger, cause) in [
        (tokens(14, 2, 4, 1), Cause::CachedCountedTwice),
        (tokens(20, 4, 8, 2), Cause::CountedTwice),
    ] {
        let comparison = compared(text.clone(), &covered().with(day(0), group(A), ledger));
        assert_eq!(comparison.worst[0].cause.as_ref(), Some(&cause));
    }
    let mut provisional = covered().with(day(0), group(A), tokens(1, 1, 1, 1));
    provisional.coverage[0].state = WindowState::Provisional;
    assert_eq!(
        compared(text, &provisional).worst[0].cause.as_ref(),
        Some(&Cause::Provisional)
    );
}

#[test]
fn a_mistyped_filter_compares_nothing() {
    let ledger = covered().with(day(0), group(A), one());
    let text = csv([line(day(0), &group(A), &one())]);
    for scope in [
        ExportScope {
            projects: vec!["proj_typo".to_owned()],
            users: Vec::new(),
        },
        ExportScope {
            projects: Vec::new(),
            users: vec!["user-typo".to_owned()],
        },
    ] {
        let options = CompareOptions { scope, ..options() };
        let comparison = compared_with(text.clone(), &ledger, &options);
        assert_eq!(comparison.verdict(), Verdict::NothingCompared);
    }
}

#[test]
fn a_filter_works_without_its_column_and_not_without_its_dimension() {
    let scope = ExportScope {
        projects: vec!["proj_a".to_owned()],
        users: Vec::new(),
    };
    let options = CompareOptions { scope, ..options() };
    let ledger = covered()
        .with(day(0), group(A), one())
        .with(day(0), group(B), one());
    let without_column = "start_time,end_time,model,input_tokens,output_tokens,num_model_requests\n\
                          1756684800,1756771200,gpt-5,10,2,1\n";
    let comparison = compared_with(without_column, &ledger, &options);
    assert_eq!(comparison.verdict(), Verdict::Matched, "{:?}", comparison.worst);

    let mut ungrouped = covered().with(day(0), group("/key_a/user-a/gpt-5/default/n"), one());
    for covered in &mut ungrouped.coverage {
        covered.grouped_by = covered.grouped_by.without(Dimension::ProjectId);
    }
    let text = csv([line(day(0), &group(A), &one())]);
    let comparison = compared_with(text, &ungrouped, &options);
    assert_eq!(comparison.verdict(), Verdict::NotCovered);
    assert_eq!(
        comparison.not_covered[0].reason,
        NotCoveredReason::ScopeNotGrouped
    );
}

#[test]
fn a_range_with_both_ends_is_looked_at_even_where_the_export_has_nothing() {
    let ledger = covered().with(day(1), group(A), one());
    let range = TimeRange {
        from: Some(at("2025-09-01T00:00:00Z")),
        to: Some(at("2025-09-04T00:00:00Z")),
    };
    let options = CompareOptions { range, ..options() };
    let august = csv([line(day(-5), &group(A), &one())]);
    for text in [august, csv([])] {
        let comparison = compared_with(text, &ledger, &options);
        assert_eq!(comparison.verdict(), Verdict::Different);
        let counts = comparison.counts;
        assert_eq!((counts.missing_in_csv, counts.windows_compared), (1, 3));
    }
}

#[test]
fn one_narrow_read_does_not_coarsen_what_another_tells_apart() {
    let tierless = "proj_a/key_a/user-a/gpt-5//n";
    let mut ledger = covered()
        .with(day(0), group(tierless), one())
        .with(day(0), group(B), one());
    let narrow = |project: &str, empty| {
        let mut covered = ledger.coverage[0].clone();
        covered.filter = ProjectFilter::projects([project.to_owned()]);
        covered.empty = empty;
        covered
    };
    // One project truly has no tier; a read before the end says nothing at all.
    let tier = DimensionSet::EMPTY.with(Dimension::ServiceTier);
    let mut early = narrow("proj_a", DimensionSet::EMPTY);
    early.state = WindowState::Open;
    early.grouped_by = DimensionSet::EMPTY;
    let reads = [
        narrow("proj_a", tier),
        narrow("proj_b", DimensionSet::EMPTY),
        early,
    ];
    ledger.coverage.splice(0..1, reads);
    let text = csv([
        line(day(0), &group(tierless), &one()),
        line(day(0), &group(B), &one()),
    ]);
    let comparison = compared(text, &ledger);
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 2)
    );
}

#[test]
fn a_row_of_zeros_without_dimensions_is_an_idle_one() {
    let zeros = format!("{},{},,,,0,,,,,,0.0,0,0", day(0).start_unix(), day(0).end_unix());
    let comparison = compared(csv([zeros]), &covered());
    assert_eq!(
        (comparison.verdict(), comparison.counts.idle_rows),
        (Verdict::Matched, 1)
    );
}
