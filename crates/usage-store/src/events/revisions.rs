//! What was replaced or deleted, and why.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use usage_core::{Endpoint, Window};

use super::StoredEvent;
use super::row::{RevisedEvent, instant};
use crate::accounts::{self, AccountScope};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::usage_revisions;

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
