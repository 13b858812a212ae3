//! Events page by page, in the order of window and key.

use diesel::prelude::*;
use usage_core::{DedupeKey, Endpoint, Width, Window};

use super::row::{EventRow, parse_key};
use super::{EventPage, EventQuery, StoredEvent};
use crate::accounts::{self, AccountScope};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::usage_events;

/// How many events are in memory at once when many are read.
const PAGE: usize = 5_000;

pub(crate) fn each_page(
    connection: &mut AnyConnection,
    query: &EventQuery,
    mut each: impl FnMut(Vec<StoredEvent>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let EventPage { events, next } = page(connection, query, after, PAGE)?;
        each(events)?;
        match next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

pub(super) fn page(
    connection: &mut AnyConnection,
    query: &EventQuery,
    after: Option<(i64, DedupeKey)>,
    limit: usize,
) -> Result<EventPage, StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    let (rows, next) = raw_page(connection, query, after, limit)?;
    let events = rows
        .into_iter()
        .map(|row| row.into_event(&owners))
        .collect::<Result<_, _>>()?;
    Ok(EventPage { events, next })
}

/// Rows as they stand, and where the next page begins.
type RawPage = (Vec<EventRow>, Option<(i64, DedupeKey)>);

fn raw_page(
    connection: &mut AnyConnection,
    query: &EventQuery,
    after: Option<(i64, DedupeKey)>,
    limit: usize,
) -> Result<RawPage, StoreError> {
    let mut select = usage_events::table
        .select(EventRow::as_select())
        .order((usage_events::window_start, usage_events::dedupe_key))
        .filter(usage_events::window_end.eq(usage_events::window_start + query.width.seconds()))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
        .into_boxed();
    if let AccountScope::Only(ids) = &query.scope {
        select = select.filter(usage_events::account_id.eq_any(ids.clone()));
    }
    if let Some(endpoint) = query.endpoint {
        select = select.filter(usage_events::endpoint.eq(endpoint.as_str()));
    }
    if let Some(windows) = query.windows {
        select = select.filter(usage_events::window_start.lt(windows.end().timestamp()));
        // A database begins at the first lower bound it meets, so a later page must not name the range's.
        if after.is_none() {
            select = select.filter(usage_events::window_start.ge(windows.start().timestamp()));
        }
    }
    if let Some((window_start, key)) = after {
        let key = key.as_bytes().to_vec();
        // The first condition is implied by the second, but it is the one an index can use.
        select = select.filter(usage_events::window_start.ge(window_start)).filter(
            usage_events::window_start
                .gt(window_start)
                .or(usage_events::window_start
                    .eq(window_start)
                    .and(usage_events::dedupe_key.gt(key))),
        );
    }
    let mut rows: Vec<EventRow> = select
        .load(connection)
        .map_err(StoreError::query("reading usage events"))?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = match rows.last() {
        Some(last) if more => Some((last.window_start, parse_key(&last.dedupe_key)?)),
        _ => None,
    };
    Ok((rows, next))
}

/// Every row of a width as it stands, in bounded memory.
pub(crate) fn each_raw(
    connection: &mut AnyConnection,
    width: Width,
    mut each: impl FnMut(EventRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let query = EventQuery {
        width,
        ..EventQuery::daily(AccountScope::All)
    };
    let mut after = None;
    loop {
        let (rows, next) = raw_page(connection, &query, after, PAGE)?;
        for row in rows {
            each(row)?;
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// The events of one window.
pub(crate) fn load_window(
    connection: &mut AnyConnection,
    scope: AccountScope,
    endpoint: Endpoint,
    window: Window,
) -> Result<Vec<StoredEvent>, StoreError> {
    let query = EventQuery {
        endpoint: Some(endpoint),
        ..EventQuery::window(scope, window)
    };
    let mut events = Vec::new();
    each_page(connection, &query, |page| {
        events.extend(page);
        Ok(())
    })?;
    Ok(events)
}
