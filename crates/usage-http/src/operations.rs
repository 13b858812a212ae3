//! What the routes ask for and cannot do themselves.

use async_trait::async_trait;
use serde::Serialize;

/// What the application does for the routes.
#[async_trait]
pub trait Operations: Send + Sync + 'static {
    /// Runs a pass over every account and returns its report. Whoever asks while a pass is under way gets the report of that
    /// one.
    ///
    /// It has its own deadline. The server never drops the future before it ends, whether or not the client is still there.
    ///
    /// # Errors
    ///
    /// No pass could be run. What went wrong within a pass is in its report.
    async fn run_pass(&self) -> Result<JsonText, OperationFailed>;

    /// The ledger's metrics, in Prometheus' text format 0.0.4.
    ///
    /// # Errors
    ///
    /// They could not be computed.
    async fn metrics(&self) -> Result<String, OperationFailed>;

    /// Whether everything is in order that an answer depends on. Takes a few seconds at most.
    async fn readiness(&self) -> Readiness;
}

/// A JSON document, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonText(String);

impl JsonText {
    /// Writes it down.
    ///
    /// # Errors
    ///
    /// The value has no form in JSON.
    pub fn of(value: &impl Serialize) -> Result<Self, OperationFailed> {
        serde_json::to_string(value)
            .map(Self)
            .map_err(|error| OperationFailed::new(format!("the answer could not be written down: {error}")))
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Why something could not be done: one line for the log, which no client sees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OperationFailed(String);

impl OperationFailed {
    /// With the reason in one line, without secrets.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Whether everything is in order that an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// What was looked at.
    pub checks: Vec<ReadinessCheck>,
    /// How long ago the windows end that were read without a gap after their end, in seconds, of the endpoint that lags most;
    /// `None` where nothing was read, or nobody knows. Never a reason not to be ready.
    pub coverage_lag_seconds: Option<i64>,
}

impl Readiness {
    /// Whether every check is in order.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.fault.is_none())
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadinessCheck {
    /// What, in a few words, for example `database`.
    pub name: &'static str,
    /// What is not in order and what to do, in one line that anybody may see: no host, no path, no name.
    pub fault: Option<String>,
}
