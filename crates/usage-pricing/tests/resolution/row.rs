//! Rows and price files to try.

use usage_core::{DimensionSet, Dimensions, Endpoint, Metric, Metrics, parse_day};
use usage_pricing::{Catalogue, Priced, Usage};

/// A day on which every tier of the seed has a price.
const DAY: &str = "2026-11-01";

/// A row, and what of it its price depends on.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) endpoint: Endpoint,
    pub(crate) day: &'static str,
    pub(crate) dimensions: Dimensions,
    pub(crate) metrics: Metrics,
    pub(crate) grouped_by: DimensionSet,
}

pub(crate) fn row(model: &str) -> Row {
    Row {
        endpoint: Endpoint::Completions,
        day: DAY,
        dimensions: Dimensions {
            model: Some(model.to_owned()),
            ..Dimensions::default()
        },
        metrics: Metrics {
            input_tokens: Some(1_000_000),
            input_cached_tokens: Some(0),
            output_tokens: Some(0),
            ..Metrics::default()
        },
        grouped_by: Endpoint::Completions.dimensions(),
    }
}

impl Row {
    pub(crate) fn on(self, day: &'static str) -> Self {
        Self { day, ..self }
    }

    pub(crate) fn tier(mut self, tier: &str) -> Self {
        self.dimensions.service_tier = Some(tier.to_owned());
        self
    }

    pub(crate) fn batch(mut self) -> Self {
        self.dimensions.batch = Some(true);
        self
    }

    pub(crate) fn at(self, endpoint: Endpoint, metrics: &Metrics) -> Self {
        Self {
            endpoint,
            metrics: *metrics,
            grouped_by: endpoint.dimensions(),
            ..self
        }
    }

    pub(crate) fn price(&self, catalogue: &Catalogue) -> Priced {
        catalogue.price(&Usage {
            endpoint: self.endpoint,
            day: parse_day(self.day).unwrap(),
            dimensions: &self.dimensions,
            metrics: &self.metrics,
            grouped_by: self.grouped_by,
        })
    }

    /// The price id and the cost, or the reason.
    pub(crate) fn shown(&self, catalogue: &Catalogue) -> String {
        let priced = self.price(catalogue);
        let fallback = if priced.fallback { ", a fallback" } else { "" };
        match priced.cost {
            Ok(cost) => format!("{} {}{fallback}", priced.price.price_id, cost.rounded),
            Err(reason) => format!("{}: {reason}{fallback}", priced.price.price_id),
        }
    }
}

pub(crate) fn bundled() -> Catalogue {
    Catalogue::bundled().unwrap()
}

pub(crate) fn with(content: &str) -> Catalogue {
    bundled().with_user_file("prices.toml", content).unwrap()
}

/// An entry of a user's file that prices input.
pub(crate) fn entry(fields: &str, usd_per_million: &str) -> String {
    let fields = fields.replace("; ", "\n");
    format!(
        "[[price]]\nprovider = 'openai'\n{fields}\nsource = 'contract'\nchecked = 2026-01-01\n\
         usd_per_million = {{ input = {usd_per_million} }}\n"
    )
}

/// A thousand of one thing.
pub(crate) fn thousand(metric: Metric) -> Metrics {
    let mut metrics = Metrics::default();
    *metrics.get_mut(metric) = Some(1_000);
    metrics
}
