//! A row of costs, and how its amount is written.

use chrono::NaiveDate;
use usage_core::{Decimal, Dimension};

/// The places behind the point that live amounts have.
const LIVE_PLACES: usize = 39;
/// Digits from this place on are a tail that says nothing.
const TAIL_FROM: usize = 20;
/// How a zero of the provider's is written.
const ZERO: &str = "0E-6176";

/// What was charged for one group of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// The UTC day.
    pub day: NaiveDate,
    /// The project; `None` where the organisation as a whole is charged, or costs are not grouped by it. So are the
    /// next four.
    pub project_id: Option<String>,
    /// What was charged for.
    pub line_item: Option<String>,
    /// The API key.
    pub api_key_id: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// Which API was called, `unlabeled` for usage that no special one made.
    pub api_source: Option<String>,
    /// The exact amount; `None` where the provider sends null.
    pub amount: Option<Decimal>,
    /// The currency, as it was charged.
    pub currency: String,
    /// How much was used; only of one line item.
    pub quantity: Option<Decimal>,
    /// Of what; `None` where no single unit fits.
    pub quantity_unit: Option<String>,
    pub(super) spelling: Spelling,
}

/// How an amount is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As the charge that it is was written.
    Verbatim(String),
    /// Without an exponent or zeros that say nothing.
    Plain,
    /// With zeros to the last place.
    Padded,
    /// With digits of the tail that this number chooses.
    LongTail(u64),
}

impl Cost {
    /// The amount as the server writes it: the text of a charge; `0E-6176` for zero; else as short as it can be, or
    /// with zeros, or with a tail of digits ([`crate::Organization::add_long_tails`]), to the 39th place.
    pub fn amount_text(&self) -> Option<String> {
        self.amount_to(LIVE_PLACES)
    }

    /// The amount with as many places, where it has a spelling that long.
    pub(crate) fn amount_to(&self, places: usize) -> Option<String> {
        let amount = self.amount.as_ref()?;
        Some(match &self.spelling {
            Spelling::Verbatim(text) => text.clone(),
            _ if amount.is_zero() => ZERO.to_owned(),
            Spelling::Plain => amount.to_string(),
            Spelling::Padded => padded(&amount.to_string(), places),
            Spelling::LongTail(number) => with_tail(&amount.to_string(), *number, places),
        })
    }

    /// The value of a dimension of costs.
    pub(crate) fn get(&self, dimension: Dimension) -> Option<&str> {
        match dimension {
            Dimension::ProjectId => self.project_id.as_deref(),
            Dimension::LineItem => self.line_item.as_deref(),
            Dimension::ApiKeyId => self.api_key_id.as_deref(),
            Dimension::UserId => self.user_id.as_deref(),
            Dimension::ApiSource => self.api_source.as_deref(),
            _ => None,
        }
    }

    /// Cuts the row into two that add up to it, about one to eight as once seen live.
    pub(crate) fn split(self) -> (Self, Self) {
        let ninth = |number: &Decimal, places| number.over(&Decimal::from(9), places);
        let small = Self {
            amount: self.amount.as_ref().and_then(|amount| ninth(amount, 12)),
            quantity: self.quantity.as_ref().and_then(|quantity| ninth(quantity, 0)),
            spelling: Spelling::Plain,
            ..self.clone()
        };
        let rest = |whole: &Option<Decimal>, part: &Option<Decimal>| {
            whole
                .as_ref()
                .zip(part.as_ref())
                .map(|(whole, part)| whole - part)
        };
        let large = Self {
            amount: rest(&self.amount, &small.amount),
            quantity: rest(&self.quantity, &small.quantity),
            spelling: Spelling::Plain,
            ..self
        };
        (large, small)
    }
}

impl Spelling {
    /// The spelling of a computed amount: always the same for the same row.
    pub(super) fn of(row: &str, has_long_tails: bool) -> Self {
        let hash = blake3::hash(row.as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        let number = u64::from_be_bytes(number);
        if has_long_tails {
            Self::LongTail(number)
        } else if number.is_multiple_of(3) {
            Self::Plain
        } else {
            Self::Padded
        }
    }
}

/// A plain number with zeros to the place.
fn padded(plain: &str, places: usize) -> String {
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    format!("{whole}.{fraction:0<places$}")
}

/// A plain number with other digits than zeros to the place.
fn with_tail(plain: &str, number: u64, places: usize) -> String {
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    if fraction.len() > TAIL_FROM {
        return plain.to_owned();
    }
    let digits = format!("{number:020}");
    let length = places.saturating_sub(TAIL_FROM + 1);
    // A last digit of 0 would say nothing.
    let last = number % 9 + 1;
    format!(
        "{whole}.{fraction:0<TAIL_FROM$}{}{last}",
        &digits[20 - length.min(20)..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_to_the_last_place() {
        assert_eq!(padded("0.06", 39), format!("0.06{}", "0".repeat(37)));
        assert_eq!(padded("-12", 30), format!("-12.{}", "0".repeat(30)));
        let tail = with_tail("0.06", 7, 39);
        assert_eq!(tail, format!("0.06{}78", "0".repeat(35)));
        assert_eq!(tail.len(), 2 + 39);
        let tail = with_tail("-1", u64::MAX, 30);
        assert_eq!(tail, format!("-1.{}7095516157", "0".repeat(20)));
    }
}
