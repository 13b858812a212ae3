//! Monitoring: numbers for Prometheus, computed from the ledger's tables whenever somebody asks.
//!
//! No number lives in a process, so none is lost when one ends, and every process of a ledger tells the same.

mod coverage;
mod exposition;
mod metrics;
mod proofs;
mod runs;

pub(crate) use coverage::greatest_lag;
pub use metrics::{CONTENT_TYPE, DEFAULT_HORIZON_DAYS, MetricsOptions, collect, write_textfile};
pub use proofs::{CronTelemetry, ParityProof, Proofs, ReconciliationProof};
