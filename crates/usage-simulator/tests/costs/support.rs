//! Organisations of six days, and what of their costs tests look at.

use chrono::NaiveDate;
use usage_core::{Decimal, Dimension, DimensionSet, Dimensions, Endpoint, Metrics, WindowRange, parse_day};
use usage_simulator::{Cost, CostCharge, Generate, Organization};

pub(crate) const BY: [Dimension; 5] = [
    Dimension::ProjectId,
    Dimension::LineItem,
    Dimension::ApiKeyId,
    Dimension::UserId,
    Dimension::ApiSource,
];

pub(crate) fn everything() -> Organization {
    Organization::generate(&Generate {
        days: 6,
        models: 10,
        idle_days_percent: 0,
        cache_writes: true,
        every_endpoint: true,
        ..Generate::default()
    })
}

/// Everything that can be on a bill.
pub(crate) fn billed() -> Organization {
    let mut organization = everything();
    organization.add_billing_extras().unwrap();
    let charge = |line_item, amount| CostCharge::new(day("2025-09-02"), line_item, amount).unwrap();
    organization.charge(charge("support", "100.5").currency("eur"));
    organization.charge(
        charge("file search storage", "0.000000000000000000000000000000000000017")
            .project("proj_stored")
            .quantity("0.5", Some("gibibyte_hours"))
            .unwrap(),
    );
    organization.charge(charge("mystery", "1").without_amount());
    organization
}

pub(crate) fn day(text: &str) -> NaiveDate {
    parse_day(text).unwrap()
}

pub(crate) fn days(first: &str, last: &str) -> WindowRange {
    WindowRange::days(day(first), day(last)).unwrap()
}

pub(crate) fn all_days() -> WindowRange {
    days("2025-09-01", "2025-09-06")
}

pub(crate) fn one(text: &str) -> WindowRange {
    days(text, text)
}

pub(crate) fn by(dimensions: &[Dimension]) -> DimensionSet {
    dimensions.iter().copied().collect()
}

pub(crate) fn by_line_item() -> DimensionSet {
    by(&[Dimension::LineItem])
}

pub(crate) fn dollars(costs: &[Cost]) -> Decimal {
    costs
        .iter()
        .filter(|cost| cost.currency == "usd")
        .filter_map(|cost| cost.amount.as_ref())
        .sum()
}

pub(crate) fn line<'a>(costs: &'a [Cost], line_item: &str) -> &'a Cost {
    let mut found = costs
        .iter()
        .filter(|cost| cost.line_item.as_deref() == Some(line_item));
    let cost = found
        .next()
        .unwrap_or_else(|| panic!("no `{line_item}` in {costs:#?}"));
    assert!(found.next().is_none(), "two rows of `{line_item}`");
    cost
}

pub(crate) fn small(model: &str, tier: &str, metrics: &Metrics) -> Organization {
    let mut organization = Organization::new("org-small");
    let dimensions = Dimensions {
        model: Some(model.to_owned()),
        service_tier: Some(tier.to_owned()),
        ..Dimensions::default()
    };
    for day in all_days().windows() {
        let log = organization.usage_mut(Endpoint::Completions);
        log.add(day.start(), &dimensions, metrics);
    }
    organization
}

pub(crate) fn tokens() -> Metrics {
    Metrics {
        input_tokens: Some(1_000),
        input_cached_tokens: Some(400),
        input_uncached_tokens: Some(500),
        input_cache_write_tokens: Some(100),
        output_tokens: Some(50),
        ..Metrics::default()
    }
}
