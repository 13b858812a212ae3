//! Every cent is classified, whatever comes in.

use proptest::prelude::*;
use usage_core::{Decimal, Endpoint, Metrics};
use usage_parity::reconcile::{Class, CostLine};

use crate::support::{Used, catalogue, charge, day, groups, reconcile, usd};

const MODELS: [&str; 6] = [
    "gpt-5",
    "gpt-5-2025-08-07",
    "gpt-4o-mini-2024-07-18",
    "gpt-nobody-knows",
    "whisper-1",
    "dall-e-3",
];
const WORDS: [&str; 14] = [
    ", input",
    ", cached input",
    ", output",
    ", cache writes",
    ", input, long context",
    ", image output",
    ", image",
    "",
    " tool calls",
    " web search tool calls",
    " tax",
    " storage",
    " priority",
    ", nothing known",
];

fn used() -> impl Strategy<Value = Used> {
    let tier = prop::option::of(prop::sample::select(vec![
        "default",
        "flex",
        "priority",
        "incentivized-tier",
    ]));
    let project = prop::option::of(prop::sample::select(vec!["proj_a", "proj_b"]));
    let model = prop::sample::select(MODELS.to_vec());
    let endpoint = prop::sample::select(Endpoint::USAGE.to_vec());
    let number = || 0..2_000_000_i64;
    (
        1..4_u32,
        endpoint,
        model,
        tier,
        project,
        any::<bool>(),
        number(),
        number(),
        0..1_000_000_i64,
    )
        .prop_map(
            |(number, endpoint, model, tier, project, batch, input, output, cached)| {
                let metrics = Metrics {
                    input_tokens: Some(input),
                    output_tokens: Some(output),
                    input_cached_tokens: Some(cached.min(input)),
                    images: Some(output % 100),
                    characters: Some(input),
                    seconds: Some(output % 10_000),
                    num_sessions: Some(output % 10),
                    num_requests: Some(output % 1_000),
                    usage_bytes: Some(input),
                    num_model_requests: Some(1),
                    ..Metrics::default()
                };
                let mut used = Used::of(number, endpoint, Some(model), &metrics).project(project);
                used.dimensions.service_tier = tier.map(str::to_owned);
                used.dimensions.batch = Some(batch);
                used
            },
        )
}

fn charged() -> impl Strategy<Value = CostLine> {
    let amount = prop_oneof![
        4 => (-1_000_000_000_i64..1_000_000_000_000, 0..40_u32).prop_map(|(digits, places)| Some(format!("{digits}E-{places}"))),
        1 => Just(Some("0E-6176".to_owned())),
        1 => Just(None),
    ];
    let currency =
        prop_oneof![6 => Just(Some("usd")), 2 => Just(Some("USD")), 1 => Just(Some("eur")), 1 => Just(None)];
    let prefix = prop_oneof![4 => Just(""), 1 => Just("priority | ")];
    let model = prop::sample::select(MODELS.to_vec());
    let words = prop::sample::select(WORDS.to_vec());
    let project = prop::option::of(prop::sample::select(vec!["proj_a", "proj_b"]));
    (1..4_u32, prefix, model, words, amount, currency, project).prop_map(
        |(number, prefix, model, words, amount, currency, project)| CostLine {
            amount: amount.map(|amount| usd(&amount)),
            currency: currency.map(str::to_owned),
            project_id: project.map(str::to_owned),
            ..charge(number, &[prefix, model, words].concat(), "0")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// The sums are made anew from the groups as they are reported, and from the lines as they came in.
    #[test]
    fn all_classes_and_the_rounding_sum_to_the_total(
        used in prop::collection::vec(used(), 0..30),
        charged in prop::collection::vec(charged(), 0..30),
    ) {
        let catalogue = catalogue();
        let mut found = reconcile(&catalogue, &used, &charged);
        let is_usd = |line: &&CostLine| line.currency.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("usd"));
        let total: Decimal = charged.iter().filter(is_usd).filter_map(|line| line.amount.as_ref()).sum();
        prop_assert_eq!(&found.bridge.charged, &total);
        let costs: Vec<Decimal> = used
            .iter()
            .filter_map(|used| used.priced_by(&catalogue).cost)
            .map(Decimal::from)
            .collect();
        prop_assert_eq!(&found.bridge.priced, &costs.iter().sum::<Decimal>());

        let bridge = found.bridge.clone();
        let groups = groups(&mut found);
        let in_dollars = |class: &Class| !matches!(class, Class::OtherCurrency | Class::WithoutAmount);
        let sum = |part: fn(&usage_parity::reconcile::ComparedGroup) -> &Option<Decimal>| -> Decimal {
            groups.iter().filter(|group| in_dollars(&group.class)).filter_map(|group| part(group).as_ref()).sum()
        };
        prop_assert_eq!(&sum(|group| &group.charged), &total, "every charge is in one group");
        let exact = sum(|group| &group.priced);
        prop_assert_eq!(&(&exact - &bridge.priced), &bridge.rounding);
        prop_assert_eq!(&(&total - &exact), &sum(|group| &group.difference));
        let mut end = -bridge.usage_without_cost.clone();
        for part in [
            &bridge.priced,
            &bridge.rounding,
            &bridge.within_a_cent,
            &bridge.differs,
            &bridge.cost_without_usage,
        ] {
            end += part;
        }
        prop_assert_eq!(end, total);
        let rows = i64::try_from(used.len()).unwrap();
        let limit = Decimal::from(rows).over(&usd("2000000000"), 12).unwrap();
        prop_assert!(bridge.rounding.abs() <= limit, "half a nano-dollar a row");
    }

    /// In whichever order the lines of a day come.
    #[test]
    fn the_order_of_lines_does_not_matter(
        used in prop::collection::vec(used(), 0..12),
        charged in prop::collection::vec(charged(), 0..12),
    ) {
        let catalogue = catalogue();
        let mut found = reconcile(&catalogue, &used, &charged);
        let used: Vec<Used> = used.into_iter().rev().collect();
        let charged: Vec<CostLine> = charged.into_iter().rev().collect();
        let mut other = reconcile(&catalogue, &used, &charged);
        prop_assert_eq!(groups(&mut found), groups(&mut other));
        prop_assert_eq!(found.bridge, other.bridge);
    }
}

/// A price by the minute is no whole number of pico-dollars a second, and rows are rounded.
#[test]
fn the_rounding_stands_on_a_line_of_its_own() {
    let seconds = Metrics {
        seconds: Some(1),
        ..Metrics::default()
    };
    let contract = r#"
        [[price]]
        provider = "openai"
        model = "whisper-1"
        from = 2025-09-01
        source = "contract"
        checked = 2025-09-01
        [price.usd_per_unit]
        hour = "1.02"
    "#;
    let catalogue = catalogue().with_user_file("prices.toml", contract).unwrap();
    let used = vec![Used::of(1, Endpoint::AudioTranscriptions, Some("whisper-1"), &seconds); 3];
    let found = reconcile(&catalogue, &used, &[charge(1, "whisper-1, duration", "0.00085")]);
    assert_eq!(used[0].day, day(1));
    assert_eq!(found.bridge.priced, usd("0.000849999"), "3 times 0.000283333");
    assert_eq!(found.bridge.rounding, usd("0.000000001"));
    assert_eq!(found.bridge.within_a_cent, usd("0"));
    assert_eq!(found.equal_to_the_nano, 1);
}
