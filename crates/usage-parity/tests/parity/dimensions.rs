//! Dimensions that one side does not have.

use usage_core::{Dimension, DimensionSet, ProjectFilter, WindowState};
use usage_parity::Verdict;

use crate::support::{A, B, compared, covered, csv, day, group, line, one, tokens};

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
