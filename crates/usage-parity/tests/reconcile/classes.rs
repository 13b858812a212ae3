//! What becomes of each kind of group, and when it is clean.

use usage_core::{Endpoint, Metrics, Provider};
use usage_parity::reconcile::{
    Class, Complaint, CostLine, Day, InvoiceComparison, LeftOut, ReconcileError, Reconciler, Reconciliation,
};

use crate::support::{
    Used, catalogue, charge, classes, day, facts, groups, reconcile, usd, with_quantity, without_day,
};

const MODEL: &str = "gpt-5-2025-08-07";

#[test]
fn what_is_charged_as_listed_is_equal_to_the_nano_dollar() {
    // 1,000,000 × 1.25 + 400,000 × 0.125 + 200,000 × 10 dollars a million.
    let used = [Used::tokens(1, MODEL, 1_400_000, 200_000).cached(400_000)];
    let charged = [
        charge(1, "gpt-5-2025-08-07, input", "1.25"),
        charge(1, "gpt-5-2025-08-07, cached input", "0.05"),
        charge(
            1,
            "gpt-5-2025-08-07, output",
            "2.000000000000000000000000000000000000001",
        ),
    ];
    let found = reconcile(&catalogue(), &used, &charged);
    assert_eq!(classes(&found), [(Class::Equal, 3)]);
    assert_eq!(found.equal_to_the_nano, 3);
    assert_eq!(found.variance.percent, Some(usd("0")));
    assert_eq!(found.bridge.priced, usd("3.3"));
    assert!(found.is_clean(&facts()));
    assert!(found.findings.is_empty() && found.overlay.toml().is_empty());
}

/// Equal to the cent: at most half a cent apart, as exact numbers.
#[test]
fn half_a_cent_is_the_border() {
    for (amount, class, nano) in [
        ("1.25", Class::Equal, 1),
        ("1.2500000004", Class::Equal, 1),
        ("1.250000001", Class::Equal, 0),
        ("1.255", Class::Equal, 0),
        ("1.245", Class::Equal, 0),
        ("1.2550000000000000001", Class::Differs, 0),
        ("1.2449999999999999999", Class::Differs, 0),
    ] {
        let used = [Used::tokens(1, MODEL, 1_000_000, 0)];
        let found = reconcile(
            &catalogue(),
            &used,
            &[charge(1, "gpt-5-2025-08-07, input", amount)],
        );
        assert_eq!(classes(&found), [(class, 1)], "{amount}");
        assert_eq!(found.equal_to_the_nano, nano, "{amount}");
    }
}

#[test]
fn a_difference_tells_the_rates() {
    let used = [Used::tokens(1, MODEL, 2_000_000, 0)];
    for (line, implied) in [
        (charge(1, "gpt-5-2025-08-07, input", "2"), "1"),
        (
            with_quantity(charge(1, "gpt-5-2025-08-07, input", "2"), "1000", "1000_tokens"),
            "2",
        ),
        (
            with_quantity(charge(1, "gpt-5-2025-08-07, input", "2"), "3", "images"),
            "1",
        ),
    ] {
        let mut found = reconcile(&catalogue(), &used, &[line]);
        let groups = groups(&mut found);
        let [group] = groups.as_slice() else {
            panic!("{groups:#?}")
        };
        assert_eq!(group.class, Class::Differs);
        assert_eq!(group.implied_rate, Some(usd(implied)));
        assert_eq!(group.list_rate, Some(usd("1.25")));
        assert_eq!(group.difference, Some(usd("-0.5")));
        assert_eq!(group.price_ids, ["openai/gpt-5/standard@-"]);
        assert_eq!(found.variance.percent, Some(usd("25")), "0.5 of 2");
    }
}

#[test]
fn differences_never_cancel_out() {
    let used = [
        Used::tokens(1, MODEL, 1_000_000, 0),
        Used::tokens(2, MODEL, 1_000_000, 0),
    ];
    let charged = [
        charge(1, "gpt-5-2025-08-07, input", "1.5"),
        charge(2, "gpt-5-2025-08-07, input", "1"),
    ];
    let found = reconcile(&catalogue(), &used, &charged);
    assert_eq!(found.bridge.differs, usd("0"));
    assert_eq!(found.variance.absolute_difference, usd("0.5"));
    assert_eq!(found.variance.percent, Some(usd("20")));
    assert!(!found.is_clean(&facts()));
}

/// (usage, charges, the class of the one group, whether it has to be looked at)
#[test]
fn every_kind_of_one_sided_group_has_its_class() {
    let free = Used::tokens(1, MODEL, 1_000, 0).tier("incentivized-tier");
    let unknown = Used::tokens(1, "gpt-nobody-knows", 1_000_000, 0);
    let paid = Used::tokens(1, MODEL, 1_000_000, 0);
    let crumbs = Used::tokens(1, MODEL, 4_000, 0);
    let moderation = Used::of(
        1,
        Endpoint::Moderations,
        Some("omni-moderation-latest"),
        &Metrics {
            input_tokens: Some(1_000),
            ..Metrics::default()
        },
    );
    let storage = Used::of(
        1,
        Endpoint::VectorStores,
        None,
        &Metrics {
            usage_bytes: Some(1_000),
            ..Metrics::default()
        },
    );
    let input = "gpt-5-2025-08-07, input";
    let euro = CostLine {
        currency: Some("EUR".to_owned()),
        ..charge(1, "support", "100")
    };
    let null = CostLine {
        amount: None,
        ..charge(1, "gpt-5, input", "0")
    };
    let gibibytes = with_quantity(charge(1, "something new", "3"), "7", "gibibyte_hours");
    for (used, charged, class, is_clean) in [
        (Some(&free), None, Class::Free, true),
        (Some(&free), Some(charge(1, input, "0E-6176")), Class::Free, true),
        (
            Some(&free),
            Some(charge(1, input, "1")),
            Class::Unexplained,
            false,
        ),
        (Some(&moderation), None, Class::Free, true),
        (Some(&unknown), None, Class::Unpriced, false),
        (Some(&storage), None, Class::Unpriced, false),
        (
            Some(&unknown),
            Some(charge(1, "gpt-nobody-knows, input", "1")),
            Class::ChargedUnpriced,
            false,
        ),
        (Some(&paid), None, Class::NotCharged, false),
        (Some(&crumbs), None, Class::NotCharged, false),
        (
            None,
            Some(charge(1, "credit grant", "-12.50")),
            Class::Credit,
            true,
        ),
        (None, Some(charge(1, input, "-1")), Class::Credit, true),
        (None, Some(charge(1, "Sales tax (CA)", "9")), Class::Tax, true),
        (
            None,
            Some(charge(1, "gpt-image-1, image output", "1.6896")),
            Class::OtherUnits,
            true,
        ),
        (
            None,
            Some(charge(1, "web search tool calls", "1")),
            Class::Unexplained,
            false,
        ),
        (
            None,
            Some(charge(1, "gpt-4o-transcribe, output", "1")),
            Class::Unexplained,
            false,
        ),
        (
            None,
            Some(charge(
                1,
                "ft:gpt-4.1-2025-04-14:acme:session-bot:abc, output",
                "1",
            )),
            Class::Unexplained,
            false,
        ),
        (
            None,
            Some(charge(1, "ft:gpt-4.1-2025-04-14:acme:tax:abc, output", "1")),
            Class::Unexplained,
            false,
        ),
        (
            None,
            Some(charge(1, "file storage, gibibyte hours", "1")),
            Class::OtherUnits,
            true,
        ),
        (None, Some(gibibytes), Class::OtherUnits, true),
        (None, Some(charge(1, input, "1")), Class::Unexplained, false),
        (
            None,
            Some(charge(1, "something new", "1")),
            Class::Unexplained,
            false,
        ),
        (
            None,
            Some(charge(1, "something new", "0.005")),
            Class::Unexplained,
            false,
        ),
        (None, Some(euro), Class::OtherCurrency, false),
        (None, Some(null), Class::WithoutAmount, false),
    ] {
        let used: Vec<Used> = used.into_iter().cloned().collect();
        let charged: Vec<CostLine> = charged.into_iter().collect();
        let found = reconcile(&catalogue(), &used, &charged);
        assert_eq!(classes(&found), [(class, 1)], "{used:?} {charged:?}");
        assert_eq!(found.is_clean(&facts()), is_clean, "{used:?} {charged:?}");
        assert_eq!(found.variance.percent, None, "nothing has both sides");
    }
}

#[test]
fn what_has_one_side_neither_hides_nor_causes_variance() {
    let used = [Used::tokens(1, MODEL, 1_000_000, 0)];
    let mut charged = vec![charge(1, "gpt-5-2025-08-07, input", "1")];
    let alone = reconcile(&catalogue(), &used, &charged).variance;
    charged.push(charge(1, "credit grant", "-1000"));
    charged.push(charge(1, "VAT", "190"));
    charged.push(charge(1, "gpt-image-1, image", "5000"));
    let found = reconcile(&catalogue(), &used, &charged);
    assert_eq!(found.variance, alone);
    assert_eq!(found.bridge.charged, usd("4191"));
    assert_eq!(
        found.complaints(&usd("25")),
        [],
        "0.25 of 1 USD is 25 percent, and not more"
    );
    assert!(matches!(
        found.complaints(&usd("24.999999"))[..],
        [Complaint::Variance { .. }]
    ));
}

#[test]
fn amounts_in_other_currencies_are_kept_and_not_added() {
    let euros = |amount: &str| CostLine {
        currency: Some("eur".to_owned()),
        ..charge(1, "support", amount)
    };
    let found = reconcile(
        &catalogue(),
        &[],
        &[euros("100"), euros("0.5"), charge(1, "credit", "-1")],
    );
    assert_eq!(found.other_currencies["eur"], usd("100.5"));
    assert_eq!(found.bridge.charged, usd("-1"));
}

#[test]
fn days_left_out_are_in_no_sum() {
    let used = [Used::tokens(1, MODEL, 1_000_000, 0)];
    let charged = [charge(1, "gpt-5-2025-08-07, input", "1.25")];
    let found = without_day(&used, &charged, 2, LeftOut::Open);
    assert_eq!((found.days.open.len(), found.days.provisional.len()), (1, 1));
    assert!(found.is_clean(&facts()), "an open day is no fault");
    let found = without_day(&used, &charged, 2, LeftOut::NotCovered(vec![Endpoint::Costs]));
    assert_eq!(found.complaints(&usd("2")), [Complaint::NotCovered { days: 1 }]);
    assert!(
        found
            .text(&facts())
            .contains("usage backfill --start 2025-09-02 --end 2025-09-02")
    );
}

/// What a surface counts is explained without usage only if that surface was not read.
#[test]
fn a_surface_that_was_read_and_counted_nothing_explains_nothing() {
    for line_item in [
        "web search tool calls",
        "file search tool calls",
        "code interpreter sessions",
    ] {
        for (read, class) in [
            (Endpoint::USAGE.to_vec(), Class::Unexplained),
            (vec![Endpoint::Completions], Class::OtherUnits),
        ] {
            let mut reconciler = Reconciler::new(catalogue(), Provider::OpenAi);
            let mut lines = Day::new(day(1), false).with_read(read);
            lines.add_cost(&charge(1, line_item, "5000")).unwrap();
            reconciler.compare(lines).unwrap();
            let found = reconciler.finish().unwrap();
            assert_eq!(classes(&found), [(class, 1)], "{line_item}");
        }
    }
}

#[test]
fn nothing_used_and_nothing_charged_is_clean_and_said() {
    let found = reconcile(&catalogue(), &[], &[]);
    assert!(found.is_clean(&facts()));
    assert!(
        found
            .text(&facts())
            .contains("nothing was used and nothing charged")
    );
    let unknown = [Used::tokens(1, "gpt-nobody-knows", 1_000_000, 0)];
    let found = reconcile(&catalogue(), &unknown, &[]);
    assert_eq!(found.complaints(&usd("2")), [Complaint::NothingCompared]);
    let text = found.text(&facts());
    assert!(
        text.starts_with("NOT RECONCILED") && text.contains("explains: gpt-nobody-knows"),
        "{text}"
    );
}

/// A provisional day without any cost is not compared yet; a settled one is a finding.
#[test]
fn costs_that_are_not_there_yet_are_left_out() {
    for (is_provisional, left_out, amount) in [(true, 1, "0"), (false, 0, "1.25")] {
        let found = waiting(is_provisional);
        assert_eq!(found.days.without_costs.len(), left_out);
        assert_eq!(found.tally(Class::NotCharged).priced, usd(amount));
        assert_eq!(found.is_clean(&facts()), is_provisional);
    }
}

/// A day with usage and costs, and one with usage alone.
fn waiting(is_provisional: bool) -> Reconciliation {
    let mut reconciler = Reconciler::new(catalogue(), Provider::OpenAi);
    for (number, is_provisional) in [(1, false), (2, is_provisional)] {
        let mut lines = Day::new(day(number), is_provisional);
        let used = Used::tokens(number, MODEL, 1_000_000, 0).priced_by(&catalogue());
        lines.add_usage(&used).unwrap();
        if number == 1 {
            let charge = charge(1, "gpt-5-2025-08-07, input", "1.25");
            lines.add_cost(&charge).unwrap();
        }
        reconciler.compare(lines).unwrap();
    }
    reconciler.finish().unwrap()
}

#[test]
fn a_row_whose_cost_is_not_what_its_price_gives_is_refused() {
    let mut line = Used::tokens(1, MODEL, 1_000_000, 0).priced_by(&catalogue());
    line.cost = Some("1.250000001".parse().unwrap());
    let error = Day::new(day(1), false).add_usage(&line).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the row of 2025-09-01, completions, gpt-5-2025-08-07 has the cost 1.250000001 USD, but its price \
         openai/gpt-5/standard@- gives 1.25; price it again with `usage reprice`"
    );
    let error = Day::new(day(2), false).add_cost(&charge(1, "credit", "-1"));
    assert!(matches!(error, Err(ReconcileError::OtherDay { .. })));
}

#[test]
fn an_invoice_is_set_beside_the_costs() {
    let used = [Used::tokens(1, MODEL, 80_000_000, 0)];
    let charged = [
        charge(1, "gpt-5-2025-08-07, input", "100"),
        charge(1, "credit grant", "-20"),
        charge(2, "VAT", "19"),
    ];
    let found = reconcile(&catalogue(), &used, &charged);
    for (total, difference, is_explained, words) in [
        ("99", "0", true, vec![]),
        ("99.004", "0.004", true, vec![]),
        (
            "119",
            "20",
            true,
            vec!["the credits: the invoice is the charges and the tax, without them"],
        ),
        (
            "80",
            "-19",
            true,
            vec!["the tax: the invoice is the charges and the credits, without it"],
        ),
        (
            "100",
            "1",
            true,
            vec!["the credits and the tax: the invoice is the charges alone"],
        ),
        ("120", "21", false, vec![]),
        (
            "90",
            "-9",
            false,
            vec!["credits or a prepaid balance that the costs do not show"],
        ),
    ] {
        let invoice = InvoiceComparison::new(&found, None, usd(total));
        assert_eq!(invoice.difference, usd(difference), "{total}");
        assert_eq!(invoice.is_explained, is_explained, "{total}");
        assert_eq!(invoice.explanations, words, "{total}");
        assert_eq!(
            (invoice.charges, invoice.credits, invoice.tax, invoice.sum),
            (usd("100"), usd("-20"), usd("19"), usd("99"))
        );
    }
    let untaxed = reconcile(&catalogue(), &used, &charged[..1]);
    let invoice = InvoiceComparison::new(&untaxed, None, usd("119"));
    assert_eq!(
        invoice.explanations,
        ["tax: no line item says tax, and the invoice is 19 % more than the costs"]
    );
}

/// An invoice is for a whole month: what was charged for a part of it explains none, not even an equal one.
#[test]
fn a_part_of_a_month_explains_no_invoice() {
    let used = [Used::tokens(1, MODEL, 1_000_000, 0)];
    let charged = [charge(1, "gpt-5-2025-08-07, input", "1.25")];
    let of = |why| without_day(&used, &charged, 2, why);
    let not_covered = of(LeftOut::NotCovered(vec![Endpoint::Costs]));
    for (found, projects, missing) in [
        (of(LeftOut::Open), None, "days not over when they were read: 1"),
        (not_covered, None, "days not read completely: 1"),
        (
            reconcile(&catalogue(), &used, &charged),
            Some(&["proj_a".to_owned()][..]),
            "projects that were not read: all but 1",
        ),
        (waiting(true), None, "days whose costs are not there yet: 1"),
    ] {
        for total in ["1.25", "1.5", "1"] {
            let invoice = InvoiceComparison::new(&found, projects, usd(total));
            assert_eq!(invoice.missing, [missing]);
            assert!(!invoice.is_explained, "{total}");
            assert!(!invoice.explanations.iter().any(|words| words.starts_with("tax")));
        }
    }
    let whole = reconcile(&catalogue(), &used, &charged);
    assert!(InvoiceComparison::new(&whole, None, usd("1.25")).is_explained);
}
