//! Prices of the rows that a batch writes.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::panic;
use std::sync::Arc;
use std::thread;

use super::Batch;
use super::compare::{Change, Updated};
use super::prepare::{PreparedRow, PricedRow};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::pricing::{self, PriceRecord, Pricing, PricingNotes, RowPrice};

/// From so many rows on, a thread of its own is worth starting: a row takes about a microsecond.
const ROWS_A_THREAD: usize = 1_000;

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
        for price in price_new(batch, change)? {
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

/// Prices the new rows of a window, on several threads if there are many: the database has nothing to do meanwhile.
fn price_new(batch: &Batch, change: &Change<'_>) -> Result<Vec<Option<RowPrice>>, StoreError> {
    let price_all = |rows: &[&PreparedRow]| -> Result<Vec<Option<RowPrice>>, StoreError> {
        rows.iter()
            .map(|row| price_row(batch, change, row, None))
            .collect()
    };
    let rows = change.inserted.as_slice();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(rows.len() / ROWS_A_THREAD);
    if threads < 2 || batch.pricer.is_none() {
        return price_all(rows);
    }
    thread::scope(|scope| {
        let (first, others) = rows.split_at(rows.len() / threads);
        let others: Vec<_> = others
            .chunks(rows.len().div_ceil(threads))
            .map(|rows| scope.spawn(move || price_all(rows)))
            .collect();
        let mut prices = price_all(first)?;
        for other in others {
            match other.join() {
                Ok(more) => prices.extend(more?),
                Err(panic) => panic::resume_unwind(panic),
            }
        }
        Ok(prices)
    })
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
