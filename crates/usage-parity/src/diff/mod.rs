//! The diff: export against ledger, window by window.

mod cause;
mod comparison;
mod coverage;
mod driver;
mod evidence;
mod history;
mod judge;
mod ledger_windows;
mod partners;
mod record;
mod spool;

pub use cause::Cause;
pub(crate) use comparison::WORST;
pub use comparison::{
    Coarsened, Comparison, Counts, Difference, DifferenceKind, InspectedFile, NotCovered, NotCoveredReason,
    OpenWindow, Surface, SurfaceCounts,
};
pub(crate) use coverage::{Covered, covered, told_apart};
pub use driver::{CompareOptions, ExportScope, ParityError, compare, compare_exports, summarize};
pub(crate) use evidence::Evidence;
pub use evidence::Verdict;
pub use record::{GroupKey, GroupRecord};
pub(crate) use spool::Spool;
