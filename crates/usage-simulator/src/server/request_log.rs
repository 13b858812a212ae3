//! The request log: what went over the wire, for tests to read.

use chrono::{DateTime, Utc};
use serde_json::json;
use usage_core::format_instant;

/// One request that the simulator answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// When it arrived, by the simulator's clock, UTC.
    pub at: DateTime<Utc>,
    /// `GET` and so on.
    pub method: String,
    /// The path without the query, for example `/v1/organization/usage/completions`.
    pub path: String,
    /// The decoded pairs of the query, in their order on the wire.
    pub query: Vec<(String, String)>,
    /// The status of the answer.
    pub status: u16,
    /// The label of the key, if the request carried one that the simulator knows.
    pub key: Option<String>,
}

impl LoggedRequest {
    /// Every value of a parameter, by its exact name on the wire (`group_by[]` is not `group_by`).
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.query
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The first value of a parameter.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }

    /// The request as one line of JSON with its end: time, method, path, the pairs of the query, status, and the label of the
    /// key.
    pub(super) fn to_line(&self) -> String {
        let line = json!({
            "time": format_instant(self.at),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "key": self.key,
        });
        format!("{line}\n")
    }
}
