//! The manual path, where `usage_admin_bucket_idx` is missing: look up, then insert or update.
//!
//! The transaction excludes every other writer before it looks, so that what it found stays true until it commits.

use std::collections::BTreeMap;

use diesel::prelude::*;
use usage_core::DedupeKey;

use super::prepare::{PricedRow, Stamp, StampedRow};
use super::write::{self, KEYS_A_STATEMENT};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::events::parse_key;
use crate::schema::usage_events;

/// What a changed row keeps of the one it replaces.
#[derive(Clone, Copy)]
struct Kept {
    revision: i64,
    first_stored_at: i64,
}

/// Replaces rows that the comparison found to have changed, or to stand more than once, by one row each.
///
/// Without the index an identity can stand twice, and an UPDATE would change both; so what stands is deleted and the
/// row is written anew, with the history of the oldest.
pub(super) fn update(
    connection: &mut AnyConnection,
    stamp: Stamp,
    rows: &[PricedRow<'_>],
) -> Result<(), StoreError> {
    for of_window in rows.chunk_by(|left, right| left.row.window_start == right.row.window_start) {
        for rows in of_window.chunks(KEYS_A_STATEMENT) {
            let kept = take_out(connection, rows)?;
            let stamped: Vec<StampedRow<'_>> = rows
                .iter()
                .filter_map(|row| kept.get(&row.row.key).map(|kept| (row, kept)))
                .map(|(row, kept)| StampedRow {
                    revision: kept.revision + 1,
                    first_stored_at: kept.first_stored_at,
                    ..StampedRow::new(row, stamp)
                })
                .collect();
            if stamped.len() != rows.len() {
                return Err(write::intruder());
            }
            write::insert_stamped(connection, &stamped)?;
        }
    }
    Ok(())
}

/// Deletes what stands of these rows and returns what must be kept of it.
fn take_out(
    connection: &mut AnyConnection,
    rows: &[PricedRow<'_>],
) -> Result<BTreeMap<DedupeKey, Kept>, StoreError> {
    let Some(start) = rows.first().map(|row| row.row.window_start) else {
        return Ok(BTreeMap::new());
    };
    let keys: Vec<Vec<u8>> = rows.iter().map(|row| row.row.key.as_bytes().to_vec()).collect();
    let standing: Vec<(Vec<u8>, i64, i64)> = usage_events::table
        .filter(usage_events::window_start.eq(start))
        .filter(usage_events::dedupe_key.eq_any(keys.clone()))
        .select((
            usage_events::dedupe_key,
            usage_events::revision,
            usage_events::first_stored_at,
        ))
        .load(connection)
        .map_err(StoreError::query("looking up usage events"))?;
    let mut kept: BTreeMap<DedupeKey, Kept> = BTreeMap::new();
    for (key, revision, first_stored_at) in standing {
        kept.entry(parse_key(&key)?)
            .and_modify(|kept| {
                kept.revision = kept.revision.max(revision);
                kept.first_stored_at = kept.first_stored_at.min(first_stored_at);
            })
            .or_insert(Kept {
                revision,
                first_stored_at,
            });
    }
    diesel::delete(
        usage_events::table
            .filter(usage_events::window_start.eq(start))
            .filter(usage_events::dedupe_key.eq_any(keys)),
    )
    .execute(connection)
    .map_err(StoreError::query("replacing usage events"))?;
    Ok(kept)
}
