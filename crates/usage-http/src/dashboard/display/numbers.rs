//! Counts and shares.

use std::fmt;

use askama::filters::HtmlSafe;

use super::Absent;

/// A number with a comma every three digits.
pub(crate) fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('−');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in at most three digits and a letter, cut off, for axes and summaries.
pub(crate) fn compact(number: i128) -> String {
    let magnitude = number.unsigned_abs();
    let steps = [
        (1_000_000_000_000, "T"),
        (1_000_000_000, "B"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    let sign = if number < 0 { "−" } else { "" };
    let Some((unit, letter)) = steps.into_iter().find(|(unit, _)| magnitude >= *unit) else {
        return format!("{sign}{magnitude}");
    };
    let tenths = magnitude * 10 / unit;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!(
            "{sign}{}{letter}",
            grouped(i128::try_from(whole).unwrap_or(i128::MAX))
        ),
        (whole, _) if whole >= 100 => format!("{sign}{whole}{letter}"),
        (whole, tenth) => format!("{sign}{whole}.{tenth}{letter}"),
    }
}

/// A count, or nothing where the provider sent none: that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) Option<i128>);

impl Count {
    /// A count that is known.
    pub(crate) fn known(count: impl Into<i128>) -> Self {
        Self(Some(count.into()))
    }

    /// A metric as reported.
    pub(crate) fn metric(count: Option<i64>) -> Self {
        Self(count.map(i128::from))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(count) => f.write_str(&grouped(count)),
            None => Absent("not reported").fmt(f),
        }
    }
}

impl HtmlSafe for Count {}

/// A share in per cent, rounded to one place; `None` of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Percent(Option<i128>);

impl Percent {
    /// So much of the whole.
    pub(crate) fn of(part: i128, whole: i128) -> Self {
        Self(tenths(part, whole))
    }

    /// Nobody knows it.
    pub(crate) const fn unknown() -> Self {
        Self(None)
    }

    /// As plain text.
    pub(crate) fn text(self) -> String {
        match self.0 {
            Some(_) => self.to_string(),
            None => "nothing".to_owned(),
        }
    }

    /// The share in tenths of a per cent.
    pub(crate) const fn tenths(self) -> Option<i128> {
        self.0
    }
}

/// `part / whole` in tenths of a per cent, rounded half away from zero.
pub(super) fn tenths(part: i128, whole: i128) -> Option<i128> {
    if whole <= 0 {
        return None;
    }
    let doubled = part.checked_mul(2_000)?;
    let half = if doubled < 0 { -whole } else { whole };
    Some(doubled.checked_add(half)? / whole.checked_mul(2)?)
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(tenths) => {
                let sign = if tenths < 0 { "−" } else { "" };
                let magnitude = tenths.unsigned_abs();
                {
                    let whole = i128::try_from(magnitude / 10).unwrap_or(i128::MAX);
                    write!(f, "{sign}{}.{}%", grouped(whole), magnitude % 10)
                }
            }
            None => Absent("no share").fmt(f),
        }
    }
}

impl HtmlSafe for Percent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_threes() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (173_264_675, "173,264,675"),
            (-1_234_567, "−1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(
            grouped(i128::from(i64::MAX) * 2),
            "18,446,744,073,709,551,614",
            "sums of 64 bits"
        );
    }

    #[test]
    fn axes_have_short_numbers() {
        for (number, text) in [
            (0, "0"),
            (950, "950"),
            (1_000, "1k"),
            (2_500, "2.5k"),
            (173_264_675, "173M"),
            (50_000_000, "50M"),
            (1_500_000_000, "1.5B"),
            (-12_340, "−12.3k"),
        ] {
            assert_eq!(compact(number), text);
        }
    }

    #[test]
    fn shares_are_rounded_to_one_place_and_nothing_has_none() {
        for (part, whole, text) in [
            (1, 3, "33.3%"),
            (2, 3, "66.7%"),
            (1, 1, "100.0%"),
            (0, 5, "0.0%"),
            (-1, 8, "−12.5%"),
            (1, 2_000, "0.1%"),
        ] {
            assert_eq!(Percent::of(part, whole).to_string(), text, "{part} of {whole}");
        }
        assert!(Percent::of(0, 0).to_string().contains("no share"));
    }

    #[test]
    fn what_was_not_reported_is_no_zero() {
        assert_eq!(Count(Some(0)).to_string(), "0");
        assert!(Count(None).to_string().contains("not reported"));
    }
}
