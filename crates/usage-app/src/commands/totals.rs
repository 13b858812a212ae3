//! The sums that several reports show.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use usage_core::{Decimal, Endpoint, Metric, NanoUsd};
use usage_store::{CostQuery, EventQuery, EventTotals, Ledger, StoreError};

use crate::text::{count, thousands};

/// Costs in memory at once.
const PAGE: usize = 5_000;

/// The sums of an endpoint's events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TotalsReport {
    /// The surface.
    pub endpoint: Endpoint,
    /// How many events.
    pub events: u64,
    /// In how many windows.
    pub windows_with_usage: u64,
    /// The sums; absent metrics are null.
    pub metrics: usage_core::Metrics,
    /// Of usage: what it costs by the price list, in USD as decimal text; events without a price add nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<NanoUsd>,
    /// Of usage: how many events have no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced_events: Option<u64>,
    /// Of costs: what the provider charged, by currency in lower case, as decimal text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charged: Option<BTreeMap<String, Decimal>>,
}

impl TotalsReport {
    /// Sums the query's events.
    pub(crate) async fn read(
        ledger: &Ledger,
        endpoint: Endpoint,
        query: EventQuery,
    ) -> Result<Self, StoreError> {
        if endpoint.is_costs() {
            return Self::of_costs(ledger, endpoint, query).await;
        }
        let totals = ledger
            .totals(EventQuery {
                endpoint: Some(endpoint),
                ..query
            })
            .await?;
        Ok(Self::new(endpoint, &totals))
    }

    /// Sums of the endpoint's events.
    pub(crate) fn new(endpoint: Endpoint, totals: &EventTotals) -> Self {
        let EventTotals {
            events,
            windows_with_usage,
            metrics,
            cost,
            unpriced,
        } = *totals;
        Self {
            endpoint,
            events,
            windows_with_usage,
            metrics,
            cost_usd: Some(cost),
            unpriced_events: Some(unpriced),
            charged: None,
        }
    }

    /// Sums what the provider charged, currency by currency.
    async fn of_costs(ledger: &Ledger, endpoint: Endpoint, query: EventQuery) -> Result<Self, StoreError> {
        let query = CostQuery {
            scope: query.scope,
            windows: query.windows,
        };
        let mut totals = Self {
            endpoint,
            events: 0,
            windows_with_usage: 0,
            metrics: usage_core::Metrics::default(),
            cost_usd: None,
            unpriced_events: None,
            charged: None,
        };
        let mut charged: BTreeMap<String, Decimal> = BTreeMap::new();
        let (mut after, mut last_window) = (None, None);
        loop {
            let page = ledger.costs(query.clone(), after, PAGE).await?;
            for cost in page.costs {
                totals.events += 1;
                totals.windows_with_usage += u64::from(last_window != Some(cost.window));
                last_window = Some(cost.window);
                if let Some(amount) = &cost.row.amount {
                    let currency = cost.row.group.currency().unwrap_or_default();
                    *charged.entry(currency).or_default() += amount.value();
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        totals.charged = Some(charged);
        Ok(totals)
    }
}

impl TotalsReport {
    /// Whether there is anything to sum.
    pub(crate) fn is_empty(&self) -> bool {
        self.events == 0
    }
}

/// One line for each endpoint with usage, and one that names those without.
pub(crate) fn write_totals<'a>(
    f: &mut fmt::Formatter<'_>,
    totals: impl IntoIterator<Item = &'a TotalsReport>,
) -> fmt::Result {
    let (quiet, used): (Vec<_>, Vec<_>) = totals.into_iter().partition(|totals| totals.is_empty());
    for totals in used {
        writeln!(f, "  {totals}")?;
    }
    if quiet.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = quiet.iter().map(|totals| totals.endpoint.as_str()).collect();
    writeln!(f, "  no usage: {}", names.join(", "))
}

impl fmt::Display for TotalsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} in {} with usage",
            self.endpoint,
            count(
                self.events,
                if self.endpoint.is_costs() { "cost" } else { "event" }
            ),
            count(self.windows_with_usage, "window")
        )?;
        for (currency, sum) in self.charged.iter().flatten() {
            write!(
                f,
                "; {sum} {}",
                if currency.is_empty() {
                    "without a currency"
                } else {
                    currency
                }
            )?;
        }
        for (index, metric) in self.endpoint.required_metrics().iter().enumerate() {
            let separator = if index == 0 { ';' } else { ',' };
            let number = self.metrics.get(*metric).or((self.events == 0).then_some(0));
            let number = number.map_or_else(|| "unknown".to_owned(), thousands);
            write!(f, "{separator} {number} {}", words(*metric))?;
            if *metric == Metric::InputTokens
                && let Some(cached) = self.metrics.input_cached_tokens
            {
                write!(f, " ({} of them cached)", thousands(cached))?;
            }
        }
        match (self.cost_usd, self.unpriced_events) {
            (Some(cost), Some(0)) => write!(f, "; {cost} usd"),
            (Some(_), Some(unpriced)) if unpriced == self.events => f.write_str("; unpriced"),
            (Some(cost), Some(unpriced)) => {
                write!(f, "; {cost} usd and {} unpriced", count(unpriced, "event"))
            }
            _ => Ok(()),
        }
    }
}

/// `num_model_requests` as `model requests`.
fn words(metric: Metric) -> String {
    let name = metric.as_str();
    name.strip_prefix("num_").unwrap_or(name).replace('_', " ")
}
