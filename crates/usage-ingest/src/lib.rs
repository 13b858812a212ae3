#![doc = include_str!("../README.md")]

mod backfill;
mod chunk;
mod control;
mod costs;
mod keys;
mod lease;
mod plan;
mod pricing;
mod process;
mod progress;
mod reader;
mod telemetry;

pub use backfill::{Backfill, Outcome, RunReport, mark_dead_runs, price_issues, run, run_under_lease};
pub use keys::{CheckError, ChosenKey, KeyCheck, check_key, choose_keys};
pub use lease::{HeldBy, HeldLease, LEASE_DURATION};
pub use plan::{ChunkSummary, Plan, PlanError, PlanRequest, PlanSummary, PlannedChunk, plan};
pub use pricing::CataloguePricer;
pub use process::ProcessIdentity;
pub use progress::{Progress, Silent, Step};
pub use reader::{Reader, ReadingKey};
pub use telemetry::Telemetry;
