//! Days and instants as text.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// The text is no day or instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseInstantError {
    /// Not a day of the calendar as `YYYY-MM-DD`.
    #[error("`{0}` is not a day; write it as YYYY-MM-DD, for example 2025-09-01")]
    Day(String),
    /// Not an RFC 3339 instant.
    #[error("`{0}` is not an instant; write it as 2025-09-01T00:00:00Z")]
    Instant(String),
}

/// Reads a UTC day written as `YYYY-MM-DD`, and nothing laxer: `2025-9-1` is refused.
pub fn parse_day(text: &str) -> Result<NaiveDate, ParseInstantError> {
    let digits = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    digits
        .then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
        .flatten()
        .ok_or_else(|| ParseInstantError::Day(text.to_owned()))
}

/// Reads an RFC 3339 instant. A text without a zone is UTC, as the providers' exports write it.
///
/// ```
/// use usage_core::{format_instant, parse_instant};
///
/// for text in ["2025-09-01T02:00:00+02:00", "2025-09-01T00:00:00", "2025-09-01T00:00:00.5Z"] {
///     assert_eq!(format_instant(parse_instant(text)?), "2025-09-01T00:00:00Z");
/// }
/// # Ok::<(), usage_core::ParseInstantError>(())
/// ```
pub fn parse_instant(text: &str) -> Result<DateTime<Utc>, ParseInstantError> {
    DateTime::parse_from_rfc3339(text)
        .map(|zoned| zoned.to_utc())
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|naive| naive.and_utc()))
        .ok()
        .and_then(|instant| DateTime::from_timestamp(instant.timestamp(), 0))
        .ok_or_else(|| ParseInstantError::Instant(text.to_owned()))
}

/// Writes an instant as RFC 3339 in UTC with `Z` and whole seconds, the only form this project writes.
pub fn format_instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_days_that_are_not_days() {
        for text in [
            "",
            "2025-9-1",
            "2025-02-30",
            "01.09.2025",
            "2025-09-01T00:00:00Z",
            "+025-09-01",
            "yesterday",
        ] {
            assert_eq!(
                parse_day(text),
                Err(ParseInstantError::Day(text.to_owned())),
                "{text}"
            );
        }
    }
}
