//! Windows: half-open UTC intervals aligned to their width.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::instant::format_instant;

/// The width of a window. Days are UTC days, as the provider counts and bills them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Width {
    /// One minute, `1m` on the wire.
    #[cfg_attr(feature = "serde", serde(rename = "1m"))]
    Minute,
    /// One hour, `1h` on the wire.
    #[cfg_attr(feature = "serde", serde(rename = "1h"))]
    Hour,
    /// One UTC day, `1d` on the wire.
    #[cfg_attr(feature = "serde", serde(rename = "1d"))]
    Day,
}

impl Width {
    /// Every width, narrow to wide.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The width in seconds. UTC as used here has no leap seconds, so a day is always 86,400.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// The width with this many seconds, if there is one.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|width| width.seconds() == seconds)
    }

    /// The text both providers use for the width: `1m`, `1h` or `1d`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Width {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|width| width.as_str() == text)
            .ok_or_else(|| InvalidRange::UnknownWidth(text.to_owned()))
    }
}

/// A half-open UTC interval `[start, end)`, aligned to its width.
///
/// ```
/// use usage_core::{Width, Window, parse_instant};
///
/// let noon = parse_instant("2025-09-02T12:00:00Z")?;
/// let day = Window::containing(noon, Width::Day);
/// assert_eq!(day.to_string(), "2025-09-02T00:00:00Z/1d");
/// assert!(day.contains(noon) && !day.contains(day.end()));
/// assert!(Window::new(noon, Width::Day).is_err(), "noon starts no UTC day");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    start: i64,
    width: Width,
}

impl Window {
    /// The window that starts at `start`, which must be a multiple of the width.
    pub fn new(start: DateTime<Utc>, width: Width) -> Result<Self, InvalidRange> {
        let seconds = start.timestamp();
        if seconds.rem_euclid(width.seconds()) != 0 || start.timestamp_subsec_nanos() != 0 {
            return Err(InvalidRange::Unaligned { at: start, width });
        }
        Ok(Self {
            start: seconds,
            width,
        })
    }

    /// As [`Window::new`], from Unix seconds.
    pub fn from_unix(start: i64, width: Width) -> Result<Self, InvalidRange> {
        Self::new(instant(start)?, width)
    }

    /// The window of this width that holds the instant.
    pub fn containing(instant: DateTime<Utc>, width: Width) -> Self {
        let seconds = instant.timestamp();
        Self {
            start: seconds - seconds.rem_euclid(width.seconds()),
            width,
        }
    }

    /// The UTC day.
    pub fn day(day: NaiveDate) -> Self {
        Self::containing(midnight(day), Width::Day)
    }

    /// The first instant of the window.
    pub fn start(self) -> DateTime<Utc> {
        known_instant(self.start)
    }

    /// The first instant after the window.
    pub fn end(self) -> DateTime<Utc> {
        known_instant(self.end_unix())
    }

    /// [`Window::start`] in Unix seconds.
    pub const fn start_unix(self) -> i64 {
        self.start
    }

    /// [`Window::end`] in Unix seconds.
    pub const fn end_unix(self) -> i64 {
        self.start + self.width.seconds()
    }

    /// How wide the window is.
    pub const fn width(self) -> Width {
        self.width
    }

    /// Whether `start <= instant < end`.
    pub fn contains(self, instant: DateTime<Utc>) -> bool {
        self.start <= instant.timestamp() && instant.timestamp() < self.end_unix()
    }

    /// The UTC day the window starts on. No window crosses midnight.
    pub fn utc_day(self) -> NaiveDate {
        self.start().date_naive()
    }

    /// The window cut into windows of a narrower (or the same) width, in time order.
    pub fn split(self, width: Width) -> Result<WindowRange, InvalidRange> {
        WindowRange::new(self.start(), self.end(), width)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", format_instant(self.start()), self.width)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Consecutive windows of one width: a half-open range whose ends are aligned. Never empty.
///
/// ```
/// use usage_core::{Width, WindowRange, parse_day};
///
/// let month = WindowRange::days(parse_day("2025-09-01")?, parse_day("2025-10-01")?)?;
/// assert_eq!(month.len(), 31, "both days count");
/// let weeks: Vec<_> = month.chunks(7).map(|chunk| chunk.len()).collect();
/// assert_eq!(weeks, [7, 7, 7, 7, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WindowRange {
    start: i64,
    end: i64,
    width: Width,
}

impl WindowRange {
    /// The windows of `[start, end)`. Both ends must be aligned to the width and `start < end`.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>, width: Width) -> Result<Self, InvalidRange> {
        if start >= end {
            return Err(InvalidRange::Empty { start, end });
        }
        let first = Window::new(start, width)?;
        let after = Window::new(end, width)?;
        Ok(Self {
            start: first.start,
            end: after.start,
            width,
        })
    }

    /// The UTC days from `first` to `last`, both included.
    pub fn days(first: NaiveDate, last: NaiveDate) -> Result<Self, InvalidRange> {
        if last < first {
            return Err(InvalidRange::EndBeforeStart { first, last });
        }
        Self::new(midnight(first), Window::day(last).end(), Width::Day)
    }

    /// The smallest aligned range that covers `[start, end)`.
    pub fn covering(start: DateTime<Utc>, end: DateTime<Utc>, width: Width) -> Result<Self, InvalidRange> {
        let last = Window::containing(end, width);
        let end = if last.start() == end { end } else { last.end() };
        Self::new(Window::containing(start, width).start(), end, width)
    }

    /// The range of one window.
    pub const fn of(window: Window) -> Self {
        Self {
            start: window.start,
            end: window.end_unix(),
            width: window.width,
        }
    }

    /// Neighbouring windows, in time order, joined into as few ranges as possible.
    ///
    /// Windows must be sorted and of one width; a window of another width starts a new range.
    pub fn join(windows: impl IntoIterator<Item = Window>) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for window in windows {
            match ranges.last_mut() {
                Some(last) if last.end == window.start && last.width == window.width => {
                    last.end = window.end_unix();
                }
                _ => ranges.push(Self::of(window)),
            }
        }
        ranges
    }

    /// The first instant of the range.
    pub fn start(self) -> DateTime<Utc> {
        known_instant(self.start)
    }

    /// The first instant after the range.
    pub fn end(self) -> DateTime<Utc> {
        known_instant(self.end)
    }

    /// The width of each window.
    pub const fn width(self) -> Width {
        self.width
    }

    /// How many windows the range has; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(self) -> usize {
        usize::try_from((self.end - self.start) / self.width.seconds()).unwrap_or(usize::MAX)
    }

    /// Whether the window is one of the range's.
    pub fn contains(self, window: Window) -> bool {
        window.width == self.width && self.start <= window.start && window.start < self.end
    }

    /// The windows in time order.
    pub fn windows(self) -> impl DoubleEndedIterator<Item = Window> + ExactSizeIterator {
        let Self { start, width, .. } = self;
        (0..self.len()).map(move |index| {
            // `len` came from the same division, so the product stays inside the range.
            let offset = i64::try_from(index)
                .unwrap_or(i64::MAX)
                .saturating_mul(width.seconds());
            Window {
                start: start + offset,
                width,
            }
        })
    }

    /// The range cut into ranges of at most `windows` windows each, in time order.
    pub fn chunks(self, windows: usize) -> impl Iterator<Item = Self> {
        let step = i64::try_from(windows.max(1))
            .unwrap_or(i64::MAX)
            .saturating_mul(self.width.seconds());
        let mut start = self.start;
        std::iter::from_fn(move || {
            (start < self.end).then(|| {
                let end = self.end.min(start.saturating_add(step));
                let chunk = Self {
                    start,
                    end,
                    width: self.width,
                };
                start = end;
                chunk
            })
        })
    }
}

impl fmt::Display for WindowRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}..{}/{}",
            format_instant(self.start()),
            format_instant(self.end()),
            self.width
        )
    }
}

impl fmt::Debug for WindowRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a window or a range cannot exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// The last day lies before the first.
    #[error("the end {last} lies before the start {first}; give the earlier day first")]
    EndBeforeStart {
        /// First day asked for.
        first: NaiveDate,
        /// Last day asked for.
        last: NaiveDate,
    },
    /// No instant lies in the range.
    #[error("the range {} to {} is empty", format_instant(*start), format_instant(*end))]
    Empty {
        /// First instant.
        start: DateTime<Utc>,
        /// First instant after.
        end: DateTime<Utc>,
    },
    /// The instant is no multiple of the width.
    #[error("{} does not start a window of {width}", format_instant(*at))]
    Unaligned {
        /// The instant.
        at: DateTime<Utc>,
        /// The width it should be aligned to.
        width: Width,
    },
    /// The Unix time is beyond what a calendar can name.
    #[error("{0} is not a usable Unix time in seconds")]
    OutOfCalendar(i64),
    /// The text names no width.
    #[error("unknown bucket width `{0}`; use 1m, 1h or 1d")]
    UnknownWidth(String),
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

fn instant(seconds: i64) -> Result<DateTime<Utc>, InvalidRange> {
    // A day on either side stays free, so that the end of a window is always an instant too.
    let slack = TimeDelta::days(1).num_seconds();
    let earliest = DateTime::<Utc>::MIN_UTC.timestamp() + slack;
    let latest = DateTime::<Utc>::MAX_UTC.timestamp() - slack;
    DateTime::from_timestamp(seconds, 0)
        .filter(|_| (earliest..=latest).contains(&seconds))
        .ok_or(InvalidRange::OutOfCalendar(seconds))
}

fn known_instant(seconds: i64) -> DateTime<Utc> {
    // Every constructor starts from an instant inside the calendar, so the fallback is never taken.
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(feature = "serde")]
mod wire {
    use super::{Width, Window, format_instant};
    use crate::instant::parse_instant;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Serialize, Deserialize)]
    struct Parts {
        start: String,
        width: Width,
    }

    impl Serialize for Window {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            Parts {
                start: format_instant(self.start()),
                width: self.width,
            }
            .serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Window {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let parts = Parts::deserialize(deserializer)?;
            let start = parse_instant(&parts.start).map_err(D::Error::custom)?;
            Self::new(start, parts.width).map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instant::{parse_day, parse_instant};

    #[test]
    fn names_the_end_that_lies_before_the_start() {
        let (first, last) = (parse_day("2025-09-02").unwrap(), parse_day("2025-09-01").unwrap());
        assert_eq!(
            WindowRange::days(first, last).unwrap_err().to_string(),
            "the end 2025-09-01 lies before the start 2025-09-02; give the earlier day first"
        );
    }

    #[test]
    fn covering_grows_outward_to_whole_windows() {
        let range = WindowRange::covering(
            parse_instant("2025-09-01T23:59:59Z").unwrap(),
            parse_instant("2025-09-03T00:00:00Z").unwrap(),
            Width::Day,
        );
        assert_eq!(
            range.unwrap().to_string(),
            "2025-09-01T00:00:00Z..2025-09-03T00:00:00Z/1d"
        );
    }

    #[test]
    fn join_bridges_neighbours_only() {
        let month =
            WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day("2025-09-30").unwrap()).unwrap();
        let kept = month
            .windows()
            .enumerate()
            .filter(|(index, _)| *index != 4)
            .map(|(_, window)| window);
        let joined: Vec<usize> = WindowRange::join(kept)
            .into_iter()
            .map(WindowRange::len)
            .collect();
        assert_eq!(joined, [4, 25]);
    }

    #[test]
    fn unix_times_beyond_the_calendar_are_errors_not_panics() {
        for seconds in [i64::MIN, i64::MAX, 86_400 * 365 * 400_000] {
            assert_eq!(
                Window::from_unix(seconds, Width::Day),
                Err(InvalidRange::OutOfCalendar(seconds))
            );
        }
    }
}
