//! Entries: what the layers of a catalogue are made of.

use std::cmp::Ordering;
use std::fmt;

use chrono::NaiveDate;
use usage_core::{Modality, Provider};

use crate::class::PriceClass;
use crate::error::{CatalogueError, Problem};
use crate::rates::Rates;

/// What stands for the model of a default; no model of a price file may be called so.
pub(crate) const DEFAULT_MODEL: &str = "default";

/// The tier of prices that are for no other.
pub(crate) const STANDARD: &str = "standard";

/// The tier as the catalogue names it: the provider has several words for the standard one.
pub(crate) fn tier_name(tier: Option<&str>) -> &str {
    match tier {
        None | Some("" | "default" | "auto" | STANDARD) => STANDARD,
        Some(tier) => tier,
    }
}

/// Where an entry comes from. A later one goes before an earlier one, for the days it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The data of `genai-prices`.
    Seed,
    /// What this crate adds to it.
    Overlay,
    /// The user's own file.
    User,
}

impl Layer {
    /// Every layer, the lowest first.
    pub const ALL: [Self; 3] = [Self::Seed, Self::Overlay, Self::User];

    /// The word of listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Overlay => "overlay",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an entry is for, apart from its days.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) provider: Provider,
    pub(crate) subject: Subject,
    pub(crate) decisions: bool,
    pub(crate) tier: String,
    pub(crate) batch: bool,
}

/// Whose price an entry is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A model, or an endpoint whose usage has none.
    Model(String),
    /// Every model without a price.
    Default,
    /// Everything in a tier that costs nothing.
    FreeTier,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Model(model) => write!(f, "`{model}`")?,
            Subject::Default => f.write_str("the default")?,
            Subject::FreeTier => return write!(f, "the tier `{}`", self.tier),
        }
        let decisions = self.decisions.then_some("decisions");
        let batch = self.batch.then_some("batch");
        let tier = Some(self.tier.as_str()).filter(|tier| *tier != STANDARD || batch.is_none());
        let words: Vec<&str> = decisions.into_iter().chain(tier).chain(batch).collect();
        write!(f, " ({})", words.join(" "))
    }
}

/// One dated price of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) aliases: Vec<String>,
    pub(crate) from: Option<NaiveDate>,
    pub(crate) until: Option<NaiveDate>,
    pub(crate) source: String,
    pub(crate) checked: Option<NaiveDate>,
    pub(crate) long_context: bool,
    pub(crate) rates: Rates,
    pub(crate) line: Option<usize>,
}

impl Entry {
    /// The id of the price: unique in its layer, since days never overlap.
    pub(crate) fn price_id(&self, layer: Layer) -> String {
        let Key {
            provider,
            subject,
            decisions,
            tier,
            batch,
        } = &self.key;
        let tag = match layer {
            Layer::Seed | Layer::Overlay => "",
            Layer::User => "+user",
        };
        let from = day_or_dash(self.from);
        let model = match subject {
            Subject::Model(model) => model,
            Subject::Default => DEFAULT_MODEL,
            Subject::FreeTier if self.from.is_none() => return format!("{provider}/free/{tier}{tag}"),
            Subject::FreeTier => return format!("{provider}/free/{tier}@{from}{tag}"),
        };
        let kind = kind_id(*decisions, tier, *batch);
        format!("{provider}/{model}/{kind}@{from}{tag}")
    }
}

/// The part of a price id that tells tiers and processing apart.
pub(crate) fn kind_id(decisions: bool, tier: &str, batch: bool) -> String {
    let decisions = decisions.then_some("decisions");
    let batch = batch.then_some("batch");
    let tier = Some(tier).filter(|tier| *tier != STANDARD || (batch.is_none() && decisions.is_none()));
    let parts: Vec<&str> = decisions.into_iter().chain(tier).chain(batch).collect();
    parts.join("-")
}

pub(crate) fn day_or_dash(day: Option<NaiveDate>) -> String {
    day.map_or_else(|| "-".to_owned(), |day| day.to_string())
}

/// Gives images that are read the price of text, where an entry prices text alone.
///
/// Models that read images count them in tokens of their input price (the provider's guide to images; its price table has
/// a row for image tokens only where their price is another). Models that make or hear something else are left alone.
fn price_images_as_text(entry: &mut Entry) {
    const OTHER_MODALITIES: [&str; 6] = ["audio", "image", "live", "realtime", "transcribe", "tts"];
    let named_otherwise = match &entry.key.subject {
        Subject::Model(model) => OTHER_MODALITIES.iter().any(|word| model.contains(word)),
        Subject::Default => false,
        Subject::FreeTier => true,
    };
    let has_modalities = entry.rates.iter().any(|(class, _)| {
        let modality = class.modality();
        modality.is_some_and(|modality| modality != Modality::Text)
    });
    let writes_text = entry.rates.get(PriceClass::Output).is_some();
    if named_otherwise || has_modalities || !writes_text {
        return;
    }
    for (text, image) in [
        (PriceClass::Input, PriceClass::InputImage),
        (PriceClass::CachedInput, PriceClass::CachedInputImage),
    ] {
        if let Some(rate) = entry.rates.get(text) {
            entry.rates.set(image, rate);
        }
    }
}

/// All entries of one layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerEntries {
    pub(crate) layer: Layer,
    /// How the catalogue's version names the layer.
    pub(crate) version: String,
    /// How messages name its file.
    pub(crate) file: String,
    pub(crate) entries: Vec<Entry>,
}

impl LayerEntries {
    /// Sorts the entries by key and day, and refuses days that two of them claim.
    pub(crate) fn new(
        layer: Layer,
        version: String,
        file: &str,
        mut entries: Vec<Entry>,
    ) -> Result<Self, CatalogueError> {
        entries.iter_mut().for_each(price_images_as_text);
        entries.sort_by(by_key_and_day);
        for pair in entries.windows(2) {
            let [earlier, later] = pair else { continue };
            let overlaps = later
                .from
                .is_none_or(|from| earlier.until.is_none_or(|until| from < until));
            if earlier.key == later.key && overlaps {
                // The message points at the entry that the reader wrote second.
                let (first, second) = if earlier.line <= later.line {
                    (earlier, later)
                } else {
                    (later, earlier)
                };
                let problem = Problem::Overlap {
                    key: second.key.clone(),
                    line: first.line,
                };
                return Err(CatalogueError::new(file, second.line, &problem));
            }
        }
        Ok(Self {
            layer,
            version,
            file: file.to_owned(),
            entries,
        })
    }
}

fn by_key_and_day(one: &Entry, other: &Entry) -> Ordering {
    one.key.cmp(&other.key).then_with(|| one.from.cmp(&other.from))
}

/// The first eight digits of the BLAKE3 hash of a layer's bytes.
pub(crate) fn short_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..8].to_owned()
}
