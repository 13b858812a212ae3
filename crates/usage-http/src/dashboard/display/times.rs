//! Days and moments. Everything is UTC, and says so where a time of day is shown.

use std::fmt;

use askama::filters::HtmlSafe;
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use usage_core::format_instant;

use super::Absent;

/// A day as people read it: `1 Sep 2025`.
pub(crate) fn day_text(day: NaiveDate) -> String {
    format!("{} {}", day.day(), day.format("%b %Y"))
}

/// Days from one to another, both included, as people read them: `1–30 Sep 2025`, `28 Aug – 3 Sep 2025`.
pub(crate) fn days_text(first: NaiveDate, last: NaiveDate) -> String {
    let month = |day: NaiveDate| (day.year(), day.month());
    if first == last {
        day_text(first)
    } else if month(first) == month(last) {
        format!("{}–{}", first.day(), day_text(last))
    } else if first.year() == last.year() {
        format!("{} {} – {}", first.day(), first.format("%b"), day_text(last))
    } else {
        format!("{} – {}", day_text(first), day_text(last))
    }
}

/// A UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day(pub(crate) NaiveDate);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<time datetime=\"{}\">{}</time>", self.0, day_text(self.0))
    }
}

impl HtmlSafe for Day {}

/// A moment, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Option<DateTime<Utc>>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => write!(
                f,
                "<time datetime=\"{0}\" title=\"{0}\">{1} {2}</time>",
                format_instant(at),
                day_text(at.date_naive()),
                at.format("%H:%M")
            ),
            None => Absent("never").fmt(f),
        }
    }
}

impl HtmlSafe for At {}

/// How long ago, in the largest whole unit.
pub(crate) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds();
    if seconds < 60 {
        return "just now".to_owned();
    }
    format!("{} ago", largest_unit(seconds))
}

/// How long something took: `8 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn lasted(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = (to - from).num_seconds().max(0);
    match (seconds / 3_600, seconds % 3_600 / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

fn largest_unit(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use usage_core::parse_instant;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        parse_instant(text).unwrap()
    }

    #[test]
    fn days_are_named_no_longer_than_need_be() {
        let day = |text| usage_core::parse_day(text).unwrap();
        for (first, last, text) in [
            ("2025-09-01", "2025-09-30", "1–30 Sep 2025"),
            ("2025-09-03", "2025-09-03", "3 Sep 2025"),
            ("2025-08-28", "2025-09-03", "28 Aug – 3 Sep 2025"),
            ("2024-12-30", "2025-01-02", "30 Dec 2024 – 2 Jan 2025"),
        ] {
            assert_eq!(days_text(day(first), day(last)), text);
        }
    }

    #[test]
    fn people_read_how_long_ago() {
        let now = at("2025-10-03T12:00:00Z");
        for (moment, text) in [
            ("2025-10-03T11:59:30Z", "just now"),
            ("2025-10-03T12:00:30Z", "just now"),
            ("2025-10-03T11:59:00Z", "1 minute ago"),
            ("2025-10-03T10:00:00Z", "2 hours ago"),
            ("2025-10-02T11:00:00Z", "25 hours ago"),
            ("2025-10-01T12:00:00Z", "2 days ago"),
        ] {
            assert_eq!(ago(at(moment), now), text, "{moment}");
        }
    }

    #[test]
    fn programs_read_the_moment_itself() {
        let shown = At(Some(at("2025-09-01T14:05:09Z"))).to_string();
        assert_eq!(
            shown,
            "<time datetime=\"2025-09-01T14:05:09Z\" title=\"2025-09-01T14:05:09Z\">1 Sep 2025 14:05</time>"
        );
        assert!(At(None).to_string().contains("never"));
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let begin = at("2025-09-01T00:00:00Z");
        for (end, text) in [
            ("2025-09-01T00:00:08Z", "8 s"),
            ("2025-09-01T00:03:20Z", "3 min 20 s"),
            ("2025-09-01T02:05:59Z", "2 h 5 min"),
        ] {
            assert_eq!(lasted(begin, at(end)), text);
        }
    }
}
