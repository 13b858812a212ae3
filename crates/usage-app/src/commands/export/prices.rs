//! What an event costs, and by which price.

use std::collections::BTreeMap;
use std::sync::Arc;

use usage_core::{NanoUsd, UsageEvent};
use usage_store::{EventPrice, Ledger, PriceRecord, StoredEvent};

use crate::error::AppError;

/// The prices that the ledger keeps, read when an event first names one.
#[derive(Default)]
pub(super) struct Prices {
    known: BTreeMap<i64, Kept>,
}

/// A price, and what it says.
struct Kept {
    record: Arc<PriceRecord>,
    price: Result<usage_pricing::PriceRecord, String>,
}

/// The price of one event, as far as it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PriceFields<'a> {
    /// What it costs; `None` if it was never priced, or has no price: unknown is not zero.
    pub(super) cost_usd: Option<NanoUsd>,
    /// By which price.
    pub(super) price_id: Option<&'a str>,
    /// By which price list; also where that had no price.
    pub(super) catalogue_version: Option<&'a str>,
    /// Why the price list had no price.
    pub(super) unpriced_reason: Option<String>,
}

impl Prices {
    /// Reads the prices of the ledger if these events name one that is not known. A run that goes on meanwhile may add some.
    pub(super) async fn know(&mut self, ledger: &Ledger, events: &[StoredEvent]) -> Result<(), AppError> {
        let is_known = |price: &EventPrice| self.known.contains_key(&price.price_ref);
        if events
            .iter()
            .filter_map(|event| event.price.as_ref())
            .all(is_known)
        {
            return Ok(());
        }
        for (number, record) in ledger.price_records().await? {
            self.known.entry(number).or_insert_with(|| Kept::new(record));
        }
        Ok(())
    }

    /// The price of an event.
    pub(super) fn of(&self, event: &UsageEvent, price: Option<EventPrice>) -> PriceFields<'_> {
        let kept = price.and_then(|price| Some((price, self.known.get(&price.price_ref)?)));
        let Some((EventPrice { cost, .. }, kept)) = kept else {
            return PriceFields::default();
        };
        let catalogue_version = Some(kept.record.catalogue_version.as_str());
        match cost {
            Some(cost) => PriceFields {
                cost_usd: Some(cost),
                price_id: Some(&kept.record.price_id),
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
    fn new(record: Arc<PriceRecord>) -> Self {
        let price = usage_pricing::PriceRecord::from_json(&record.record).map_err(|error| {
            format!(
                "the price {} of {} cannot be read: {error}",
                record.price_id, record.catalogue_version
            )
        });
        Self { record, price }
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
    fn kept(event: &UsageEvent) -> (Prices, EventPrice) {
        let priced = Catalogue::bundled().unwrap().price(&Usage {
            endpoint: event.endpoint,
            day: event.window.utc_day(),
            dimensions: &event.dimensions,
            metrics: &event.metrics,
            grouped_by: DimensionSet::EMPTY.with(Dimension::Model),
        });
        let record = PriceRecord {
            price_id: priced.price.price_id.clone(),
            catalogue_version: "list-1".to_owned(),
            record: priced.price.to_json(),
        };
        let prices = Prices {
            known: BTreeMap::from([(1, Kept::new(Arc::new(record)))]),
        };
        let cost = priced.cost.ok().map(|cost| cost.rounded);
        (prices, EventPrice { cost, price_ref: 1 })
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
