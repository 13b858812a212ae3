//! What can be said of a group.

use usage_core::{Dimension, Metrics, WindowState};
use usage_parity::{Cause, CompareOptions, DifferenceKind, Verdict};

use crate::support::{
    A, B, compared, compared_with, covered, csv, day, group, idle, line, one, options, tokens,
};

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
fn a_row_of_zeros_without_dimensions_is_an_idle_one() {
    let zeros = format!("{},{},,,,0,,,,,,0.0,0,0", day(0).start_unix(), day(0).end_unix());
    let comparison = compared(csv([zeros]), &covered());
    assert_eq!(
        (comparison.verdict(), comparison.counts.idle_rows),
        (Verdict::Matched, 1)
    );
}
