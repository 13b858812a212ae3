//! The price list as the ledger sees it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use usage_pricing::{Catalogue, Cost, Priced, Unpriced, Usage};
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
    /// What the ledger keeps of each price of the catalogue, by its id.
    kept: Cache<String, PriceRecord>,
    /// What each kept price says, by what the ledger calls it.
    read: Cache<(String, String), usage_pricing::PriceRecord>,
}

/// Values that are made once; a price list has a few hundred prices.
type Cache<K, V> = Mutex<HashMap<K, Arc<V>>>;

impl CataloguePricer {
    /// Prices new rows by this catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            kept: Mutex::default(),
            read: Mutex::default(),
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
        let Priced {
            price,
            cost,
            fallback,
        } = self.catalogue.price(&Usage {
            endpoint: row.endpoint,
            day: row.window.utc_day(),
            dimensions: row.dimensions,
            metrics: row.metrics,
            grouped_by: row.grouped_by,
        });
        let note = fallback.then(|| {
            let model = row.dimensions.model.as_deref().unwrap_or("usage without a model");
            PricingNote::Fallback(format!("`{model}` by the default {}", price.price_id))
        });
        row_price(self.kept(&price), cost, note)
    }

    fn price_again(&self, record: &Arc<PriceRecord>, row: &RowToPrice<'_>) -> Result<RowPrice, String> {
        let cost = self.read(record)?.cost(row.endpoint, row.metrics);
        Ok(row_price(record.clone(), cost, None))
    }
}

fn row_price(record: Arc<PriceRecord>, cost: Result<Cost, Unpriced>, note: Option<PricingNote>) -> RowPrice {
    match cost {
        Ok(cost) => RowPrice {
            cost: Some(cost.rounded),
            record,
            note,
        },
        Err(reason) => RowPrice {
            cost: None,
            record,
            note: Some(PricingNote::Unpriced(in_words(&reason))),
        },
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
