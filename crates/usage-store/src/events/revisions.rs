//! What was replaced or deleted, and why.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use usage_core::{Endpoint, Window};

use super::StoredEvent;
use super::row::{EventRow, RevisedEvent, instant, parse_key};
use crate::accounts::{self, AccountScope};
use crate::connection::{self, AnyConnection};
use crate::error::StoreError;
use crate::ledger::Ledger;
use crate::schema::{usage_events, usage_revisions};
use crate::usage_page::{UnknownPosition, UsageOrder, UsagePosition};

/// How many rows one statement asks for by their keys.
const ROWS_AT_ONCE: usize = 200;

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
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Changed,
        Self::Retracted,
        Self::Added,
        Self::Cleaned,
        Self::Repriced,
    ];

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
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| StoreError::corrupt("revision kind", text))
    }
}

/// Which revisions to read, the last that happened first.
#[derive(Clone, Debug)]
pub struct RevisionPageQuery {
    /// Whose; no account is no revision.
    pub scope: AccountScope,
    /// Of windows that begin then or later, UTC.
    pub start: Option<DateTime<Utc>>,
    /// Of windows that begin before then, UTC.
    pub end: Option<DateTime<Utc>>,
    /// Of these kinds; of every one if none is named.
    pub kinds: Vec<RevisionKind>,
    /// Behind which revision; the first page if none is named.
    pub after: Option<RevisionPosition>,
    /// How many at most.
    pub limit: usize,
}

/// One page of revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionPage {
    /// The revisions, the last that happened first.
    pub revisions: Vec<StoredRevision>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<RevisionPosition>,
}

/// Where a page of revisions ends. As text, a cursor for others, who should take it for opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RevisionPosition {
    /// When the row was replaced, UTC.
    pub replaced_at: DateTime<Utc>,
    /// The row.
    pub row: UsagePosition,
    /// Which revision of it.
    pub revision: i64,
}

impl fmt::Display for RevisionPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.replaced_at.timestamp();
        write!(f, "{at}_{}_{}", self.row, self.revision)
    }
}

impl FromStr for RevisionPosition {
    type Err = UnknownPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('_');
        let (Some(at), Some(row), Some(revision), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(UnknownPosition);
        };
        let at = at.parse().map_err(|_| UnknownPosition)?;
        Ok(Self {
            replaced_at: DateTime::from_timestamp(at, 0).ok_or(UnknownPosition)?,
            row: row.parse()?,
            revision: revision.parse().map_err(|_| UnknownPosition)?,
        })
    }
}

impl Ledger {
    /// One page of what was replaced or deleted.
    pub async fn revision_page(&self, query: RevisionPageQuery) -> Result<RevisionPage, StoreError> {
        self.run(move |connection| page(connection, &query)).await
    }

    /// How many revisions all pages of the query have together; where it begins and its limit say nothing here.
    pub async fn revision_count(&self, query: RevisionPageQuery) -> Result<u64, StoreError> {
        self.run(move |connection| {
            let count: i64 = narrow(usage_revisions::table.count().into_boxed(), &query)
                .first(connection)
                .map_err(StoreError::query("counting the revisions"))?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    /// What the row of each of these revisions became by it: the row as the next revision found it, or as it stands. `None` if
    /// it has been gone since.
    pub async fn after_revisions(
        &self,
        revisions: Vec<StoredRevision>,
    ) -> Result<Vec<Option<StoredEvent>>, StoreError> {
        self.run(move |connection| {
            connection::read_transaction(connection, |connection| after(connection, &revisions))
        })
        .await
    }
}

type Backend = <AnyConnection as diesel::Connection>::Backend;

/// Leaves the revisions that are asked for.
fn narrow<'a, Selected>(
    mut query: usage_revisions::BoxedQuery<'a, Backend, Selected>,
    asked: &RevisionPageQuery,
) -> usage_revisions::BoxedQuery<'a, Backend, Selected> {
    if let AccountScope::Only(ids) = &asked.scope {
        query = query.filter(usage_revisions::account_id.eq_any(ids.clone()));
    }
    if let Some(start) = asked.start {
        query = query.filter(usage_revisions::window_start.ge(start.timestamp()));
    }
    if let Some(end) = asked.end {
        query = query.filter(usage_revisions::window_start.lt(end.timestamp()));
    }
    if !asked.kinds.is_empty() {
        let kinds: Vec<&str> = asked.kinds.iter().map(|kind| kind.as_str()).collect();
        query = query.filter(usage_revisions::kind.eq_any(kinds));
    }
    query
}

/// Each state of a row has a number, and that behind a revision's is the one that it led to.
fn after(
    connection: &mut AnyConnection,
    revisions: &[StoredRevision],
) -> Result<Vec<Option<StoredEvent>>, StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    let mut found = HashMap::new();
    for some in revisions.chunks(ROWS_AT_ONCE) {
        let starts: BTreeSet<i64> = some
            .iter()
            .map(|revision| revision.before.event.window.start_unix())
            .collect();
        let keys: BTreeSet<Vec<u8>> = some
            .iter()
            .map(|revision| revision.before.event.key().as_bytes().to_vec())
            .collect();
        let later: Vec<RevisedEvent> = usage_revisions::table
            .filter(usage_revisions::window_start.eq_any(starts.clone()))
            .filter(usage_revisions::dedupe_key.eq_any(keys.clone()))
            .select(RevisedEvent::as_select())
            .load(connection)
            .map_err(StoreError::query("reading the revisions"))?;
        let standing: Vec<EventRow> = usage_events::table
            .filter(usage_events::window_start.eq_any(starts))
            .filter(usage_events::dedupe_key.eq_any(keys))
            .select(EventRow::as_select())
            .load(connection)
            .map_err(StoreError::query("reading usage events"))?;
        let later = later.into_iter().map(|row| row.into_event(&owners));
        let standing = standing.into_iter().map(|row| row.into_event(&owners));
        for event in later.chain(standing) {
            let event = event?;
            found.insert(state(&event, 0), event);
        }
    }
    Ok(revisions
        .iter()
        .map(|revision| found.get(&state(&revision.before, 1)).cloned())
        .collect())
}

/// A state of a row, so many after that of the event.
fn state(stored: &StoredEvent, later: i64) -> (i64, [u8; 16], i64) {
    let event = &stored.event;
    (
        event.window.start_unix(),
        *event.key().as_bytes(),
        stored.revision + later,
    )
}

fn page(connection: &mut AnyConnection, asked: &RevisionPageQuery) -> Result<RevisionPage, StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    let mut query = usage_revisions::table
        .select((
            usage_revisions::kind,
            usage_revisions::replaced_at,
            usage_revisions::replaced_by_run,
            RevisedEvent::as_select(),
        ))
        .order((
            usage_revisions::replaced_at.desc(),
            usage_revisions::window_start.desc(),
            usage_revisions::dedupe_key.desc(),
            usage_revisions::revision.desc(),
        ))
        .limit(i64::try_from(asked.limit).unwrap_or(i64::MAX).saturating_add(1))
        .into_boxed();
    query = narrow(query, asked);
    if let Some(after) = asked.after {
        let at = after.replaced_at.timestamp();
        let start = after.row.window_start.timestamp();
        let key = after.row.key.as_bytes().to_vec();
        query = query.filter(
            usage_revisions::replaced_at
                .lt(at)
                .or(usage_revisions::replaced_at.eq(at).and(
                    usage_revisions::window_start
                        .lt(start)
                        .or(usage_revisions::window_start.eq(start).and(
                            usage_revisions::dedupe_key
                                .lt(key.clone())
                                .or(usage_revisions::dedupe_key
                                    .eq(key)
                                    .and(usage_revisions::revision.lt(after.revision))),
                        )),
                )),
        );
    }
    let mut rows: Vec<(String, i64, i64, RevisedEvent)> = query
        .load(connection)
        .map_err(StoreError::query("reading the revisions"))?;
    let more = rows.len() > asked.limit;
    rows.truncate(asked.limit);
    let mut revisions = Vec::with_capacity(rows.len());
    let mut last = None;
    for (kind, replaced_at, replaced_by_run, row) in rows {
        let replaced_at = instant(replaced_at)?;
        let (before, key, _) = row.into_parts(&owners)?;
        last = Some(RevisionPosition {
            replaced_at,
            row: UsagePosition {
                order: UsageOrder::Newest,
                rank: None,
                window_start: before.event.window.start(),
                key: parse_key(&key)?,
            },
            revision: before.revision,
        });
        revisions.push(StoredRevision {
            kind: RevisionKind::parse(&kind)?,
            before,
            replaced_at,
            replaced_by_run,
        });
    }
    Ok(RevisionPage {
        revisions,
        next: last.filter(|_| more),
    })
}

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

#[cfg(test)]
mod tests {
    use usage_core::DedupeKey;

    use super::*;

    #[test]
    fn a_position_comes_back_from_its_text() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let position = RevisionPosition {
            replaced_at: at(1_756_800_000),
            row: UsagePosition {
                order: UsageOrder::Newest,
                rank: None,
                window_start: at(1_756_684_800),
                key: DedupeKey::from_bytes([0xab; 16]),
            },
            revision: 3,
        };
        let text = position.to_string();
        assert_eq!(text.parse(), Ok(position));
        for wrong in [
            "",
            "1_2_3",
            &text[1..text.len() - 2],
            &format!("{text}_4"),
            "x_y_z",
        ] {
            assert_eq!(wrong.parse::<RevisionPosition>(), Err(UnknownPosition), "{wrong}");
        }
    }
}
