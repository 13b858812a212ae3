//! The values of an export's cells.

use usage_core::parse_instant;

/// Reads a count: digits, or digits followed by `.0`, as exports write integers now and then. `None` for a blank.
///
/// # Errors
///
/// Why it is no count, in words that follow the value.
pub(crate) fn count(cell: &[u8]) -> Result<Option<i64>, &'static str> {
    // The usual case by far.
    if !cell.is_empty() && cell.len() <= 18 && cell.iter().all(u8::is_ascii_digit) {
        return Ok(Some(digits(cell)));
    }
    let cell = cell.trim_ascii();
    if cell.is_empty() {
        return Ok(None);
    }
    let (sign, number) = match cell {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let point = number.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&number[..point], &number[point + 1..]),
        None => (number, &[][..]),
    };
    let is_number = !whole.is_empty()
        && whole.iter().chain(fraction).all(u8::is_ascii_digit)
        && (point.is_none() || !fraction.is_empty());
    if !is_number {
        return Err("it must be a whole number in plain digits");
    }
    if fraction.iter().any(|digit| *digit != b'0') {
        return Err("a count is a whole number");
    }
    let significant = &whole[whole
        .iter()
        .position(|digit| *digit != b'0')
        .unwrap_or(whole.len())..];
    if sign && !significant.is_empty() {
        return Err("a count is never negative");
    }
    let beyond = "it is beyond 64 bits";
    if significant.len() > 19 {
        return Err(beyond);
    }
    significant
        .iter()
        .try_fold(0_i64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
        })
        .map(Some)
        .ok_or(beyond)
}

/// Reads `batch`; `None` for a blank, `Err` for anything but a yes or no in any case.
pub(crate) fn batch(cell: &str) -> Result<Option<&'static str>, ()> {
    match cell.trim() {
        "" => Ok(None),
        text if text.eq_ignore_ascii_case("true") => Ok(Some("true")),
        text if text.eq_ignore_ascii_case("false") => Ok(Some("false")),
        _ => Err(()),
    }
}

/// Reads a time in Unix seconds; `None` for a blank, `Err` for anything else.
pub(crate) fn unix_seconds(cell: &[u8]) -> Result<Option<i64>, ()> {
    count(cell).map_err(|_| ())
}

/// Reads a time of ISO 8601, UTC where it has no zone; `None` for a blank.
pub(crate) fn iso_seconds(cell: &str) -> Result<Option<i64>, ()> {
    let text = cell.trim();
    if text.is_empty() {
        return Ok(None);
    }
    // Spreadsheets put a blank where ISO has a T.
    let text = text.replacen(' ', "T", 1);
    parse_instant(&text)
        .map(|instant| Some(instant.timestamp()))
        .map_err(|_| ())
}

/// At most 18 digits, which cannot overflow.
fn digits(cell: &[u8]) -> i64 {
    cell.iter()
        .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_numbers_however_they_are_printed() {
        for (text, value) in [
            ("", None),
            ("  ", None),
            ("0", Some(0)),
            ("59200.0", Some(59_200)),
            ("59200.000", Some(59_200)),
            (" 7 ", Some(7)),
            ("-0.0", Some(0)),
            ("4294967297", Some(4_294_967_297)),
            ("00000000000000000000000012", Some(12)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775807.0", Some(i64::MAX)),
        ] {
            assert_eq!(count(text.as_bytes()), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_count_says_why() {
        for (text, why) in [
            ("-5", "never negative"),
            ("1.5", "a count is a whole number"),
            ("9223372036854775808", "beyond 64 bits"),
            ("99999999999999999999999", "beyond 64 bits"),
            ("1.7E+08", "plain digits"),
            ("1,000", "plain digits"),
            (".5", "plain digits"),
            ("5.", "plain digits"),
            ("-", "plain digits"),
            ("+5", "plain digits"),
            ("NaN", "plain digits"),
        ] {
            let error = count(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn times_without_a_zone_are_utc() {
        for text in [
            "2025-09-01T00:00:00",
            "2025-09-01T00:00:00+00:00",
            "2025-09-01T00:00:00Z",
            "2025-09-01 00:00:00",
        ] {
            assert_eq!(iso_seconds(text), Ok(Some(1_756_684_800)), "{text}");
        }
        assert_eq!(iso_seconds(""), Ok(None));
        assert_eq!(iso_seconds("yesterday"), Err(()));
        assert_eq!(unix_seconds(b"1756684800.0"), Ok(Some(1_756_684_800)));
    }

    #[test]
    fn batch_is_yes_or_no_in_any_case() {
        for text in ["FALSE", "False", "false"] {
            assert_eq!(batch(text), Ok(Some("false")));
        }
        assert_eq!(
            (batch("True"), batch(""), batch("1")),
            (Ok(Some("true")), Ok(None), Err(()))
        );
    }
}
