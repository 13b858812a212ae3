//! Progress as log lines: one for each thing that happened.

use usage_core::{Severity, format_instant};
use usage_ingest::{Progress, Step};

/// Logs each step at the level `info`, issues at theirs.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoggedProgress;

impl Progress for LoggedProgress {
    fn step(&self, step: Step<'_>) {
        match step {
            Step::Planned { requests, windows } => {
                tracing::info!(requests, windows, "planned");
            }
            Step::Begun { run_id } => tracing::info!(run_id, "on record"),
            Step::WaitingForLease {
                account,
                holder,
                seconds,
            } => tracing::info!(account, holder, seconds, "waiting for another process"),
            Step::SettledMeanwhile { account, windows } => {
                tracing::info!(account, windows, "read by another run meanwhile");
            }
            Step::ChunkDone {
                endpoint,
                windows,
                events,
                read_started_at: Some(_),
            } => tracing::info!(
                endpoint = endpoint.as_str(),
                from = format_instant(windows.start()),
                to = format_instant(windows.end()),
                windows = windows.len(),
                events,
                "read"
            ),
            // It was not read, and the issue says so.
            Step::ChunkDone {
                read_started_at: None,
                ..
            } => {}
            Step::Issue(issue) => {
                let (code, message) = (issue.code.as_str(), &issue.message);
                match issue.severity {
                    Severity::Error => tracing::error!(code, "{message}"),
                    Severity::Warning => tracing::warn!(code, "{message}"),
                    Severity::Info => tracing::info!(code, "{message}"),
                }
            }
        }
    }
}
