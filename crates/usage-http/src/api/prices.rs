//! The ledger's prices, kept between calls.

use std::sync::{Arc, PoisonError, RwLock};

use usage_parity::event_lines::KeptPrices;
use usage_store::{Ledger, StoredEvent};

use super::error::ApiError;

/// The prices that events were priced by, read again when an event names one that is not known: they are only ever added.
#[derive(Default)]
pub(crate) struct PriceCache {
    latest: RwLock<Arc<KeptPrices>>,
}

impl PriceCache {
    /// Prices that know those of these events.
    pub(super) async fn of(
        &self,
        ledger: &Ledger,
        events: &[StoredEvent],
    ) -> Result<Arc<KeptPrices>, ApiError> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut named = events.iter().filter_map(|event| event.price.as_ref());
        if named.all(|price| latest.knows(price.price_ref)) {
            return Ok(latest);
        }
        let mut prices = KeptPrices::default();
        for (number, kept) in ledger.price_records().await? {
            prices.add(number, &kept.price_id, &kept.catalogue_version, &kept.record);
        }
        let prices = Arc::new(prices);
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = prices.clone();
        Ok(prices)
    }
}
