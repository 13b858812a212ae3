//! A life that begins on the first of October 2025 at eight.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use usage_core::{Dimensions, Endpoint, Metrics, Window, WindowRange, parse_day, parse_instant};
use usage_simulator::{Generate, LivingOrganization, Organization};

pub(crate) const ORIGIN: &str = "2025-10-01T08:00:00Z";

pub(crate) fn options() -> Generate {
    Generate {
        first_day: parse_day("2025-09-01").unwrap(),
        every_endpoint: true,
        ..Generate::default()
    }
}

pub(crate) fn living() -> LivingOrganization {
    LivingOrganization::new(options(), at(ORIGIN))
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

pub(crate) fn day(text: &str) -> Window {
    Window::day(parse_day(text).unwrap())
}

/// So many days before that of a time.
pub(crate) fn ago(time: DateTime<Utc>, days: i64) -> Window {
    Window::day((time - TimeDelta::days(days)).date_naive())
}

pub(crate) type Groups = BTreeMap<Dimensions, Metrics>;

/// What a day has at an endpoint.
pub(crate) fn groups(organization: &Organization, endpoint: Endpoint, window: Window) -> Groups {
    let rows = organization.usage(endpoint).rows(window);
    rows.into_iter()
        .map(|row| (row.dimensions, row.metrics))
        .collect()
}

pub(crate) fn tokens(organization: &Organization, window: Window) -> i64 {
    let totals = organization
        .usage(Endpoint::Completions)
        .totals(WindowRange::of(window));
    totals.metrics.input_tokens.unwrap_or(0)
}

/// Everything that is to be seen: every row of every day at every endpoint, the names, and the costs.
pub(crate) fn everything(organization: &Organization, days: WindowRange) -> String {
    let mut text = format!("{:?}\n{:?}\n", organization.projects(), organization.users());
    for endpoint in Endpoint::USAGE {
        text += &organization.usage_csv(endpoint, days);
    }
    text + &organization
        .costs_csv(days, usage_simulator::CostLayout::default())
        .unwrap()
}
