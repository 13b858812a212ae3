//! What of the export and of the ledger is compared at all.

use usage_core::{Dimension, Endpoint};
use usage_parity::{CompareOptions, ExportScope, NotCoveredReason, TimeRange, Verdict};

use crate::support::{
    A, B, MemoryLedger, at, compared, compared_with, covered, csv, day, days, group, line, one, options,
};

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
