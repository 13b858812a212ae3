//! Usage whose cost nobody knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use diesel::prelude::*;
use usage_core::{DimensionSet, Dimensions, Endpoint, Window};

use crate::accounts::{self, AccountScope};
use crate::error::StoreError;
use crate::events::{self, StoredEvent};
use crate::ledger::Ledger;
use crate::pricing::{self, PriceRecord, PricingNote, RowPricer, RowToPrice};
use crate::schema::usage_events;

/// Events without a cost that have endpoint, model, tier, batch and reason in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpricedUsage {
    /// Which surface.
    pub endpoint: Endpoint,
    /// The model.
    pub model: Option<String>,
    /// The service tier.
    pub service_tier: Option<String>,
    /// Whether through the batch API.
    pub batch: Option<bool>,
    /// Why it has no cost; `None` if it was stored before there were prices, and never priced since.
    pub reason: Option<String>,
    /// How many events.
    pub events: u64,
    /// How many of them the price list has a price for by now.
    pub priceable: u64,
    /// The first window.
    pub first: Window,
    /// The last window.
    pub last: Window,
}

/// What events have in common.
type Kind = (Endpoint, Dimensions, Option<String>);

impl Ledger {
    /// The usage in scope that has no cost, by what it lacks.
    ///
    /// Fails with [`StoreError::Unsupported`] if the ledger has nobody who prices.
    pub async fn unpriced_usage(&self, scope: AccountScope) -> Result<Vec<UnpricedUsage>, StoreError> {
        let Some(pricer) = self.pricer.clone() else {
            return Err(StoreError::Unsupported(
                "this ledger was opened without prices".to_owned(),
            ));
        };
        self.run(move |connection| {
            let records = pricing::load(connection, None)?;
            let owners = accounts::load(connection, &AccountScope::All)?;
            let mut select = usage_events::table
                .filter(usage_events::cost_nano_usd.is_null())
                .select(events::EventRow::as_select())
                .into_boxed();
            if let AccountScope::Only(ids) = scope {
                select = select.filter(usage_events::account_id.eq_any(ids));
            }
            let mut kinds: BTreeMap<Kind, UnpricedUsage> = BTreeMap::new();
            let rows = select
                .load_iter::<events::EventRow, _>(connection)
                .map_err(StoreError::query("looking for usage without a price"))?;
            for row in rows {
                let row = row.map_err(StoreError::query("looking for usage without a price"))?;
                let stored = row.into_event(&owners)?;
                let reason = reason(pricer.as_ref(), &records, &stored)?;
                add(pricer.as_ref(), &mut kinds, &stored, reason);
            }
            Ok(kinds.into_values().collect())
        })
        .await
    }
}

fn reason(
    pricer: &dyn RowPricer,
    records: &BTreeMap<i64, Arc<PriceRecord>>,
    stored: &StoredEvent,
) -> Result<Option<String>, StoreError> {
    let Some(record) = stored.price.and_then(|price| records.get(&price.price_ref)) else {
        return Ok(None);
    };
    let price = pricer
        .price_again(record, &to_price(stored, DimensionSet::EMPTY))
        .map_err(|reason| StoreError::corrupt("price", reason))?;
    Ok(match price.note {
        Some(PricingNote::Unpriced(reason)) => Some(reason),
        _ => Some("unknown".to_owned()),
    })
}

fn add(
    pricer: &dyn RowPricer,
    kinds: &mut BTreeMap<Kind, UnpricedUsage>,
    stored: &StoredEvent,
    reason: Option<String>,
) {
    let event = &stored.event;
    let dimensions = Dimensions {
        model: event.dimensions.model.clone(),
        service_tier: event.dimensions.service_tier.clone(),
        batch: event.dimensions.batch,
        ..Dimensions::default()
    };
    // What the row does not name, it may not have been grouped by.
    let grouped_by = event.dimensions.present();
    let priceable = pricer.price(&to_price(stored, grouped_by)).cost.is_some();
    let usage = kinds
        .entry((event.endpoint, dimensions.clone(), reason.clone()))
        .or_insert_with(|| UnpricedUsage {
            endpoint: event.endpoint,
            model: dimensions.model,
            service_tier: dimensions.service_tier,
            batch: dimensions.batch,
            reason,
            events: 0,
            priceable: 0,
            first: event.window,
            last: event.window,
        });
    usage.events += 1;
    usage.priceable += u64::from(priceable);
    usage.first = usage.first.min(event.window);
    usage.last = usage.last.max(event.window);
}

fn to_price(stored: &StoredEvent, grouped_by: DimensionSet) -> RowToPrice<'_> {
    RowToPrice {
        endpoint: stored.event.endpoint,
        window: stored.event.window,
        dimensions: &stored.event.dimensions,
        metrics: &stored.event.metrics,
        grouped_by,
    }
}
