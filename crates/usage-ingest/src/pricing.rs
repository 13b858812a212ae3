//! The price list as the ledger sees it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use chrono::NaiveDate;
use usage_core::{DimensionSet, Endpoint, NanoUsd};
use usage_pricing::{Catalogue, PriceRef, Priced, Unpriced, Usage};
use usage_store::{PriceRecord, PricingNote, RowPrice, RowPricer, RowToPrice};

/// Prices the ledger's rows by a catalogue, and rows that it has by the prices that it kept.
///
/// ```
/// use std::sync::Arc;
///
/// use usage_ingest::CataloguePricer;
/// use usage_pricing::Catalogue;
/// use usage_store::RowPricer;
///
/// let pricer: Arc<dyn RowPricer> = Arc::new(CataloguePricer::new(Catalogue::bundled()?));
/// # drop(pricer);
/// # Ok::<(), usage_pricing::CatalogueError>(())
/// ```
pub struct CataloguePricer {
    catalogue: Catalogue,
    /// The prices of one day, found once for the thousands of rows that have them.
    found: Mutex<Found>,
    /// What the ledger keeps of each price of the catalogue, by its id.
    kept: Cache<String, PriceRecord>,
    /// What each kept price says, by what the ledger calls it.
    read: Cache<(String, String), usage_pricing::PriceRecord>,
}

/// Values that are made once; a price list has a few hundred prices.
type Cache<K, V> = Mutex<HashMap<K, Arc<V>>>;

/// What prices depend on besides tier, batch and model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scene {
    endpoint: Option<Endpoint>,
    day: NaiveDate,
    grouped_by: DimensionSet,
}

/// The prices found in one scene, by model.
#[derive(Default)]
struct Found {
    scene: Scene,
    by_model: hashbrown::HashMap<String, Vec<Arc<FoundPrice>>>,
}

/// The price of a model's tier and processing.
struct FoundPrice {
    service_tier: Option<String>,
    batch: Option<bool>,
    price: PriceRef,
    record: Arc<PriceRecord>,
    note: Option<Arc<PricingNote>>,
    /// Why the first row without a cost had none, in words too: most others have none for the same reason.
    unpriced: OnceLock<(Unpriced, Arc<PricingNote>)>,
}

impl FoundPrice {
    fn unpriced(&self, reason: &Unpriced) -> Arc<PricingNote> {
        let (first, note) = self
            .unpriced
            .get_or_init(|| (reason.clone(), unpriced_note(reason)));
        if first == reason {
            note.clone()
        } else {
            unpriced_note(reason)
        }
    }
}

impl CataloguePricer {
    /// Prices new rows by this catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            found: Mutex::default(),
            kept: Mutex::default(),
            read: Mutex::default(),
        }
    }

    /// The price of a row, whatever its numbers.
    fn find(&self, row: &RowToPrice<'_>) -> Arc<FoundPrice> {
        let scene = Scene {
            endpoint: Some(row.endpoint),
            day: row.window.utc_day(),
            grouped_by: row.grouped_by,
        };
        let dimensions = row.dimensions;
        let model = dimensions.model.as_deref().unwrap_or_default();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.scene != scene {
            found.by_model.clear();
            found.scene = scene;
        }
        let known = found.by_model.get(model).and_then(|prices| {
            prices.iter().find(|price| {
                price.batch == dimensions.batch && price.service_tier == dimensions.service_tier
            })
        });
        if let Some(known) = known {
            return known.clone();
        }
        let new = Arc::new(self.look_up(row, scene));
        let prices = found.by_model.entry(model.to_owned()).or_default();
        prices.push(new.clone());
        new
    }

    fn look_up(&self, row: &RowToPrice<'_>, scene: Scene) -> FoundPrice {
        let Priced { price, fallback, .. } = self.catalogue.price(&Usage {
            endpoint: row.endpoint,
            day: scene.day,
            dimensions: row.dimensions,
            metrics: row.metrics,
            grouped_by: scene.grouped_by,
        });
        FoundPrice {
            service_tier: row.dimensions.service_tier.clone(),
            batch: row.dimensions.batch,
            record: self.kept(&price),
            note: fallback.then(|| fallback_note(row, &price)),
            unpriced: OnceLock::new(),
            price,
        }
    }

    fn kept(&self, price: &usage_pricing::PriceRecord) -> Arc<PriceRecord> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = kept.get(&price.price_id) {
            return record.clone();
        }
        let record = Arc::new(PriceRecord {
            price_id: price.price_id.clone(),
            catalogue_version: price.catalogue_version.clone(),
            record: price.to_json(),
        });
        kept.insert(price.price_id.clone(), record.clone());
        record
    }

    fn read(&self, record: &PriceRecord) -> Result<Arc<usage_pricing::PriceRecord>, String> {
        let name = (record.price_id.clone(), record.catalogue_version.clone());
        let known = get(&self.read, &name);
        if let Some(price) = known {
            return Ok(price);
        }
        let price = usage_pricing::PriceRecord::from_json(&record.record).map_err(|error| {
            format!(
                "the price {} of {} cannot be read: {error}",
                record.price_id, record.catalogue_version
            )
        })?;
        let price = Arc::new(price);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(name, price.clone());
        Ok(price)
    }
}

impl RowPricer for CataloguePricer {
    fn price(&self, row: &RowToPrice<'_>) -> RowPrice {
        let found = self.find(row);
        let cost = found.price.rounded_cost(row.endpoint, row.metrics);
        row_price(&found.record, cost, found.note.as_ref(), |reason| {
            found.unpriced(&reason)
        })
    }

    fn price_again(&self, record: &Arc<PriceRecord>, row: &RowToPrice<'_>) -> Result<RowPrice, String> {
        let price = self.read(record)?;
        let note = price.is_default().then(|| fallback_note(row, &price));
        let cost = price.rounded_cost(row.endpoint, row.metrics);
        Ok(row_price(record, cost, note.as_ref(), |reason| {
            unpriced_note(&reason)
        }))
    }
}

fn fallback_note(row: &RowToPrice<'_>, price: &usage_pricing::PriceRecord) -> Arc<PricingNote> {
    let model = row.dimensions.model.as_deref().unwrap_or("usage without a model");
    Arc::new(PricingNote::Fallback(format!(
        "`{model}` by the default {}",
        price.price_id
    )))
}

fn unpriced_note(reason: &Unpriced) -> Arc<PricingNote> {
    Arc::new(PricingNote::Unpriced(in_words(reason)))
}

fn row_price(
    record: &Arc<PriceRecord>,
    cost: Result<NanoUsd, Unpriced>,
    note: Option<&Arc<PricingNote>>,
    unpriced: impl FnOnce(Unpriced) -> Arc<PricingNote>,
) -> RowPrice {
    let (cost, note) = match cost {
        Ok(cost) => (Some(cost), note.cloned()),
        Err(reason) => (None, Some(unpriced(reason))),
    };
    RowPrice {
        cost,
        record: record.clone(),
        note,
    }
}

/// The reason without the numbers of the row: rows are counted by it.
fn in_words(reason: &Unpriced) -> String {
    match reason {
        Unpriced::Drift { identity, .. } => {
            format!("{} is not the sum of its parts", identity.total())
        }
        reason => reason.to_string(),
    }
}

fn get<K: Eq + Hash, V>(cache: &Cache<K, V>, key: &K) -> Option<Arc<V>> {
    let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache.get(key).cloned()
}

#[cfg(test)]
mod tests {
    use usage_core::{Dimensions, Metrics, Window, parse_day};

    use super::*;

    const DEFAULT: &str = r#"
        [[default]]
        provider = "openai"
        from = 2025-01-01
        source = "the dearest model we allow"
        checked = 2026-11-01
        [default.usd_per_million]
        input = "15"
        output = "120"
    "#;

    /// The price of a million input tokens, and again by the record that the ledger would have kept.
    fn price_twice(pricer: &CataloguePricer, model: &str, day: &str) -> (RowPrice, RowPrice) {
        let dimensions = Dimensions {
            model: Some(model.to_owned()),
            ..Dimensions::default()
        };
        let metrics = Metrics {
            input_tokens: Some(1_000_000),
            input_cached_tokens: Some(0),
            output_tokens: Some(0),
            ..Metrics::default()
        };
        let row = RowToPrice {
            endpoint: Endpoint::Completions,
            window: Window::day(parse_day(day).unwrap()),
            dimensions: &dimensions,
            metrics: &metrics,
            grouped_by: Endpoint::Completions.dimensions(),
        };
        let first = pricer.price(&row);
        let kept = Arc::new(PriceRecord::clone(&first.record));
        let again = pricer.price_again(&kept, &row).unwrap();
        (first, again)
    }

    #[test]
    fn a_default_is_told_of_whenever_it_prices() {
        let catalogue = Catalogue::bundled()
            .unwrap()
            .with_user_file("prices.toml", DEFAULT)
            .unwrap();
        let pricer = CataloguePricer::new(catalogue);
        let (first, again) = price_twice(&pricer, "gpt-5-turbo", "2025-09-01");
        for price in [first, again] {
            assert_eq!(price.cost, Some(NanoUsd::new(15_000_000_000)));
            let note = "`gpt-5-turbo` by the default openai/default/standard@2025-01-01+user".to_owned();
            assert_eq!(price.note, Some(Arc::new(PricingNote::Fallback(note))));
        }
    }

    #[test]
    fn what_was_found_for_one_row_is_not_taken_for_another() {
        let pricer = CataloguePricer::new(Catalogue::bundled().unwrap());
        for (model, day, usd) in [
            ("gpt-5", "2025-09-01", "1.25"),
            ("o3", "2025-06-09", "10"),
            ("o3", "2025-06-10", "2"),
            ("gpt-5", "2025-09-01", "1.25"),
            ("o3", "2025-06-09", "10"),
        ] {
            let (first, again) = price_twice(&pricer, model, day);
            for cost in [first.cost, again.cost] {
                assert_eq!(cost.unwrap().to_string(), usd, "{model} on {day}");
            }
        }
    }
}
