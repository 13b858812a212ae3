//! The commands behind the binaries: each takes an [`crate::App`] and plain options, and returns a report.

pub mod alerts;
mod artifact;
pub mod backfill;
pub mod backup;
pub mod budgets;
mod choice;
pub mod cleanup;
pub mod copy;
#[cfg(feature = "demo")]
pub mod demo;
pub mod doctor;
mod evidence;
pub mod export;
pub mod fixtures;
pub mod import;
pub mod imported;
pub mod keys;
pub mod migrate;
pub mod names;
pub mod parity;
pub mod prices;
pub mod read_only_role;
pub mod reconcile;
pub mod reprice;
pub mod reseal;
pub mod status;
pub mod tokens;
mod totals;
