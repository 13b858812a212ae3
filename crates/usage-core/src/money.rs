//! Money: integers of nano-dollars, never floats.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

const NANO_DIGITS: i64 = 9;
const PICO_PER_NANO: i128 = 1_000;

/// An amount in nano-USD (10⁻⁹ dollar): ±9.2 billion dollars in 64 bits.
///
/// Reads decimal text, as the providers send it, with any number of digits and an exponent; digits beyond the ninth
/// are rounded half to even. With the feature `serde` it is written as such text too, in dollars: a bare number would
/// leave its unit to guesswork.
///
/// ```
/// use usage_core::NanoUsd;
///
/// let amount: NanoUsd = "163.7645785".parse()?;
/// assert_eq!(amount.get(), 163_764_578_500);
/// assert_eq!(amount.to_string(), "163.7645785");
/// assert_eq!("0E-6176".parse(), Ok(NanoUsd::ZERO));
/// assert!("0.06usd".parse::<NanoUsd>().is_err());
/// # Ok::<(), usage_core::ParseMoneyError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(i64);

impl NanoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// An amount of this many nano-dollars.
    pub const fn new(nano_usd: i64) -> Self {
        Self(nano_usd)
    }

    /// The amount in nano-dollars.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, unless it is beyond 64 bits.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let (dollars, nanos) = (magnitude / 1_000_000_000, magnitude % 1_000_000_000);
        if nanos == 0 {
            return write!(f, "{sign}{dollars}");
        }
        let digits = format!("{nanos:09}");
        write!(f, "{sign}{dollars}.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}")
    }
}

impl FromStr for NanoUsd {
    type Err = ParseMoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let not_decimal = || ParseMoneyError::NotDecimal(text.chars().take(60).collect());
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| not_decimal())?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if digits().next().is_none() || !digits().all(|byte| byte.is_ascii_digit()) {
            return Err(not_decimal());
        }

        // How many of the digits stand left of the nano-dollar point.
        let kept = i64::try_from(whole.len()).unwrap_or(i64::MAX) + i64::from(exponent) + NANO_DIGITS;
        let mut nanos: i128 = 0;
        let mut tail = Tail::default();
        for (digit, place) in digits().map(|byte| i128::from(byte - b'0')).zip(0_i64..) {
            if place < kept {
                nanos = nanos
                    .checked_mul(10)
                    .and_then(|nanos| nanos.checked_add(digit))
                    .ok_or(ParseMoneyError::TooLarge)?;
            } else {
                tail.push(place - kept, digit);
            }
        }
        let missing = kept - i64::try_from(whole.len() + fraction.len()).unwrap_or(i64::MAX);
        if nanos != 0 && missing > 0 {
            let scale = u32::try_from(missing)
                .ok()
                .and_then(|places| 10_i128.checked_pow(places));
            nanos = scale
                .and_then(|scale| nanos.checked_mul(scale))
                .ok_or(ParseMoneyError::TooLarge)?;
        }
        let rounded = nanos + i128::from(tail.rounds_up(nanos));
        let signed = if negative { -rounded } else { rounded };
        i64::try_from(signed)
            .map(Self)
            .map_err(|_| ParseMoneyError::TooLarge)
    }
}

/// The digits behind the nano-dollar point, as far as rounding needs them.
#[derive(Default)]
struct Tail {
    first: i128,
    rest: bool,
}

impl Tail {
    fn push(&mut self, place: i64, digit: i128) {
        if place == 0 {
            self.first = digit;
        } else {
            self.rest |= digit != 0;
        }
    }

    fn rounds_up(&self, nanos: i128) -> bool {
        self.first > 5 || (self.first == 5 && (self.rest || nanos % 2 != 0))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for NanoUsd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for NanoUsd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseMoneyError {
    /// Not a decimal number.
    #[error("`{0}` is not a decimal number")]
    NotDecimal(String),
    /// Beyond 64 bits of nano-dollars.
    #[error("the amount is beyond 9.2 billion dollars")]
    TooLarge,
}

/// A price in pico-USD (10⁻¹²) for one unit: a token, an image, a second, a session, a call.
///
/// One pico-dollar a token is one micro-dollar a million tokens, so published prices are whole numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Rate(i64);

impl Rate {
    /// A rate of this many pico-dollars a unit.
    pub const fn from_pico_usd(pico_usd: i64) -> Self {
        Self(pico_usd)
    }

    /// The exact cost of this many units.
    ///
    /// ```
    /// use usage_core::{PicoUsd, Rate};
    ///
    /// // 1.25 and 0.125 dollars a million tokens; rounded once, after the sum.
    /// let cost = Rate::from_pico_usd(1_250_000).cost(3) + Rate::from_pico_usd(125_000).cost(1);
    /// assert_eq!(cost, PicoUsd(3_875_000));
    /// assert_eq!(cost.round().map(|cost| cost.to_string()).as_deref(), Some("0.000003875"));
    /// ```
    pub const fn cost(self, units: i64) -> PicoUsd {
        PicoUsd(self.0 as i128 * units as i128)
    }
}

/// An exact amount in pico-USD, before the one rounding a row gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub i128);

impl PicoUsd {
    /// The amount in nano-dollars, rounded half to even; `None` beyond 64 bits.
    pub fn round(self) -> Option<NanoUsd> {
        let (quotient, remainder) = (self.0.div_euclid(PICO_PER_NANO), self.0.rem_euclid(PICO_PER_NANO));
        let half = PICO_PER_NANO / 2;
        let up = remainder > half || (remainder == half && quotient % 2 != 0);
        i64::try_from(quotient + i128::from(up)).ok().map(NanoUsd)
    }
}

impl Add for PicoUsd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        // A rate and a count fill at most 126 bits, and a row sums a handful of them.
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for PicoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_providers_send() {
        for (text, nanos) in [
            ("0.06", 60_000_000),
            ("-12.5", -12_500_000_000),
            ("1e2", 100_000_000_000),
            ("0E-6176", 0),
            ("0E+6176", 0),
            (".5", 500_000_000),
            ("1.", 1_000_000_000),
            ("0.000000000500000000000000000000000000001", 1),
            ("0.0000000005", 0),
            ("0.0000000015", 2),
            ("-0.0000000025", -2),
            ("1.234567890123456789012345678901234567890", 1_234_567_890),
        ] {
            assert_eq!(text.parse(), Ok(NanoUsd(nanos)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in [
            "",
            "-",
            ".",
            "1,5",
            "0x10",
            "NaN",
            "1e",
            "1e99999999999",
            "١",
            "--1",
            "1.2.3",
        ] {
            assert!(
                matches!(text.parse::<NanoUsd>(), Err(ParseMoneyError::NotDecimal(_))),
                "{text}"
            );
        }
        for text in [
            "9300000000",
            "1e30",
            "1e2000000000",
            "99999999999999999999999999999999999999999999",
        ] {
            assert_eq!(text.parse::<NanoUsd>(), Err(ParseMoneyError::TooLarge), "{text}");
        }
    }
}
