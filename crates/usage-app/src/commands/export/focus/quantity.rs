//! Quantities and units in the words of FOCUS.

use usage_core::Decimal;

/// How much was used, and how much was priced: the same amount in the units of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quantities {
    pub(super) consumed: Measured,
    pub(super) priced: Measured,
}

/// A number with its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) quantity: Decimal,
    pub(super) unit: String,
}

impl Quantities {
    /// The quantities behind what a provider sent; `None` if its unit has no name, for then the number says nothing.
    ///
    /// Tokens are priced by the million, as the provider's price list quotes them. Other units are priced as they are
    /// counted.
    pub(super) fn of(quantity: &Decimal, unit: &str) -> Option<Self> {
        let measured = |quantity: Decimal, unit: &str| Measured {
            quantity,
            unit: unit.to_owned(),
        };
        match unit {
            "tokens" => Some(Self {
                consumed: measured(quantity.clone(), "Tokens"),
                priced: measured(quantity.shifted(-6), "1000000 Tokens"),
            }),
            "1000_tokens" => Some(Self {
                consumed: measured(quantity.shifted(3), "Tokens"),
                priced: measured(quantity.clone(), "1000 Tokens"),
            }),
            unit => {
                let same = measured(quantity.clone(), &unit_name(unit)?);
                Some(Self {
                    consumed: same.clone(),
                    priced: same,
                })
            }
        }
    }
}

/// A unit of the provider's open list with the names that FOCUS has for units: capitalised nouns in the plural.
fn unit_name(unit: &str) -> Option<String> {
    match unit {
        "duration_seconds" => Some("Seconds".to_owned()),
        "duration_minutes" => Some("Minutes".to_owned()),
        "duration_hours" => Some("Hours".to_owned()),
        "gibibyte_hours" => Some("GiB-Hours".to_owned()),
        other => {
            let words: Vec<String> = other
                .split(['_', ' '])
                .filter(|word| !word.is_empty())
                .map(capitalized)
                .collect();
            let is_name = words.iter().any(|word| word.contains(char::is_alphabetic));
            is_name.then(|| words.join(" "))
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let initial = characters.next().map(|initial| initial.to_ascii_uppercase());
    initial.into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_the_reference_and_ones_to_come_have_names() {
        for (quantity, unit, consumed, priced) in [
            (
                "107311506",
                "tokens",
                "107311506 Tokens",
                "107.311506 × 1000000 Tokens",
            ),
            ("0.5", "1000_tokens", "500 Tokens", "0.5 × 1000 Tokens"),
            ("12", "images", "12 Images", "12 × Images"),
            ("1e3", "characters", "1000 Characters", "1000 × Characters"),
            ("7.25", "duration_seconds", "7.25 Seconds", "7.25 × Seconds"),
            ("1", "duration_minutes", "1 Minutes", "1 × Minutes"),
            ("1", "duration_hours", "1 Hours", "1 × Hours"),
            ("3", "gibibyte_hours", "3 GiB-Hours", "3 × GiB-Hours"),
            ("2", "tool_calls", "2 Tool Calls", "2 × Tool Calls"),
            ("0E-6176", "1000_calls", "0 1000 Calls", "0 × 1000 Calls"),
        ] {
            let found = Quantities::of(&quantity.parse().unwrap(), unit).unwrap();
            let consumed_text = format!("{} {}", found.consumed.quantity, found.consumed.unit);
            let priced_text = format!("{} × {}", found.priced.quantity, found.priced.unit);
            assert_eq!((consumed_text.as_str(), priced_text.as_str()), (consumed, priced));
        }
    }

    #[test]
    fn a_number_without_a_unit_says_nothing() {
        for unit in ["", " ", "_", "1000", "1_000"] {
            assert_eq!(Quantities::of(&Decimal::from(1), unit), None, "{unit:?}");
        }
    }
}
