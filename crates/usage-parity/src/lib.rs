#![doc = include_str!("../README.md")]

pub mod costs;
mod diff;
pub mod event_lines;
mod export;
mod groups;
mod layout;
mod ledger;
mod provider_csv;
pub mod reconcile;
mod report;
mod time_range;

pub use diff::{
    Cause, Coarsened, CompareOptions, Comparison, Counts, Difference, DifferenceKind, ExportScope, GroupKey,
    GroupRecord, InspectedFile, NotCovered, NotCoveredReason, OpenWindow, ParityError, Surface,
    SurfaceCounts, Verdict, compare, compare_exports, summarize,
};
pub use export::{Export, ExportError, ExportFile, ExportProblem, ExportSource, ExportText, UsageExport};
pub use layout::{Column, Layout, TIME_COLUMNS};
pub use ledger::{LedgerChange, LedgerCoverage, LedgerReader, LedgerRow, LedgerSelection};
pub use provider_csv::{ProviderCsvError, ProviderCsvWriter};
pub use report::{LedgerFacts, ReportFacts, RestatementCounts, RunFact};
pub use time_range::TimeRange;
