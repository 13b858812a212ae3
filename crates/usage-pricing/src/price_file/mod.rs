//! Price files: the overlay of this crate, and the user's.

mod fields;

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use usage_core::{Endpoint, Provider};

use self::fields::{Fields, Place};
use crate::entry::{
    DEFAULT_MODEL, Entry, Key, Layer, LayerEntries, STANDARD, Subject, short_hash, tier_name,
};
use crate::error::{CatalogueError, Problem};
use crate::rates::{PricedUnit, Rates};

const TABLES: &[&str] = &["price", "default", "free"];
const PRICE_FIELDS: &[&str] = &[
    "provider",
    "model",
    "aliases",
    "endpoint",
    "tier",
    "batch",
    "from",
    "until",
    "source",
    "checked",
    "usd_per_million",
    "usd_per_unit",
];
const DEFAULT_FIELDS: &[&str] = &[
    "provider",
    "tier",
    "batch",
    "from",
    "until",
    "source",
    "checked",
    "usd_per_million",
    "usd_per_unit",
];
const FREE_FIELDS: &[&str] = &["provider", "tier", "from", "until", "source", "checked"];
/// What the price ids of other things than models begin with.
const RESERVED_NAMES: [&str; 3] = [DEFAULT_MODEL, "free", "unpriced"];

/// The entries that this crate lays over the seed.
pub(crate) fn overlay() -> Result<LayerEntries, CatalogueError> {
    read(
        Layer::Overlay,
        "overlay.toml",
        include_str!("../../data/overlay.toml"),
    )
}

/// Reads the entries of a price file; messages name it `file`.
pub(crate) fn read(layer: Layer, file: &str, content: &str) -> Result<LayerEntries, CatalogueError> {
    let place = Place { file, content };
    let document = DeTable::parse(content).map_err(|error| {
        let words: Vec<&str> = error.message().split_whitespace().collect();
        place.fault(
            error.span().map_or(0, |span| span.start),
            &Problem::Syntax(words.join(" ")),
        )
    })?;
    let document = Fields::new(place, "a price file", 0, document.get_ref(), TABLES)?;

    let mut entries = Vec::new();
    for (at, table) in document.tables("price")? {
        let fields = Fields::new(place, "a price", at, table, PRICE_FIELDS)?;
        entries.push(read_price(&fields)?);
    }
    for (at, table) in document.tables("default")? {
        let fields = Fields::new(place, "a default", at, table, DEFAULT_FIELDS)?;
        entries.push(read_default(&fields)?);
    }
    for (at, table) in document.tables("free")? {
        let fields = Fields::new(place, "a free tier", at, table, FREE_FIELDS)?;
        entries.push(read_free(&fields)?);
    }
    let version = format!("{layer}.{}", short_hash(content.as_bytes()));
    LayerEntries::new(layer, version, file, entries)
}

fn read_price(fields: &Fields<'_>) -> Result<Entry, CatalogueError> {
    let model = fields.required_text("model")?;
    if RESERVED_NAMES.contains(&model.as_str()) {
        return Err(fields.fault_at("model", &Problem::ReservedName { name: model }));
    }
    Ok(Entry {
        aliases: fields.texts("aliases")?,
        ..read_rated(fields, Subject::Model(model))?
    })
}

fn read_default(fields: &Fields<'_>) -> Result<Entry, CatalogueError> {
    read_rated(fields, Subject::Default)
}

fn read_free(fields: &Fields<'_>) -> Result<Entry, CatalogueError> {
    let entry = read_dated(fields, Subject::FreeTier, Rates::default())?;
    fields.required_text("tier")?;
    if entry.key.tier == STANDARD {
        return Err(fields.fault_at("tier", &Problem::FreeStandard));
    }
    Ok(entry)
}

fn read_rated(fields: &Fields<'_>, subject: Subject) -> Result<Entry, CatalogueError> {
    fields.require("from")?;
    let rates = read_rates(fields)?;
    read_dated(fields, subject, rates)
}

fn read_dated(fields: &Fields<'_>, subject: Subject, rates: Rates) -> Result<Entry, CatalogueError> {
    let provider = fields.required_text("provider")?;
    let provider: Provider = provider
        .parse()
        .map_err(|error| fields.fault_at("provider", &Problem::Provider(error)))?;
    let tier = fields.text("tier")?;
    let key = Key {
        provider,
        subject,
        decisions: read_endpoint(fields)?,
        tier: tier_name(tier.as_deref()).to_owned(),
        batch: fields.switch("batch")?,
    };
    let (from, until) = (fields.day("from")?, fields.day("until")?);
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        return Err(fields.fault_at("until", &Problem::NoDays { from, until }));
    }
    fields.require("checked")?;
    Ok(Entry {
        key,
        aliases: Vec::new(),
        from,
        until,
        source: fields.required_text("source")?,
        checked: fields.day("checked")?,
        long_context: false,
        rates,
        line: Some(fields.line()),
    })
}

/// Whether the price is for the decisions API, the only endpoint that shares its models with others but not its prices.
fn read_endpoint(fields: &Fields<'_>) -> Result<bool, CatalogueError> {
    match fields.text("endpoint")?.as_deref() {
        None => Ok(false),
        Some(endpoint) if endpoint == Endpoint::Decisions.as_str() => Ok(true),
        Some(endpoint) => {
            let found = endpoint.to_owned();
            Err(fields.fault_at("endpoint", &Problem::Endpoint { found }))
        }
    }
}

fn read_rates(fields: &Fields<'_>) -> Result<Rates, CatalogueError> {
    let mut rates = Rates::default();
    let mut names = BTreeMap::new();
    for (table, by_million) in [("usd_per_million", true), ("usd_per_unit", false)] {
        for (key, value) in fields.amounts(table)? {
            let name = key.get_ref().as_ref();
            let at = key.span().start;
            let unit = PricedUnit::named(name, by_million).ok_or_else(|| {
                let problem = Problem::UnknownUnit {
                    unit: name.to_owned(),
                    table,
                    known: PricedUnit::names(by_million),
                };
                fields.fault(at, &problem)
            })?;
            if let Some(other) = names.insert(unit.class, unit.name) {
                let unit = name.to_owned();
                return Err(fields.fault(at, &Problem::RepeatedUnit { unit, other }));
            }
            let amount = read_amount(fields, name, value)?;
            let rate = unit.rate(&amount).map_err(|problem| {
                let unit = name.to_owned();
                fields.fault(
                    value.span().start,
                    &Problem::Amount {
                        unit,
                        amount,
                        problem,
                    },
                )
            })?;
            rates.set(unit.class, rate);
        }
    }
    if rates.is_empty() {
        return Err(fields.fault(fields.at(), &Problem::NoRates));
    }
    Ok(rates)
}

/// The digits of an amount, as they stand in the file: `1.25` without quotes is never turned into a float.
fn read_amount(
    fields: &Fields<'_>,
    name: &str,
    value: &Spanned<DeValue<'_>>,
) -> Result<String, CatalogueError> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.trim().to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        _ => Err(fields.wrong_type(name, "an amount of dollars such as 1.25", value)),
    }
}

#[cfg(test)]
mod tests;
