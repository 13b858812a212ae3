//! What a simulated organisation is charged.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::BTreeSet;

use usage_core::{Decimal, Dimensions, Endpoint, Metrics, PicoUsd, Window, WindowRange, parse_day};
use usage_simulator::{CostError, Generate, Organization};

const REAL_MONTH: &str = include_str!("../../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv");

fn september() -> WindowRange {
    WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day("2025-10-01").unwrap()).unwrap()
}

fn day() -> Window {
    Window::day(parse_day("2025-09-02").unwrap())
}

fn gpt_5() -> Dimensions {
    Dimensions {
        model: Some("gpt-5-2025-08-07".to_owned()),
        service_tier: Some("default".to_owned()),
        batch: Some(false),
        ..Dimensions::default()
    }
}

fn tokens() -> Metrics {
    Metrics {
        input_tokens: Some(1_000),
        input_cached_tokens: Some(400),
        input_uncached_tokens: Some(500),
        input_cache_write_tokens: Some(100),
        output_tokens: Some(50),
        ..Metrics::default()
    }
}

/// Dollars from pico-dollars.
fn usd(pico_usd: i128) -> Decimal {
    Decimal::from(PicoUsd(pico_usd))
}

fn cost_of(dimensions: &Dimensions, metrics: &Metrics) -> Result<Decimal, CostError> {
    let mut organization = Organization::new("org-small");
    organization
        .usage_mut(Endpoint::Completions)
        .add(day().start(), dimensions, metrics);
    organization.cost(WindowRange::of(day()))
}

#[test]
fn the_real_month_costs_what_its_default_tier_costs() {
    let mut organization = Organization::from_completions_csv("org-real", REAL_MONTH.as_bytes()).unwrap();
    // The default tier read 158,182,034 tokens, of which 50,870,528 were cached, and wrote 2,326,638:
    //   uncached  107,311,506 x  1.25  USD per million = 134.1393825 USD
    //   cached     50,870,528 x  0.125 USD per million =   6.358816  USD
    //   output      2,326,638 x 10     USD per million =  23.26638   USD
    //                                              sum = 163.7645785 USD
    // The incentivized tier read 15,082,641 and wrote 303,803 tokens, worth 15.39131525 USD, for nothing.
    assert_eq!(organization.cost(september()).unwrap().to_string(), "163.7645785");
    assert_eq!(
        organization.usage_cost(september()),
        Ok(PicoUsd(163_764_578_500_000))
    );

    for window in september().windows() {
        organization
            .usage_mut(Endpoint::Completions)
            .remove(window, |group| group.service_tier.as_deref() == Some("default"));
    }
    let free = organization.usage(Endpoint::Completions).totals(september());
    assert_eq!(free.metrics.input_tokens, Some(15_082_641));
    assert_eq!(organization.cost(september()), Ok(Decimal::default()));
}

#[test]
fn the_days_of_a_range_cost_what_the_range_costs() {
    let organization = Organization::generate(&Generate::default());
    let days = september().windows();
    let by_day: Vec<Decimal> = days
        .map(|window| organization.cost(WindowRange::of(window)).unwrap())
        .collect();
    let sum: Decimal = by_day.iter().sum();
    assert!(sum > Decimal::default());
    assert_eq!(organization.cost(september()), Ok(sum));
}

#[test]
fn a_generated_organisation_has_a_cost_for_every_model_it_uses() {
    // More models than there are names, so that some are fine-tuned.
    let organization = Organization::generate(&Generate {
        models: 12,
        groups_per_day: 240,
        cache_writes: true,
        ..Generate::default()
    });
    let log = organization.usage(Endpoint::Completions);
    let models: BTreeSet<Option<String>> = september()
        .windows()
        .flat_map(|window| log.rows(window))
        .map(|row| row.dimensions.model)
        .collect();
    assert_eq!(models.len(), 12, "{models:?}");

    let mut sum = Decimal::default();
    for model in models {
        let mut alone = organization.clone();
        for window in september().windows() {
            alone
                .usage_mut(Endpoint::Completions)
                .remove(window, |group| group.model != model);
        }
        let cost = alone.cost(september()).unwrap();
        assert!(cost > Decimal::default(), "{model:?}");
        sum += &cost;
    }
    assert_eq!(organization.cost(september()), Ok(sum));
}

#[test]
fn cached_tokens_are_cheaper_written_ones_are_not_and_none_is_counted_twice() {
    // 600 x 1.25 + 400 x 0.125 + 50 x 10 millionths of a dollar.
    let expected = Ok(usd(1_300_000_000));
    assert_eq!(cost_of(&gpt_5(), &tokens()), expected);
    let without_total = Metrics {
        input_tokens: None,
        ..tokens()
    };
    assert_eq!(cost_of(&gpt_5(), &without_total), expected);
    let without_parts = Metrics {
        input_uncached_tokens: None,
        input_cache_write_tokens: None,
        ..tokens()
    };
    assert_eq!(cost_of(&gpt_5(), &without_parts), expected);
}

#[test]
fn tiers_and_the_batch_api_change_the_price() {
    for (tier, batch, pico_usd) in [
        ("default", false, 1_300_000_000),
        ("scale", false, 1_300_000_000),
        ("default", true, 650_000_000),
        ("flex", false, 650_000_000),
        ("flex", true, 650_000_000),
        ("priority", false, 2_600_000_000),
        ("priority", true, 650_000_000),
        ("incentivized-tier", false, 0),
        ("incentivized-tier", true, 0),
    ] {
        let dimensions = Dimensions {
            service_tier: Some(tier.to_owned()),
            batch: Some(batch),
            ..gpt_5()
        };
        assert_eq!(
            cost_of(&dimensions, &tokens()),
            Ok(usd(pico_usd)),
            "{tier} {batch}"
        );
    }
}

#[test]
fn a_model_without_a_price_is_an_error_that_names_it_even_in_the_free_tier() {
    for model in ["gpt-6-unheard-of", "ft:gpt-6-unheard-of:simulated::0001", "gpt-5"] {
        let unheard_of = Dimensions {
            model: Some(model.to_owned()),
            service_tier: Some("incentivized-tier".to_owned()),
            ..gpt_5()
        };
        let error = cost_of(&unheard_of, &tokens()).unwrap_err();
        assert_eq!(error, CostError::UnknownModel(model.to_owned()));
        assert!(error.to_string().contains(&format!("`{model}`")), "{error}");
    }
    let nameless = Dimensions {
        model: None,
        ..gpt_5()
    };
    assert_eq!(
        cost_of(&nameless, &tokens()).unwrap_err().to_string(),
        "the usage at 2025-09-02T00:00:00Z names no model, so it has no price"
    );
}
