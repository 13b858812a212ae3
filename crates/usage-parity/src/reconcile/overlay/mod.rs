//! The prices that would close the gap, as entries of the user's price file.

mod merge;
mod observed;
mod segment;

use std::cmp::Ordering;
use std::fmt::Write as _;

use chrono::NaiveDate;
use serde::Serialize;
use usage_core::{Endpoint, Provider};
use usage_pricing::{Per, PriceClass, UnitRate};

pub(super) use self::observed::Observations;

/// The prices that would close the gap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overlay {
    /// For the user's price file, by model and day.
    pub entries: Vec<OverlayEntry>,
    /// What no entry can close, and why; one line each.
    pub not_determined: Vec<String>,
}

/// A price of the user's file that the provider's charges imply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OverlayEntry {
    /// Whose price it is.
    pub provider: Provider,
    /// The model as the catalogue names it.
    pub model: String,
    /// Whether it is for the decisions API.
    pub decisions: bool,
    /// The service tier.
    pub tier: String,
    /// Whether for the batch API.
    pub batch: bool,
    /// The first UTC day with it.
    pub from: NaiveDate,
    /// The first UTC day on which it holds no longer.
    pub until: Option<NaiveDate>,
    /// The last UTC day with it.
    pub last_day: NaiveDate,
    /// Every rate of the price, also those that are as listed.
    pub rates: Vec<OverlayRate>,
}

/// One rate of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OverlayRate {
    /// Its name in a price file.
    pub name: &'static str,
    /// Whether the amount is for a million.
    pub by_million: bool,
    /// In USD.
    pub usd: String,
    /// The listed amount, where it is another; with its price id.
    pub listed: Option<String>,
}

impl Overlay {
    /// The entries as they are pasted into a price file; nothing without entries.
    pub fn toml(&self) -> String {
        let mut text = String::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            // Writing to a string cannot fail.
            let _ = entry.write(&mut text);
        }
        text
    }
}

impl OverlayEntry {
    /// What the price rests on.
    pub fn source(&self) -> String {
        format!(
            "implied by the provider's costs of {} to {}",
            self.from, self.last_day
        )
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        // A JSON text is a TOML text.
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        writeln!(text, "[[price]]")?;
        writeln!(text, "provider = {}", quoted(&self.provider.to_string()))?;
        writeln!(text, "model = {}", quoted(&self.model))?;
        if self.decisions {
            writeln!(text, "endpoint = {}", quoted(Endpoint::Decisions.as_str()))?;
        }
        if self.tier != "standard" {
            writeln!(text, "tier = {}", quoted(&self.tier))?;
        }
        if self.batch {
            writeln!(text, "batch = true")?;
        }
        writeln!(text, "from = {}", self.from)?;
        if let Some(until) = self.until {
            writeln!(text, "until = {until}")?;
        }
        writeln!(text, "source = {}", quoted(&self.source()))?;
        writeln!(text, "checked = {}", self.last_day)?;
        for by_million in [true, false] {
            let mut rates = self
                .rates
                .iter()
                .filter(|rate| rate.by_million == by_million)
                .peekable();
            if rates.peek().is_some() {
                let table = if by_million {
                    "usd_per_million"
                } else {
                    "usd_per_unit"
                };
                writeln!(text, "[price.{table}]")?;
            }
            for rate in rates {
                write!(text, "{} = \"{}\"", rate.name, rate.usd)?;
                match &rate.listed {
                    Some(listed) => writeln!(text, "  # listed: {listed}")?,
                    None => writeln!(text)?,
                }
            }
        }
        Ok(())
    }
}

impl OverlayEntry {
    /// Whether a price file could not have both.
    fn overlaps(&self, other: &Self) -> bool {
        let begins_before_end = |one: &Self, other: &Self| other.until.is_none_or(|until| one.from < until);
        self.key() == other.key() && begins_before_end(self, other) && begins_before_end(other, self)
    }

    /// The order in which entries are printed.
    fn order(&self, other: &Self) -> Ordering {
        (self.key(), self.from).cmp(&(other.key(), other.from))
    }

    /// What has one price for each day.
    fn key(&self) -> (&str, bool, &str, bool) {
        (&self.model, self.decisions, &self.tier, self.batch)
    }
}

fn overlay_rate(class: PriceClass, rate: UnitRate, listed: Option<UnitRate>, price_id: &str) -> OverlayRate {
    let (name, by_million) = written(class, rate.per());
    let amount = |rate: UnitRate| match rate.usd_per_million() {
        Some(usd) if by_million => usd,
        _ => rate.usd(),
    };
    OverlayRate {
        name,
        by_million,
        usd: amount(rate),
        listed: listed
            .filter(|listed| *listed != rate)
            .map(|listed| format!("{} ({price_id})", amount(listed))),
    }
}

/// The name of a rate in a price file, and whether it is for a million.
fn written(class: PriceClass, per: Per) -> (&'static str, bool) {
    match (class, per) {
        (PriceClass::Input, _) => ("input", true),
        (PriceClass::CachedInput, _) => ("cached_input", true),
        (PriceClass::CacheWrite, _) => ("cache_write", true),
        (PriceClass::CacheWrite12h, _) => ("cache_write_12h", true),
        (PriceClass::Output, _) => ("output", true),
        (PriceClass::InputAudio, _) => ("input_audio", true),
        (PriceClass::CachedInputAudio, _) => ("cached_input_audio", true),
        (PriceClass::OutputAudio, _) => ("output_audio", true),
        (PriceClass::InputImage, _) => ("input_image", true),
        (PriceClass::CachedInputImage, _) => ("cached_input_image", true),
        (PriceClass::OutputImage, _) => ("output_image", true),
        (PriceClass::Characters, _) => ("characters", true),
        (PriceClass::Images, _) => ("image", false),
        (PriceClass::Seconds, Per::Unit) => ("second", false),
        (PriceClass::Seconds, Per::Minute) => ("minute", false),
        (PriceClass::Seconds, Per::Hour) => ("hour", false),
        (PriceClass::Sessions, _) => ("session", false),
        (_, _) => ("call", false),
    }
}
