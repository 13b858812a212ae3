//! Amounts of money.

use std::fmt;

use askama::filters::HtmlSafe;
use usage_core::NanoUsd;

use super::Escaped;
use super::numbers::grouped;

/// Nano-dollars in a cent.
const CENT: i128 = 10_000_000;

/// An amount in dollars: rounded on the page, to the last digit when pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dollars {
    short: String,
    exact: Option<String>,
}

impl Dollars {
    /// To the cent, rounded half to even.
    pub(crate) fn of(amount: NanoUsd) -> Self {
        Self {
            short: rounded(amount, CENT, 2),
            exact: Some(amount.to_string()),
        }
    }

    /// To the cent: what usage cost of which some has no price. That is then at least so much, and unknown if none has one.
    pub(crate) fn of_priced(amount: NanoUsd, events: u64, unpriced: u64) -> Self {
        if unpriced == 0 {
            return Self::of(amount);
        }
        if unpriced == events {
            return Self::unpriced();
        }
        Self {
            short: format!("≥ {}", rounded(amount, CENT, 2)),
            exact: Some(amount.to_string()),
        }
    }

    /// To the hundredth of a cent: single rows cost that little.
    pub(crate) fn fine(amount: NanoUsd) -> Self {
        Self {
            short: rounded(amount, CENT / 100, 4),
            exact: Some(amount.to_string()),
        }
    }

    /// To the hundredth of a cent, or nothing where no price is known: that is not free.
    pub(crate) fn fine_or_unpriced(amount: Option<NanoUsd>) -> Self {
        amount.map_or_else(Self::unpriced, Self::fine)
    }

    /// To the cent, from decimal text that may have more digits than a nano-dollar; as it stands if it is no amount.
    pub(crate) fn of_text(text: &str) -> Self {
        match text.parse::<NanoUsd>() {
            Ok(amount) => Self {
                exact: Some(text.to_owned()),
                ..Self::of(amount)
            },
            Err(_) => Self {
                short: text.to_owned(),
                exact: Some(text.to_owned()),
            },
        }
    }

    /// Nobody knows the price.
    pub(crate) fn unpriced() -> Self {
        Self {
            short: String::new(),
            exact: None,
        }
    }

    /// To the cent, as plain text.
    pub(crate) fn short(&self) -> &str {
        match self.exact {
            Some(_) => &self.short,
            None => "unpriced",
        }
    }

    /// To the last digit, as plain text.
    #[cfg(test)]
    pub(crate) fn exact(&self) -> String {
        match &self.exact {
            Some(exact) => signed(exact),
            None => "unpriced".to_owned(),
        }
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.exact {
            Some(exact) => write!(
                f,
                "<data class=\"money\" value=\"{}\" title=\"{}\">{}</data>",
                Escaped(exact),
                Escaped(&signed(exact)),
                Escaped(&self.short)
            ),
            // A dash would look like nothing.
            None => f.write_str("<span class=\"muted\">unpriced</span>"),
        }
    }
}

impl HtmlSafe for Dollars {}

/// The sign before the currency, as accountants write it.
fn signed(decimal: &str) -> String {
    match decimal.strip_prefix('-') {
        Some(rest) => format!("−${rest}"),
        None => format!("${decimal}"),
    }
}

/// The amount in dollars with so many places, of which the last counts `unit` nano-dollars. What is not zero does not look so.
fn rounded(amount: NanoUsd, unit: i128, places: usize) -> String {
    let nanos = i128::from(amount.get());
    let sign = if nanos < 0 { "−" } else { "" };
    let magnitude = nanos.abs();
    let (whole, rest) = (magnitude / unit, magnitude % unit);
    let up = rest * 2 > unit || (rest * 2 == unit && whole % 2 == 1);
    let units = whole + i128::from(up);
    let scale = 10_i128.pow(u32::try_from(places).unwrap_or(0));
    if units == 0 && magnitude > 0 {
        let than = if nanos < 0 { ">" } else { "<" };
        return format!("{than}{sign}$0.{:0>places$}", 1);
    }
    format!("{sign}${}.{:0>places$}", grouped(units / scale), units % scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> NanoUsd {
        text.parse().unwrap()
    }

    #[test]
    fn cards_round_to_the_cent_and_keep_every_digit() {
        for (amount, short) in [
            ("0", "$0.00"),
            ("163.7645785", "$163.76"),
            ("2.665", "$2.66"),
            ("2.675", "$2.68"),
            ("1234567.891", "$1,234,567.89"),
            ("-25", "−$25.00"),
            ("0.004", "<$0.01"),
            ("-0.004", ">−$0.01"),
            ("0.999999999", "$1.00"),
        ] {
            assert_eq!(Dollars::of(usd(amount)).short(), short, "{amount}");
        }
        let html = Dollars::of(usd("163.7645785")).to_string();
        assert_eq!(
            html,
            "<data class=\"money\" value=\"163.7645785\" title=\"$163.7645785\">$163.76</data>"
        );
        assert!(Dollars::of(usd("0.004")).to_string().contains(">&lt;$0.01<"));
    }

    #[test]
    fn rows_have_hundredths_of_a_cent() {
        assert_eq!(Dollars::fine(usd("0.03125")).short(), "$0.0312");
        assert_eq!(Dollars::fine(usd("0.00001")).short(), "<$0.0001");
    }

    #[test]
    fn unpriced_is_not_free() {
        assert_eq!(Dollars::fine_or_unpriced(Some(NanoUsd::ZERO)).short(), "$0.0000");
        let unpriced = Dollars::fine_or_unpriced(None);
        assert_eq!(unpriced.short(), "unpriced");
        assert!(unpriced.to_string().contains("unpriced") && !unpriced.to_string().contains('0'));
    }

    #[test]
    fn some_without_a_price_make_it_at_least_so_much() {
        let shown = |events, unpriced| {
            Dollars::of_priced(usd("1.5"), events, unpriced)
                .short()
                .to_owned()
        };
        assert_eq!(shown(3, 0), "$1.50");
        assert_eq!(shown(3, 1), "≥ $1.50");
        assert_eq!(shown(3, 3), "unpriced");
        assert_eq!(Dollars::of_priced(NanoUsd::ZERO, 0, 0).short(), "$0.00");
    }

    #[test]
    fn a_bill_keeps_the_digits_of_the_provider() {
        let charged = Dollars::of_text("-3.96017265000000000001");
        assert_eq!(charged.short(), "−$3.96");
        assert_eq!(charged.exact(), "−$3.96017265000000000001");
        assert_eq!(Dollars::of_text("<b>").short(), "<b>");
        assert!(!Dollars::of_text("<b>").to_string().contains("<b>"));
    }
}
