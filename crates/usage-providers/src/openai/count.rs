//! A count, read from the very text of its number: as a float it would be rounded, and a fraction could become whole.

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A JSON value where a count is expected. Reading one never fails on its type or its size, so that a value that is no
/// count costs its window and not the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Null,
    /// A whole number from 0 to [`i64::MAX`], also written as a float (`59200.0`, `5.92e4`).
    Whole(i64),
    /// Anything else, and what is wrong with it.
    Invalid(&'static str),
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(<&RawValue>::deserialize(deserializer)?.get()))
    }
}

impl Count {
    /// What the text of a JSON value says.
    fn of(json: &str) -> Self {
        // As good as every number that is sent.
        if let Ok(number) = json.parse::<i64>() {
            return match number {
                0.. => Self::Whole(number),
                _ => Self::Invalid("is negative"),
            };
        }
        match json.bytes().next() {
            Some(b'n') => Self::Null,
            Some(b'-' | b'0'..=b'9') => Self::of_number(json),
            _ => Self::Invalid("is not a number"),
        }
    }

    /// What a number says that is no 64-bit integer as it is written.
    fn of_number(json: &str) -> Self {
        let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
        // Zeros in front say nothing, and those behind move the point.
        let digits = digits.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Self::Whole(0);
        }
        if json.starts_with('-') {
            return Self::Invalid("is negative");
        }
        let Ok(exponent) = exponent.parse::<i64>() else {
            // Beyond any size, in one direction or the other.
            return Self::Invalid(if exponent.starts_with('-') {
                "is not a whole number"
            } else {
                "is beyond 64 bits"
            });
        };
        let moved = i128::from(exponent) - length(fraction) + length(digits) - length(significant);
        if moved < 0 {
            return Self::Invalid("is not a whole number");
        }
        let power = u32::try_from(moved)
            .ok()
            .and_then(|moved| 10_u64.checked_pow(moved));
        let number = significant.parse::<u64>().ok().zip(power);
        number
            .and_then(|(significant, power)| significant.checked_mul(power))
            .and_then(|number| i64::try_from(number).ok())
            .map_or(Self::Invalid("is beyond 64 bits"), Self::Whole)
    }
}

fn length(digits: &str) -> i128 {
    i128::try_from(digits.len()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_or_no_counts() {
        const NEGATIVE: Count = Count::Invalid("is negative");
        const FRACTION: Count = Count::Invalid("is not a whole number");
        const BEYOND: Count = Count::Invalid("is beyond 64 bits");
        const NO_NUMBER: Count = Count::Invalid("is not a number");
        let (nines, zeros) = ("9".repeat(400), "0".repeat(400));
        for (json, count) in [
            ("null", Count::Null),
            ("0", Count::Whole(0)),
            ("-0", Count::Whole(0)),
            ("-0.0e7", Count::Whole(0)),
            ("0e99999999999999999999", Count::Whole(0)),
            ("59200.0", Count::Whole(59_200)),
            ("5.0", Count::Whole(5)),
            ("1e3", Count::Whole(1_000)),
            ("1E+3", Count::Whole(1_000)),
            ("1.5e0", FRACTION),
            ("1.5e1", Count::Whole(15)),
            ("1500e-2", Count::Whole(15)),
            ("1500e-3", FRACTION),
            ("1e-1", FRACTION),
            ("1.5", FRACTION),
            ("0.99999999999999999", FRACTION),
            ("1.00000000000000000001", FRACTION),
            ("9007199254740990.6", FRACTION),
            ("9007199254740993.0", Count::Whole(9_007_199_254_740_993)),
            ("9223372036854775807", Count::Whole(i64::MAX)),
            ("9223372036854775807.0", Count::Whole(i64::MAX)),
            ("9.223372036854775807e18", Count::Whole(i64::MAX)),
            ("9223372036854775807.5", FRACTION),
            ("9223372036854775808", BEYOND),
            ("9223372036854775808.0", BEYOND),
            ("18446744073709551616", BEYOND),
            ("1e19", BEYOND),
            ("1e400", BEYOND),
            ("1e99999999999999999999", BEYOND),
            ("1e-99999999999999999999", FRACTION),
            (&nines, BEYOND),
            (&format!("7{zeros}.0e-400"), Count::Whole(7)),
            (&format!("0.{zeros}7e401"), Count::Whole(7)),
            ("-1", NEGATIVE),
            ("-1.5", NEGATIVE),
            ("-9223372036854775809", NEGATIVE),
            ("\"7\"", NO_NUMBER),
            ("true", NO_NUMBER),
            ("[1,{\"a\":[]}]", NO_NUMBER),
            ("{\"a\":1}", NO_NUMBER),
        ] {
            assert_eq!(serde_json::from_str::<Count>(json).unwrap(), count, "{json}");
        }
    }

    #[test]
    fn what_is_no_json_is_no_value() {
        for json in ["", "1.", ".5", "01", "+1", "1e", "--1", "nul", "1 2", "\"\\x\""] {
            assert!(serde_json::from_str::<Count>(json).is_err(), "{json}");
        }
    }
}
