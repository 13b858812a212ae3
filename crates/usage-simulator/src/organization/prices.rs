//! The simulator's own prices, so that they check the product's, and what usage is charged for.

use usage_core::{Dimensions, Endpoint, Metric};

use super::numbers::Sum;

/// Data is shared for these tokens, so they are free.
const FREE_TIER: &str = "incentivized-tier";

/// The one tier that a line item names.
const PRIORITY_TIER: &str = "priority";
const FLEX_TIER: &str = "flex";

/// Every model of completions and decisions that [`super::Generate`] invents, after the provider's list prices for
/// text of September 2025.
const TOKEN_PRICES: [(&str, TokenPrice); 8] = [
    (
        "gpt-5-2025-08-07",
        TokenPrice::new(1_250_000, 125_000, 10_000_000),
    ),
    (
        "gpt-5-mini-2025-08-07",
        TokenPrice::new(250_000, 25_000, 2_000_000).with_priority(9, 5),
    ),
    // One model without a discount for cached input, so that such a price is tested too.
    (
        "gpt-4o-audio-preview-2025-06-03",
        TokenPrice::new(2_500_000, 2_500_000, 10_000_000),
    ),
    (
        "gpt-4.1-2025-04-14",
        TokenPrice::new(2_000_000, 500_000, 8_000_000),
    ),
    (
        "gpt-4o-mini-2024-07-18",
        TokenPrice::new(150_000, 75_000, 600_000),
    ),
    ("o3-2025-04-16", TokenPrice::new(2_000_000, 500_000, 8_000_000)),
    ("gpt-5-nano-2025-08-07", TokenPrice::new(50_000, 5_000, 400_000)),
    (
        "o4-mini-2025-04-16",
        TokenPrice::new(1_100_000, 275_000, 4_400_000),
    ),
];

/// What one token costs, in pico-USD: micro-USD a million tokens.
#[derive(Clone, Copy)]
struct TokenPrice {
    uncached: i64,
    cached: i64,
    output: i64,
    /// The share of the price that the tier `priority` costs.
    priority: (i64, i64),
}

impl TokenPrice {
    const fn new(uncached: i64, cached: i64, output: i64) -> Self {
        Self {
            uncached,
            cached,
            output,
            priority: (2, 1),
        }
    }

    const fn with_priority(self, numerator: i64, denominator: i64) -> Self {
        Self {
            priority: (numerator, denominator),
            ..self
        }
    }
}

/// What models other than those of completions are charged by, endpoint by endpoint.
struct UnitPrices {
    metric: Metric,
    /// What the line item says behind the model.
    words: &'static str,
    unit: &'static str,
    /// Pico-USD for one unit.
    models: &'static [(&'static str, i64)],
}

const EMBEDDINGS: UnitPrices = UnitPrices {
    metric: Metric::InputTokens,
    words: "input",
    unit: "tokens",
    models: &[
        ("text-embedding-3-large", 130_000),
        ("text-embedding-3-small", 20_000),
    ],
};

/// Moderation is free; the models are named, so that one that nobody knows is noticed.
const MODERATIONS: UnitPrices = UnitPrices {
    metric: Metric::InputTokens,
    words: "input",
    unit: "tokens",
    models: &[("omni-moderation-2024-09-26", 0), ("text-moderation-007", 0)],
};

const IMAGES: UnitPrices = UnitPrices {
    metric: Metric::Images,
    words: "image",
    unit: "images",
    models: &[
        ("gpt-image-1", 42_000_000_000),
        ("dall-e-3", 40_000_000_000),
        ("dall-e-2", 20_000_000_000),
    ],
};

const AUDIO_SPEECHES: UnitPrices = UnitPrices {
    metric: Metric::Characters,
    words: "characters",
    unit: "characters",
    models: &[
        ("gpt-4o-mini-tts", 12_000_000),
        ("tts-1", 15_000_000),
        ("tts-1-hd", 30_000_000),
    ],
};

const AUDIO_TRANSCRIPTIONS: UnitPrices = UnitPrices {
    metric: Metric::Seconds,
    words: "duration",
    unit: "duration_seconds",
    models: &[("gpt-4o-transcribe", 100_000_000), ("whisper-1", 100_000_000)],
};

/// What is charged by the call, of whatever model. No unit of the provider's list fits, so these have none.
struct ToolPrice {
    metric: Metric,
    line_item: &'static str,
    pico_usd: i64,
}

const WEB_SEARCH: ToolPrice = ToolPrice {
    metric: Metric::NumRequests,
    line_item: "web search tool calls",
    pico_usd: 10_000_000_000,
};

const FILE_SEARCH: ToolPrice = ToolPrice {
    metric: Metric::NumRequests,
    line_item: "file search tool calls",
    pico_usd: 2_500_000_000,
};

const CODE_INTERPRETER: ToolPrice = ToolPrice {
    metric: Metric::NumSessions,
    line_item: "code interpreter sessions",
    pico_usd: 30_000_000_000,
};

/// A line item that some usage adds to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Charged {
    pub(super) line_item: String,
    /// The list price of one unit in pico-USD.
    pub(super) pico_usd: i64,
    pub(super) quantity: i64,
    pub(super) unit: Option<&'static str>,
}

/// Why usage cannot be charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoPrice {
    UnknownModel(String),
    NoModel,
}

/// What the usage of one group is charged for, at list prices. Usage of vector stores is a level whose time basis is
/// not documented, so it is not charged for.
pub(super) fn charged(
    endpoint: Endpoint,
    dimensions: &Dimensions,
    usage: &Sum,
) -> Result<Vec<Charged>, NoPrice> {
    match endpoint {
        Endpoint::Completions | Endpoint::Decisions => tokens(dimensions, usage),
        Endpoint::Embeddings => units(&EMBEDDINGS, dimensions, usage),
        Endpoint::Moderations => units(&MODERATIONS, dimensions, usage),
        Endpoint::Images => units(&IMAGES, dimensions, usage),
        Endpoint::AudioSpeeches => units(&AUDIO_SPEECHES, dimensions, usage),
        Endpoint::AudioTranscriptions => units(&AUDIO_TRANSCRIPTIONS, dimensions, usage),
        Endpoint::WebSearchCalls => Ok(calls(&WEB_SEARCH, usage)),
        Endpoint::FileSearchCalls => Ok(calls(&FILE_SEARCH, usage)),
        Endpoint::CodeInterpreterSessions => Ok(calls(&CODE_INTERPRETER, usage)),
        _ => Ok(Vec::new()),
    }
}

fn tokens(dimensions: &Dimensions, usage: &Sum) -> Result<Vec<Charged>, NoPrice> {
    let model = model(dimensions)?;
    let price = find(&TOKEN_PRICES, model)?;
    let count = |metric| usage.get(metric).unwrap_or(0);
    let (cached, written) = (
        count(Metric::InputCachedTokens),
        count(Metric::InputCacheWriteTokens),
    );
    // The provider's input contains what was read from the cache and what was written to it.
    let uncached = match usage.get(Metric::InputTokens) {
        Some(input) => input.saturating_sub(cached).saturating_sub(written),
        None => count(Metric::InputUncachedTokens),
    };
    let output = count(Metric::OutputTokens);
    let tier = dimensions.service_tier.as_deref();
    if tier == Some(FREE_TIER) {
        let has_input = uncached != 0 || cached != 0 || written != 0;
        return Ok(has_input.then(|| free(model)).into_iter().collect());
    }
    let (prefix, (numerator, denominator)) = match (dimensions.batch, tier) {
        (Some(true), _) | (_, Some(FLEX_TIER)) => ("", (1, 2)),
        (_, Some(PRIORITY_TIER)) => ("priority | ", price.priority),
        _ => ("", (1, 1)),
    };
    let charges = [
        ("input", price.uncached, uncached),
        ("cached input", price.cached, cached),
        ("cache writes", price.uncached, written),
        ("output", price.output, output),
    ];
    Ok(charges
        .into_iter()
        .filter(|(_, _, quantity)| *quantity != 0)
        .map(|(direction, pico_usd, quantity)| Charged {
            line_item: format!("{prefix}{model}, {direction}"),
            // Nothing is rounded: every price is even, and divisible by five where that is needed.
            pico_usd: pico_usd * numerator / denominator,
            quantity,
            unit: Some("tokens"),
        })
        .collect())
}

/// What the free tier leaves: a row of 0 for 0 tokens for its input, and none for its output.
fn free(model: &str) -> Charged {
    Charged {
        line_item: format!("{model}, input"),
        pico_usd: 0,
        quantity: 0,
        unit: Some("tokens"),
    }
}

fn units(prices: &UnitPrices, dimensions: &Dimensions, usage: &Sum) -> Result<Vec<Charged>, NoPrice> {
    let model = model(dimensions)?;
    let pico_usd = find(prices.models, model)?;
    let quantity = usage.get(prices.metric).unwrap_or(0);
    let charged = Charged {
        line_item: format!("{model}, {}", prices.words),
        pico_usd,
        quantity,
        unit: Some(prices.unit),
    };
    Ok(Some(charged)
        .filter(|charged| charged.pico_usd != 0 && charged.quantity != 0)
        .into_iter()
        .collect())
}

fn calls(price: &ToolPrice, usage: &Sum) -> Vec<Charged> {
    let charged = Charged {
        line_item: price.line_item.to_owned(),
        pico_usd: price.pico_usd,
        quantity: usage.get(price.metric).unwrap_or(0),
        unit: None,
    };
    Some(charged)
        .filter(|charged| charged.quantity != 0)
        .into_iter()
        .collect()
}

fn model(dimensions: &Dimensions) -> Result<&str, NoPrice> {
    dimensions.model.as_deref().ok_or(NoPrice::NoModel)
}

/// The price of a model. A fine-tuned one that is invented costs what its base costs.
fn find<T: Copy>(prices: &[(&str, T)], model: &str) -> Result<T, NoPrice> {
    let base = model
        .strip_prefix("ft:")
        .and_then(|tuned| tuned.split_once(":simulated::"))
        .map_or(model, |(base, _)| base);
    let found = prices.iter().find(|(name, _)| *name == base);
    found
        .map(|(_, price)| *price)
        .ok_or_else(|| NoPrice::UnknownModel(model.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_of_a_price_is_a_whole_number() {
        for (model, price) in TOKEN_PRICES {
            for pico_usd in [price.uncached, price.cached, price.output] {
                assert!(pico_usd > 0 && pico_usd % 2 == 0, "{model}: {pico_usd}");
                assert_eq!(
                    pico_usd * price.priority.0 % price.priority.1,
                    0,
                    "{model}: {pico_usd}"
                );
            }
        }
    }
}
