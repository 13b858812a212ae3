//! Exact decimals in few bytes.

use usage_core::{Decimal, NanoUsd};

/// An exact decimal. Nearly every amount and quantity is a whole number of billionths that 64 bits hold, and then needs
/// no memory of its own. A number has one form only, so that equal ones are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Nanos(i64),
    Long(Box<Decimal>),
}

impl Number {
    pub(super) const ZERO: Self = Self::Nanos(0);

    pub(super) fn add(&mut self, other: &Self) {
        if let (Self::Nanos(one), Self::Nanos(two)) = (&*self, other)
            && let Some(sum) = one.checked_add(*two)
        {
            *self = Self::Nanos(sum);
            return;
        }
        let mut sum = self.decimal();
        sum += &other.decimal();
        *self = Self::from(&sum);
    }

    pub(super) fn decimal(&self) -> Decimal {
        match self {
            Self::Nanos(nanos) => Decimal::from(NanoUsd::new(*nanos)),
            Self::Long(decimal) => (**decimal).clone(),
        }
    }
}

impl From<&Decimal> for Number {
    fn from(decimal: &Decimal) -> Self {
        match decimal.to_nanos() {
            Some(nanos) if Decimal::from(NanoUsd::new(nanos)) == *decimal => Self::Nanos(nanos),
            _ => Self::Long(Box::new(decimal.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::from(&text.parse().unwrap())
    }

    #[test]
    fn sums_are_exact_and_of_one_form() {
        for (one, two, sum) in [
            ("0.000000001", "0.000000002", "0.000000003"),
            (
                "0.060000000000000000000000000000000000001",
                "-0.000000000000000000000000000000000000001",
                "0.06",
            ),
            ("9223372036.854775807", "0.000000001", "9223372036.854775808"),
            ("9223372036.854775808", "-0.000000001", "9223372036.854775807"),
            ("-12.5", "12.50", "0"),
        ] {
            let mut added = number(one);
            added.add(&number(two));
            assert_eq!(added, number(sum), "{one} + {two}");
            assert_eq!(added.decimal(), sum.parse().unwrap(), "{one} + {two}");
        }
        assert_eq!(number("0E-6176"), Number::ZERO);
        assert!(matches!(number("59200.0"), Number::Nanos(_)));
        assert!(matches!(number("0.0000000001"), Number::Long(_)));
    }
}
