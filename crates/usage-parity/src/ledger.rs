//! What parity asks of a ledger.

use chrono::{DateTime, Utc};
use usage_core::{DimensionSet, Dimensions, Endpoint, Metrics, ProjectFilter, Width, Window, WindowState};

use crate::time_range::TimeRange;

/// A ledger, as parity reads it: of one account, in time order.
pub trait LedgerReader {
    /// Why the ledger could not be read.
    type Error;

    /// Begins to read the events of one endpoint and width, and returns what is covered of the range, by window.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    fn begin(&mut self, selection: &LedgerSelection) -> Result<Vec<LedgerCoverage>, Self::Error>;

    /// The next events, by window; none at the end. A window may go on in the next answer.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    fn rows(&mut self) -> Result<Vec<LedgerRow>, Self::Error>;

    /// What restatements did to events of the window, in any order.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    fn changes(&mut self, window: Window) -> Result<Vec<LedgerChange>, Self::Error>;
}

/// Which part of a ledger is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerSelection {
    /// The surface.
    pub endpoint: Endpoint,
    /// How wide the windows are.
    pub width: Width,
    /// When they lie.
    pub range: TimeRange,
}

/// A window that was read completely, with this filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCoverage {
    /// The window.
    pub window: Window,
    /// The projects that were asked for.
    pub filter: ProjectFilter,
    /// The dimensions that its events are grouped by.
    pub grouped_by: DimensionSet,
    /// Dimensions that were asked for and null in every row of the read.
    pub empty: DimensionSet,
    /// How far the window had gone.
    pub state: WindowState,
    /// The run that read it.
    pub run_id: i64,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its window.
    pub window: Window,
    /// Who and what it belongs to.
    pub dimensions: Dimensions,
    /// How much it is.
    pub metrics: Metrics,
    /// The run that last changed it.
    pub run_id: i64,
}

/// What one restatement did to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerChange {
    /// Which event.
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
