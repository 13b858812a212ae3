//! The printed entries close the gap.

use usage_core::{Decimal, Endpoint, Metrics};
use usage_parity::reconcile::{Class, CostLine, Reconciliation};
use usage_pricing::Catalogue;

use crate::support::{
    Used, catalogue, charge, classes, facts, groups, reconcile, reconcile_lines, usd, with_quantity,
};

/// Reconciles again with the printed prices in the user's file.
fn with_printed(found: &Reconciliation, used: &[Used], charged: &[CostLine]) -> Reconciliation {
    let toml = found.overlay.toml();
    let catalogue = catalogue()
        .with_user_file("prices.toml", &toml)
        .unwrap_or_else(|error| panic!("{error}\n{toml}"));
    reconcile(&catalogue, used, charged)
}

#[track_caller]
fn closes(found: &Reconciliation, used: &[Used], charged: &[CostLine]) {
    let again = with_printed(found, used, charged);
    let unequal: Vec<_> = classes(&again)
        .into_iter()
        .filter(|(class, _)| *class != Class::Equal)
        .collect();
    assert_eq!(unequal, [], "{}", found.overlay.toml());
    assert!(again.is_clean(&facts()));
    assert!(again.overlay.entries.is_empty());
}

fn charges(catalogue: &Catalogue, used: &[Used], line: &str, percent: i64) -> Vec<CostLine> {
    let hundredths =
        |amount: Decimal| amount.over(&usd("100").over(&Decimal::from(percent), 30).unwrap(), 20);
    let used = used.iter().map(|used| {
        let cost = Decimal::from(used.priced_by(catalogue).cost.unwrap());
        let mut line = charge(1, line, "0");
        line.day = used.day;
        line.amount = hundredths(cost);
        line
    });
    used.collect()
}

/// Twenty per cent off from the tenth on: before, and for what is not discounted, nothing changes.
#[test]
fn a_discount_from_a_day_on() {
    let used: Vec<Used> = (1..=20)
        .map(|day| Used::tokens(day, "gpt-5-2025-08-07", 1_000_000 + i64::from(day), 0))
        .collect();
    let list = catalogue();
    let mut charged = charges(&list, &used[..9], "gpt-5-2025-08-07, input", 100);
    charged.extend(charges(&list, &used[9..], "gpt-5-2025-08-07, input", 80));
    let found = reconcile(&list, &used, &charged);
    assert_eq!(classes(&found), [(Class::Equal, 9), (Class::Differs, 11)]);
    insta::assert_snapshot!(found.overlay.toml());
    closes(&found, &used, &charged);
}

#[test]
fn a_discount_that_ends() {
    let used: Vec<Used> = (1..=9)
        .map(|day| Used::tokens(day, "gpt-5", 0, 1_000_000))
        .collect();
    let list = catalogue();
    let mut charged = Vec::new();
    for (days, percent) in [(0..3, 100), (3..6, 50), (6..9, 100)] {
        charged.extend(charges(&list, &used[days], "gpt-5, output", percent));
    }
    let found = reconcile(&list, &used, &charged);
    let [entry] = &found.overlay.entries[..] else {
        panic!("{:#?}", found.overlay)
    };
    assert_eq!(entry.from, used[3].day);
    assert_eq!(entry.until, Some(used[6].day));
    closes(&found, &used, &charged);
}

/// A cent tells nothing about a day of a thousand tokens.
#[test]
fn quiet_days_do_not_cut_a_price_into_pieces() {
    let used: Vec<Used> = (1..=10)
        .map(|day| Used::tokens(day, "gpt-5", if day % 2 == 0 { 1_000 } else { 4_000_000 }, 0))
        .collect();
    let list = catalogue();
    let charged = charges(&list, &used, "gpt-5, input", 90);
    let found = reconcile(&list, &used, &charged);
    assert_eq!(found.overlay.entries.len(), 1, "{}", found.overlay.toml());
    closes(&found, &used, &charged);
}

/// Flex and batch stand in the plain line at their own prices, and the contract is for all of them.
#[test]
fn tiers_behind_one_line_change_in_one_proportion() {
    let contract = r#"
        [[price]]
        provider = "openai"
        model = "gpt-5"
        batch = true
        from = 2025-09-01
        until = 2025-10-01
        source = "list"
        checked = 2025-09-01
        [price.usd_per_million]
        input = "0.625"
        output = "5"
    "#;
    let list = catalogue().with_user_file("prices.toml", contract).unwrap();
    let used: Vec<Used> = (1..=6)
        .flat_map(|day| {
            let tokens = 1_000_000 * i64::from(day);
            [
                Used::tokens(day, "gpt-5", tokens, 0),
                Used::tokens(day, "gpt-5", 7_000_000 - tokens, 0).batch(),
            ]
        })
        .collect();
    let charged = charges(&list, &used, "gpt-5, input", 80);
    let found = reconcile(&list, &used, &charged);
    let kinds: Vec<(bool, &str)> = found
        .overlay
        .entries
        .iter()
        .map(|entry| (entry.batch, entry.rates[0].usd.as_str()))
        .collect();
    assert_eq!(kinds, [(false, "1"), (true, "0.5")]);
    closes(&found, &used, &charged);
}

#[test]
fn units_that_are_no_tokens_have_prices_too() {
    let calls = |day, calls| {
        let metrics = Metrics {
            num_requests: Some(calls),
            ..Metrics::default()
        };
        Used::of(day, Endpoint::FileSearchCalls, None, &metrics)
    };
    let used = [calls(1, 1_000), calls(2, 3_000)];
    let list = catalogue();
    let charged = charges(&list, &used, "file search tool calls", 50);
    let found = reconcile(&list, &used, &charged);
    assert_eq!(found.overlay.entries[0].rates[0].name, "call");
    assert_eq!(found.overlay.entries[0].rates[0].usd, "0.00125");
    closes(&found, &used, &charged);
}

/// More tokens than the usage has are no other price.
#[test]
fn another_quantity_is_no_other_price() {
    let used = [Used::tokens(1, "gpt-5", 1_000_000, 0)];
    let line = with_quantity(charge(1, "gpt-5, input", "2.5"), "2000000", "tokens");
    let mut found = reconcile(&catalogue(), &used, &[line]);
    assert_eq!(groups(&mut found)[0].ratio, Some(usd("1")));
    assert!(found.overlay.entries.is_empty());
    assert!(found.overlay.not_determined[0].contains("another quantity"));
}

/// Two contracts for two tiers behind one line: no price is guessed from their mix.
#[test]
fn a_mix_of_tiers_is_told_as_such() {
    let contract = r#"
        [[price]]
        provider = "openai"
        model = "gpt-5"
        batch = true
        from = 2025-09-01
        source = "list"
        checked = 2025-09-01
        [price.usd_per_million]
        input = "0.625"
    "#;
    let list = catalogue().with_user_file("prices.toml", contract).unwrap();
    let used: Vec<Used> = (1..=20)
        .flat_map(|day| {
            let tokens = 1_000_000 * i64::from(day);
            [
                Used::tokens(day, "gpt-5", tokens, 0),
                Used::tokens(day, "gpt-5", 30_000_000 - tokens, 0).batch(),
            ]
        })
        .collect();
    let (plain, batch): (Vec<Used>, Vec<Used>) = used
        .iter()
        .cloned()
        .partition(|used| used.dimensions.batch.is_none());
    let mut charged = charges(&list, &plain, "gpt-5, input", 50);
    charged.extend(charges(&list, &batch, "gpt-5, input", 100));
    let found = reconcile(&list, &used, &charged);
    assert!(found.overlay.entries.is_empty(), "{}", found.overlay.toml());
    assert!(found.overlay.not_determined[0].contains("several prices"));
}

/// What has no price gets the one that the charges imply.
#[test]
fn an_unknown_model_gets_a_price() {
    let used: Vec<Used> = (1..=3)
        .map(|day| Used::tokens(day, "gpt-nobody-knows", 3_000_000, 100_000).cached(1_000_000))
        .collect();
    let charged: Vec<CostLine> = (1..=3)
        .flat_map(|day| {
            [
                charge(day, "gpt-nobody-knows, input", "4"),
                charge(day, "gpt-nobody-knows, cached input", "0.2"),
                charge(day, "gpt-nobody-knows, output", "0.8"),
            ]
        })
        .collect();
    let found = reconcile(&catalogue(), &used, &charged);
    assert_eq!(classes(&found), [(Class::ChargedUnpriced, 9)]);
    insta::assert_snapshot!(found.overlay.toml());
    closes(&found, &used, &charged);
}

/// The plain line has the standard tier, which has a price, and a tier that has none: it costs what is left.
#[test]
fn a_tier_without_a_price_gets_what_the_others_leave() {
    let used: Vec<Used> = (1..=3)
        .flat_map(|day| {
            [
                Used::tokens(day, "gpt-4o-mini-2024-07-18", 1_000_000 * i64::from(day), 0),
                Used::tokens(day, "gpt-4o-mini-2024-07-18", 2_000_000, 0).tier("flex"),
            ]
        })
        .collect();
    let charged: Vec<CostLine> = ["0.33", "0.48", "0.63"]
        .iter()
        .zip(1..)
        .map(|(amount, day)| charge(day, "gpt-4o-mini-2024-07-18, input", amount))
        .collect();
    let found = reconcile(&catalogue(), &used, &charged);
    let [entry] = &found.overlay.entries[..] else {
        panic!("{:#?}", found.overlay)
    };
    assert_eq!(
        (entry.model.as_str(), entry.tier.as_str()),
        ("gpt-4o-mini", "flex")
    );
    assert_eq!(entry.rates[0].usd, "0.09", "0.18 USD of two millions");
    closes(&found, &used, &charged);
}

/// A charge that two kinds of usage share, one of them without a price: its price is what the other leaves only where
/// that one costs what is listed, and one day, or days of one mix, cannot tell.
#[test]
fn a_discount_on_the_others_is_no_price_of_what_has_none() {
    let mixed = |day, standard| {
        [
            Used::tokens(day, "gpt-4o-mini-2024-07-18", standard, 0),
            Used::tokens(day, "gpt-4o-mini-2024-07-18", 2_000_000, 0).tier("flex"),
        ]
    };
    let line = |day, amount| charge(day, "gpt-4o-mini-2024-07-18, input", amount);
    // The standard tier costs 0.12 USD a million instead of 0.15, and flex 0.09.
    let varied = (
        [mixed(1, 10_000_000), mixed(2, 20_000_000), mixed(3, 30_000_000)].concat(),
        vec![line(1, "1.38"), line(2, "2.58"), line(3, "3.78")],
    );
    let one_day = (mixed(1, 10_000_000).to_vec(), vec![line(1, "1.68")]);
    let one_mix = (
        [mixed(1, 10_000_000), mixed(2, 10_000_000)].concat(),
        vec![line(1, "1.68"), line(2, "1.68")],
    );
    for (used, charged) in [varied, one_day, one_mix] {
        let found = reconcile(&catalogue(), &used, &charged);
        assert!(found.overlay.entries.is_empty(), "{}", found.overlay.toml());
        assert!(found.overlay.not_determined[0].contains("several prices"));
    }
}

/// Text and audio of a model without a price stand in one line: one day's charge tells neither rate.
#[test]
fn one_rate_for_text_and_audio_needs_days_that_agree() {
    let used = |day, audio| {
        let mut used = Used::tokens(day, "gpt-nobody-knows", 4_000_000, 0);
        used.metrics.input_audio_tokens = Some(audio);
        used.metrics.input_text_tokens = Some(4_000_000 - audio);
        used
    };
    let line = |day| charge(day, "gpt-nobody-knows, input", "4");
    let found = reconcile(&catalogue(), &[used(1, 1_000_000)], &[line(1)]);
    assert!(found.overlay.entries.is_empty(), "{}", found.overlay.toml());
    let (used, charged) = ([used(1, 1_000_000), used(2, 3_000_000)], [line(1), line(2)]);
    let found = reconcile(&catalogue(), &used, &charged);
    assert_eq!(found.overlay.entries.len(), 1, "{:?}", found.overlay);
    closes(&found, &used, &charged);
}

/// A day that the rates do not explain is not theirs.
#[test]
fn a_day_that_nothing_explains_ends_an_entry() {
    let mut used: Vec<Used> = (1..=5)
        .map(|day| Used::tokens(day, "gpt-5", 4_000_000, 0))
        .collect();
    let mut charged = charges(&catalogue(), &used, "gpt-5, input", 80);
    for tier in ["nobody-knows", "nobody-knows-either"] {
        used.push(Used::tokens(3, "gpt-5", 1_000_000, 0).tier(tier));
    }
    charged[2].amount = Some(usd("7"));
    let found = reconcile(&catalogue(), &used, &charged);
    let ends: Vec<_> = found
        .overlay
        .entries
        .iter()
        .map(|entry| (entry.from, entry.until))
        .collect();
    assert_eq!(
        ends,
        [(used[0].day, Some(used[2].day)), (used[3].day, None)],
        "{:?}",
        found.overlay
    );
}

/// A price file with another model changes the version of the list, and no price of this model: neither rows of one day
/// nor days that were priced before and after it have several prices.
#[test]
fn one_price_of_two_versions_of_the_list_is_one_price() {
    const OTHER_MODEL: &str = r#"
        [[price]]
        provider = "openai"
        model = "gpt-nobody-knows"
        from = 2025-01-01
        source = "contract"
        checked = 2025-09-01
        [price.usd_per_million]
        input = "1"
        output = "1"
    "#;
    let (before, after) = (
        catalogue(),
        catalogue().with_user_file("prices.toml", OTHER_MODEL).unwrap(),
    );
    assert_ne!(before.version(), after.version());
    let rows = [(1, &before), (1, &after), (2, &before), (3, &after), (4, &after)];
    let used: Vec<Used> = rows
        .iter()
        .map(|(day, _)| Used::tokens(*day, "gpt-5", 1_000_000, 0))
        .collect();
    let lines: Vec<_> = used
        .iter()
        .zip(rows)
        .map(|(used, (_, list))| used.priced_by(list))
        .collect();
    let charged = charges(&before, &used, "gpt-5, input", 80);
    let found = reconcile_lines(&after, &lines, &charged);
    assert_eq!(found.overlay.not_determined, [""; 0]);
    let entries: Vec<_> = found
        .overlay
        .entries
        .iter()
        .map(|entry| (entry.from, entry.last_day, entry.rates[0].usd.as_str()))
        .collect();
    assert_eq!(entries, [(used[0].day, used[4].day, "1")]);
    closes(&found, &used, &charged);
}

/// Web searches of a project on the second, and what they are charged.
fn searches(project: &str, models: &[(&str, i64)], amount: &str) -> (Vec<Used>, CostLine) {
    let used = models.iter().map(|(model, calls)| {
        let metrics = Metrics {
            num_requests: Some(*calls),
            ..Metrics::default()
        };
        Used::of(2, Endpoint::WebSearchCalls, Some(model), &metrics).project(Some(project))
    });
    let mut line = charge(2, "web search tool calls", amount);
    line.project_id = Some(project.to_owned());
    (used.collect(), line)
}

/// One model's calls cost four fifths; the line items of a tool name no model.
#[test]
fn what_is_charged_alone_in_one_project_tells_its_part_of_another() {
    let (used, charged): (Vec<_>, Vec<_>) = [
        searches("proj_a", &[("gpt-5", 31)], "0.248"),
        searches("proj_b", &[("gpt-4.1", 126)], "1.26"),
        searches("proj_c", &[("gpt-5", 9), ("gpt-4.1", 50), ("o3", 22)], "0.792"),
    ]
    .into_iter()
    .unzip();
    let used = used.concat();
    let found = reconcile(&catalogue(), &used, &charged);
    let [entry] = &found.overlay.entries[..] else {
        panic!("{:?}", found.overlay)
    };
    let call = entry.rates.iter().find(|rate| rate.name == "call").unwrap();
    assert_eq!((entry.model.as_str(), call.usd.as_str()), ("gpt-5", "0.008"));
    closes(&found, &used, &charged);
}

/// Tokens cost four fifths from the second on, calls from the third on; a price file has one price for each day.
#[test]
fn tokens_and_calls_of_one_model_get_one_price() {
    let list = catalogue();
    let tokens: Vec<Used> = (1..=6)
        .map(|day| Used::tokens(day, "gpt-5", 1_000_000, 0))
        .collect();
    let mut charged = charges(&list, &tokens[..1], "gpt-5, input", 100);
    charged.extend(charges(&list, &tokens[1..], "gpt-5, input", 80));
    let mut used = tokens;
    for (day, amount) in [(1, "0.3"), (2, "0.3"), (3, "0.24"), (4, "0.24")] {
        let (calls, mut line) = searches("proj_a", &[("gpt-5", 30)], amount);
        used.extend(calls.into_iter().map(|calls| calls.on(day)));
        line.day = used.last().unwrap().day;
        charged.push(line);
    }
    let found = reconcile(&list, &used, &charged);
    assert_eq!(found.overlay.not_determined, [""; 0]);
    let mut entries: Vec<_> = found
        .overlay
        .entries
        .iter()
        .map(|entry| {
            let rate = |name| {
                let rate = entry.rates.iter().find(|rate| rate.name == name).unwrap();
                rate.usd.clone()
            };
            (entry.from, entry.until, rate("input"), rate("call"))
        })
        .collect();
    entries.sort();
    let days = |from: usize, until: Option<usize>| (used[from - 1].day, until.map(|day| used[day - 1].day));
    let entry = |(from, until), input: &str, call: &str| (from, until, input.to_owned(), call.to_owned());
    assert_eq!(
        entries,
        [
            entry(days(2, Some(3)), "1", "0.01"),
            entry(days(3, None), "1", "0.008"),
        ],
        "{}",
        found.overlay.toml()
    );
    closes(&found, &used, &charged);
}

/// One rate gives the sum of two projects, and is that of neither.
#[test]
fn the_sum_of_several_mixes_tells_no_rate() {
    let (used, charged): (Vec<_>, Vec<_>) = [
        searches("proj_a", &[("gpt-5", 90), ("gpt-4.1", 10)], "0.82"),
        searches("proj_b", &[("gpt-5", 10), ("gpt-4.1", 90)], "0.98"),
    ]
    .into_iter()
    .unzip();
    let found = reconcile(&catalogue(), &used.concat(), &charged);
    assert!(found.overlay.entries.is_empty(), "{}", found.overlay.toml());
    assert!(found.overlay.not_determined[0].contains("several prices"));
}

#[test]
fn images_without_a_price_get_one() {
    let images = |day, images| {
        let metrics = Metrics {
            images: Some(images),
            ..Metrics::default()
        };
        Used::of(day, Endpoint::Images, Some("dall-e-3"), &metrics)
    };
    let used = [images(1, 10), images(2, 25)];
    let charged = [
        charge(1, "dall-e-3, image", "0.4"),
        charge(2, "dall-e-3, image", "1"),
    ];
    let found = reconcile(&catalogue(), &used, &charged);
    assert_eq!(found.overlay.entries[0].rates[0].usd, "0.04");
    closes(&found, &used, &charged);
}

/// Two tiers without a price behind one line: nobody can tell what each costs.
#[test]
fn two_unknown_prices_behind_one_line_are_not_guessed() {
    let used = [
        Used::tokens(1, "gpt-nobody-knows", 3_000_000, 0),
        Used::tokens(1, "gpt-nobody-knows", 3_000_000, 0).tier("flex"),
    ];
    let found = reconcile(&catalogue(), &used, &[charge(1, "gpt-nobody-knows, input", "4")]);
    assert!(found.overlay.entries.is_empty());
    assert!(
        found.overlay.not_determined[0].contains("several prices"),
        "{:?}",
        found.overlay
    );
}
