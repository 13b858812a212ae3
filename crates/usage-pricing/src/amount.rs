//! Amounts of dollars, from text to integers.

use std::fmt;

/// Reads a decimal amount as a whole number of `10^-places` parts; nothing is rounded.
pub(crate) fn scaled(text: &str, places: u32) -> Result<i64, AmountProblem> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let exponent: i32 = exponent.parse().map_err(|_| AmountProblem::NotDecimal)?;
            (mantissa, i64::from(exponent))
        }
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountProblem::NotDecimal);
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    if negative {
        return Err(AmountProblem::Negative);
    }
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let trailing_zeros = length(&digits) - length(digits.trim_end_matches('0'));
    let power = exponent - length(fraction) + trailing_zeros + i64::from(places);
    if power < 0 {
        return Err(AmountProblem::TooFine);
    }
    let coefficient = significant.parse::<i64>().map_err(|_| AmountProblem::TooLarge)?;
    u32::try_from(power)
        .ok()
        .and_then(|power| 10_i64.checked_pow(power))
        .and_then(|scale| coefficient.checked_mul(scale))
        .ok_or(AmountProblem::TooLarge)
}

/// Why a text is no amount that a price can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AmountProblem {
    NotDecimal,
    Negative,
    TooFine,
    TooLarge,
}

impl fmt::Display for AmountProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDecimal => "is no decimal number",
            Self::Negative => "is negative; a price is zero or more",
            Self::TooFine => "is finer than a pico-dollar (0.000000000001) a unit, the finest a price can be",
            Self::TooLarge => "is beyond 9.2 million dollars a unit",
        })
    }
}

/// Shows so many `10^-places` parts as a decimal, without zeros that say nothing.
pub(crate) fn shown(parts: i64, places: u32) -> String {
    let scale = 10_i64.pow(places);
    let (whole, fraction) = (parts / scale, parts % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = usize::try_from(places).unwrap_or(0);
    let digits = format!("{fraction:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_or_not_at_all() {
        for (text, places, read) in [
            ("1.25", 6, Ok(1_250_000)),
            ("+0.0025", 6, Ok(2_500)),
            ("1e-05", 6, Ok(10)),
            ("12.50E-1", 6, Ok(1_250_000)),
            ("2", 6, Ok(2_000_000)),
            ("-0.0", 6, Ok(0)),
            ("0e999999999", 6, Ok(0)),
            ("100", 0, Ok(100)),
            (".5", 1, Ok(5)),
            ("0.0000001", 6, Err(AmountProblem::TooFine)),
            ("1.0000000", 6, Ok(1_000_000)),
            ("-1", 6, Err(AmountProblem::Negative)),
            ("9223372036854775807", 0, Ok(i64::MAX)),
            ("9223372036854775808", 0, Err(AmountProblem::TooLarge)),
            ("1e999999999", 6, Err(AmountProblem::TooLarge)),
            ("1e99999999999", 6, Err(AmountProblem::NotDecimal)),
            ("", 6, Err(AmountProblem::NotDecimal)),
            (".", 6, Err(AmountProblem::NotDecimal)),
            ("1,25", 6, Err(AmountProblem::NotDecimal)),
            ("nan", 6, Err(AmountProblem::NotDecimal)),
            ("inf", 6, Err(AmountProblem::NotDecimal)),
            ("--1", 6, Err(AmountProblem::NotDecimal)),
            ("$1", 6, Err(AmountProblem::NotDecimal)),
            ("1.2.3", 6, Err(AmountProblem::NotDecimal)),
        ] {
            assert_eq!(scaled(text, places), read, "{text:?}");
        }
    }

    #[test]
    fn amounts_are_shown_as_they_are_read() {
        for (parts, places, text) in [
            (1_250_000, 6, "1.25"),
            (10, 6, "0.00001"),
            (0, 12, "0"),
            (i64::MAX, 12, "9223372.036854775807"),
        ] {
            assert_eq!(shown(parts, places), text);
            assert_eq!(scaled(text, places), Ok(parts));
        }
    }
}
