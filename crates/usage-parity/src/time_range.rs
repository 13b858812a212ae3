//! Which windows are asked for.

use chrono::{DateTime, Utc};
use usage_core::{Width, WindowRange};

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

/// The first window's start that is no earlier than the instant, Unix seconds.
pub(crate) fn first_window_from(instant: i64, width: Width) -> i64 {
    let width = width.seconds();
    let before = instant.rem_euclid(width);
    if before == 0 {
        instant
    } else {
        instant - before + width
    }
}

/// The windows between two instants in Unix seconds, if there are any.
pub(crate) fn windows_between(start: i64, end: i64, width: Width) -> Option<WindowRange> {
    let instant = |seconds| DateTime::from_timestamp(seconds, 0);
    WindowRange::new(instant(start)?, instant(end)?, width).ok()
}
