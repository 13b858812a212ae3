//! Replacing windows: rule 1 of the ledger.
//!
//! A window is replaced as a whole, within the scope that was read. One transaction of whole windows checks the lease,
//! compares what was read with what stands, and writes the difference: new rows, changed rows, retractions, the
//! revisions of what a restatement replaced, and coverage. Reading the same again writes nothing but coverage's time.

mod compare;
mod guard;
mod manual;
pub(crate) mod prepare;
mod price;
pub(crate) mod read;
pub(crate) mod write;

use std::iter::Peekable;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use usage_core::{DimensionSet, Issue, Scope, UsageRow, Window, WindowState};

use crate::bucket_index::{self, WritePath};
use crate::connection::AnyConnection;
use crate::coverage::{self, Coverage};
use crate::data_version;
use crate::error::StoreError;
use crate::lease::{self, Lease};
use crate::ledger::{self, Ledger};
use crate::pricing::{PricingNotes, RowPricer};
use crate::rollups;
use prepare::{PreparedWindow, PricedRow};
use read::Read;

/// Complete windows of one read, to stand in the ledger instead of what it has of their scope.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// What the read could see. Its account must be the lease's.
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
    /// The windows, each complete, of the scope's width.
    pub windows: Vec<WindowRows>,
}

/// One complete window as it was read; identical groups are summed here.
#[derive(Clone, Debug)]
pub struct WindowRows {
    /// The window.
    pub window: Window,
    /// Every row of it.
    pub rows: Vec<UsageRow>,
}

/// What became of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowOutcome {
    /// The window.
    pub window: Window,
    /// What was written, or why the ledger kept what it had.
    pub result: Result<WindowCounts, Issue>,
    /// What must be told about the prices of the rows that were written, and of how many.
    pub pricing: PricingNotes,
}

impl WindowOutcome {
    /// A window of which the ledger kept what it had.
    pub(crate) const fn refused(window: Window, issue: Issue) -> Self {
        Self {
            window,
            result: Err(issue),
            pricing: PricingNotes::new(),
        }
    }
}

/// What replacing one window wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowCounts {
    /// New rows.
    pub inserted: u64,
    /// Rows whose numbers changed.
    pub updated: u64,
    /// Rows that stand as they were.
    pub unchanged: u64,
    /// Rows that the read no longer contained.
    pub retracted: u64,
    /// Revisions kept of what was replaced.
    pub revisions: u64,
    /// Rows of the read that were summed into another with the same identity.
    pub merged: u64,
    /// How far the window had gone.
    pub state: WindowState,
    /// How the rows were found that were replaced.
    pub path: WritePath,
}

/// Why not every window was replaced, and what had been done before.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ReplaceError {
    /// What became of the windows of the transactions before, which stand.
    pub before: Vec<WindowOutcome>,
    /// What went wrong.
    pub error: StoreError,
}

/// Rows a transaction aims at: large enough to make its commit cheap, small enough to bound what it holds.
const ROWS_A_TRANSACTION: usize = 20_000;

impl Ledger {
    /// Replaces the windows, in transactions of whole days, and says what became of each, in time order.
    ///
    /// Fails with [`StoreError::LeaseLost`] when the lease is no longer ours. Transactions before a failure stand; the
    /// error says which windows they were, and so does coverage.
    pub async fn replace_windows(
        &self,
        lease: &Lease,
        mut replacement: Replacement,
    ) -> Result<Vec<WindowOutcome>, ReplaceError> {
        let mut windows = std::mem::take(&mut replacement.windows);
        windows.sort_by_key(|rows| rows.window);
        let mut outcomes = Vec::with_capacity(windows.len());
        match self
            .replace_in_batches(lease, &replacement, windows, &mut outcomes)
            .await
        {
            Ok(()) => {
                outcomes.sort_by_key(|outcome: &WindowOutcome| outcome.window);
                Ok(outcomes)
            }
            Err(error) => Err(ReplaceError {
                before: outcomes,
                error,
            }),
        }
    }

    /// As [`Ledger::replace_windows`], for a read whose windows stand apart; outcomes are added as they become certain.
    async fn replace_in_batches(
        &self,
        lease: &Lease,
        read: &Replacement,
        windows: Vec<WindowRows>,
        outcomes: &mut Vec<WindowOutcome>,
    ) -> Result<(), StoreError> {
        let scope = &read.scope;
        let mut unprepared = windows.into_iter().peekable();
        let mut prepared = self.prepare(lease, scope, next_batch(&mut unprepared)).await?;
        while let Some(Prepared { windows, failed }) = prepared {
            outcomes.extend(failed);
            let batch = Batch {
                read: Read {
                    scope: scope.clone(),
                    refused: read.refused,
                    empty: read.empty,
                    started_at: read.read_started_at,
                    now: self.now_unix(),
                    run_id: read.run_id,
                    accept_retractions: read.accept_retractions,
                    lease: lease.clone(),
                },
                pricer: self.pricer.clone(),
                windows,
            };
            // The next batch is prepared while the database works on this one.
            let (written, next) = tokio::join!(
                self.write(move |connection| batch.apply(connection)),
                self.prepare(lease, scope, next_batch(&mut unprepared)),
            );
            outcomes.extend(written?);
            prepared = next?;
        }
        Ok(())
    }

    async fn prepare(
        &self,
        lease: &Lease,
        scope: &Scope,
        windows: Vec<WindowRows>,
    ) -> Result<Option<Prepared>, StoreError> {
        if windows.is_empty() {
            return Ok(None);
        }
        let (scope, account_id) = (scope.clone(), lease.account_id);
        ledger::blocking(move || {
            let mut prepared = Prepared::default();
            for window in windows {
                match prepare::prepare(&scope, account_id, window) {
                    Ok(window) => prepared.windows.push(window),
                    Err(failed) => prepared.failed.push(failed),
                }
            }
            Ok(Some(prepared))
        })
        .await
    }
}

/// The windows of the next transaction, and those whose rows cannot be stored.
#[derive(Default)]
struct Prepared {
    windows: Vec<PreparedWindow>,
    failed: Vec<WindowOutcome>,
}

/// Takes windows of whole days until a transaction has its rows.
///
/// A day is never cut: whether a read takes most of it away can only be judged over all of it.
fn next_batch(windows: &mut Peekable<impl Iterator<Item = WindowRows>>) -> Vec<WindowRows> {
    let mut batch: Vec<WindowRows> = Vec::new();
    let mut rows = 0;
    while let Some(next) = windows.next_if(|next| {
        let same_day = batch
            .last()
            .is_some_and(|last| last.window.utc_day() == next.window.utc_day());
        rows < ROWS_A_TRANSACTION || same_day
    }) {
        rows += next.rows.len();
        batch.push(next);
    }
    batch
}

/// The windows of one transaction.
struct Batch {
    read: Read,
    pricer: Option<Arc<dyn RowPricer>>,
    windows: Vec<PreparedWindow>,
}

impl Batch {
    fn apply(&self, connection: &mut AnyConnection) -> Result<Vec<WindowOutcome>, StoreError> {
        let read = &self.read;
        lease::check(connection, &read.lease)?;
        let path = bucket_index::write_path(connection)?;
        if path == WritePath::Manual {
            bucket_index::exclude_writers(connection)?;
        }
        let windows = self.windows.iter().map(|window| window.window);
        let mut overlapping = read.overlapping(connection, windows)?;
        let mut outcomes = Vec::with_capacity(self.windows.len());
        let mut admitted = Vec::with_capacity(self.windows.len());
        for window in &self.windows {
            let overlapping = overlapping.remove(&window.window).unwrap_or_default();
            match read.objection(window.window, &overlapping) {
                Some(issue) => outcomes.push(WindowOutcome::refused(window.window, issue)),
                None => admitted.push((window, overlapping)),
            }
        }

        let standing = compare::load(connection, self, &admitted)?;
        let mut changes = compare::compare(&admitted, &standing);
        guard::hold_mass_retractions(connection, self, &mut changes, &mut outcomes)?;

        let price::Priced {
            inserted,
            updated,
            notes,
        } = price::price(connection, self, &changes)?;
        let mut covered: Vec<Coverage> = Vec::with_capacity(changes.len());
        for (change, pricing) in changes.iter().zip(notes) {
            let window = change.window.window;
            let coverage = read.coverage_after(window, change.window.rows.len(), change.overlapping);
            let revisions = write::revisions(connection, self, change)?;
            outcomes.push(WindowOutcome {
                window,
                result: Ok(WindowCounts {
                    inserted: change.inserted.len() as u64,
                    updated: change.updated.len() as u64,
                    unchanged: change.unchanged,
                    retracted: change.retracted.len() as u64,
                    revisions,
                    merged: change.window.merged,
                    state: coverage.state,
                    path,
                }),
                pricing,
            });
            covered.push(coverage);
        }
        write::insert(connection, read.stamp(), &inserted)?;
        match path {
            WritePath::Constraint => write::update(connection, read.stamp(), &updated)?,
            WritePath::Manual => manual::update(connection, read.stamp(), &updated)?,
        }
        for change in &changes {
            write::retract(connection, change)?;
        }
        coverage::save(connection, &covered)?;
        let inserted = inserted.iter().map(PricedRow::inserted).collect();
        rollups::settle_inserted(connection, inserted)?;
        if !covered.is_empty() {
            data_version::bump(connection, read.lease.account_id)?;
        }
        lease::extend(connection, &read.lease)?;
        Ok(outcomes)
    }
}
