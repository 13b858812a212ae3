//! Comparing what was read with what stands.

use diesel::prelude::*;
use usage_core::{DedupeKey, WindowRange};

use super::prepare::{PreparedRow, PreparedWindow};
use super::{Batch, read};
use crate::connection::AnyConnection;
use crate::coverage::Coverage;
use crate::error::StoreError;
use crate::events::parse_key;
use crate::schema::usage_events;

/// A row of the ledger inside the scope of the read, as far as comparing needs it.
pub(super) struct StandingRow {
    pub(super) window_start: i64,
    pub(super) key: DedupeKey,
    pub(super) content_hash: i64,
    pub(super) project_id: Option<String>,
    pub(super) price_ref: Option<i64>,
}

/// A row whose numbers changed.
pub(super) struct Updated<'a> {
    pub(super) row: &'a PreparedRow,
    /// The price that it had.
    pub(super) price_ref: Option<i64>,
}

/// The difference between a read window and the ledger.
pub(super) struct Change<'a> {
    pub(super) window: &'a PreparedWindow,
    /// Coverage of the window by reads that could see some of the same rows.
    pub(super) overlapping: &'a [Coverage],
    pub(super) inserted: Vec<&'a PreparedRow>,
    pub(super) updated: Vec<Updated<'a>>,
    pub(super) unchanged: u64,
    pub(super) retracted: Vec<&'a StandingRow>,
}

impl Change<'_> {
    /// Whether a change to a row of this project is a restatement.
    pub(super) fn restates(&self, project_id: Option<&str>) -> bool {
        read::restates(self.overlapping, project_id)
    }

    /// Whether some read could see a row of this project before. A row that stands though none could was imported.
    pub(super) fn was_read(&self, project_id: Option<&str>) -> bool {
        self.overlapping
            .iter()
            .any(|coverage| coverage.filter.admits(project_id))
    }
}

type StandingColumns = (i64, Vec<u8>, i64, Option<String>, Option<i64>);

/// Loads the rows that stand in the admitted windows, in the order of window and key.
///
/// Whatever grouping wrote a row, it is loaded: only the provider filter narrows a read.
pub(super) fn load(
    connection: &mut AnyConnection,
    batch: &Batch,
    admitted: &[(&PreparedWindow, Vec<Coverage>)],
) -> Result<Vec<StandingRow>, StoreError> {
    let filter = &batch.read.scope.filter;
    let mut standing = Vec::new();
    for windows in WindowRange::join(admitted.iter().map(|(window, _)| window.window)) {
        let select = usage_events::table
            .filter(usage_events::window_start.ge(windows.start().timestamp()))
            .filter(usage_events::window_start.lt(windows.end().timestamp()))
            .filter(usage_events::account_id.eq(batch.read.lease.account_id))
            .filter(usage_events::endpoint.eq(batch.read.scope.endpoint.as_str()))
            .filter(usage_events::window_end.eq(usage_events::window_start + windows.width().seconds()))
            .select((
                usage_events::window_start,
                usage_events::dedupe_key,
                usage_events::content_hash,
                usage_events::project_id,
                usage_events::price_ref,
            ))
            .order((usage_events::window_start, usage_events::dedupe_key))
            .into_boxed();
        let select = if filter.is_all() {
            select
        } else {
            let ids: Vec<String> = filter.ids().map(str::to_owned).collect();
            select.filter(usage_events::project_id.eq_any(ids))
        };
        let rows: Vec<StandingColumns> = select
            .load(connection)
            .map_err(StoreError::query("reading the rows of a window"))?;
        for (window_start, key, content_hash, project_id, price_ref) in rows {
            standing.push(StandingRow {
                window_start,
                key: parse_key(&key)?,
                content_hash,
                project_id,
                price_ref,
            });
        }
    }
    Ok(standing)
}

/// Merges the two sorted sides, window by window.
pub(super) fn compare<'a>(
    admitted: &'a [(&'a PreparedWindow, Vec<Coverage>)],
    standing: &'a [StandingRow],
) -> Vec<Change<'a>> {
    let mut standing = standing.iter().peekable();
    admitted
        .iter()
        .map(|(window, overlapping)| {
            let mut change = Change {
                window,
                overlapping,
                inserted: Vec::new(),
                updated: Vec::new(),
                unchanged: 0,
                retracted: Vec::new(),
            };
            let start = window.window.start_unix();
            for row in &window.rows {
                while let Some(gone) = standing.next_if(|old| old.window_start == start && old.key < row.key)
                {
                    change.retracted.push(gone);
                }
                let mut same = || standing.next_if(|old| old.window_start == start && old.key == row.key);
                let found = same();
                // Only where the unique index is missing can an identity stand more than once; then one row replaces
                // all of them.
                let mut repeated = false;
                while same().is_some() {
                    repeated = true;
                }
                match found {
                    None => change.inserted.push(row),
                    Some(old) if old.content_hash == row.content_hash && !repeated => change.unchanged += 1,
                    Some(old) => change.updated.push(Updated {
                        row,
                        price_ref: old.price_ref,
                    }),
                }
            }
            while let Some(gone) = standing.next_if(|old| old.window_start == start) {
                change.retracted.push(gone);
            }
            change
        })
        .collect()
}
