//! What an event costs, and by which price.

use std::collections::BTreeMap;

use usage_core::{NanoUsd, UsageEvent};

/// The prices that a ledger keeps, as far as they are known here.
#[derive(Default)]
pub struct KeptPrices {
    known: BTreeMap<i64, Kept>,
}

/// A price, and what it says.
struct Kept {
    price_id: String,
    catalogue_version: String,
    price: Result<usage_pricing::PriceRecord, String>,
}

/// The price of one event, as far as it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceFields<'a> {
    /// What it costs; `None` if it was never priced, or has no price: unknown is not zero.
    pub cost_usd: Option<NanoUsd>,
    /// By which price.
    pub price_id: Option<&'a str>,
    /// By which price list; also where that had no price.
    pub catalogue_version: Option<&'a str>,
    /// Why the price list had no price.
    pub unpriced_reason: Option<String>,
}

impl KeptPrices {
    /// Whether the price of this number is known.
    pub fn knows(&self, number: i64) -> bool {
        self.known.contains_key(&number)
    }

    /// Remembers a price under its number: what it is called, in which price list, and all about it as the list's own JSON.
    pub fn add(&mut self, number: i64, price_id: &str, catalogue_version: &str, record: &str) {
        self.known
            .entry(number)
            .or_insert_with(|| Kept::new(price_id, catalogue_version, record));
    }

    /// The price of an event: what it costs, if anybody knows, and the number of its price; `None` if it was never priced.
    pub fn of(&self, event: &UsageEvent, price: Option<(Option<NanoUsd>, i64)>) -> PriceFields<'_> {
        let kept = price.and_then(|(cost, number)| Some((cost, self.known.get(&number)?)));
        let Some((cost, kept)) = kept else {
            return PriceFields::default();
        };
        let catalogue_version = Some(kept.catalogue_version.as_str());
        match cost {
            Some(cost) => PriceFields {
                cost_usd: Some(cost),
                price_id: Some(&kept.price_id),
                catalogue_version,
                unpriced_reason: None,
            },
            None => PriceFields {
                catalogue_version,
                unpriced_reason: kept.why_not(event),
                ..PriceFields::default()
            },
        }
    }
}

impl Kept {
    fn new(price_id: &str, catalogue_version: &str, record: &str) -> Self {
        let price = usage_pricing::PriceRecord::from_json(record)
            .map_err(|error| format!("the price {price_id} of {catalogue_version} cannot be read: {error}"));
        Self {
            price_id: price_id.to_owned(),
            catalogue_version: catalogue_version.to_owned(),
            price,
        }
    }

    /// A price can lack a rate for what one event used and have all for another, so the event is asked.
    fn why_not(&self, event: &UsageEvent) -> Option<String> {
        match &self.price {
            Ok(price) => {
                let cost = price.cost(event.endpoint, &event.metrics);
                cost.err().map(|reason| reason.to_string())
            }
            Err(error) => Some(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use usage_core::{
        Account, Dimension, DimensionSet, Dimensions, Endpoint, Metrics, Provider, Window, parse_day,
    };
    use usage_pricing::{Catalogue, Usage};

    use super::*;

    fn event(model: &str) -> UsageEvent {
        UsageEvent {
            account: Account::new(Provider::OpenAi, "org-a").unwrap(),
            endpoint: Endpoint::Embeddings,
            window: Window::day(parse_day("2026-11-01").unwrap()),
            dimensions: Dimensions {
                model: Some(model.to_owned()),
                ..Dimensions::default()
            },
            metrics: Metrics {
                input_tokens: Some(2_000_000),
                ..Metrics::default()
            },
        }
    }

    /// The price of an event as a ledger keeps it, under the number 1.
    fn kept(event: &UsageEvent) -> (KeptPrices, (Option<NanoUsd>, i64)) {
        let priced = Catalogue::bundled().unwrap().price(&Usage {
            endpoint: event.endpoint,
            day: event.window.utc_day(),
            dimensions: &event.dimensions,
            metrics: &event.metrics,
            grouped_by: DimensionSet::EMPTY.with(Dimension::Model),
        });
        let mut prices = KeptPrices::default();
        prices.add(1, &priced.price.price_id, "list-1", &priced.price.to_json());
        (prices, (priced.cost.ok().map(|cost| cost.rounded), 1))
    }

    #[test]
    fn a_cost_says_by_which_price() {
        let event = event("text-embedding-3-small");
        let (prices, price) = kept(&event);
        assert_eq!(
            prices.of(&event, Some(price)),
            PriceFields {
                cost_usd: Some("0.04".parse().unwrap()),
                price_id: Some("openai/text-embedding-3-small/standard@-"),
                catalogue_version: Some("list-1"),
                unpriced_reason: None,
            }
        );
    }

    #[test]
    fn what_has_no_price_says_why_and_what_was_never_priced_says_nothing() {
        let event = event("text-embedding-9");
        let (prices, price) = kept(&event);
        assert_eq!(
            prices.of(&event, Some(price)),
            PriceFields {
                catalogue_version: Some("list-1"),
                unpriced_reason: Some("no price for the model `text-embedding-9`".to_owned()),
                ..PriceFields::default()
            }
        );
        assert_eq!(prices.of(&event, None), PriceFields::default());
    }
}
