//! The sums that several reports show.

use std::fmt;

use serde::Serialize;
use usage_core::Endpoint;
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
        let EventTotals {
            events,
            windows_with_usage,
            metrics,
        } = ledger
            .totals(EventQuery {
                endpoint: Some(endpoint),
                ..query
            })
            .await?;
        Ok(Self {
            endpoint,
            events,
            windows_with_usage,
            metrics,
        })
    }
}

impl fmt::Display for TotalsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = &self.metrics;
        let number = |value: Option<i64>| value.map_or_else(|| "unknown".to_owned(), thousands);
        write!(
            f,
            "{}: {} in {} with usage; {} input tokens ({} of them cached), {} output tokens, {} model requests",
            self.endpoint,
            count(self.events, "event"),
            count(self.windows_with_usage, "window"),
            number(metrics.input_tokens.or((self.events == 0).then_some(0))),
            number(metrics.input_cached_tokens.or((self.events == 0).then_some(0))),
            number(metrics.output_tokens.or((self.events == 0).then_some(0))),
            number(metrics.num_model_requests.or((self.events == 0).then_some(0))),
        )
    }
}
