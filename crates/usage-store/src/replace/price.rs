//! Prices of the rows that a batch writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Batch;
use super::compare::{Change, Updated};
use super::prepare::{PreparedRow, PricedRow};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::pricing::{self, PriceRecord, Pricing, PricingNotes, RowPrice};

/// The rows to be written with their prices.
pub(super) struct Priced<'a> {
    /// New rows, window by window.
    pub(super) inserted: Vec<PricedRow<'a>>,
    /// Changed rows, window by window.
    pub(super) updated: Vec<PricedRow<'a>>,
    /// What must be told of each window's prices.
    pub(super) notes: Vec<PricingNotes>,
}

/// Prices a new row by the price list as it is, a changed one by the price that it had.
pub(super) fn price<'a>(
    connection: &mut AnyConnection,
    batch: &Batch,
    changes: &[Change<'a>],
) -> Result<Priced<'a>, StoreError> {
    let records = kept_records(connection, batch, changes)?;
    let (mut inserted, mut updated) = (Pricing::default(), Pricing::default());
    let mut notes = Vec::with_capacity(changes.len());
    for change in changes {
        let mut noted = PricingNotes::new();
        for row in &change.inserted {
            let price = price_row(batch, change, row, None)?;
            pricing::count(&mut noted, price.as_ref());
            inserted.push(price.as_ref());
        }
        for Updated { row, price_ref } in &change.updated {
            let had = price_ref.and_then(|number| records.get(&number));
            let price = price_row(batch, change, row, had)?;
            pricing::count(&mut noted, price.as_ref());
            updated.push(price.as_ref());
        }
        notes.push(noted);
    }
    let new = changes.iter().flat_map(|change| change.inserted.iter().copied());
    let changed = changes
        .iter()
        .flat_map(|change| change.updated.iter().map(|updated| updated.row));
    Ok(Priced {
        inserted: with_prices(connection, new, &inserted)?,
        updated: with_prices(connection, changed, &updated)?,
        notes,
    })
}

/// The prices that the changed rows had.
fn kept_records(
    connection: &mut AnyConnection,
    batch: &Batch,
    changes: &[Change<'_>],
) -> Result<BTreeMap<i64, Arc<PriceRecord>>, StoreError> {
    let had: BTreeSet<i64> = changes
        .iter()
        .flat_map(|change| change.updated.iter().filter_map(|updated| updated.price_ref))
        .collect();
    if had.is_empty() || batch.pricer.is_none() {
        return Ok(BTreeMap::new());
    }
    pricing::load(connection, Some(had.into_iter().collect()))
}

fn price_row(
    batch: &Batch,
    change: &Change<'_>,
    row: &PreparedRow,
    had: Option<&Arc<PriceRecord>>,
) -> Result<Option<RowPrice>, StoreError> {
    let Some(pricer) = &batch.pricer else {
        return Ok(None);
    };
    let scope = &batch.read.scope;
    let to_price = row.to_price(scope.endpoint, change.window.window, scope.grouped_by);
    let price = match had {
        None => pricer.price(&to_price),
        Some(record) => pricer
            .price_again(record, &to_price)
            .map_err(|reason| StoreError::corrupt("price", reason))?,
    };
    Ok(Some(price))
}

fn with_prices<'a>(
    connection: &mut AnyConnection,
    rows: impl Iterator<Item = &'a PreparedRow>,
    pricing: &Pricing,
) -> Result<Vec<PricedRow<'a>>, StoreError> {
    let columns = pricing.columns(connection)?;
    Ok(rows
        .zip(columns)
        .map(|(row, price)| PricedRow { row, price })
        .collect())
}
