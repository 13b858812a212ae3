//! What the organisation is charged: the simulator's own prices, so that they check the product's.

use chrono::{DateTime, Utc};
use usage_core::{Dimensions, Endpoint, Metrics, PicoUsd, Rate, WindowRange, format_instant};

use super::Organization;

/// Data is shared for these tokens, so they are free.
const FREE_TIER: &str = "incentivized-tier";

/// Every model that [`super::Generate`] invents, after the provider's list prices for text of September 2025.
const PRICES: [(&str, Price); 8] = [
    ("gpt-5-2025-08-07", Price::new(1_250_000, 125_000, 10_000_000)),
    ("gpt-5-mini-2025-08-07", Price::new(250_000, 25_000, 2_000_000)),
    // One model without a discount for cached input, so that such a price is tested too.
    (
        "gpt-4o-audio-preview-2025-06-03",
        Price::new(2_500_000, 2_500_000, 10_000_000),
    ),
    ("gpt-4.1-2025-04-14", Price::new(2_000_000, 500_000, 8_000_000)),
    ("gpt-4o-mini-2024-07-18", Price::new(150_000, 75_000, 600_000)),
    ("o3-2025-04-16", Price::new(2_000_000, 500_000, 8_000_000)),
    ("gpt-5-nano-2025-08-07", Price::new(50_000, 5_000, 400_000)),
    ("o4-mini-2025-04-16", Price::new(1_100_000, 275_000, 4_400_000)),
];

/// Why usage has no cost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// The simulator has no price for the model.
    #[error(
        "the simulator has no price for the model `{0}`; add it to its price table or leave its usage out"
    )]
    UnknownModel(String),
    /// Usage that names no model.
    #[error("the usage at {} names no model, so it has no price", format_instant(*.0))]
    NoModel(DateTime<Utc>),
}

impl Organization {
    /// What the organisation is charged for its completions in a range, exactly and whatever the clock says: the
    /// truth that costs are tested against.
    ///
    /// Prices are the simulator's own and simpler than the provider's: a model has one price each for uncached input,
    /// cached input and output, of any modality. Input written to the cache is charged as uncached; a fine-tuned
    /// model that [`Organization::generate`] invents costs what its base costs. The tier `incentivized-tier` is free,
    /// every other tier costs the same, and the batch API costs half.
    ///
    /// # Errors
    ///
    /// A model without a price, also where its usage would be free, and usage without a model: never zero.
    ///
    /// ```
    /// use usage_core::{Dimensions, Endpoint, Metrics, PicoUsd, Window, WindowRange, parse_day};
    /// use usage_simulator::Organization;
    ///
    /// let day = Window::day(parse_day("2025-09-02")?);
    /// let mut organization = Organization::new("org-demo");
    /// organization.usage_mut(Endpoint::Completions).add(
    ///     day.start(),
    ///     &Dimensions { model: Some("gpt-5-2025-08-07".to_owned()), ..Dimensions::default() },
    ///     &Metrics { output_tokens: Some(3), ..Metrics::default() },
    /// );
    /// assert_eq!(organization.cost(WindowRange::of(day)), Ok(PicoUsd(30_000_000)), "3 tokens of 10 USD a million");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cost(&self, windows: WindowRange) -> Result<PicoUsd, CostError> {
        let log = self.usage(Endpoint::Completions);
        log.events(windows.start().timestamp(), windows.end().timestamp())
            .map(|(minute, event)| {
                let dimensions = log.tuples.dimensions(event.tuple);
                let model = dimensions.model.as_deref().ok_or_else(|| {
                    CostError::NoModel(DateTime::from_timestamp(minute, 0).unwrap_or_default())
                })?;
                let price = Price::of(model).ok_or_else(|| CostError::UnknownModel(model.to_owned()))?;
                Ok(price.charge(dimensions, &event.numbers.to_metrics()))
            })
            .sum()
    }
}

/// What one token costs.
#[derive(Clone, Copy)]
struct Price {
    uncached: Rate,
    cached: Rate,
    output: Rate,
}

impl Price {
    /// In pico-USD a token, which are micro-USD a million tokens.
    const fn new(uncached: i64, cached: i64, output: i64) -> Self {
        Self {
            uncached: Rate::from_pico_usd(uncached),
            cached: Rate::from_pico_usd(cached),
            output: Rate::from_pico_usd(output),
        }
    }

    fn of(model: &str) -> Option<Self> {
        let base = model
            .strip_prefix("ft:")
            .and_then(|tuned| tuned.split_once(":simulated::"))
            .map_or(model, |(base, _)| base);
        PRICES
            .iter()
            .find(|(name, _)| *name == base)
            .map(|(_, price)| *price)
    }

    fn charge(self, dimensions: &Dimensions, metrics: &Metrics) -> PicoUsd {
        if dimensions.service_tier.as_deref() == Some(FREE_TIER) {
            return PicoUsd::default();
        }
        let cached = metrics.input_cached_tokens.unwrap_or(0);
        // The provider's input contains the cached; what is left of it contains what was written to the cache.
        let uncached = match (metrics.input_tokens, metrics.input_uncached_tokens) {
            (Some(input), _) => input.saturating_sub(cached),
            (None, uncached) => uncached
                .unwrap_or(0)
                .saturating_add(metrics.input_cache_write_tokens.unwrap_or(0)),
        };
        let output = metrics.output_tokens.unwrap_or(0);
        let full = self.uncached.cost(uncached) + self.cached.cost(cached) + self.output.cost(output);
        if dimensions.batch == Some(true) {
            // Nothing is rounded, since every price is even.
            PicoUsd(full.0 / 2)
        } else {
            full
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_price_is_even_so_that_half_of_it_is_exact() {
        for (model, price) in PRICES {
            for rate in [price.uncached, price.cached, price.output] {
                let token = rate.cost(1).0;
                assert!(token > 0 && token % 2 == 0, "{model}: {token}");
            }
        }
    }
}
