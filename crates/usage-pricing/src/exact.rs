//! Exact amounts, before the one rounding a row gets.

use std::fmt;

use usage_core::{Decimal, NanoUsd, PicoUsd};

/// Parts of a pico-dollar: prices of an hour or a minute of audio are whole numbers of these a second.
const PARTS_PER_PICO: i128 = 3_600;
const PARTS_PER_NANO: i128 = PARTS_PER_PICO * 1_000;
const NANO_PLACES: u32 = 9;

/// An exact amount of dollars: a whole number of 3,600ths of a pico-dollar.
///
/// A price of 1.02 dollars an hour is 283,333,333.33… pico-dollars a second, so pico-dollars alone would round it.
///
/// ```
/// use usage_pricing::{ExactUsd, Per, UnitRate};
/// use usage_core::NanoUsd;
///
/// let an_hour = UnitRate::new(1_020_000_000_000, Per::Hour);
/// let parts = [an_hour.cost(1), an_hour.cost(3_599)].map(|part| part.expect("small"));
/// let whole = parts[0].checked_add(parts[1]).expect("small");
/// assert_eq!(whole.round(), Some(NanoUsd::new(1_020_000_000)));
/// assert_eq!(whole.to_string(), "1.02");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExactUsd(i128);

impl ExactUsd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// This many pico-dollars divided by a divisor of 3,600; `None` beyond 127 bits.
    pub(crate) fn quotient(dividend: PicoUsd, divisor: i128) -> Option<Self> {
        dividend.0.checked_mul(PARTS_PER_PICO / divisor).map(Self)
    }

    /// The sum, unless it is beyond 127 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it is beyond 127 bits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The amount in nano-dollars, rounded half to even; `None` beyond 64 bits.
    pub fn round(self) -> Option<NanoUsd> {
        // Divisions of 128 bits are slow, so there is one.
        let quotient = self.0.div_euclid(PARTS_PER_NANO);
        let remainder = self.0 - quotient * PARTS_PER_NANO;
        let half = PARTS_PER_NANO / 2;
        let up = remainder > half || (remainder == half && quotient & 1 != 0);
        i64::try_from(quotient + i128::from(up)).ok().map(NanoUsd::new)
    }

    /// The amount in pico-dollars; `None` if it is no whole number of them.
    pub fn pico_usd(self) -> Option<PicoUsd> {
        (self.0 % PARTS_PER_PICO == 0).then_some(PicoUsd(self.0 / PARTS_PER_PICO))
    }

    /// The amount in dollars, rounded half to even to so many places; 12 and more hold every amount exactly that does
    /// not come from a price by the minute or hour.
    pub fn to_decimal(self, places: u32) -> Decimal {
        match self.pico_usd() {
            Some(pico) => Decimal::from(pico).rounded(places),
            None => Decimal::from(PicoUsd(self.0))
                .over(&Decimal::from(3_600), places)
                .unwrap_or_default(),
        }
    }
}

impl From<NanoUsd> for ExactUsd {
    fn from(amount: NanoUsd) -> Self {
        Self(i128::from(amount.get()) * PARTS_PER_NANO)
    }
}

impl fmt::Display for ExactUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal(2 * NANO_PLACES).fmt(f)
    }
}

impl fmt::Debug for ExactUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_half_to_even() {
        for (parts, nanos) in [
            (0, 0),
            (1_799_999, 0),
            (1_800_000, 0),
            (1_800_001, 1),
            (5_399_999, 1),
            (5_400_000, 2),
            (9_000_000, 2),
            (9_000_001, 3),
            (-1_800_000, 0),
            (-1_800_001, -1),
            (-5_400_000, -2),
            (-9_000_000, -2),
        ] {
            assert_eq!(ExactUsd(parts).round(), Some(NanoUsd::new(nanos)), "{parts}");
        }
        let most = ExactUsd::from(NanoUsd::new(i64::MAX));
        assert_eq!(most.round(), Some(NanoUsd::new(i64::MAX)));
        assert_eq!(ExactUsd(most.0 + PARTS_PER_NANO).round(), None);
        assert_eq!(ExactUsd(i128::MAX).round(), None);
    }

    #[test]
    fn amounts_are_shown_as_far_as_they_go() {
        for (parts, shown) in [
            (3_600, "0.000000000001"),
            (1_200, "0.000000000000333333"),
            (3_600_000_000_000_000, "1"),
            (1_020_000_000_000, "0.000283333333333333"),
            (-2_040_000_000_000, "-0.000566666666666667"),
        ] {
            assert_eq!(ExactUsd(parts).to_decimal(18).to_string(), shown.to_owned());
        }
    }
}
