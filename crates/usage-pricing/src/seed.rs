//! The seed: the data of `genai-prices`, read as text and never through its floating-point API.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use usage_core::Provider;

use crate::amount::scaled;
use crate::class::PriceClass;
use crate::entry::{Entry, Key, Layer, LayerEntries, STANDARD, Subject, short_hash, tier_name};
use crate::error::{CatalogueError, Problem};
use crate::rates::{Per, Rates, UnitRate};

const DATA: &str = include_str!("../data/genai-prices-0.2.1.json");
const FILE: &str = "genai-prices-0.2.1.json";
const NAME: &str = "genai-prices-0.2.1";
const SOURCE: &str = "genai-prices 0.2.1";
/// The day of the release. Its authors check prices as they go and date only some of them.
const RELEASED: NaiveDate = NaiveDate::from_ymd_opt(2026, 10, 30).expect("a day of the calendar");

/// The entries of the seed for the providers that this version reads.
pub(crate) fn read() -> Result<LayerEntries, CatalogueError> {
    parse(DATA)
}

fn parse(data: &str) -> Result<LayerEntries, CatalogueError> {
    let fault = |problem: Problem| CatalogueError::new(FILE, None, &problem);
    let providers: Vec<SeedProvider<'_>> =
        serde_json::from_str(data).map_err(|error| fault(Problem::Syntax(error.to_string())))?;
    let mut entries = Vec::new();
    for seed in providers {
        let Ok(provider) = seed.id.parse::<Provider>() else {
            continue;
        };
        for model in &seed.models {
            model.add_entries(provider, &mut entries).map_err(fault)?;
        }
    }
    let version = format!("{NAME}.{}", short_hash(data.as_bytes()));
    LayerEntries::new(Layer::Seed, version, FILE, entries)
}

#[derive(Deserialize)]
struct SeedProvider<'a> {
    id: &'a str,
    #[serde(borrow)]
    models: Vec<SeedModel<'a>>,
}

#[derive(Deserialize)]
struct SeedModel<'a> {
    id: String,
    #[serde(rename = "match")]
    clause: Clause,
    #[serde(borrow)]
    prices: &'a RawValue,
    #[serde(borrow, default)]
    price_variants: Vec<Variant<'a>>,
}

#[derive(Deserialize)]
struct Dated<'a> {
    constraint: Option<Constraint>,
    #[serde(borrow)]
    prices: Table<'a>,
}

#[derive(Deserialize)]
struct Variant<'a> {
    when: BTreeMap<String, String>,
    #[serde(borrow)]
    prices: Table<'a>,
    constraint: Option<Constraint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Constraint {
    start_date: NaiveDate,
}

type Table<'a> = BTreeMap<String, &'a RawValue>;

/// What a model's name must satisfy. Only what names one model exactly is used.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Clause {
    Equals(String),
    StartsWith(String),
    EndsWith(IgnoredAny),
    Contains(String),
    Regex(IgnoredAny),
    Or(Vec<Self>),
    And(IgnoredAny),
}

impl Clause {
    fn aliases(&self, aliases: &mut BTreeSet<String>) {
        match self {
            Self::Equals(name) | Self::StartsWith(name) | Self::Contains(name) => {
                aliases.insert(name.clone());
            }
            Self::Or(clauses) => clauses.iter().for_each(|clause| clause.aliases(aliases)),
            Self::EndsWith(_) | Self::Regex(_) | Self::And(_) => {}
        }
    }
}

impl<'a> SeedModel<'a> {
    fn add_entries(&self, provider: Provider, entries: &mut Vec<Entry>) -> Result<(), Problem> {
        let standard = self.standard()?;
        self.add_kind(provider, (STANDARD, false), &standard, entries)?;

        let mut kinds: BTreeMap<(&str, bool), Vec<&Variant<'a>>> = BTreeMap::new();
        for variant in &self.price_variants {
            let kind = variant.kind(&self.id)?;
            if kind != (STANDARD, false) {
                kinds.entry(kind).or_default().push(variant);
            }
        }
        for (kind, variants) in kinds {
            self.add_kind(provider, kind, &overridden(&standard, &variants), entries)?;
        }
        Ok(())
    }

    /// The standard prices, each with its first day.
    fn standard(&self) -> Result<Vec<(Option<NaiveDate>, Table<'a>)>, Problem> {
        let text = self.prices.get();
        let syntax = |error: serde_json::Error| Problem::Syntax(format!("{}: {error}", self.id));
        if !text.starts_with('[') {
            return Ok(vec![(None, serde_json::from_str(text).map_err(syntax)?)]);
        }
        let dated: Vec<Dated<'a>> = serde_json::from_str(text).map_err(syntax)?;
        let starts = dated.into_iter().map(|entry| {
            let from = entry.constraint.map(|constraint| constraint.start_date);
            (from, entry.prices)
        });
        Ok(starts.collect())
    }

    fn add_kind(
        &self,
        provider: Provider,
        (tier, batch): (&str, bool),
        dated: &[(Option<NaiveDate>, Table<'a>)],
        entries: &mut Vec<Entry>,
    ) -> Result<(), Problem> {
        let mut aliases = BTreeSet::new();
        self.clause.aliases(&mut aliases);
        // A clause that lets a base model price the models fine-tuned from it.
        aliases.retain(|alias| alias.starts_with("ft:") == self.id.starts_with("ft:") && *alias != self.id);

        let ends = dated.iter().skip(1).map(|(from, _)| *from).chain([None]);
        for ((from, table), until) in dated.iter().zip(ends) {
            let (rates, long_context) = read_table(&self.id, table)?;
            entries.push(Entry {
                key: Key {
                    provider,
                    subject: Subject::Model(self.id.clone()),
                    decisions: false,
                    tier: tier.to_owned(),
                    batch,
                },
                aliases: aliases.iter().cloned().collect(),
                from: *from,
                until,
                source: SOURCE.to_owned(),
                checked: Some(RELEASED),
                long_context,
                rates,
                line: None,
            });
        }
        Ok(())
    }
}

impl Variant<'_> {
    /// The tier, and whether it is batch processing.
    fn kind(&self, model: &str) -> Result<(&str, bool), Problem> {
        let conditions: Vec<(&str, &str)> = self
            .when
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        match conditions.as_slice() {
            [("service_tier", tier)] => Ok((tier_name(Some(tier)), false)),
            [("processing", "batch")] => Ok((STANDARD, true)),
            _ => Err(Problem::Syntax(format!("{model}: a variant of an unknown kind"))),
        }
    }
}

/// The prices of a tier: the standard ones of the day with the variant's in place of some. Before the first day that a
/// variant names, nothing is known.
fn overridden<'a>(
    standard: &[(Option<NaiveDate>, Table<'a>)],
    variants: &[&Variant<'a>],
) -> Vec<(Option<NaiveDate>, Table<'a>)> {
    let start = |variant: &Variant<'_>| {
        variant
            .constraint
            .as_ref()
            .map(|constraint| constraint.start_date)
    };
    let Some(first) = variants.iter().map(|variant| start(variant)).min() else {
        return Vec::new();
    };
    let days: BTreeSet<Option<NaiveDate>> = variants
        .iter()
        .map(|variant| start(variant))
        .chain(
            standard
                .iter()
                .map(|(from, _)| *from)
                .filter(|from| *from > first),
        )
        .collect();
    let dated = days.into_iter().filter_map(|day| {
        let (_, base) = standard.iter().rev().find(|(from, _)| *from <= day)?;
        let variant = variants.iter().rev().find(|variant| start(variant) <= day)?;
        let mut table = base.clone();
        table.extend(variant.prices.iter().map(|(key, price)| (key.clone(), *price)));
        Some((day, table))
    });
    dated.collect()
}

/// A price of the seed: one, or one up to some size of a request.
#[derive(Deserialize)]
struct Tiered<'a> {
    #[serde(borrow)]
    base: &'a RawValue,
}

/// The rates of a table, and whether they rise with the size of a request.
fn read_table(model: &str, table: &Table<'_>) -> Result<(Rates, bool), Problem> {
    let mut rates = Rates::default();
    let mut rises = false;
    for (key, price) in table {
        let (usd, is_base) = base_price(model, price.get())?;
        rises |= is_base;
        let Some((class, rate)) = read_rate(key, usd, price.get())? else {
            continue;
        };
        // Two keys price an hour of audio; they agree wherever both are given.
        if rates.get(class).is_some_and(|known| known != rate) {
            return Err(Problem::Syntax(format!("{model}: two prices for {class}")));
        }
        rates.set(class, rate);
    }
    if table.is_empty() {
        // A model without prices costs nothing.
        rates.set(PriceClass::Input, UnitRate::FREE);
        rates.set(PriceClass::Output, UnitRate::FREE);
    }
    Ok((rates, rises))
}

fn base_price<'a>(model: &str, price: &'a str) -> Result<(&'a str, bool), Problem> {
    if !price.starts_with('{') {
        return Ok((price, false));
    }
    let tiered: Tiered<'a> =
        serde_json::from_str(price).map_err(|error| Problem::Syntax(format!("{model}: {error}")))?;
    Ok((tiered.base.get(), true))
}

/// The rate that a key of the seed names; `None` for what no usage of ours counts.
fn read_rate(key: &str, usd: &str, price: &str) -> Result<Option<(PriceClass, UnitRate)>, Problem> {
    let (class, places, per) = match key {
        "input_mtok" => (PriceClass::Input, 6, Per::Unit),
        "cache_read_mtok" => (PriceClass::CachedInput, 6, Per::Unit),
        "cache_write_mtok" => (PriceClass::CacheWrite, 6, Per::Unit),
        "output_mtok" => (PriceClass::Output, 6, Per::Unit),
        "input_audio_mtok" => (PriceClass::InputAudio, 6, Per::Unit),
        "cache_audio_read_mtok" => (PriceClass::CachedInputAudio, 6, Per::Unit),
        "output_audio_mtok" => (PriceClass::OutputAudio, 6, Per::Unit),
        "input_image_mtok" => (PriceClass::InputImage, 6, Per::Unit),
        "cache_image_read_mtok" => (PriceClass::CachedInputImage, 6, Per::Unit),
        "output_image_mtok" => (PriceClass::OutputImage, 6, Per::Unit),
        "input_mchars" => (PriceClass::Characters, 6, Per::Unit),
        "audio_hours" | "input_audio_hours" => (PriceClass::Seconds, 12, Per::Hour),
        "web_searches_kcount" => (PriceClass::Calls, 9, Per::Unit),
        // Rows of file searches name no model: the overlay has their price.
        "storage_searches_kcount" => return Ok(None),
        _ => return Err(Problem::Syntax(format!("unknown price key `{key}`"))),
    };
    let amount = |problem| Problem::Amount {
        unit: key.to_owned(),
        amount: price.to_owned(),
        problem,
    };
    let pico_usd = scaled(usd, places).map_err(amount)?;
    Ok(Some((class, UnitRate::new(pico_usd, per))))
}

#[cfg(test)]
mod tests;
