//! Every outcome of a comparison of costs.

use usage_core::{Dimension, DimensionSet, Endpoint, NanoUsd, WindowState};
use usage_parity::costs::{CostCounts, CostTolerance, compare_costs};
use usage_parity::{Cause, DifferenceKind, Verdict};

use crate::support::{MemoryLedger, compared, day, days, narrow, options, row, value, wide};

const A: &str = "proj_a/key_a/gpt-5, input/usd";
const B: &str = "proj_b/key_b/gpt-5, output/usd";
/// What the older layout says of A.
const A_WITHOUT_KEY: &str = "proj_a//gpt-5, input/usd";

fn covered() -> MemoryLedger {
    MemoryLedger::covering(days(3))
}

/// Only the counts that say how groups compare.
fn outcome(counts: &CostCounts) -> CostCounts {
    CostCounts {
        windows_csv: 0,
        groups_csv: 0,
        windows_compared: 0,
        quantities_compared: 0,
        quantities_not_compared: 0,
        ..*counts
    }
}

#[test]
fn equal_to_the_last_digit_in_both_layouts() {
    let long = "0.060000000000000000000000000000000000001";
    let ledger = covered()
        .with(day(0), A, value(long))
        .with(day(0), B, value("-12.5"))
        .with(day(2), A, value("0E-6176"));
    let files = [
        wide([row(day(0), A, long), row(day(0), B, "-12.5"), row(day(2), A, "0")]),
        narrow([
            row(day(0), A_WITHOUT_KEY, long),
            row(day(0), "proj_b//gpt-5, output/usd", "-12.50"),
            row(day(2), A_WITHOUT_KEY, "0.00"),
        ]),
    ];
    for (file, summed_over) in files
        .into_iter()
        .zip([DimensionSet::EMPTY, [Dimension::ApiKeyId].into_iter().collect()])
    {
        let comparison = compared(file, &ledger);
        assert_eq!(comparison.verdict(), Verdict::Matched, "{:?}", comparison.worst);
        let expected = CostCounts {
            matched: 3,
            windows_idle: 1,
            ..CostCounts::default()
        };
        assert_eq!(outcome(&comparison.counts), expected);
        assert_eq!(comparison.counts.windows_compared, 3);
        let surface = &comparison.surfaces[0];
        assert_eq!(surface.summed_over, summed_over, "noted, and not coarse");
        assert!(comparison.coarsened.is_empty());
        assert_eq!(surface.csv.get(Some("usd")), surface.db.get(Some("usd")));
        assert!(surface.difference(Some("usd")).is_zero());
        assert_eq!(comparison.runs.iter().copied().collect::<Vec<_>>(), [1]);
    }
}

#[test]
fn thirty_nine_decimals_equal_the_thirty_digits_of_an_export_within_the_tolerance_and_not_without() {
    let ledger = covered().with(day(0), A, value("0.123456789012345678901234567890123456789"));
    let printed = "0.123456789012345678901234567890";
    let comparison = compared(wide([row(day(0), A, printed)]), &ledger);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!(
        (
            comparison.counts.matched,
            comparison.counts.matched_within_tolerance
        ),
        (1, 1)
    );
    let file = [wide([row(day(0), A, printed)])];
    let exact = compare_costs(&file, &mut ledger.clone(), &options(), CostTolerance::EXACT).unwrap();
    assert_eq!(exact.verdict(), Verdict::Different);
    let delta = exact.worst[0].amount_delta().unwrap();
    assert_eq!(delta.to_string(), "-0.000000000000000000000000000000123456789");
}

#[test]
fn the_tolerance_is_a_nano_for_each_row() {
    let ledger = covered().with(day(0), A, value("1.000000000"));
    for (rows, verdict) in [
        (
            [row(day(0), A, "0.500000001"), row(day(0), A, "0.500000001")],
            Verdict::Matched,
        ),
        (
            [row(day(0), A, "0.500000001"), row(day(0), A, "0.5000000011")],
            Verdict::Different,
        ),
    ] {
        assert_eq!(compared(wide(rows), &ledger).verdict(), verdict);
    }
    let file = [wide([row(day(0), A, "1.01")])];
    let cent = CostTolerance(NanoUsd::new(10_000_000));
    let comparison = compare_costs(&file, &mut ledger.clone(), &options(), cent).unwrap();
    assert_eq!(comparison.verdict(), Verdict::Matched);
}

#[test]
fn what_differs_is_named_with_both_amounts() {
    let ledger = covered()
        .with(day(0), A, value("1.5"))
        .with(day(1), B, value("0.25"));
    let file = wide([row(day(0), A, "2"), row(day(0), B, "0.125"), row(day(1), A, "-3")]);
    let comparison = compared(file, &ledger);
    assert_eq!(comparison.verdict(), Verdict::Different);
    let expected = CostCounts {
        mismatched: 1,
        missing_in_db: 2,
        missing_in_csv: 1,
        ..CostCounts::default()
    };
    assert_eq!(outcome(&comparison.counts), expected);
    let worst: Vec<_> = comparison
        .worst
        .iter()
        .map(|difference| (difference.kind, difference.amount_delta().unwrap().to_string()))
        .collect();
    assert_eq!(
        worst,
        [
            (DifferenceKind::MissingInDb, "-3".to_owned()),
            (DifferenceKind::Mismatched, "0.5".to_owned()),
            (DifferenceKind::MissingInCsv, "-0.25".to_owned()),
            (DifferenceKind::MissingInDb, "0.125".to_owned()),
        ]
    );
    let mismatched = &comparison.worst[1];
    let amounts = [&mismatched.csv, &mismatched.db]
        .map(|record| record.as_ref().unwrap().amount.as_ref().unwrap().to_string());
    assert_eq!(amounts, ["2", "1.5"]);
}

#[test]
fn zero_without_a_partner_is_counted_and_no_difference() {
    let ledger = covered()
        .with(day(0), A, value("1"))
        .with(day(0), B, value("0E-6176 59200 tokens"));
    let file = wide([
        row(day(0), A, "1"),
        row(
            day(0),
            "proj_a/key_a/incentivized-tier | gpt-5, input/usd",
            "0.0 59200.0 tokens",
        ),
        // A charge and its credit.
        row(day(1), A, "5"),
        row(day(1), A, "-5.0"),
    ]);
    let comparison = compared(file, &ledger);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    let expected = CostCounts {
        matched: 1,
        zero_only: 3,
        ..CostCounts::default()
    };
    assert_eq!(outcome(&comparison.counts), expected);
}

#[test]
fn unknown_is_not_zero() {
    for (csv, db, verdict) in [
        ("?", "?", Verdict::Matched),
        ("?", "0", Verdict::Different),
        ("0", "?", Verdict::Different),
        ("1", "?", Verdict::Different),
    ] {
        let ledger = covered().with(day(0), A, value(db));
        let comparison = compared(wide([row(day(0), A, csv)]), &ledger);
        assert_eq!(comparison.verdict(), verdict, "{csv} and {db}");
        if verdict == Verdict::Different {
            assert_eq!(comparison.worst[0].amount_delta(), None, "{csv} and {db}");
        }
    }
    let comparison = compared(wide([row(day(0), A, "?")]), &covered());
    assert_eq!(
        (comparison.counts.missing_in_db, comparison.counts.zero_only),
        (1, 0)
    );
    let comparison = compared(
        wide([row(day(0), B, "1")]),
        &covered().with(day(0), A, value("?")),
    );
    assert_eq!(
        (comparison.counts.missing_in_csv, comparison.counts.zero_only),
        (1, 0)
    );
    // An unknown amount beside a known one adds nothing, as in the ledger.
    let rows = [row(day(0), A, "1"), row(day(0), A, "?")];
    let comparison = compared(wide(rows), &covered().with(day(0), A, value("1")));
    assert_eq!((comparison.counts.matched, comparison.counts.mismatched), (1, 0));
    assert_eq!(comparison.surfaces[0].csv.rows_without_amount(), 1);
}

#[test]
fn quantities_count_where_both_sides_have_them_in_one_unit() {
    for (csv, db, verdict, compared_quantities, not_compared) in [
        ("1 59200.0 tokens", "1 59200 tokens", Verdict::Matched, 1, 0),
        ("1 59200 tokens", "1 59201 tokens", Verdict::Different, 1, 0),
        (
            "1 0.5 gibibyte_hours",
            "1 0.50 gibibyte_hours",
            Verdict::Matched,
            1,
            0,
        ),
        ("1 3 images", "1 59201 tokens", Verdict::Matched, 0, 1),
        ("1", "1 59201 tokens", Verdict::Matched, 0, 1),
        ("1 3 images", "1", Verdict::Matched, 0, 1),
        ("1 3", "1 3", Verdict::Matched, 1, 0),
        ("1", "1", Verdict::Matched, 0, 0),
    ] {
        let ledger = covered().with(day(0), A, value(db));
        let comparison = compared(wide([row(day(0), A, csv)]), &ledger);
        let counts = comparison.counts;
        assert_eq!(
            (
                comparison.verdict(),
                counts.quantities_compared,
                counts.quantities_not_compared
            ),
            (verdict, compared_quantities, not_compared),
            "{csv} and {db}"
        );
    }
    // The older layout has no quantities at all.
    let ledger = covered().with(day(0), A, value("1 59201 tokens"));
    let comparison = compared(narrow([row(day(0), A_WITHOUT_KEY, "1")]), &ledger);
    assert_eq!(
        (comparison.verdict(), comparison.counts.quantities_not_compared),
        (Verdict::Matched, 1)
    );
}

#[test]
fn currencies_are_told_apart_without_regard_to_case_and_never_added() {
    let ledger = covered()
        .with(day(0), A, value("1"))
        .with(day(0), "proj_a/key_a/gpt-5, input/eur", value("2"))
        .with(day(0), "proj_a/key_a/gpt-5, input/", value("4"));
    let file = wide([
        row(day(0), "proj_a/key_a/gpt-5, input/USD", "0.75"),
        row(day(0), A, "0.25"),
        row(day(0), "proj_a/key_a/gpt-5, input/EUR", "2.5"),
        row(day(0), "proj_a/key_a/gpt-5, input/", "4"),
    ]);
    let comparison = compared(file, &ledger);
    assert_eq!((comparison.counts.matched, comparison.counts.mismatched), (2, 1));
    let surface = &comparison.surfaces[0];
    let sums: Vec<_> = surface
        .by_currency()
        .map(|(currency, csv, db)| (currency, csv.unwrap().to_string(), db.unwrap().to_string()))
        .collect();
    let text = str::to_owned;
    assert_eq!(
        sums,
        [
            (None, text("4"), text("4")),
            (Some("eur"), text("2.5"), text("2")),
            (Some("usd"), text("1"), text("1")),
        ]
    );
    assert_eq!(surface.difference(Some("EUR")).to_string(), "0.5");
}

#[test]
fn a_ledger_without_keys_is_compared_coarsely() {
    let costs: DimensionSet = [Dimension::ProjectId, Dimension::LineItem].into_iter().collect();
    let ledger = covered()
        .with(day(0), A_WITHOUT_KEY, value("3"))
        .grouped_by(costs);
    let both_keys = || {
        [
            row(day(0), A, "1"),
            row(day(0), "proj_a/key_b/gpt-5, input/usd", "2"),
        ]
    };
    let comparison = compared(wide(both_keys()), &ledger);
    assert_eq!(comparison.verdict(), Verdict::MatchedCoarse);
    assert_eq!(
        (comparison.counts.matched, comparison.counts.matched_coarse),
        (0, 1)
    );
    assert_eq!(comparison.coarsened.len(), 1);
    assert_eq!(comparison.coarsened[0].dimension, Dimension::ApiKeyId);
    assert_eq!(comparison.coarsened[0].endpoint, Endpoint::Costs);

    // Keys that were asked for and are null throughout tell nothing apart either.
    let mut empty = ledger.clone().grouped_by(Endpoint::Costs.dimensions());
    empty.coverage[0].empty = [Dimension::ApiKeyId].into_iter().collect();
    assert_eq!(
        compared(wide(both_keys()), &empty).verdict(),
        Verdict::MatchedCoarse
    );

    // A file that has the column and no key in it loses nothing.
    let blank = wide([row(day(0), A_WITHOUT_KEY, "3")]);
    assert_eq!(compared(blank, &ledger).verdict(), Verdict::Matched);

    // Sums that differ differ, coarse or not.
    let mut rows = both_keys();
    rows[0] = row(day(0), A, "1.5");
    let comparison = compared(wide(rows), &ledger);
    assert_eq!(comparison.verdict(), Verdict::Different);
    assert_eq!(comparison.worst[0].csv.as_ref().unwrap().record_count, 2);
}

#[test]
fn only_the_windows_before_the_keys_are_coarse() {
    let mut ledger = covered()
        .with(day(0), A_WITHOUT_KEY, value("1"))
        .with(day(1), A, value("1"));
    ledger.coverage[0].grouped_by = Endpoint::Costs.dimensions().without(Dimension::ApiKeyId);
    let comparison = compared(wide([row(day(0), A, "1"), row(day(1), A, "1")]), &ledger);
    let counts = comparison.counts;
    assert_eq!((counts.matched, counts.matched_coarse), (1, 1));
    assert_eq!(comparison.coarsened[0].windows, 1);
}

#[test]
fn a_provisional_read_may_explain_a_difference_and_never_hides_it() {
    let mut ledger = covered().with(day(0), A, value("1"));
    ledger.coverage[0].state = WindowState::Provisional;
    let comparison = compared(wide([row(day(0), A, "1.25")]), &ledger);
    assert_eq!(comparison.verdict(), Verdict::Different);
    assert_eq!(comparison.worst[0].cause, Some(Cause::Provisional));
    assert_eq!(comparison.surfaces[0].states[&WindowState::Provisional], 1);
}

#[test]
fn probable_causes_are_named_where_the_amounts_say_so() {
    let double = compared(
        wide([row(day(0), A, "1")]),
        &covered().with(day(0), A, value("2")),
    );
    assert_eq!(double.worst[0].cause, Some(Cause::CountedTwice));
    let renamed = covered().with(day(0), "proj_a/key_a/gpt-5, input_tokens/usd", value("1"));
    let comparison = compared(wide([row(day(0), A, "1")]), &renamed);
    let cause = Cause::OtherValue {
        dimension: Dimension::LineItem,
        csv: Some("gpt-5, input".to_owned()),
        db: Some("gpt-5, input_tokens".to_owned()),
    };
    assert_eq!(comparison.worst.len(), 2);
    for difference in &comparison.worst {
        assert_eq!(difference.cause.as_ref(), Some(&cause));
    }
}
