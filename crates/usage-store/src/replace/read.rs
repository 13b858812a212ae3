//! What one read is, and what coverage says about it: shared by usage and costs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use usage_core::{CLOCK_TOLERANCE, DimensionSet, Issue, IssueCode, Scope, Window, WindowRange, WindowState};

use super::prepare::Stamp;
use crate::accounts::AccountScope;
use crate::connection::AnyConnection;
use crate::coverage::{self, Coverage, CoverageQuery};
use crate::error::StoreError;
use crate::lease::Lease;

/// A read on its way into the ledger.
pub(crate) struct Read {
    pub(crate) scope: Scope,
    pub(crate) refused: DimensionSet,
    pub(crate) empty: DimensionSet,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) now: i64,
    pub(crate) run_id: i64,
    pub(crate) accept_retractions: bool,
    pub(crate) lease: Lease,
}

impl Read {
    pub(crate) const fn stamp(&self) -> Stamp {
        Stamp {
            now: self.now,
            run_id: self.run_id,
        }
    }

    /// The coverage of these windows by reads that could see some of the same rows.
    pub(crate) fn overlapping(
        &self,
        connection: &mut AnyConnection,
        windows: impl Iterator<Item = Window>,
    ) -> Result<BTreeMap<Window, Vec<Coverage>>, StoreError> {
        let mut overlapping: BTreeMap<Window, Vec<Coverage>> = BTreeMap::new();
        for windows in WindowRange::join(windows) {
            let query = CoverageQuery {
                scope: AccountScope::Only(vec![self.lease.account_id]),
                endpoint: Some(self.scope.endpoint),
                windows: Some(windows),
            };
            for coverage in coverage::load(connection, &query)? {
                if coverage.filter.overlaps(&self.scope.filter) {
                    overlapping.entry(coverage.window).or_default().push(coverage);
                }
            }
        }
        Ok(overlapping)
    }

    /// Why a window may not be written, judged by what coverage says of reads that could see the same rows.
    pub(crate) fn objection(&self, window: Window, overlapping: &[Coverage]) -> Option<Issue> {
        let place = self.place(window);
        if let Some(newer) = overlapping
            .iter()
            .find(|coverage| coverage.read_started_at > self.started_at && !self.is_in_future(coverage))
        {
            return Some(Issue::new(
                IssueCode::StaleRead,
                format!(
                    "{place}: the read began before the one of run {} in the ledger and was dropped",
                    newer.run_id
                ),
            ));
        }
        let missing = overlapping
            .iter()
            .map(|coverage| coverage.grouped_by.difference(self.scope.grouped_by))
            .find(|missing| !missing.is_empty())?;
        let reason = if missing.is_subset(self.refused) {
            "the provider refuses to group by it now, so the ledger keeps what it has"
        } else {
            "group by at least as much"
        };
        Some(Issue::new(
            IssueCode::GroupingCoarser,
            format!("{place}: the ledger is grouped by {missing} too, this read is not; {reason}"),
        ))
    }

    /// A read that would take too much away; `would` says what.
    pub(crate) fn mass_retraction(
        &self,
        window: Window,
        would: &str,
        retracted: usize,
        changed: usize,
    ) -> Issue {
        Issue::new(
            IssueCode::MassRetraction,
            format!(
                "{}: this read would {would} ({retracted} rows retracted, {changed} changed); if the provider is \
                 right, run again with --accept-retractions",
                self.place(window)
            ),
        )
    }

    /// The coverage of a window once it is written.
    pub(crate) fn coverage_after(&self, window: Window, rows: usize, overlapping: &[Coverage]) -> Coverage {
        let state = WindowState::of(window, self.started_at, self.scope.account.provider());
        let first_closed_at = overlapping
            .iter()
            .filter(|coverage| coverage.filter == self.scope.filter && !self.is_in_future(coverage))
            .find_map(|coverage| coverage.first_closed_at)
            .or_else(|| (state != WindowState::Open).then_some(self.started_at));
        Coverage {
            account_id: self.lease.account_id,
            endpoint: self.scope.endpoint,
            window,
            filter: self.scope.filter.clone(),
            grouped_by: self.scope.grouped_by,
            refused: self.refused,
            empty: self.empty,
            state,
            event_count: i64::try_from(rows).unwrap_or(i64::MAX),
            read_started_at: self.started_at,
            stored_at: DateTime::from_timestamp(self.now, 0).unwrap_or(self.started_at),
            first_closed_at,
            run_id: self.run_id,
        }
    }

    /// Whether a clock that was wrong made that read: it must not keep those out that are made by one that is right.
    fn is_in_future(&self, coverage: &Coverage) -> bool {
        coverage.read_started_at.timestamp() > self.now + CLOCK_TOLERANCE.num_seconds()
    }

    fn place(&self, window: Window) -> String {
        format!("{} {} {window}", self.scope.account, self.scope.endpoint)
    }
}

/// Whether a row of this project was already read after the window's end: then a change to it is a restatement.
pub(crate) fn restates(overlapping: &[Coverage], project_id: Option<&str>) -> bool {
    overlapping
        .iter()
        .any(|coverage| coverage.first_closed_at.is_some() && coverage.filter.admits(project_id))
}

/// Whether one of the reads found the window settled.
pub(crate) fn was_settled(overlapping: &[Coverage]) -> bool {
    overlapping
        .iter()
        .any(|coverage| coverage.state == WindowState::Settled)
}
