#![doc = include_str!("../README.md")]

mod backfill;
mod chunk;
mod control;
mod keys;
mod lease;
mod plan;
mod process;
mod progress;
mod reader;
mod telemetry;

pub use backfill::{Backfill, Outcome, RunReport, mark_dead_runs, run};
pub use keys::{CheckError, ChosenKey, KeyCheck, check_key, choose_keys};
pub use lease::{HeldLease, LEASE_DURATION};
pub use plan::{ChunkSummary, Plan, PlanError, PlanRequest, PlanSummary, PlannedChunk, plan};
pub use process::ProcessIdentity;
pub use progress::{Progress, Silent, Step};
pub use reader::{Reader, ReadingKey};
pub use telemetry::Telemetry;
