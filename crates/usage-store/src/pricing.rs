//! Prices on usage events: the ledger keeps which price a row had, and asks somebody else what it costs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use diesel::prelude::*;
use hashbrown::HashMap;
use usage_core::{DimensionSet, Dimensions, Endpoint, Metrics, NanoUsd, Window};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::ledger::Ledger;
use crate::schema::prices;
use crate::sql::{InsertRows, Row, Value};

/// Somebody who knows prices. A ledger that has one prices every row that it writes.
pub trait RowPricer: Send + Sync {
    /// What a row costs by the price list as it is now.
    fn price(&self, row: &RowToPrice<'_>) -> RowPrice;

    /// What a row costs by a price that the ledger kept, so that a changed row keeps the price list it had.
    ///
    /// Fails in one line if the record cannot be read.
    fn price_again(&self, record: &Arc<PriceRecord>, row: &RowToPrice<'_>) -> Result<RowPrice, String>;
}

/// One row, as far as its price depends on it.
#[derive(Clone, Copy, Debug)]
pub struct RowToPrice<'a> {
    /// The surface.
    pub endpoint: Endpoint,
    /// When; a price has a date.
    pub window: Window,
    /// Who and what.
    pub dimensions: &'a Dimensions,
    /// How much.
    pub metrics: &'a Metrics,
    /// What the read was grouped by: what it was not grouped by, nobody knows of the row.
    pub grouped_by: DimensionSet,
}

/// What a row costs, and by which price.
#[derive(Clone, Debug)]
pub struct RowPrice {
    /// The cost; `None` if the row has no price.
    pub cost: Option<NanoUsd>,
    /// The price, or why there is none.
    pub record: Arc<PriceRecord>,
    /// What must be told about it.
    pub note: Option<Arc<PricingNote>>,
}

/// A price as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriceRecord {
    /// Its name in the price list.
    pub price_id: String,
    /// Which price list that was.
    pub catalogue_version: String,
    /// Everything about it, as JSON of the price list's own; opaque to the ledger.
    pub record: String,
}

/// Something that must be told about the price of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PricingNote {
    /// It has none, and why.
    Unpriced(String),
    /// It was priced by a default, for want of a price of its own.
    Fallback(String),
}

/// How many rows each thing must be told of.
pub type PricingNotes = BTreeMap<PricingNote, u64>;

/// The price of an event as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPrice {
    /// What it costs; `None` if the price list had no price for it.
    pub cost: Option<NanoUsd>,
    /// The number of the price in the ledger; see [`Ledger::price_records`].
    pub price_ref: i64,
}

impl Ledger {
    /// The ledger with somebody who prices every row that it writes from now on.
    #[must_use]
    pub fn with_pricer(mut self, pricer: Arc<dyn RowPricer>) -> Self {
        self.pricer = Some(pricer);
        self
    }

    /// Every price that the ledger keeps, by its number.
    pub async fn price_records(&self) -> Result<BTreeMap<i64, Arc<PriceRecord>>, StoreError> {
        self.run(|connection| load(connection, None)).await
    }
}

/// The cost and the price of one row, as two columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PriceColumns {
    pub(crate) cost_nano_usd: Option<i64>,
    pub(crate) price_ref: Option<i64>,
}

/// Prices of rows that wait for the numbers of their records.
#[derive(Default)]
pub(crate) struct Pricing {
    rows: Vec<Option<(Option<NanoUsd>, usize)>>,
    /// What the rows refer to. A pricer hands out one record for all the rows of a price, so they are told apart by where
    /// they are: thousands of rows are not worth as many comparisons of texts.
    records: Vec<Arc<PriceRecord>>,
    places: HashMap<usize, usize>,
}

impl Pricing {
    /// Adds the price of the next row; `None` leaves it without.
    pub(crate) fn push(&mut self, price: Option<&RowPrice>) {
        let row = price.map(|price| {
            let place = self
                .places
                .entry(Arc::as_ptr(&price.record).addr())
                .or_insert_with(|| {
                    self.records.push(price.record.clone());
                    self.records.len() - 1
                });
            (price.cost, *place)
        });
        self.rows.push(row);
    }

    /// The columns of every row in the order in which they were added; records that are new are stored.
    pub(crate) fn columns(&self, connection: &mut AnyConnection) -> Result<Vec<PriceColumns>, StoreError> {
        if self.records.is_empty() {
            return Ok(vec![PriceColumns::default(); self.rows.len()]);
        }
        let distinct: BTreeSet<&PriceRecord> = self.records.iter().map(AsRef::as_ref).collect();
        let numbers = numbers(connection, &distinct)?;
        let by_place: Vec<Option<i64>> = self
            .records
            .iter()
            .map(|record| numbers.get(record.as_ref()).copied())
            .collect();
        Ok(self
            .rows
            .iter()
            .map(|row| match row {
                None => PriceColumns::default(),
                Some((cost, place)) => PriceColumns {
                    cost_nano_usd: cost.map(NanoUsd::get),
                    price_ref: by_place[*place],
                },
            })
            .collect())
    }
}

/// Counts what must be told.
pub(crate) fn count(notes: &mut PricingNotes, price: Option<&RowPrice>) {
    let Some(note) = price.and_then(|price| price.note.as_ref()) else {
        return;
    };
    match notes.get_mut(note.as_ref()) {
        Some(rows) => *rows += 1,
        None => {
            notes.insert(PricingNote::clone(note), 1);
        }
    }
}

/// The records with these numbers, or all of them.
pub(crate) fn load(
    connection: &mut AnyConnection,
    only: Option<Vec<i64>>,
) -> Result<BTreeMap<i64, Arc<PriceRecord>>, StoreError> {
    let mut select = prices::table.into_boxed();
    if let Some(only) = only {
        select = select.filter(prices::id.eq_any(only));
    }
    let rows: Vec<(i64, String, String, String)> = select
        .load(connection)
        .map_err(StoreError::query("reading the prices"))?;
    Ok(rows
        .into_iter()
        .map(|(id, price_id, catalogue_version, record)| {
            let record = PriceRecord {
                price_id,
                catalogue_version,
                record,
            };
            (id, Arc::new(record))
        })
        .collect())
}

/// The numbers of the records; what the ledger has not had gets one.
fn numbers<'a>(
    connection: &mut AnyConnection,
    records: &BTreeSet<&'a PriceRecord>,
) -> Result<BTreeMap<&'a PriceRecord, i64>, StoreError> {
    const ROWS_A_STATEMENT: usize = 100;
    let mut known = known(connection, records)?;
    let missing: Vec<&PriceRecord> = records
        .iter()
        .filter(|record| !known.contains_key(*record))
        .copied()
        .collect();
    if missing.is_empty() {
        return Ok(known);
    }
    for rows in missing.chunks(ROWS_A_STATEMENT) {
        let rows: Vec<NewRecord<'_>> = rows.iter().map(|record| NewRecord(record)).collect();
        InsertRows {
            head: "INSERT INTO prices (price_id, catalogue_version, record) VALUES ",
            rows: &rows,
            // Another account's transaction may keep the same price at the same time.
            tail: " ON CONFLICT (price_id, catalogue_version) DO NOTHING",
        }
        .execute(connection)
        .map_err(StoreError::query("keeping prices"))?;
    }
    known = self::known(connection, records)?;
    match records.iter().find(|record| !known.contains_key(*record)) {
        None => Ok(known),
        Some(record) => Err(StoreError::corrupt(
            "price",
            format!("{} of {}", record.price_id, record.catalogue_version),
        )),
    }
}

/// The numbers of those records that the ledger has.
fn known<'a>(
    connection: &mut AnyConnection,
    records: &BTreeSet<&'a PriceRecord>,
) -> Result<BTreeMap<&'a PriceRecord, i64>, StoreError> {
    let mut ids: Vec<&str> = records.iter().map(|record| record.price_id.as_str()).collect();
    ids.dedup();
    let found: Vec<(i64, String, String)> = prices::table
        .filter(prices::price_id.eq_any(ids))
        .select((prices::id, prices::price_id, prices::catalogue_version))
        .load(connection)
        .map_err(StoreError::query("reading the prices"))?;
    let found: BTreeMap<(String, String), i64> = found
        .into_iter()
        .map(|(id, price_id, version)| ((price_id, version), id))
        .collect();
    Ok(records
        .iter()
        .filter_map(|record| {
            let place = (record.price_id.clone(), record.catalogue_version.clone());
            found.get(&place).map(|id| (*record, *id))
        })
        .collect())
}

struct NewRecord<'a>(&'a PriceRecord);

impl Row for NewRecord<'_> {
    fn visit<'a>(
        &'a self,
        each: &mut dyn FnMut(Value<'a>) -> diesel::result::QueryResult<()>,
    ) -> diesel::result::QueryResult<()> {
        each(Value::Text(&self.0.price_id))?;
        each(Value::Text(&self.0.catalogue_version))?;
        each(Value::Text(&self.0.record))
    }
}
