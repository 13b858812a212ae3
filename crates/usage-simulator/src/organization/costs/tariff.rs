//! What list prices become.

use chrono::NaiveDate;

/// The share of a list price that is paid: a numerator over a denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceShare {
    numerator: u32,
    denominator: u32,
}

impl PriceShare {
    /// So many parts of so many: `of(4, 5)` is a discount of a fifth. A denominator of 0 counts as 1.
    pub const fn of(numerator: u32, denominator: u32) -> Self {
        let denominator = if denominator == 0 { 1 } else { denominator };
        Self {
            numerator,
            denominator,
        }
    }
}

/// Negotiated and restated prices.
#[derive(Clone, Debug, Default)]
pub(super) struct Tariff {
    discounts: Vec<Discount>,
    restatements: Vec<Restatement>,
}

#[derive(Clone, Debug)]
struct Discount {
    model: String,
    from_day: NaiveDate,
    share: PriceShare,
}

#[derive(Clone, Debug)]
struct Restatement {
    /// `None` for every day.
    day: Option<NaiveDate>,
    /// `None` for every line item.
    line_item: Option<String>,
    percent: u32,
}

impl Tariff {
    pub(super) fn discount(&mut self, model: String, from_day: NaiveDate, share: PriceShare) {
        self.discounts.push(Discount {
            model,
            from_day,
            share,
        });
    }

    pub(super) fn restate(&mut self, day: Option<NaiveDate>, line_item: Option<String>, percent: u32) {
        self.restatements.push(Restatement {
            day,
            line_item,
            percent,
        });
    }

    /// What a unit costs on a day, in pico-USD, by its list price.
    pub(super) fn price(&self, day: NaiveDate, model: Option<&str>, line_item: &str, list: i64) -> i128 {
        let negotiated = self
            .discounts
            .iter()
            .filter(|discount| Some(discount.model.as_str()) == model && discount.from_day <= day)
            // Of two with the same day the later one is returned, so that it corrects the earlier.
            .max_by_key(|discount| discount.from_day);
        let negotiated = negotiated.map_or(i128::from(list), |discount| {
            share_of(i128::from(list), discount.share)
        });
        self.restatements
            .iter()
            .filter(|restatement| restatement.day.is_none_or(|restated| restated == day))
            .filter(|restatement| {
                let restated = restatement.line_item.as_deref();
                restated.is_none_or(|restated| restated == line_item)
            })
            .fold(negotiated, |price, restatement| {
                share_of(price, PriceShare::of(restatement.percent, 100))
            })
    }
}

/// Rounded half to even. Prices are not negative.
fn share_of(price: i128, share: PriceShare) -> i128 {
    let product = price.saturating_mul(i128::from(share.numerator));
    let denominator = i128::from(share.denominator);
    let (whole, rest) = (product / denominator, product % denominator);
    let is_up = rest * 2 > denominator || (rest * 2 == denominator && whole % 2 != 0);
    whole + i128::from(is_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_half_to_even() {
        for (price, share, expected) in [
            (1_250_000, PriceShare::of(4, 5), 1_000_000),
            (10, PriceShare::of(1, 3), 3),
            (20, PriceShare::of(1, 3), 7),
            (5, PriceShare::of(1, 2), 2),
            (7, PriceShare::of(1, 2), 4),
            (7, PriceShare::of(0, 2), 0),
            (7, PriceShare::of(2, 0), 14),
        ] {
            assert_eq!(share_of(price, share), expected, "{price} {share:?}");
        }
    }
}
