//! What usage costs: list prices, discounts, restatements, and no price at all.

use usage_core::{Decimal, Dimensions, Endpoint, Window};
use usage_simulator::{CostError, CostLayout, Organization, PriceShare};

use crate::support::{all_days, by_line_item, day, everything, line, one, small, tokens};

#[test]
fn a_line_costs_its_quantity_times_its_price() {
    let costs = small("gpt-5-2025-08-07", "priority", &tokens())
        .costs(one("2025-09-02"), by_line_item())
        .unwrap();
    let rows: Vec<(String, String, String)> = costs
        .iter()
        .map(|cost| {
            (
                cost.line_item.clone().unwrap(),
                cost.quantity.as_ref().unwrap().to_string(),
                cost.amount.as_ref().unwrap().to_string(),
            )
        })
        .collect();
    let row = |item: &str, quantity: &str, amount: &str| {
        (
            format!("priority | gpt-5-2025-08-07, {item}"),
            quantity.to_owned(),
            amount.to_owned(),
        )
    };
    assert_eq!(
        rows,
        [
            row("cache writes", "100", "0.00025"),
            row("cached input", "400", "0.0001"),
            row("input", "500", "0.00125"),
            row("output", "50", "0.001"),
        ]
    );
}

#[test]
fn the_free_tier_leaves_zeros_for_its_input_and_nothing_for_its_output() {
    let organization = small("gpt-5-2025-08-07", "incentivized-tier", &tokens());
    let costs = organization.costs(one("2025-09-02"), by_line_item()).unwrap();
    assert_eq!(costs.len(), 1, "{costs:#?}");
    let zero = line(&costs, "gpt-5-2025-08-07, input");
    assert_eq!(zero.amount_text().as_deref(), Some("0E-6176"));
    assert_eq!(zero.quantity, Some(Decimal::default()));
    assert_eq!(organization.cost(all_days()), Ok(Decimal::default()));
}

#[test]
fn a_discount_holds_for_its_model_from_its_day_until_the_next() {
    let model = "gpt-5-2025-08-07";
    let mut organization = small(model, "default", &tokens());
    let other = Dimensions {
        model: Some("o3-2025-04-16".to_owned()),
        ..Dimensions::default()
    };
    for window in all_days().windows() {
        let log = organization.usage_mut(Endpoint::Completions);
        log.add(window.start(), &other, &tokens());
    }
    organization.discount(model, day("2025-09-05"), PriceShare::of(1, 2));
    organization.discount(model, day("2025-09-03"), PriceShare::of(4, 5));
    let of = |model: &str, direction: &str, text: &str| {
        let costs = organization.costs(one(text), by_line_item()).unwrap();
        line(&costs, &format!("{model}, {direction}"))
            .amount
            .clone()
            .unwrap()
            .to_string()
    };
    let outputs = [1, 2, 3, 4, 5, 6].map(|number| of(model, "output", &format!("2025-09-0{number}")));
    assert_eq!(
        outputs,
        ["0.0005", "0.0005", "0.0004", "0.0004", "0.00025", "0.00025"]
    );
    assert_eq!(of(model, "cached input", "2025-09-03"), "0.00004");
    assert_eq!(
        of("o3-2025-04-16", "output", "2025-09-01"),
        of("o3-2025-04-16", "output", "2025-09-06")
    );
}

#[test]
fn restated_usage_and_prices_restate_costs() {
    let mut organization = small("gpt-5-2025-08-07", "default", &tokens());
    let cost = |organization: &Organization, text: &str| organization.cost(one(text)).unwrap().to_string();
    assert_eq!(cost(&organization, "2025-09-02"), "0.0013");
    let second = Window::day(day("2025-09-02"));
    organization.usage_mut(Endpoint::Completions).scale(second, 200);
    assert_eq!(cost(&organization, "2025-09-02"), "0.0026");
    organization.restate_costs(day("2025-09-02"), 150);
    organization.restate_line_item(day("2025-09-03"), "gpt-5-2025-08-07, output", 0);
    let costs = ["2025-09-01", "2025-09-02", "2025-09-03"].map(|text| cost(&organization, text));
    assert_eq!(costs, ["0.0013", "0.0039", "0.0008"]);
}

#[test]
fn a_model_without_a_price_is_an_error_at_every_endpoint_that_is_priced_by_model() {
    for endpoint in [
        Endpoint::Completions,
        Endpoint::Decisions,
        Endpoint::Embeddings,
        Endpoint::Moderations,
        Endpoint::Images,
        Endpoint::AudioSpeeches,
        Endpoint::AudioTranscriptions,
    ] {
        let mut organization = Organization::new("org-small");
        let unheard_of = Dimensions {
            model: Some("gpt-7-unheard-of".to_owned()),
            ..Dimensions::default()
        };
        let at = one("2025-09-02").start();
        organization.usage_mut(endpoint).add(at, &unheard_of, &tokens());
        let error = CostError::UnknownModel("gpt-7-unheard-of".to_owned());
        assert_eq!(organization.cost(all_days()), Err(error.clone()), "{endpoint}");
        assert_eq!(
            organization.usage_cost(all_days()),
            Err(error.clone()),
            "{endpoint}"
        );
        assert_eq!(
            organization.costs_csv(all_days(), CostLayout::TenColumns),
            Err(error)
        );
    }
    let mut organization = everything();
    organization
        .usage_mut(Endpoint::VectorStores)
        .scale(Window::day(day("2025-09-02")), 1_000);
    assert_eq!(
        organization.cost(all_days()),
        everything().cost(all_days()),
        "a level is not charged"
    );
}
