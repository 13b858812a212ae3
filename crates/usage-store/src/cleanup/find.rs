//! Looking for blank rows.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use usage_core::{Dimension, DimensionSet, Endpoint, Metrics, UsageEvent, Window};

use super::{BlankOrigin, BlankRows, CleanupSums, DoubledWindow, StayReason, StayingRows};
use crate::accounts::{self, AccountScope, StoredAccount};
use crate::connection::AnyConnection;
use crate::coverage::{parse_endpoint, parse_window};
use crate::error::StoreError;
use crate::events::{self, EventQuery, EventTotals, StoredEvent};

/// Every window with blank rows, with what decides about them.
const WINDOWS_WITH_BLANK_ROWS: &str = "SELECT b.account_id, b.endpoint, b.window_start, b.window_end, b.blank, \
    b.complete, b.partly, c.grouped_by FROM (SELECT account_id, endpoint, window_start, window_end, \
    sum(CASE WHEN project_id IS NULL AND api_key_id IS NULL AND user_id IS NULL THEN 1 ELSE 0 END) AS blank, \
    sum(CASE WHEN project_id IS NOT NULL AND api_key_id IS NOT NULL AND user_id IS NOT NULL THEN 1 ELSE 0 END) \
        AS complete, \
    sum(CASE WHEN (project_id IS NULL AND api_key_id IS NULL AND user_id IS NULL) \
        OR (project_id IS NOT NULL AND api_key_id IS NOT NULL AND user_id IS NOT NULL) THEN 0 ELSE 1 END) AS partly \
    FROM usage_events GROUP BY account_id, endpoint, window_start, window_end) AS b \
    LEFT JOIN usage_coverage c ON c.account_id = b.account_id AND c.endpoint = b.endpoint \
    AND c.width_seconds = b.window_end - b.window_start AND c.window_start = b.window_start \
    AND c.project_filter = '' \
    WHERE b.blank > 0 ORDER BY b.account_id, b.endpoint, b.window_end - b.window_start, b.window_start";

#[derive(QueryableByName)]
struct WindowRow {
    #[diesel(sql_type = BigInt)]
    account_id: i64,
    #[diesel(sql_type = Text)]
    endpoint: String,
    #[diesel(sql_type = BigInt)]
    window_start: i64,
    #[diesel(sql_type = BigInt)]
    window_end: i64,
    #[diesel(sql_type = BigInt)]
    blank: i64,
    #[diesel(sql_type = BigInt)]
    complete: i64,
    #[diesel(sql_type = BigInt)]
    partly: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    grouped_by: Option<i64>,
}

impl WindowRow {
    /// Where the blank rows came from if they are doubled, else why they stay.
    fn judge(&self) -> Result<BlankOrigin, StayReason> {
        // A read of every project that asked for one of the three replaced all that stood, so it returned these rows.
        let owners = [Dimension::ProjectId, Dimension::ApiKeyId, Dimension::UserId];
        let grouped = self.grouped_by.map(|bits| {
            let grouped_by = DimensionSet::from_bits(u32::try_from(bits).unwrap_or(u32::MAX));
            owners.into_iter().any(|owner| grouped_by.contains(owner))
        });
        match (grouped, self.complete, self.partly) {
            (Some(true), _, _) => Err(StayReason::GroupedRead),
            (_, 0, 0) => Err(StayReason::NothingElse),
            (_, 0, _) => Err(StayReason::OnlyPartly),
            (Some(false), _, _) => Ok(BlankOrigin::ReadUngrouped),
            (None, _, _) => Ok(BlankOrigin::NeverRead),
        }
    }
}

pub(super) fn find(connection: &mut AnyConnection, scope: &AccountScope) -> Result<BlankRows, StoreError> {
    let owners: BTreeMap<i64, StoredAccount> = accounts::load(connection, scope)?
        .into_iter()
        .map(|account| (account.id, account))
        .collect();
    let windows: Vec<WindowRow> = sql_query(WINDOWS_WITH_BLANK_ROWS)
        .load(connection)
        .map_err(StoreError::query("looking for rows without metadata"))?;
    let mut blank = BlankRows::default();
    for row in windows {
        let Some(account) = owners.get(&row.account_id) else {
            continue; // Of an account outside the scope.
        };
        let endpoint = parse_endpoint(&row.endpoint)?;
        let window = parse_window(row.window_start, row.window_end.saturating_sub(row.window_start))?;
        match row.judge() {
            Err(reason) => blank.stay(account, endpoint, window, reason, row.blank),
            Ok(origin) => blank
                .doubled
                .push(load_window(connection, account, endpoint, window, origin)?),
        }
    }
    Ok(blank)
}

impl BlankRows {
    fn stay(
        &mut self,
        account: &StoredAccount,
        endpoint: Endpoint,
        window: Window,
        reason: StayReason,
        rows: i64,
    ) {
        let rows = u64::try_from(rows).unwrap_or_default();
        let same = self.staying.iter_mut().find(|staying| {
            staying.account == account.account
                && staying.endpoint == endpoint
                && staying.width == window.width()
                && staying.reason == reason
        });
        match same {
            Some(staying) => {
                staying.rows += rows;
                staying.windows += 1;
                // Windows come in time order.
                staying.last = window;
            }
            None => self.staying.push(StayingRows {
                account: account.account.clone(),
                endpoint,
                width: window.width(),
                reason,
                rows,
                windows: 1,
                first: window,
                last: window,
            }),
        }
    }
}

fn load_window(
    connection: &mut AnyConnection,
    account: &StoredAccount,
    endpoint: Endpoint,
    window: Window,
    origin: BlankOrigin,
) -> Result<DoubledWindow, StoreError> {
    let query = EventQuery {
        endpoint: Some(endpoint),
        ..EventQuery::window(AccountScope::one(account), window)
    };
    let mut doubled = DoubledWindow {
        account: account.clone(),
        endpoint,
        window,
        origin,
        rows: Vec::new(),
        detailed_rows: 0,
        detailed: Metrics::default(),
    };
    events::each_page(connection, &query, |page| {
        for stored in page {
            match owners_named(&stored.event) {
                0 => doubled.rows.push(stored),
                3 => {
                    doubled.detailed_rows += 1;
                    doubled.detailed = add(&doubled.detailed, &stored.event.metrics)?;
                }
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(doubled)
}

/// How many of project, API key and user a row names.
fn owners_named(event: &UsageEvent) -> usize {
    [Dimension::ProjectId, Dimension::ApiKeyId, Dimension::UserId]
        .into_iter()
        .filter(|dimension| event.dimensions.get(*dimension).is_some())
        .count()
}

fn add(sum: &Metrics, metrics: &Metrics) -> Result<Metrics, StoreError> {
    sum.checked_add(metrics)
        .map_err(|overflow| StoreError::corrupt("sum", overflow))
}

/// The sums with and without what is doubled, of each account, endpoint and width that has some.
pub(super) fn sums(
    connection: &mut AnyConnection,
    doubled: &[DoubledWindow],
) -> Result<Vec<CleanupSums>, StoreError> {
    let mut sums: Vec<CleanupSums> = Vec::new();
    let place = |window: &DoubledWindow| (window.account.id, window.endpoint, window.window.width());
    for group in doubled.chunk_by(|left, right| place(left) == place(right)) {
        let Some(first) = group.first() else { continue };
        let doubled: BTreeSet<Window> = group.iter().map(|window| window.window).collect();
        let (mut before, mut after) = (EventTotals::default(), EventTotals::default());
        let (mut last_before, mut last_after) = (None, None);
        let query = EventQuery {
            endpoint: Some(first.endpoint),
            width: first.window.width(),
            ..EventQuery::daily(AccountScope::one(&first.account))
        };
        events::each_page(connection, &query, |page| {
            for StoredEvent { event, .. } in page {
                count(&mut before, &mut last_before, &event)?;
                if owners_named(&event) > 0 || !doubled.contains(&event.window) {
                    count(&mut after, &mut last_after, &event)?;
                }
            }
            Ok(())
        })?;
        sums.push(CleanupSums {
            account: first.account.clone(),
            endpoint: first.endpoint,
            width: first.window.width(),
            before,
            after,
        });
    }
    Ok(sums)
}

fn count(totals: &mut EventTotals, last: &mut Option<Window>, event: &UsageEvent) -> Result<(), StoreError> {
    totals.metrics = add(&totals.metrics, &event.metrics)?;
    totals.events += 1;
    totals.windows_with_usage += u64::from(*last != Some(event.window));
    *last = Some(event.window);
    Ok(())
}
