//! Costs: what a provider says it charged.

use std::fmt;
use std::str::FromStr;

use crate::decimal::DecimalText;

/// What was charged for one group of a window, as a provider reported it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostRow {
    /// Who and what it was charged for.
    pub group: CostGroup,
    /// How much, in [`CostGroup::currency`]; less than zero for a credit, `None` where the provider sent null, which is
    /// not zero.
    pub amount: Option<DecimalText>,
    /// How much was used, in [`CostRow::quantity_unit`].
    pub quantity: Option<DecimalText>,
    /// `tokens`, `images`, `gibibyte_hours`, … An open list; `None` when no single unit fits.
    pub quantity_unit: Option<String>,
}

impl CostRow {
    /// A fingerprint of the amount and the quantity, by which a re-read tells changed from unchanged. Two texts of one
    /// number, as `0.06` and `6E-2`, have the same.
    pub fn content_hash(&self) -> i64 {
        let mut hasher = blake3::Hasher::new();
        let mut each = |value: Option<&str>| {
            let value = value.unwrap_or_default();
            // Amounts and units are short texts.
            hasher.update(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            hasher.update(value.as_bytes());
        };
        let number = |number: &Option<DecimalText>| number.as_ref().map(|number| number.value().to_string());
        each(number(&self.amount).as_deref());
        each(number(&self.quantity).as_deref());
        each(present(self.quantity_unit.as_deref()));
        let mut head = [0_u8; 8];
        head.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        i64::from_be_bytes(head)
    }

    /// The sum of the rows of one group; `None` if there are none. A number alone keeps its text.
    ///
    /// A null amount beside a known one adds nothing: what is known to be charged is not lost over what is not known. A sum
    /// of nulls alone is null. Quantities have a sum only if every row has one, all in one unit.
    pub fn sum(rows: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut rows = rows.into_iter();
        let mut sum = rows.next()?;
        for row in rows {
            let same_unit = sum.quantity_unit == row.quantity_unit;
            sum.amount = match (sum.amount, row.amount) {
                (Some(left), Some(right)) => Some(plus(&left, &right)),
                (left, right) => left.or(right),
            };
            sum.quantity = match (sum.quantity, row.quantity) {
                (Some(left), Some(right)) if same_unit => Some(plus(&left, &right)),
                _ => None,
            };
            // Without a quantity the unit says nothing, and a third row must not take its place.
            sum.quantity_unit = sum.quantity_unit.filter(|_| sum.quantity.is_some());
        }
        Some(sum)
    }
}

fn plus(left: &DecimalText, right: &DecimalText) -> DecimalText {
    let mut sum = left.value().clone();
    sum += right.value();
    DecimalText::from(sum)
}

/// What tells the costs of one window apart: with its window, the identity of a cost.
///
/// `None` means that the provider sent no value. An empty text counts as none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CostGroup {
    /// The project; organisation-wide charges have none.
    pub project_id: Option<String>,
    /// The API key.
    pub api_key_id: Option<String>,
    /// What was charged for, as the provider words it. The raw text is the key, whatever can be read from it.
    pub line_item: Option<String>,
    /// The currency as the provider wrote it. Its case is no part of the identity: the API writes `usd`, invoices `USD`.
    pub currency: Option<String>,
}

impl CostGroup {
    /// The project, unless absent or empty; and so the others.
    pub fn project_id(&self) -> Option<&str> {
        present(self.project_id.as_deref())
    }

    /// The API key.
    pub fn api_key_id(&self) -> Option<&str> {
        present(self.api_key_id.as_deref())
    }

    /// The line item.
    pub fn line_item(&self) -> Option<&str> {
        present(self.line_item.as_deref())
    }

    /// The currency in lower case.
    pub fn currency(&self) -> Option<String> {
        present(self.currency.as_deref()).map(str::to_ascii_lowercase)
    }
}

fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// What can be read from the words of a line item. Best effort: a line item that says something else has nothing.
///
/// ```
/// use usage_core::{Direction, LineItem};
///
/// let item = LineItem::parse("priority | gpt-5.5, cached input, long context");
/// assert_eq!((item.model, item.tier), (Some("gpt-5.5"), Some("priority")));
/// assert_eq!((item.direction, item.long_context), (Some(Direction::CachedInput), true));
/// assert_eq!(LineItem::parse("web search tool calls"), LineItem::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineItem<'a> {
    /// The model.
    pub model: Option<&'a str>,
    /// Which tokens.
    pub direction: Option<Direction>,
    /// Of which modality, if it says so.
    pub modality: Option<Modality>,
    /// The service tier; `None` is the standard one.
    pub tier: Option<&'a str>,
    /// Whether it is charged at the prices of long contexts.
    pub long_context: bool,
}

/// Which tokens a line item charges for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub enum Direction {
    /// Input neither read from nor written to the cache.
    Input,
    /// Input read from the cache.
    CachedInput,
    /// Input written to the cache.
    CacheWrites,
    /// Output.
    Output,
}

/// Text, audio or images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub enum Modality {
    /// Text.
    Text,
    /// Audio.
    Audio,
    /// Images.
    Image,
}

impl<'a> LineItem<'a> {
    /// Reads `[tier | ]model, [modality ]direction[, long context]`, the form of nearly all line items seen.
    pub fn parse(text: &'a str) -> Self {
        let (tier, rest) = match text.split_once(" | ") {
            Some((tier, rest)) => (Some(tier.trim()), rest),
            None => (None, text),
        };
        let (rest, long_context) = match rest.strip_suffix(", long context") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let Some((model, words)) = rest.rsplit_once(", ") else {
            return Self::default();
        };
        let Some((modality, direction)) = read_direction(words) else {
            return Self::default();
        };
        Self {
            model: Some(model.trim()).filter(|model| !model.is_empty()),
            direction: Some(direction),
            modality,
            tier: tier.filter(|tier| !tier.is_empty()),
            long_context,
        }
    }

    /// Whether a line item says that it is a tax: `tax`, `taxes`, `VAT` or `GST` is one of its words. A line of tokens is
    /// never one, whatever its model is called.
    ///
    /// ```
    /// use usage_core::LineItem;
    ///
    /// assert!(LineItem::is_tax("Sales tax (CA)"));
    /// assert!(!LineItem::is_tax("ft:gpt-4.1-2025-04-14:acme:tax:abc, output"));
    /// ```
    pub fn is_tax(text: &'a str) -> bool {
        let is_of_tokens = Self::parse(text).direction.is_some();
        let mut words = text.split(|character: char| !character.is_alphanumeric());
        !is_of_tokens && words.any(|word| TAXES.iter().any(|tax| word.eq_ignore_ascii_case(tax)))
    }
}

const TAXES: [&str; 4] = ["tax", "taxes", "vat", "gst"];

/// Newer line items write `input_tokens` where older ones write `input`.
fn read_direction(words: &str) -> Option<(Option<Modality>, Direction)> {
    let words = words.trim().replace('_', " ");
    let words = words.strip_suffix(" tokens").unwrap_or(&words);
    let mut modality = None;
    let mut rest = Vec::new();
    for word in words.split(' ') {
        match word {
            "text" if modality.is_none() => modality = Some(Modality::Text),
            "audio" if modality.is_none() => modality = Some(Modality::Audio),
            "image" if modality.is_none() => modality = Some(Modality::Image),
            word => rest.push(word),
        }
    }
    let direction = rest.join(" ").parse().ok()?;
    Some((modality, direction))
}

impl Direction {
    /// Every direction.
    pub const ALL: [Self; 4] = [Self::Input, Self::CachedInput, Self::CacheWrites, Self::Output];

    /// The provider's words, which a database stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CachedInput => "cached input",
            Self::CacheWrites => "cache writes",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Direction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|direction| direction.as_str() == text)
            .ok_or_else(|| format!("unknown direction `{text}`"))
    }
}

impl Modality {
    /// Every modality.
    pub const ALL: [Self; 3] = [Self::Text, Self::Audio, Self::Image];

    /// The provider's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Audio => "audio",
            Self::Image => "image",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(amount: &str, quantity: Option<&str>, unit: &str) -> CostRow {
        CostRow {
            amount: Some(amount.parse().unwrap()),
            quantity: quantity.map(|quantity| quantity.parse().unwrap()),
            quantity_unit: Some(unit.to_owned()),
            ..CostRow::default()
        }
    }

    #[test]
    fn rows_of_one_group_are_summed_exactly() {
        let sum = |rows: &[CostRow]| CostRow::sum(rows.to_vec()).unwrap();
        let five = row("0.1", Some("5"), "tokens");
        assert_eq!(
            sum(&[five.clone(), row("-0.30", Some("7"), "tokens")]),
            row("-0.2", Some("12"), "tokens")
        );
        let images = row("1", Some("5"), "images");
        let without_unit = CostRow {
            quantity_unit: None,
            ..five.clone()
        };
        for rows in [
            vec![five.clone(), images.clone()],
            vec![five.clone(), images.clone(), five.clone()],
            vec![five.clone(), images, without_unit],
            vec![five.clone(), row("1", None, "tokens")],
        ] {
            let sum = sum(&rows);
            assert_eq!((sum.quantity, sum.quantity_unit), (None, None), "{rows:?}");
        }
        assert_eq!(sum(&[row("6E-2", None, "")]).amount.unwrap().text(), "6E-2");
        assert_eq!(
            sum(&[CostRow::default(), five.clone()]).amount,
            five.amount,
            "nothing known is lost"
        );
        assert_eq!(
            sum(&[CostRow::default(), CostRow::default()]).amount,
            None,
            "null is not zero"
        );
        assert_eq!(CostRow::sum([]), None);
    }

    #[test]
    fn the_hash_is_that_of_the_numbers_not_of_their_texts() {
        assert_eq!(
            row("0.06", None, "").content_hash(),
            row("6E-2", None, "").content_hash()
        );
        assert_ne!(
            row("0.06", None, "").content_hash(),
            row("0.07", None, "").content_hash()
        );
        assert_ne!(
            CostRow::default().content_hash(),
            row("0", None, "").content_hash()
        );
    }

    #[test]
    fn a_tax_is_a_word_of_a_line_that_is_not_of_tokens() {
        for (text, is_tax) in [
            ("Sales tax (CA)", true),
            ("Taxes", true),
            ("VAT 19 %", true),
            ("gst", true),
            ("taxonomy storage", false),
            ("taxonomy-1, input", false),
            ("tax-reader-1, output", false),
            ("ft:gpt-4.1-2025-04-14:acme:tax:abc, output", false),
            (
                "batch | ft:gpt-4.1-2025-04-14:acme:vat:abc, cached_input_tokens",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(LineItem::is_tax(text), is_tax, "{text}");
        }
    }

    #[test]
    fn line_items_of_every_form_seen_are_read() {
        use Direction::{CacheWrites, CachedInput, Input, Output};
        let item = |model, direction| LineItem {
            model: Some(model),
            direction: Some(direction),
            ..LineItem::default()
        };
        for (text, expected) in [
            (
                "gpt-4o-mini-2024-07-18, input",
                item("gpt-4o-mini-2024-07-18", Input),
            ),
            (
                "gpt-5-2025-08-07, cached input",
                item("gpt-5-2025-08-07", CachedInput),
            ),
            ("gpt-6-astra, cache writes", item("gpt-6-astra", CacheWrites)),
            ("gpt-6-astra, input_tokens", item("gpt-6-astra", Input)),
            (
                "gpt-6-astra, cached_input_tokens",
                item("gpt-6-astra", CachedInput),
            ),
            (
                "priority | gpt-5.5, output, long context",
                LineItem {
                    tier: Some("priority"),
                    long_context: true,
                    ..item("gpt-5.5", Output)
                },
            ),
            (
                "gpt-image-1, image output",
                LineItem {
                    modality: Some(Modality::Image),
                    ..item("gpt-image-1", Output)
                },
            ),
            (
                "gpt-image-1, cached text input",
                LineItem {
                    modality: Some(Modality::Text),
                    ..item("gpt-image-1", CachedInput)
                },
            ),
            (
                "ft:gpt-4o-2024-08-06:acme, inc:x:1, input",
                item("ft:gpt-4o-2024-08-06:acme, inc:x:1", Input),
            ),
        ] {
            assert_eq!(LineItem::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_token_line_is_left_alone() {
        for text in [
            "web search tool calls",
            "",
            ", ",
            "gpt-5",
            "gpt-5, throughput",
            "file storage, gibibyte hours",
            "gpt-5, input output",
        ] {
            assert_eq!(LineItem::parse(text), LineItem::default(), "{text}");
        }
        assert_eq!(LineItem::parse(", input").model, None);
    }
}
