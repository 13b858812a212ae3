//! Reading usage events and their revisions.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use usage_core::{DedupeKey, Dimensions, Endpoint, Metrics, NanoUsd, UsageEvent, Width, Window, WindowRange};

use crate::accounts::{self, AccountScope, StoredAccount};
use crate::connection::AnyConnection;
use crate::coverage::{parse_endpoint, parse_window};
use crate::error::StoreError;
use crate::ledger::Ledger;
use crate::pricing::EventPrice;
use crate::schema::{usage_events, usage_revisions};

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

/// What was replaced, or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRevision {
    /// What happened to the row.
    pub kind: RevisionKind,
    /// The row as it stood.
    pub before: StoredEvent,
    /// When it was replaced, UTC.
    pub replaced_at: DateTime<Utc>,
    /// The run that replaced it.
    pub replaced_by_run: i64,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RevisionKind {
    /// Its numbers changed.
    Changed,
    /// The provider does not report it, or no longer.
    Retracted,
    /// It did not exist before, so its metrics are absent and its revision is 0.
    Added,
    /// An operator deleted it: it said again what other rows of its window say.
    Cleaned,
    /// An operator had it priced anew; its numbers are as before.
    Repriced,
}

impl RevisionKind {
    /// The kind in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Retracted => "retracted",
            Self::Added => "added",
            Self::Cleaned => "cleaned",
            Self::Repriced => "repriced",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        [
            Self::Changed,
            Self::Retracted,
            Self::Added,
            Self::Cleaned,
            Self::Repriced,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| StoreError::corrupt("revision kind", text))
    }
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

/// How many events are in memory at once when many are read.
const PAGE: usize = 5_000;

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
            if let AccountScope::Only(ids) = scope {
                query = query.filter(usage_events::account_id.eq_any(ids));
            }
            query
                .load(connection)
                .map_err(StoreError::query("reading the projects of usage events"))
        })
        .await
    }

    /// What was replaced or deleted, oldest first.
    pub async fn revisions(&self, scope: AccountScope) -> Result<Vec<StoredRevision>, StoreError> {
        self.run(move |connection| load_revisions(connection, scope, None))
            .await
    }
}

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

fn page(
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

/// Declares a struct with a field for each column of an event, for one of the two tables that have them.
macro_rules! event_row {
    ($name:ident, $table:ident) => {
        #[derive(Queryable, Selectable)]
        #[diesel(table_name = $table)]
        pub(crate) struct $name {
            account_id: i64,
            endpoint: String,
            window_start: i64,
            window_end: i64,
            dedupe_key: Vec<u8>,
            project_id: Option<String>,
            api_key_id: Option<String>,
            user_id: Option<String>,
            model: Option<String>,
            service_tier: Option<String>,
            batch: Option<bool>,
            api_source: Option<String>,
            vector_store_id: Option<String>,
            size: Option<String>,
            source: Option<String>,
            context_level: Option<String>,
            input_tokens: Option<i64>,
            output_tokens: Option<i64>,
            input_cached_tokens: Option<i64>,
            input_uncached_tokens: Option<i64>,
            input_cache_write_tokens: Option<i64>,
            input_cache_write_30m_tokens: Option<i64>,
            input_cache_write_12h_tokens: Option<i64>,
            input_text_tokens: Option<i64>,
            output_text_tokens: Option<i64>,
            input_cached_text_tokens: Option<i64>,
            input_audio_tokens: Option<i64>,
            input_cached_audio_tokens: Option<i64>,
            output_audio_tokens: Option<i64>,
            input_image_tokens: Option<i64>,
            input_cached_image_tokens: Option<i64>,
            output_image_tokens: Option<i64>,
            num_model_requests: Option<i64>,
            images: Option<i64>,
            characters: Option<i64>,
            seconds: Option<i64>,
            usage_bytes: Option<i64>,
            num_sessions: Option<i64>,
            num_requests: Option<i64>,
            content_hash: i64,
            revision: i64,
            first_stored_at: i64,
            changed_at: i64,
            run_id: i64,
            cost_nano_usd: Option<i64>,
            price_ref: Option<i64>,
        }

        impl $name {
            pub(crate) fn into_event(self, owners: &[StoredAccount]) -> Result<StoredEvent, StoreError> {
                self.into_parts(owners).map(|(event, _, _)| event)
            }

            /// The event, with the key and the hash under which it stands.
            pub(crate) fn into_parts(
                self,
                owners: &[StoredAccount],
            ) -> Result<(StoredEvent, Vec<u8>, i64), StoreError> {
                let owner = owners.iter().find(|owner| owner.id == self.account_id);
                let owner = owner.ok_or_else(|| StoreError::corrupt("account", self.account_id))?;
                debug_assert_eq!(self.dedupe_key.len(), 16, "a dedupe key has 16 bytes");
                let event = StoredEvent {
                    event: UsageEvent {
                        account: owner.account.clone(),
                        endpoint: parse_endpoint(&self.endpoint)?,
                        window: parse_window(self.window_start, self.window_end - self.window_start)?,
                        dimensions: Dimensions {
                            project_id: self.project_id,
                            api_key_id: self.api_key_id,
                            user_id: self.user_id,
                            model: self.model,
                            service_tier: self.service_tier,
                            batch: self.batch,
                            api_source: self.api_source,
                            vector_store_id: self.vector_store_id,
                            size: self.size,
                            source: self.source,
                            context_level: self.context_level,
                        },
                        metrics: Metrics {
                            input_tokens: self.input_tokens,
                            output_tokens: self.output_tokens,
                            input_cached_tokens: self.input_cached_tokens,
                            input_uncached_tokens: self.input_uncached_tokens,
                            input_cache_write_tokens: self.input_cache_write_tokens,
                            input_cache_write_30m_tokens: self.input_cache_write_30m_tokens,
                            input_cache_write_12h_tokens: self.input_cache_write_12h_tokens,
                            input_text_tokens: self.input_text_tokens,
                            output_text_tokens: self.output_text_tokens,
                            input_cached_text_tokens: self.input_cached_text_tokens,
                            input_audio_tokens: self.input_audio_tokens,
                            input_cached_audio_tokens: self.input_cached_audio_tokens,
                            output_audio_tokens: self.output_audio_tokens,
                            input_image_tokens: self.input_image_tokens,
                            input_cached_image_tokens: self.input_cached_image_tokens,
                            output_image_tokens: self.output_image_tokens,
                            num_model_requests: self.num_model_requests,
                            images: self.images,
                            characters: self.characters,
                            seconds: self.seconds,
                            usage_bytes: self.usage_bytes,
                            num_sessions: self.num_sessions,
                            num_requests: self.num_requests,
                        },
                    },
                    account_id: self.account_id,
                    revision: self.revision,
                    first_stored_at: instant(self.first_stored_at)?,
                    changed_at: instant(self.changed_at)?,
                    run_id: self.run_id,
                    price: self.price_ref.map(|price_ref| EventPrice {
                        cost: self.cost_nano_usd.map(NanoUsd::new),
                        price_ref,
                    }),
                };
                Ok((event, self.dedupe_key, self.content_hash))
            }
        }
    };
}

event_row!(EventRow, usage_events);
event_row!(RevisedEvent, usage_revisions);

/// What restatements replaced in the scope, oldest first.
pub(crate) fn load_revisions(
    connection: &mut AnyConnection,
    scope: AccountScope,
    only: Option<(Endpoint, Window)>,
) -> Result<Vec<StoredRevision>, StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    let mut query = usage_revisions::table
        .select((
            usage_revisions::kind,
            usage_revisions::replaced_at,
            usage_revisions::replaced_by_run,
            RevisedEvent::as_select(),
        ))
        .order((
            usage_revisions::replaced_at,
            usage_revisions::window_start,
            usage_revisions::dedupe_key,
            usage_revisions::revision,
        ))
        .into_boxed();
    if let AccountScope::Only(ids) = scope {
        query = query.filter(usage_revisions::account_id.eq_any(ids));
    }
    if let Some((endpoint, window)) = only {
        query = query
            .filter(usage_revisions::endpoint.eq(endpoint.as_str()))
            .filter(usage_revisions::window_start.eq(window.start_unix()))
            .filter(usage_revisions::window_end.eq(window.end_unix()));
    }
    let rows: Vec<(String, i64, i64, RevisedEvent)> = query
        .load(connection)
        .map_err(StoreError::query("reading the revisions"))?;
    rows.into_iter()
        .map(|(kind, replaced_at, replaced_by_run, row)| {
            Ok(StoredRevision {
                kind: RevisionKind::parse(&kind)?,
                before: row.into_event(&owners)?,
                replaced_at: instant(replaced_at)?,
                replaced_by_run,
            })
        })
        .collect()
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

pub(crate) fn parse_key(bytes: &[u8]) -> Result<DedupeKey, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::corrupt("dedupe key", bytes.len()))?;
    Ok(DedupeKey::from_bytes(bytes))
}

pub(crate) fn instant(unix_seconds: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp(unix_seconds, 0).ok_or_else(|| StoreError::corrupt("time", unix_seconds))
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
