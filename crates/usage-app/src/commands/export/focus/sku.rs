//! What was sold: a line item as a SKU.

use serde_json::{Map, Value};
use usage_core::{Direction, LineItem, Modality};

use super::charge::{Category, Charge};

/// The SKU of a charge for usage.
pub(super) struct Sku<'a> {
    line_item: &'a str,
    item: LineItem<'a>,
    provider: &'static str,
}

impl<'a> Sku<'a> {
    /// The SKU behind a charge. Credits and taxes, and what names no line item, have none.
    pub(super) fn of(charge: &Charge<'a>) -> Option<Self> {
        if charge.category() != Category::Usage {
            return None;
        }
        charge.line_item.map(|line_item| Self {
            line_item,
            item: charge.item,
            provider: charge.cost.account.provider().as_str(),
        })
    }

    /// What is sold at one price or another: `openai/gpt-5.5, cached input` of `priority | gpt-5.5, cached input`. A line
    /// item that says something else is a SKU of its own.
    pub(super) fn id(&self) -> String {
        let LineItem {
            model: Some(model),
            direction: Some(direction),
            modality,
            ..
        } = self.item
        else {
            return self.price_id();
        };
        let modality = modality.map_or_else(String::new, |modality| format!("{} ", modality.as_str()));
        format!("{}/{model}, {modality}{direction}", self.provider)
    }

    /// The SKU at its price: the whole line item, which names the tier and the long context where they matter.
    pub(super) fn price_id(&self) -> String {
        format!("{}/{}", self.provider, self.line_item)
    }

    /// What is metered: `Cached Input Tokens`, or the line item itself.
    pub(super) fn meter(&self) -> String {
        let Some(direction) = self.item.direction else {
            return self.line_item.to_owned();
        };
        let modality = match self.item.modality {
            None => "",
            Some(Modality::Text) => "Text ",
            Some(Modality::Audio) => "Audio ",
            Some(Modality::Image) => "Image ",
        };
        let (cached, direction) = match direction {
            Direction::Input => ("", "Input"),
            Direction::CachedInput => ("Cached ", "Input"),
            Direction::CacheWrites => ("", "Cache Write"),
            Direction::Output => ("", "Output"),
        };
        format!("{cached}{modality}{direction} Tokens")
    }

    /// What the price depends on, as far as the line item says it: nothing is assumed of tier or batch where it is silent.
    ///
    /// FOCUS 1.5 has keys of its own for tokens; in 1.4 they are custom ones, marked by their prefix.
    pub(super) fn price_details(&self) -> Option<String> {
        let direction = self.item.direction?;
        let mut details = Map::new();
        let mut put = |key: &str, value: &str| details.insert(key.to_owned(), Value::from(value));
        if let Some(model) = self.item.model {
            put("x_ModelId", model);
        }
        if let Some(modality) = self.item.modality {
            put("x_Modality", modality.as_str());
        }
        if let Some(tier) = self.item.tier {
            put("x_ServiceTier", tier);
        }
        let (token_direction, cache_action) = match direction {
            Direction::Input => ("Input", Some("Uncached")),
            Direction::CachedInput => ("Input", Some("Read")),
            Direction::CacheWrites => ("Input", Some("Write")),
            Direction::Output => ("Output", None),
        };
        put("x_TokenDirection", token_direction);
        if let Some(action) = cache_action {
            put("x_TokenCacheAction", action);
        }
        details.insert("x_LongContext".to_owned(), Value::from(self.item.long_context));
        Some(Value::from(details).to_string())
    }
}
