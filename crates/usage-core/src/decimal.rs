//! Decimals of any length, exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::num_traits::ToPrimitive;
use bigdecimal::{BigDecimal, RoundingMode};

use crate::money::{NanoUsd, PicoUsd};

/// How many places a number may have on either side of its point: more than the decimal128 that the provider
/// computes with, and little enough that `1e999999999` is refused instead of written out.
const MOST_PLACES: i64 = 6_200;
const NANO_PLACES: i64 = 9;
const PICO_PLACES: i64 = 12;

/// An exact decimal number. Sums and differences are exact too; nothing is ever rounded.
///
/// Reads what the providers write, also with an exponent; shown without one, and without zeros that say nothing.
///
/// ```
/// use usage_core::{Decimal, NanoUsd};
///
/// let charged: Decimal = "0.060000000000000000000000000000000000001".parse()?;
/// let stored = Decimal::from(NanoUsd::new(60_000_000));
/// assert_ne!(charged, stored);
/// assert!(charged.is_within(&stored, NanoUsd::new(1)));
/// assert_eq!("0E-6176".parse(), Ok(Decimal::default()));
/// assert_eq!("1.50e2".parse::<Decimal>()?.to_string(), "150");
/// # Ok::<(), usage_core::ParseDecimalError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(BigDecimal);

impl Decimal {
    /// Whether the two differ by no more than the tolerance.
    #[must_use]
    pub fn is_within(&self, other: &Self, tolerance: NanoUsd) -> bool {
        (self - other).0.abs() <= Self::from(tolerance).0
    }

    /// The number without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self(self.0.abs())
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// The number in billionths, rounded half to even: what a database sums; `None` beyond 64 bits.
    #[must_use]
    pub fn to_nanos(&self) -> Option<i64> {
        let nanos = self.0.with_scale_round(NANO_PLACES, RoundingMode::HalfEven);
        nanos.into_bigint_and_scale().0.to_i64()
    }

    /// The number times this power of ten, exactly: its point moves to the right, or to the left for a power below zero.
    #[must_use]
    pub fn shifted(&self, power: i32) -> Self {
        let (coefficient, scale) = self.0.as_bigint_and_scale();
        Self(BigDecimal::new(
            coefficient.into_owned(),
            scale - i64::from(power),
        ))
    }

    /// The number rounded half to even to so many places.
    #[must_use]
    pub fn rounded(&self, places: u32) -> Self {
        Self(self.0.with_scale_round(i64::from(places), RoundingMode::HalfEven))
    }

    /// This number over another, to so many places, half to even; `None` if the other is zero.
    #[must_use]
    pub fn over(&self, divisor: &Self, places: u32) -> Option<Self> {
        if divisor.is_zero() {
            return None;
        }
        let (dividend, dividend_scale) = self.0.as_bigint_and_scale();
        let (divisor, divisor_scale) = divisor.0.as_bigint_and_scale();
        // Shifted so that the integer quotient has one place more than is asked, and a sticky digit for what is left.
        let shift = i64::from(places) + 1 + divisor_scale - dividend_scale;
        let ten = |power: i64| BigInt::from(10).pow(u32::try_from(power).unwrap_or(0));
        let (dividend, divisor) = if shift >= 0 {
            (dividend.as_ref() * ten(shift), divisor.into_owned())
        } else {
            (dividend.into_owned(), divisor.as_ref() * ten(-shift))
        };
        let (quotient, rest) = (&dividend / &divisor, &dividend % &divisor);
        let negative = (dividend.sign() == Sign::Minus) != (divisor.sign() == Sign::Minus);
        let sticky = BigInt::from(match (rest.sign() == Sign::NoSign, negative) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => -1,
        });
        let exact = BigDecimal::new(quotient * 10 + sticky, i64::from(places) + 2);
        Some(Self(
            exact.with_scale_round(i64::from(places), RoundingMode::HalfEven),
        ))
    }

    /// Whether it is less than zero: a credit.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        *self < Self::default()
    }
}

impl From<NanoUsd> for Decimal {
    fn from(amount: NanoUsd) -> Self {
        Self(BigDecimal::new(BigInt::from(amount.get()), NANO_PLACES))
    }
}

impl From<PicoUsd> for Decimal {
    fn from(amount: PicoUsd) -> Self {
        Self(BigDecimal::new(BigInt::from(amount.0), PICO_PLACES))
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self(BigDecimal::from(number))
    }
}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = Parts::of(text).ok_or_else(|| ParseDecimalError::NotDecimal(shown(text)))?;
        let digits = [parts.whole, parts.fraction].concat();
        let significant = digits.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() {
            return Ok(Self::default());
        }
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
        let trailing_zeros = length(&digits) - length(digits.trim_end_matches('0'));
        let right = length(parts.fraction)
            .saturating_sub(trailing_zeros)
            .saturating_sub(parts.exponent);
        let left = length(significant).saturating_sub(right);
        if right > MOST_PLACES || left > MOST_PLACES {
            return Err(ParseDecimalError::TooLong(shown(text)));
        }
        let magnitude = BigInt::parse_bytes(significant.as_bytes(), 10).unwrap_or_default();
        let coefficient = if parts.is_negative { -magnitude } else { magnitude };
        Ok(Self(BigDecimal::new(coefficient, right)))
    }
}

/// The pieces of a decimal's text.
struct Parts<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (is_negative, unsigned) = signed(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = whole.len() + fraction.len() > 0 && are_digits(whole) && are_digits(fraction);
        is_number.then_some(Self {
            is_negative,
            whole,
            fraction,
            exponent,
        })
    }
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// An exponent beyond 64 bits counts as the largest: zero stays zero, and everything else is too long either way.
fn read_exponent(text: &str) -> Option<i64> {
    let (is_negative, digits) = signed(text);
    if digits.is_empty() || !are_digits(digits) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(i64::MAX);
    Some(if is_negative { -magnitude } else { magnitude })
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

impl AddAssign<&Self> for Decimal {
    fn add_assign(&mut self, other: &Self) {
        self.0 += &other.0;
    }
}

impl SubAssign<&Self> for Decimal {
    fn sub_assign(&mut self, other: &Self) {
        self.0 -= &other.0;
    }
}

impl Neg for Decimal {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl<'a> Sub<&'a Decimal> for &'a Decimal {
    type Output = Decimal;

    fn sub(self, other: &Decimal) -> Decimal {
        Decimal(&self.0 - &other.0)
    }
}

impl<'a> Sum<&'a Self> for Decimal {
    fn sum<I: Iterator<Item = &'a Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), |mut sum, amount| {
            sum += amount;
            sum
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.normalized().to_plain_string())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A decimal with the text that the provider wrote it in. Two are equal if their texts are.
///
/// ```
/// use usage_core::DecimalText;
///
/// let zero: DecimalText = "0E-6176".parse()?;
/// assert_eq!((zero.text(), zero.value().to_string().as_str()), ("0E-6176", "0"));
/// # Ok::<(), usage_core::ParseDecimalError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DecimalText {
    text: String,
    value: Decimal,
}

impl DecimalText {
    /// The provider's own text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number.
    pub const fn value(&self) -> &Decimal {
        &self.value
    }
}

impl From<Decimal> for DecimalText {
    fn from(value: Decimal) -> Self {
        Self {
            text: value.to_string(),
            value,
        }
    }
}

impl FromStr for DecimalText {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = text.parse()?;
        Ok(Self {
            text: text.to_owned(),
            value,
        })
    }
}

impl fmt::Display for DecimalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for DecimalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The beginning of a text, fit for a message of one line.
fn shown(text: &str) -> String {
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    text.chars().take(60).map(visible).collect()
}

/// Why a text is no decimal. At most its first 60 characters are shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecimalError {
    /// Not a decimal number.
    #[error("`{0}` is not a decimal number")]
    NotDecimal(String),
    /// More places than any amount has.
    #[error("`{0}` has more than {MOST_PLACES} places before or after its point")]
    TooLong(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_providers_write() {
        for (text, shown) in [
            ("0.06", "0.06"),
            ("-12.5", "-12.5"),
            ("+1", "1"),
            ("1e2", "100"),
            ("1E+2", "100"),
            ("0E-6176", "0"),
            ("-0", "0"),
            ("0e99999999999999999999", "0"),
            (".5", "0.5"),
            ("1.", "1"),
            ("0012.3400", "12.34"),
            ("12e-1", "1.2"),
            ("100e-4", "0.01"),
            (
                "0.000000000000000000000000000000000000001",
                "0.000000000000000000000000000000000000001",
            ),
            (
                "99999999999999999999999999999999999999999.000000000000000000000000000000000000001",
                "99999999999999999999999999999999999999999.000000000000000000000000000000000000001",
            ),
        ] {
            assert_eq!(
                text.parse::<Decimal>().map(|number| number.to_string()),
                Ok(shown.to_owned())
            );
        }
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in [
            "", "-", ".", "e5", "1,5", "0x10", "NaN", "inf", "1e", "1e+", "1e1.5", "١", "--1", "-+1",
            "1.2.3", "1_000", " 1", "1 ", "$1", "1e--2",
        ] {
            assert_eq!(
                text.parse::<Decimal>(),
                Err(ParseDecimalError::NotDecimal(text.to_owned())),
                "{text:?}"
            );
        }
    }

    #[test]
    fn numbers_that_nobody_could_write_out_are_refused() {
        let long = format!("0.{}1", "0".repeat(6_200));
        for text in [
            "1e999999999",
            "1e-999999999",
            "1e99999999999999999999",
            "1E6200",
            &long,
        ] {
            assert_eq!(
                text.parse::<Decimal>(),
                Err(ParseDecimalError::TooLong(text.chars().take(60).collect())),
            );
        }
        let zeros = format!("1.{}", "0".repeat(10_000));
        for text in ["1e6199", "1e-6200", &zeros] {
            assert!(text.parse::<Decimal>().is_ok(), "{text}");
        }
    }

    #[test]
    fn equal_numbers_are_equal_however_they_are_written_and_ordered_by_value() {
        let number = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(number("1.50"), number("15e-1"));
        assert!(number("-2") < number("-1.5") && number("9") < number("10") && number("1e-30") > number("0"));
        assert!(number("-0.1").is_negative() && !number("-0.0").is_negative());
        assert_ne!("1.50".parse::<DecimalText>(), "1.5".parse::<DecimalText>());
    }

    #[test]
    fn nanos_are_rounded_half_to_even_once() {
        for (text, nanos) in [
            ("0.0000000005", Some(0)),
            ("0.0000000015", Some(2)),
            ("-0.0000000025", Some(-2)),
            ("0.000000000500000000000000000000000000001", Some(1)),
            ("1.23", Some(1_230_000_000)),
            ("9300000000", None),
        ] {
            assert_eq!(text.parse::<Decimal>().unwrap().to_nanos(), nanos, "{text}");
        }
    }

    #[test]
    fn a_point_moves_without_losing_a_digit() {
        for (number, power, shifted) in [
            ("107311506", -6, "107.311506"),
            ("1.5", 3, "1500"),
            ("-0.000000000000000000000000000000000000001", -6, "-1e-45"),
            ("0E-6176", 6, "0"),
        ] {
            let read = |text: &str| text.parse::<Decimal>().unwrap();
            assert_eq!(read(number).shifted(power), read(shifted), "{number}");
        }
    }

    #[test]
    fn quotients_are_rounded_half_to_even() {
        for (dividend, divisor, places, quotient) in [
            ("1", "3", 3, "0.333"),
            ("2", "3", 3, "0.667"),
            ("-2", "3", 3, "-0.667"),
            ("1", "8", 2, "0.12"),
            ("3", "8", 2, "0.38"),
            ("0.125000000001", "1", 2, "0.13"),
            ("163.7645785", "158182034", 15, "0.0000010352919"),
            ("1e40", "1e-2", 0, "1000000000000000000000000000000000000000000"),
        ] {
            let number = |text: &str| text.parse::<Decimal>().unwrap();
            assert_eq!(
                number(dividend).over(&number(divisor), places),
                Some(number(quotient)),
                "{dividend} / {divisor}"
            );
        }
        assert_eq!(Decimal::from(1).over(&Decimal::default(), 2), None);
    }

    #[test]
    fn a_tolerance_includes_its_end() {
        let number = |text: &str| text.parse::<Decimal>().unwrap();
        let nano = NanoUsd::new(1);
        assert!(number("0.000000001").is_within(&number("0"), nano));
        assert!(number("-0.000000001").is_within(&number("0"), nano));
        assert!(!number("0.0000000010000000000000000001").is_within(&number("0"), nano));
        assert!(
            number("163.7645785").is_within(&Decimal::from(NanoUsd::new(163_764_578_500)), NanoUsd::ZERO)
        );
    }
}
