//! Reading usage events and their revisions.

mod pages;
mod revisions;
mod row;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use usage_core::{DedupeKey, Endpoint, Metrics, NanoUsd, UsageEvent, Width, Window, WindowRange};

use self::pages::page;
pub(crate) use self::pages::{each_page, each_raw, load_window};
pub(crate) use self::revisions::load_revisions;
pub use self::revisions::{RevisionKind, RevisionPage, RevisionPageQuery, RevisionPosition, StoredRevision};
pub(crate) use self::row::{EventRow, instant, parse_key};
use crate::accounts::AccountScope;
use crate::error::StoreError;
use crate::ledger::Ledger;
use crate::pricing::EventPrice;
use crate::schema::usage_events;

/// One row of the ledger with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The event.
    pub event: UsageEvent,
    /// The account's number in the ledger.
    pub account_id: i64,
    /// 1 as first stored; grows with every change.
    pub revision: i64,
    /// When it was first stored, UTC.
    pub first_stored_at: DateTime<Utc>,
    /// When its numbers last changed, UTC.
    pub changed_at: DateTime<Utc>,
    /// The run that last changed it.
    pub run_id: i64,
    /// What it costs, by which price; `None` if it was stored before there were prices.
    pub price: Option<EventPrice>,
}

/// Which events to read. Events of other widths than the range's are never mixed in.
#[derive(Clone, Debug)]
pub struct EventQuery {
    /// Whose.
    pub scope: AccountScope,
    /// Of which surface; every one if none is named.
    pub endpoint: Option<Endpoint>,
    /// In which windows; every one of `width` if none are given.
    pub windows: Option<WindowRange>,
    /// How wide the windows are.
    pub width: Width,
}

impl EventQuery {
    /// Every daily event of the scope.
    pub fn daily(scope: AccountScope) -> Self {
        Self {
            scope,
            endpoint: None,
            windows: None,
            width: Width::Day,
        }
    }

    /// The events of one window.
    pub fn window(scope: AccountScope, window: Window) -> Self {
        Self {
            scope,
            endpoint: None,
            windows: Some(WindowRange::of(window)),
            width: window.width(),
        }
    }
}

/// A page of events in the order of window and key.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The events.
    pub events: Vec<StoredEvent>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<(i64, DedupeKey)>,
}

/// The sums of the events of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTotals {
    /// How many events.
    pub events: u64,
    /// In how many windows.
    pub windows_with_usage: u64,
    /// Their sums.
    pub metrics: Metrics,
    /// What they cost by the price list; those without a price add nothing.
    pub cost: NanoUsd,
    /// How many have no price.
    pub unpriced: u64,
}

impl Ledger {
    /// One page of events; `after` is the `next` of the page before.
    pub async fn events(
        &self,
        query: EventQuery,
        after: Option<(i64, DedupeKey)>,
        limit: usize,
    ) -> Result<EventPage, StoreError> {
        self.run(move |connection| page(connection, &query, after, limit))
            .await
    }

    /// Every event of the query at once: for tests and small ranges.
    pub async fn all_events(&self, query: EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
        self.run(move |connection| {
            let mut events = Vec::new();
            each_page(connection, &query, |page| {
                events.extend(page);
                Ok(())
            })?;
            Ok(events)
        })
        .await
    }

    /// The sums of the query's events, exact, in bounded memory.
    pub async fn totals(&self, query: EventQuery) -> Result<EventTotals, StoreError> {
        self.run(move |connection| {
            let mut totals = EventTotals::default();
            let mut last_window = None;
            each_page(connection, &query, |page| {
                for stored in page {
                    let metrics = totals.metrics.checked_add(&stored.event.metrics);
                    totals.metrics = metrics.map_err(|overflow| StoreError::corrupt("sum", overflow))?;
                    totals.events += 1;
                    match stored.price.and_then(|price| price.cost) {
                        None => totals.unpriced += 1,
                        Some(cost) => {
                            let sum = totals.cost.checked_add(cost);
                            totals.cost =
                                sum.ok_or_else(|| StoreError::corrupt("sum", "costs beyond 64 bits"))?;
                        }
                    }
                    let window = Some(stored.event.window);
                    totals.windows_with_usage += u64::from(last_window != window);
                    last_window = window;
                }
                Ok(())
            })?;
            Ok(totals)
        })
        .await
    }

    /// The projects that usage in scope belongs to.
    pub async fn used_projects(&self, scope: AccountScope) -> Result<Vec<String>, StoreError> {
        self.run(move |connection| {
            let mut query = usage_events::table
                .select(usage_events::project_id.assume_not_null())
                .filter(usage_events::project_id.is_not_null())
                .distinct()
                .into_boxed();
            if let AccountScope::Only(ids) = &scope {
                query = query.filter(usage_events::account_id.eq_any(ids.clone()));
            }
            query
                .load(connection)
                .map_err(StoreError::query("reading the projects of usage events"))
        })
        .await
    }

    /// What was replaced or deleted, oldest first.
    pub async fn revisions(&self, scope: AccountScope) -> Result<Vec<StoredRevision>, StoreError> {
        self.run(move |connection| load_revisions(connection, scope.clone(), None))
            .await
    }
}
