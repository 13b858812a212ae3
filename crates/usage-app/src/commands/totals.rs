//! The sums that several reports show.

use std::fmt;

use serde::Serialize;
use usage_core::{Endpoint, Metric};
use usage_store::{EventQuery, EventTotals, Ledger, StoreError};

use crate::text::{count, thousands};

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
}

impl TotalsReport {
    /// Sums the query's events.
    pub(crate) async fn read(
        ledger: &Ledger,
        endpoint: Endpoint,
        query: EventQuery,
    ) -> Result<Self, StoreError> {
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
        } = *totals;
        Self {
            endpoint,
            events,
            windows_with_usage,
            metrics,
        }
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
            count(self.events, "event"),
            count(self.windows_with_usage, "window")
        )?;
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
        Ok(())
    }
}

/// `num_model_requests` as `model requests`.
fn words(metric: Metric) -> String {
    let name = metric.as_str();
    name.strip_prefix("num_").unwrap_or(name).replace('_', " ")
}
