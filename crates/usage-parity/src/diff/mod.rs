//! The diff: export against ledger, window by window.

mod cause;
mod comparison;
mod driver;
mod history;
mod judge;
mod ledger_windows;
mod partners;
mod record;
mod spool;

pub use cause::Cause;
pub use comparison::{
    Coarsened, Comparison, Counts, Difference, DifferenceKind, InspectedFile, NotCovered, NotCoveredReason,
    OpenWindow, Surface, Verdict,
};
pub use driver::{CompareOptions, ExportScope, ParityError, compare, compare_exports, summarize};
pub use record::{GroupKey, GroupRecord};
pub(crate) use spool::Spool;
