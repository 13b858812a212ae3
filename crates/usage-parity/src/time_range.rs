//! Which windows are asked for.

use chrono::{DateTime, Utc};

/// A half-open range of time, open where no end was named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// The first instant.
    pub from: Option<DateTime<Utc>>,
    /// The first instant after.
    pub to: Option<DateTime<Utc>>,
}

impl TimeRange {
    /// Whether a window that starts then, in Unix seconds, is asked for.
    pub(crate) fn contains(&self, start: i64) -> bool {
        self.from.is_none_or(|from| from.timestamp() <= start)
            && self.to.is_none_or(|to| start < to.timestamp())
    }
}
