//! Replacing windows of costs: rule 1 of the ledger, as for usage.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use usage_core::{
    CostRow, DedupeKey, DedupeKeys, DimensionSet, Issue, IssueCode, Scope, Window, WindowRange,
};

use super::compare::{self, Change, StandingCost};
use super::rows::{AddedCost, COLUMNS, PreparedCost, StampedCost};
use crate::bucket_index::WritePath;
use crate::connection::AnyConnection;
use crate::coverage::{self, Coverage};
use crate::data_version;
use crate::error::StoreError;
use crate::events::{RevisionKind, parse_key};
use crate::lease::{self, Lease};
use crate::ledger::Ledger;
use crate::pricing::PricingNotes;
use crate::replace::read::{self, Read};
use crate::replace::{ReplaceError, WindowCounts, WindowOutcome};
use crate::schema::cost_events;
use crate::sql::InsertRows;

/// Complete windows of one read of costs, to stand in the ledger instead of what it has of their scope.
#[derive(Clone, Debug)]
pub struct CostReplacement {
    /// What the read could see. Its account must be the lease's, its endpoint one of costs.
    pub scope: Scope,
    /// Dimensions that the provider refused to group by; kept in coverage.
    pub refused: DimensionSet,
    /// Dimensions that were null in every row of the read; kept in coverage.
    pub empty: DimensionSet,
    /// When the first request of the read was sent. A read that began before the one in coverage is dropped.
    pub read_started_at: DateTime<Utc>,
    /// The run that read.
    pub run_id: i64,
    /// Whether the operator accepts that a read takes most of a day away.
    pub accept_retractions: bool,
    /// The windows, each complete.
    pub windows: Vec<CostWindowRows>,
}

/// One complete window of costs as it was read; identical groups are summed here.
#[derive(Clone, Debug)]
pub struct CostWindowRows {
    /// The window.
    pub window: Window,
    /// Every row of it.
    pub rows: Vec<CostRow>,
}

/// Rows a transaction aims at.
const ROWS_A_TRANSACTION: usize = 20_000;
/// Rows a multi-row statement holds.
const ROWS_A_STATEMENT: usize = 50;
/// Keys a DELETE or a revision statement names.
const KEYS_A_STATEMENT: usize = 500;

impl Ledger {
    /// Replaces windows of costs, in transactions of whole windows, and says what became of each, in time order.
    ///
    /// Fails with [`StoreError::LeaseLost`] when the lease is no longer ours. Transactions before a failure stand.
    pub async fn replace_costs(
        &self,
        lease: &Lease,
        mut replacement: CostReplacement,
    ) -> Result<Vec<WindowOutcome>, ReplaceError> {
        let mut windows = std::mem::take(&mut replacement.windows);
        windows.sort_by_key(|rows| rows.window);
        let mut windows = windows.into_iter().peekable();
        let mut outcomes = Vec::with_capacity(windows.len());
        while windows.peek().is_some() {
            let mut batch = Batch {
                read: Read {
                    scope: replacement.scope.clone(),
                    refused: replacement.refused,
                    empty: replacement.empty,
                    started_at: replacement.read_started_at,
                    now: self.now_unix(),
                    run_id: replacement.run_id,
                    accept_retractions: replacement.accept_retractions,
                    lease: lease.clone(),
                },
                windows: Vec::new(),
            };
            let mut rows = 0;
            while let Some(next) = windows.next_if(|_| rows < ROWS_A_TRANSACTION) {
                rows += next.rows.len();
                match Prepared::new(&batch.read, next) {
                    Ok(window) => batch.windows.push(window),
                    Err(refused) => outcomes.push(refused),
                }
            }
            match self.write(move |connection| batch.apply(connection)).await {
                Ok(written) => outcomes.extend(written),
                Err(error) => {
                    return Err(ReplaceError {
                        before: outcomes,
                        error,
                    });
                }
            }
        }
        outcomes.sort_by_key(|outcome: &WindowOutcome| outcome.window);
        Ok(outcomes)
    }
}

/// A window ready to be compared: each key once, in order.
struct Prepared {
    window: Window,
    costs: BTreeMap<DedupeKey, PreparedCost>,
    /// How many rows were summed into another.
    merged: u64,
}

impl Prepared {
    fn new(read: &Read, rows: CostWindowRows) -> Result<Self, WindowOutcome> {
        let (scope, window) = (&read.scope, rows.window);
        let refuse = |code, what: String| {
            let message = format!("{} {} {window}: {what}", scope.account, scope.endpoint);
            WindowOutcome::refused(window, Issue::new(code, message))
        };
        let mut keys = DedupeKeys::of(&scope.account, scope.endpoint, window);
        let mut by_key: BTreeMap<DedupeKey, Vec<CostRow>> = BTreeMap::new();
        for row in rows.rows {
            // A row outside the filter could never be compared with what stands, which is read by the same filter.
            if !scope.filter.admits(row.group.project_id()) {
                let project = row.group.project_id().unwrap_or("none");
                let what = format!(
                    "a cost of project {project} came though only {} was asked for",
                    scope.filter
                );
                return Err(refuse(IssueCode::FilterNotApplied, what));
            }
            by_key.entry(keys.cost_key(&row.group)).or_default().push(row);
        }
        let mut costs = BTreeMap::new();
        let mut merged = 0;
        for (key, rows) in by_key {
            merged += rows.len() as u64 - 1;
            let Some(row) = CostRow::sum(rows) else { continue };
            let cost = PreparedCost::new(&mut keys, read.lease.account_id, scope, window, row).map_err(
                |amount| {
                    let what = format!("the amount {amount} is beyond 9.2 billion");
                    refuse(IssueCode::AmountInvalid, what)
                },
            )?;
            costs.insert(key, cost);
        }
        Ok(Self {
            window,
            costs,
            merged,
        })
    }
}

/// The windows of one transaction.
struct Batch {
    read: Read,
    windows: Vec<Prepared>,
}

type StandingColumns = (i64, Vec<u8>, i64, Option<String>, Option<String>, Option<i64>);

impl Batch {
    fn apply(&self, connection: &mut AnyConnection) -> Result<Vec<WindowOutcome>, StoreError> {
        lease::check(connection, &self.read.lease)?;
        let windows = self.windows.iter().map(|window| window.window);
        let mut overlapping = self.read.overlapping(connection, windows)?;
        let mut standing = self.standing(connection)?;
        let mut outcomes = Vec::with_capacity(self.windows.len());
        let mut covered = Vec::with_capacity(self.windows.len());
        for window in &self.windows {
            let overlapping = overlapping.remove(&window.window).unwrap_or_default();
            let standing = standing.remove(&window.window.start_unix()).unwrap_or_default();
            let (outcome, coverage) = self.window(connection, window, &overlapping, standing)?;
            outcomes.push(outcome);
            covered.extend(coverage);
        }
        coverage::save(connection, &covered)?;
        if !covered.is_empty() {
            data_version::bump(connection, self.read.lease.account_id)?;
        }
        lease::extend(connection, &self.read.lease)?;
        Ok(outcomes)
    }

    /// Every cost of the account on the days of the batch.
    fn standing(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<BTreeMap<i64, Vec<StandingCost>>, StoreError> {
        let mut standing: BTreeMap<i64, Vec<StandingCost>> = BTreeMap::new();
        for windows in WindowRange::join(self.windows.iter().map(|window| window.window)) {
            let rows: Vec<StandingColumns> = cost_events::table
                .filter(cost_events::window_start.ge(windows.start().timestamp()))
                .filter(cost_events::window_start.lt(windows.end().timestamp()))
                .filter(cost_events::account_id.eq(self.read.lease.account_id))
                .filter(cost_events::endpoint.eq(self.read.scope.endpoint.as_str()))
                .select((
                    cost_events::window_start,
                    cost_events::dedupe_key,
                    cost_events::content_hash,
                    cost_events::project_id,
                    cost_events::currency,
                    cost_events::amount_nano,
                ))
                .load(connection)
                .map_err(StoreError::query("reading the costs of a window"))?;
            for (start, key, content_hash, project_id, currency, amount_nano) in rows {
                standing.entry(start).or_default().push(StandingCost {
                    key: parse_key(&key)?,
                    content_hash,
                    project_id,
                    currency,
                    amount_nano,
                });
            }
        }
        Ok(standing)
    }

    fn window(
        &self,
        connection: &mut AnyConnection,
        prepared: &Prepared,
        overlapping: &[Coverage],
        standing: Vec<StandingCost>,
    ) -> Result<(WindowOutcome, Option<Coverage>), StoreError> {
        let window = prepared.window;
        if let Some(issue) = self.read.objection(window, overlapping) {
            return Ok((WindowOutcome::refused(window, issue), None));
        }
        let lost = compare::loses_most(&self.read, &prepared.costs, &standing);
        let change = compare::compare(&self.read, &prepared.costs, standing);
        if let Some(would) = compare::would_take(&self.read, &change, overlapping, lost) {
            let (retracted, changed) = (change.retracted.len(), change.updated.len());
            let issue = self.read.mass_retraction(window, would, retracted, changed);
            return Ok((WindowOutcome::refused(window, issue), None));
        }
        let coverage = self
            .read
            .coverage_after(window, prepared.costs.len(), overlapping);
        let counts = WindowCounts {
            inserted: change.inserted.len() as u64,
            updated: change.updated.len() as u64,
            unchanged: change.unchanged,
            retracted: change.retracted.len() as u64,
            revisions: self.keep_revisions(connection, window, &change, overlapping)?,
            merged: prepared.merged,
            state: coverage.state,
            path: WritePath::Constraint,
        };
        self.write_change(connection, window, &change)?;
        let outcome = WindowOutcome {
            window,
            result: Ok(counts),
            pricing: PricingNotes::new(),
        };
        Ok((outcome, Some(coverage)))
    }

    /// Keeps what a restatement is about to replace; returns how many revisions it wrote.
    fn keep_revisions(
        &self,
        connection: &mut AnyConnection,
        window: Window,
        change: &Change<'_>,
        overlapping: &[Coverage],
    ) -> Result<u64, StoreError> {
        let restates = |project_id: Option<&str>| read::restates(overlapping, project_id);
        let changed = change.updated.iter().copied();
        let changed = changed
            .filter(|cost| restates(cost.row.group.project_id()))
            .map(|cost| cost.key);
        let retracted = change.retracted.iter();
        let retracted = retracted
            .filter(|cost| restates(cost.project_id.as_deref()))
            .map(|cost| cost.key);
        let mut written = 0;
        for (kind, keys) in [
            (RevisionKind::Changed, changed.collect::<Vec<_>>()),
            (RevisionKind::Retracted, retracted.collect()),
        ] {
            written += self.copy_revisions(connection, kind, window, &keys)?;
        }
        let added: Vec<AddedCost<'_>> = change
            .inserted
            .iter()
            .filter(|cost| restates(cost.row.group.project_id()))
            .map(|cost| AddedCost::new(cost, RevisionKind::Added.as_str(), self.read.stamp()))
            .collect();
        for rows in added.chunks(ROWS_A_STATEMENT) {
            let head =
                format!("INSERT INTO cost_revisions (kind, replaced_at, replaced_by_run, {COLUMNS}) VALUES ");
            let marked = InsertRows {
                head: &head,
                rows,
                tail: "",
            }
            .execute(connection)
            .map_err(StoreError::query("keeping revisions of costs"))?;
            written += marked as u64;
        }
        Ok(written)
    }

    fn copy_revisions(
        &self,
        connection: &mut AnyConnection,
        kind: RevisionKind,
        window: Window,
        keys: &[DedupeKey],
    ) -> Result<u64, StoreError> {
        let mut kept = 0;
        let stamp = self.read.stamp();
        for keys in keys.chunks(KEYS_A_STATEMENT) {
            let hex: Vec<String> = keys.iter().map(|key| literal(connection, key)).collect();
            // Numbers, a word of our own and hexadecimal digits: nothing here comes from outside.
            let statement = format!(
                "INSERT INTO cost_revisions (kind, replaced_at, replaced_by_run, {COLUMNS}) \
                 SELECT '{}', {}, {}, {COLUMNS} FROM cost_events WHERE window_start = {} AND dedupe_key IN ({})",
                kind.as_str(),
                stamp.now,
                stamp.run_id,
                window.start_unix(),
                hex.join(", ")
            );
            kept += diesel::sql_query(statement)
                .execute(connection)
                .map_err(StoreError::query("keeping revisions of costs"))? as u64;
        }
        Ok(kept)
    }

    fn write_change(
        &self,
        connection: &mut AnyConnection,
        window: Window,
        change: &Change<'_>,
    ) -> Result<(), StoreError> {
        let stamp = self.read.stamp();
        let head = format!("INSERT INTO cost_events AS t ({COLUMNS}) VALUES ");
        let set: Vec<String> = [
            "amount",
            "amount_nano",
            "quantity",
            "quantity_unit",
            "content_hash",
            "changed_at",
            "run_id",
        ]
        .into_iter()
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
        let upsert = format!(
            " ON CONFLICT (window_start, dedupe_key) DO UPDATE SET {}, revision = t.revision + 1",
            set.join(", ")
        );
        for (costs, tail) in [(&change.inserted, ""), (&change.updated, upsert.as_str())] {
            for costs in costs.chunks(ROWS_A_STATEMENT) {
                let rows: Vec<StampedCost<'_>> =
                    costs.iter().map(|cost| StampedCost::new(cost, stamp)).collect();
                InsertRows {
                    head: &head,
                    rows: &rows,
                    tail,
                }
                .execute(connection)
                .map_err(StoreError::query("storing costs"))?;
            }
        }
        let keys: Vec<Vec<u8>> = change
            .retracted
            .iter()
            .map(|cost| cost.key.as_bytes().to_vec())
            .collect();
        for keys in keys.chunks(KEYS_A_STATEMENT) {
            diesel::delete(
                cost_events::table
                    .filter(cost_events::window_start.eq(window.start_unix()))
                    .filter(cost_events::dedupe_key.eq_any(keys.to_vec())),
            )
            .execute(connection)
            .map_err(StoreError::query("deleting costs"))?;
        }
        Ok(())
    }
}

/// A key as the database writes bytes.
fn literal(connection: &AnyConnection, key: &DedupeKey) -> String {
    match connection {
        AnyConnection::Sqlite(_) => format!("x'{key}'"),
        AnyConnection::Postgres(_) => format!("'\\x{key}'::bytea"),
    }
}
