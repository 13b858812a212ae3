//! From rows as read to rows as stored: identity, identical groups summed, in the order of the index.

use diesel::result::QueryResult;
use usage_core::{
    DedupeKey, DedupeKeys, Dimension, DimensionSet, Dimensions, Endpoint, Issue, IssueCode, Metric, Metrics,
    Scope, UsageRow, Window,
};

use super::{WindowOutcome, WindowRows};
use crate::pricing::{PriceColumns, RowToPrice};
use crate::rollups::Inserted;
use crate::sql::{Row, Value};

/// How many metric columns a row has.
pub(super) const METRICS: usize = Metric::ALL.len();

/// A window ready to be compared: its rows sorted by key, each key once.
pub(super) struct PreparedWindow {
    pub(super) window: Window,
    pub(super) rows: Vec<PreparedRow>,
    /// How many rows were summed into another.
    pub(super) merged: u64,
}

/// A row in the shape of the table.
pub(crate) struct PreparedRow {
    pub(crate) key: DedupeKey,
    pub(super) account_id: i64,
    pub(super) endpoint: &'static str,
    pub(crate) window_start: i64,
    pub(crate) window_end: i64,
    /// Empty texts are stored as absent: they have the same identity.
    pub(crate) dimensions: Dimensions,
    pub(super) metrics: Metrics,
    pub(crate) content_hash: i64,
}

/// Who writes a row, and when.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) now: i64,
    pub(crate) run_id: i64,
}

impl PreparedRow {
    /// The row as somebody who prices it sees it.
    pub(crate) fn to_price(
        &self,
        endpoint: Endpoint,
        window: Window,
        grouped_by: DimensionSet,
    ) -> RowToPrice<'_> {
        RowToPrice {
            endpoint,
            window,
            dimensions: &self.dimensions,
            metrics: &self.metrics,
            grouped_by,
        }
    }

    /// The row as it would stand alone; `keys` are those of its window.
    pub(crate) fn new(
        keys: &mut DedupeKeys,
        account_id: i64,
        endpoint: Endpoint,
        window: Window,
        row: UsageRow,
    ) -> Self {
        let mut dimensions = row.dimensions;
        for dimension in Dimension::USAGE {
            if let Some(place) = dimensions.text_mut(dimension)
                && place.as_ref().is_some_and(String::is_empty)
            {
                *place = None;
            }
        }
        Self {
            key: keys.key(&dimensions),
            account_id,
            endpoint: endpoint.as_str(),
            window_start: window.start_unix(),
            window_end: window.end_unix(),
            dimensions,
            metrics: row.metrics,
            content_hash: row.metrics.content_hash(),
        }
    }
}

/// A row with its price.
#[derive(Clone, Copy)]
pub(crate) struct PricedRow<'a> {
    pub(crate) row: &'a PreparedRow,
    pub(crate) price: PriceColumns,
}

impl PricedRow<'_> {
    /// The row as what sums it up sees it.
    pub(super) fn inserted(&self) -> Inserted<'_> {
        Inserted {
            account_id: self.row.account_id,
            endpoint: self.row.endpoint,
            window_start: self.row.window_start,
            window_end: self.row.window_end,
            dimensions: &self.row.dimensions,
            metrics: &self.row.metrics,
            cost: self.price.cost_nano_usd,
        }
    }
}

/// A row with what the transaction adds to it.
pub(super) struct StampedRow<'a> {
    pub(super) row: &'a PreparedRow,
    pub(super) metrics: [Option<i64>; METRICS],
    pub(super) revision: i64,
    pub(super) first_stored_at: i64,
    pub(super) now: i64,
    pub(super) run_id: i64,
    pub(super) price: PriceColumns,
}

impl<'a> StampedRow<'a> {
    pub(super) fn new(row: &PricedRow<'a>, stamp: Stamp) -> Self {
        let Stamp { now, run_id } = stamp;
        let PricedRow { row, price } = *row;
        Self {
            row,
            price,
            metrics: Metric::ALL.map(|metric| row.metrics.get(metric)),
            revision: 1,
            first_stored_at: now,
            now,
            run_id,
        }
    }
}

impl Row for StampedRow<'_> {
    fn visit<'a>(&'a self, each: &mut dyn FnMut(Value<'a>) -> QueryResult<()>) -> QueryResult<()> {
        let row = self.row;
        each(Value::Integer(&row.account_id))?;
        each(Value::Text(row.endpoint))?;
        each(Value::Integer(&row.window_start))?;
        each(Value::Integer(&row.window_end))?;
        each(Value::Bytes(row.key.as_bytes()))?;
        let dimensions = &row.dimensions;
        each(Value::OptionalText(&dimensions.project_id))?;
        each(Value::OptionalText(&dimensions.api_key_id))?;
        each(Value::OptionalText(&dimensions.user_id))?;
        each(Value::OptionalText(&dimensions.model))?;
        each(Value::OptionalText(&dimensions.service_tier))?;
        each(Value::OptionalBool(&dimensions.batch))?;
        each(Value::OptionalText(&dimensions.api_source))?;
        each(Value::OptionalText(&dimensions.vector_store_id))?;
        each(Value::OptionalText(&dimensions.size))?;
        each(Value::OptionalText(&dimensions.source))?;
        each(Value::OptionalText(&dimensions.context_level))?;
        for metric in &self.metrics {
            each(Value::OptionalInteger(metric))?;
        }
        each(Value::Integer(&row.content_hash))?;
        each(Value::Integer(&self.revision))?;
        each(Value::Integer(&self.first_stored_at))?;
        each(Value::Integer(&self.now))?;
        each(Value::Integer(&self.run_id))?;
        each(Value::OptionalInteger(&self.price.cost_nano_usd))?;
        each(Value::OptionalInteger(&self.price.price_ref))
    }
}

/// Gives each row its identity and sums rows that share one, as providers do send two.
pub(super) fn prepare(
    scope: &Scope,
    account_id: i64,
    read: WindowRows,
) -> Result<PreparedWindow, WindowOutcome> {
    let window = read.window;
    let fail = |code, what: String| {
        let message = format!("{} {} {window}: {what}", scope.account, scope.endpoint);
        WindowOutcome::refused(window, Issue::new(code, message))
    };
    // A row outside the filter could never be compared with what stands, which is read by the same filter.
    if let Some(stranger) = read
        .rows
        .iter()
        .find(|row| !scope.filter.admits(row.dimensions.get(Dimension::ProjectId)))
    {
        let project = stranger.dimensions.get(Dimension::ProjectId).unwrap_or("none");
        let what = format!(
            "a row of project {project} came though only {} was asked for",
            scope.filter
        );
        return Err(fail(IssueCode::FilterNotApplied, what));
    }
    let mut keys = DedupeKeys::of(&scope.account, scope.endpoint, window);
    let mut rows: Vec<PreparedRow> = Vec::with_capacity(read.rows.len());
    for row in read.rows {
        rows.push(PreparedRow::new(
            &mut keys,
            account_id,
            scope.endpoint,
            window,
            row,
        ));
    }
    rows.sort_by_cached_key(|row| row.key);

    let mut summed: Vec<PreparedRow> = Vec::with_capacity(rows.len());
    let mut merged = 0;
    for row in rows {
        match summed.last_mut().filter(|last| last.key == row.key) {
            Some(last) => {
                last.metrics = last
                    .metrics
                    .checked_add(&row.metrics)
                    .map_err(|overflow| fail(IssueCode::CountInvalid, overflow.to_string()))?;
                last.content_hash = last.metrics.content_hash();
                merged += 1;
            }
            None => summed.push(row),
        }
    }
    Ok(PreparedWindow {
        window,
        rows: summed,
        merged,
    })
}
