//! The daily pass: reads again what is not settled, fills gaps, refreshes names and costs, and proves the result.
//!
//! Any number of processes on any number of hosts may run the pass at the same time: they share it account by account, by
//! the accounts' leases, and none reads what another has read since the pass was due.

mod account;
mod alerts;
mod evidence;
mod logged;
mod names;
mod pass;
mod passes;
mod record;
mod report;
mod schedule;
mod serve;

pub use logged::LoggedProgress;
pub use pass::{PassOptions, run_pass};
pub use passes::{PassEnd, Passes, Surroundings, Turn, run_surrounded_pass};
pub use record::{ParityResult, PassMark, ReconciliationResult};
pub use report::{AccountOutcome, AccountReport, PassReport, PassTelemetry, Skipped};
pub use schedule::{Schedule, ScheduleError};
pub(crate) use serve::wait_until;
pub use serve::{ServeOptions, Tick, serve_schedule};

/// The kind under which the runs of a pass are recorded.
pub const RUN_KIND: &str = "cron";
