//! Price records: what a ledger keeps of every price it used.

use std::sync::Arc;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use usage_core::{Endpoint, Metrics, NanoUsd, Provider};

use crate::cost::{Cost, cost_at, rounded_at};
use crate::entry::DEFAULT_MODEL;
use crate::rates::Rates;
use crate::unpriced::Unpriced;

/// A price, shared by all rows that it prices.
pub type PriceRef = Arc<PriceRecord>;

/// One dated price, or the lack of one, with all that is needed to price the same usage again without a catalogue.
///
/// Within a catalogue version the id is unique.
///
/// ```
/// use chrono::NaiveDate;
/// use usage_core::{Dimension, DimensionSet, Dimensions, Endpoint, Metrics};
/// use usage_pricing::{Catalogue, PriceRecord, Usage};
///
/// let metrics = Metrics { input_tokens: Some(2_000_000), ..Metrics::default() };
/// let priced = Catalogue::bundled()?.price(&Usage {
///     endpoint: Endpoint::Embeddings,
///     day: NaiveDate::from_ymd_opt(2026, 11, 1).ok_or("no such day")?,
///     dimensions: &Dimensions { model: Some("text-embedding-3-small".to_owned()), ..Dimensions::default() },
///     metrics: &metrics,
///     grouped_by: DimensionSet::EMPTY.with(Dimension::Model),
/// });
/// let kept = PriceRecord::from_json(&priced.price.to_json())?;
/// assert_eq!(kept.price_id, "openai/text-embedding-3-small/standard@-");
/// assert_eq!(kept.cost(Endpoint::Embeddings, &metrics), priced.cost);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceRecord {
    /// For example `openai/gpt-5/flex@2025-08-07`; the day is the first on which it holds, `-` if no start is known.
    pub price_id: String,
    /// The catalogue that it comes from, see [`crate::Catalogue::version`].
    pub catalogue_version: String,
    /// Whose price it is.
    pub provider: Provider,
    /// The model, or the endpoint where usage has none, as the catalogue names it; `default` and `free` for rules that
    /// are for every model.
    pub model: String,
    /// The one endpoint that it is for; `None` if it is for every endpoint that counts what it has rates for.
    pub endpoint: Option<Endpoint>,
    /// The service tier; `standard` unless the price is for another.
    pub tier: String,
    /// Whether it is for the batch API.
    pub batch: bool,
    /// The first UTC day on which it holds; `None` if no start is known.
    pub valid_from: Option<NaiveDate>,
    /// The first UTC day on which it holds no longer.
    pub valid_until: Option<NaiveDate>,
    /// What the price rests on.
    pub source: String,
    /// When somebody last held it against its source.
    pub checked: Option<NaiveDate>,
    /// Whether requests beyond some size cost more. Usage is priced as if none was: a day's sum does not tell.
    pub long_context: bool,
    /// How it prices.
    pub basis: PriceBasis,
}

/// How a price record prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum PriceBasis {
    /// By rates.
    Rates(Rates),
    /// By a rule that costs nothing, whatever was used.
    Free,
    /// Not at all.
    Unpriced(Unpriced),
}

impl PriceRecord {
    /// The record as compact JSON.
    pub fn to_json(&self) -> String {
        // Texts, numbers and maps by text: there is nothing that JSON could not hold.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`PriceRecord::to_json`] wrote. A field or a unit that this version does not know is an error: it
    /// could change the price.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The cost of what was used, at this price.
    pub fn cost(&self, endpoint: Endpoint, metrics: &Metrics) -> Result<Cost, Unpriced> {
        match &self.basis {
            PriceBasis::Rates(rates) => cost_at(self, rates, endpoint, metrics),
            PriceBasis::Free => Ok(Cost::default()),
            PriceBasis::Unpriced(reason) => Err(reason.clone()),
        }
    }

    /// The cost of what was used as a ledger keeps it: that of [`PriceRecord::cost`], without its parts.
    pub fn rounded_cost(&self, endpoint: Endpoint, metrics: &Metrics) -> Result<NanoUsd, Unpriced> {
        match &self.basis {
            PriceBasis::Rates(rates) => rounded_at(self, rates, endpoint, metrics),
            PriceBasis::Free => Ok(NanoUsd::ZERO),
            PriceBasis::Unpriced(reason) => Err(reason.clone()),
        }
    }

    /// Whether it is a price file's default, which whoever it prices is told of.
    pub fn is_default(&self) -> bool {
        self.model == DEFAULT_MODEL
    }

    /// Whether the price holds on the day.
    pub fn holds_on(&self, day: NaiveDate) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_until.is_none_or(|until| day < until)
    }
}
