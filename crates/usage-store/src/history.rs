//! What restatements did to a window, step by step.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use usage_core::{DedupeKey, Dimensions, Endpoint, Metrics, Width, Window, WindowRange};

use crate::accounts::{AccountScope, StoredAccount};
use crate::error::StoreError;
use crate::events::{RevisionKind, StoredRevision, instant, load_revisions, load_window, parse_key};
use crate::ledger::Ledger;
use crate::schema::{cost_revisions, usage_revisions};
use crate::statement::Statement;

/// How many events are asked about at once.
const EVENTS_A_STATEMENT: usize = 500;

/// What one restatement did to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventChange {
    /// Which event of the window.
    pub dimensions: Dimensions,
    /// Its numbers before; `None` if there was no such event.
    pub before: Option<Metrics>,
    /// Its numbers after; `None` if it was taken away.
    pub after: Option<Metrics>,
    /// When, UTC.
    pub changed_at: DateTime<Utc>,
    /// By which run.
    pub run_id: i64,
}

impl Ledger {
    /// Everything that restatements did to events of the window, oldest first.
    pub async fn window_changes(
        &self,
        account: &StoredAccount,
        endpoint: Endpoint,
        window: Window,
    ) -> Result<Vec<EventChange>, StoreError> {
        let scope = AccountScope::one(account);
        self.run(move |connection| {
            let revisions = load_revisions(connection, scope.clone(), Some((endpoint, window)))?;
            if revisions.is_empty() {
                return Ok(Vec::new());
            }
            let standing = load_window(connection, scope.clone(), endpoint, window)?;
            let standing = standing
                .into_iter()
                .map(|stored| (stored.event.key(), stored.event.metrics))
                .collect();
            Ok(changes(revisions, standing))
        })
        .await
    }

    /// When each of these events, by the start of its window and its key, was restated last; one that never was is not named. What
    /// an operator deleted or had priced anew is none, nor is growth of a window that was read before its end.
    pub async fn last_restated(
        &self,
        events: Vec<(DateTime<Utc>, DedupeKey)>,
    ) -> Result<HashMap<(DateTime<Utc>, DedupeKey), DateTime<Utc>>, StoreError> {
        if events.is_empty() {
            return Ok(HashMap::new());
        }
        self.run(move |connection| {
            let mut found = HashMap::new();
            for events in events.chunks(EVENTS_A_STATEMENT) {
                let rows: Vec<Restated> = last_restated(events)
                    .load(connection)
                    .map_err(StoreError::query("looking when events were restated"))?;
                for row in rows {
                    let event = (instant(row.window_start)?, parse_key(&row.dedupe_key)?);
                    found.insert(event, instant(row.replaced_at)?);
                }
            }
            Ok(found)
        })
        .await
    }

    /// How many events of the range were restated, by what happened to them.
    pub async fn count_revisions(
        &self,
        account: &StoredAccount,
        endpoint: Endpoint,
        range: WindowRange,
    ) -> Result<BTreeMap<RevisionKind, u64>, StoreError> {
        let account = account.id;
        self.run(move |connection| {
            let counted: Vec<(String, i64)> = usage_revisions::table
                .filter(usage_revisions::account_id.eq(account))
                .filter(usage_revisions::endpoint.eq(endpoint.as_str()))
                .filter(usage_revisions::window_start.ge(range.start().timestamp()))
                .filter(usage_revisions::window_start.lt(range.end().timestamp()))
                .filter(
                    usage_revisions::window_end
                        .eq(usage_revisions::window_start + Width::seconds(range.width())),
                )
                .group_by(usage_revisions::kind)
                .select((usage_revisions::kind, diesel::dsl::count_star()))
                .load(connection)
                .map_err(StoreError::query("counting the revisions"))?;
            counted
                .into_iter()
                .map(|(kind, count)| Ok((RevisionKind::parse(&kind)?, count.unsigned_abs())))
                .collect()
        })
        .await
    }

    /// How many revisions of usage and of costs each run left from this moment on; a run without any is not named.
    pub async fn revisions_since(&self, from: DateTime<Utc>) -> Result<BTreeMap<i64, u64>, StoreError> {
        self.run(move |connection| {
            let of_usage: Vec<(i64, i64)> = usage_revisions::table
                .filter(usage_revisions::replaced_at.ge(from.timestamp()))
                .group_by(usage_revisions::replaced_by_run)
                .select((usage_revisions::replaced_by_run, diesel::dsl::count_star()))
                .load(connection)
                .map_err(StoreError::query("counting the revisions of runs"))?;
            let of_costs: Vec<(i64, i64)> = cost_revisions::table
                .filter(cost_revisions::replaced_at.ge(from.timestamp()))
                .group_by(cost_revisions::replaced_by_run)
                .select((cost_revisions::replaced_by_run, diesel::dsl::count_star()))
                .load(connection)
                .map_err(StoreError::query("counting the revisions of runs"))?;
            let mut counts = BTreeMap::new();
            for (run, count) in of_usage.into_iter().chain(of_costs) {
                *counts.entry(run).or_default() += count.unsigned_abs();
            }
            Ok(counts)
        })
        .await
    }
}

#[derive(QueryableByName)]
struct Restated {
    #[diesel(sql_type = BigInt)]
    window_start: i64,
    #[diesel(sql_type = Binary)]
    dedupe_key: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    replaced_at: i64,
}

fn last_restated(events: &[(DateTime<Utc>, DedupeKey)]) -> Statement {
    let mut statement = Statement::new("WITH asked (window_start, dedupe_key) AS (VALUES ");
    for (index, (start, key)) in events.iter().enumerate() {
        statement
            .sql(if index > 0 { ", (" } else { "(" })
            .integer(start.timestamp())
            .sql(", ")
            .bytes(key.as_bytes().as_slice())
            .sql(")");
    }
    statement
        .sql(
            ") SELECT r.window_start, r.dedupe_key, max(r.replaced_at) AS replaced_at FROM asked JOIN usage_revisions r \
             ON r.window_start = asked.window_start AND r.dedupe_key = asked.dedupe_key WHERE r.kind IN (",
        )
        .texts([RevisionKind::Changed, RevisionKind::Retracted, RevisionKind::Added].map(RevisionKind::as_str))
        .sql(") GROUP BY r.window_start, r.dedupe_key");
    statement
}

/// Each revision with what came after it: what the next one of the same event found, or what stands now.
fn changes(revisions: Vec<StoredRevision>, mut after: BTreeMap<DedupeKey, Metrics>) -> Vec<EventChange> {
    let mut changes: Vec<EventChange> = revisions
        .into_iter()
        .rev()
        .filter_map(|revision| {
            let key = revision.before.event.key();
            let found = match revision.kind {
                RevisionKind::Added => None,
                _ => Some(revision.before.event.metrics),
            };
            let came = match found {
                Some(found) => after.insert(key, found),
                None => after.remove(&key),
            };
            // What an operator deleted or had priced anew is no restatement of the provider's.
            let by_operator = matches!(revision.kind, RevisionKind::Cleaned | RevisionKind::Repriced);
            (!by_operator).then_some(EventChange {
                dimensions: revision.before.event.dimensions,
                before: found,
                after: came,
                changed_at: revision.replaced_at,
                run_id: revision.replaced_by_run,
            })
        })
        .collect();
    changes.reverse();
    changes
}
