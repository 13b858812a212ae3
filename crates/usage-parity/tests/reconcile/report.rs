//! The three forms of a report.

use usage_core::{Endpoint, Metrics};
use usage_parity::reconcile::{CostLine, InvoiceComparison, ReconcileFacts, Reconciliation};

use crate::support::{Used, catalogue, charge, facts, json, reconcile, usd, with_quantity};

/// A discount, a credit, an image and a tax without usage, a free tier, an unknown model, euros.
fn mixed() -> Reconciliation {
    let images = Metrics {
        images: Some(3),
        ..Metrics::default()
    };
    let used = [
        Used::tokens(1, "gpt-5-2025-08-07", 2_000_000, 100_000).cached(400_000),
        Used::tokens(1, "gpt-5-2025-08-07", 5_000, 700).tier("incentivized-tier"),
        Used::tokens(2, "gpt-5-2025-08-07", 1_000_000, 0),
        Used::tokens(2, "gpt-4o-mini-2024-07-18", 3_000_000, 0),
        Used::tokens(2, "gpt-nobody-knows", 3_000_000, 0),
        Used::of(3, Endpoint::Images, Some("dall-e-3"), &images),
    ];
    let euro = CostLine {
        currency: Some("eur".to_owned()),
        ..charge(3, "=support()", "100")
    };
    let charged = [
        with_quantity(charge(1, "gpt-5-2025-08-07, input", "2"), "1600000", "tokens"),
        with_quantity(
            charge(1, "gpt-5-2025-08-07, cached input", "0.05"),
            "400000",
            "tokens",
        ),
        with_quantity(charge(1, "gpt-5-2025-08-07, output", "1.001"), "100000", "tokens"),
        with_quantity(charge(2, "gpt-5-2025-08-07, input", "1"), "1000000", "tokens"),
        charge(2, "gpt-nobody-knows, input", "0.7"),
        charge(2, "credit grant", "-12.50"),
        charge(3, "gpt-image-1, image output", "1.6896"),
        charge(3, "Sales tax", "0.19"),
        charge(3, "o3, output", "0.8"),
        euro,
    ];
    reconcile(&catalogue(), &used, &charged)
}

#[test]
fn for_people() {
    let found = mixed();
    let invoice = InvoiceComparison::new(&found, None, usd("7.7306"));
    let facts = ReconcileFacts {
        invoice: Some(invoice),
        never_read: vec![Endpoint::Decisions, Endpoint::AudioSpeeches],
        ..facts()
    };
    insta::assert_snapshot!(found.text(&facts));
}

#[test]
fn for_people_when_all_is_well() {
    let used = [Used::tokens(1, "gpt-5-2025-08-07", 2_000_000, 0)];
    let found = reconcile(
        &catalogue(),
        &used,
        &[charge(1, "gpt-5-2025-08-07, input", "2.50")],
    );
    insta::assert_snapshot!(found.text(&facts()));
}

#[test]
fn for_programs() {
    insta::assert_json_snapshot!(json(&mut mixed()));
}

#[test]
fn for_spreadsheets() {
    let mut bytes = Vec::new();
    mixed().write_csv(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(",'=support(),"), "no formula: {text}");
    insta::assert_snapshot!(text);
}

/// The twenty largest are shown, and how many more there are is said.
#[test]
fn a_long_list_is_cut() {
    let charged: Vec<CostLine> = (1..=25)
        .map(|number| charge(1, &format!("thing {number}"), &number.to_string()))
        .collect();
    let text = reconcile(&catalogue(), &[], &charged).text(&facts());
    assert!(text.contains("  +25 USD  thing 25: "), "{text}");
    assert!(text.contains("  +6 USD  thing 6: "), "{text}");
    assert!(!text.contains("thing 5:"), "{text}");
    assert!(text.contains("… and 5 more; the JSON report has all"), "{text}");
}
