//! `usage prices show` and `usage prices check`

use std::fmt;

use chrono::NaiveDate;
use serde::Serialize;
use usage_core::{Endpoint, Provider, format_instant};
use usage_pricing::{Catalogue, ListedPrice, Matched, PriceBasis, PriceRecord};
use usage_store::{AccountScope, UnpricedUsage};

use crate::error::AppError;
use crate::text::{count, thousands};
use crate::wiring::{App, Exit};

/// The prices of a model.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PricesReport {
    /// The model asked for.
    pub model: String,
    /// The day asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<NaiveDate>,
    /// Which price list.
    pub catalogue_version: String,
    /// Its prices, the one that is used before others for the same tier.
    pub prices: Vec<PriceLine>,
}

/// One price.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceLine {
    /// Which part of the price list has it.
    pub layer: &'static str,
    /// How the name led to it.
    pub matched: String,
    /// The price, as the ledger keeps it.
    #[serde(flatten)]
    pub price: PriceRecord,
}

/// Lists what the price list has for a model.
///
/// # Errors
///
/// The price list has nothing for it, or cannot be read.
pub fn show(
    app: &App,
    provider: Provider,
    model: &str,
    at: Option<NaiveDate>,
) -> Result<PricesReport, AppError> {
    let catalogue = app.catalogue()?;
    let listed = catalogue.entries_of(provider, model, at);
    if listed.is_empty() {
        return Err(AppError::NoPrice {
            model: model.to_owned(),
            at,
        });
    }
    Ok(PricesReport {
        model: model.to_owned(),
        at,
        catalogue_version: catalogue.version().to_owned(),
        prices: listed
            .iter()
            .map(|listed| PriceLine::new(model, listed))
            .collect(),
    })
}

impl PriceLine {
    fn new(model: &str, listed: &ListedPrice) -> Self {
        let matched = match &listed.resolved {
            None => format!("`{model}` is unknown; this is the default"),
            Some(resolved) => match resolved.matched {
                Matched::Exact => "by its name".to_owned(),
                Matched::Alias => format!("as another name of {}", resolved.model),
                Matched::Snapshot => format!("as a dated snapshot of {}", resolved.model),
            },
        };
        Self {
            layer: listed.layer.as_str(),
            matched,
            price: PriceRecord::clone(&listed.price),
        }
    }
}

impl fmt::Display for PricesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.model)?;
        if let Some(day) = self.at {
            write!(f, " on {day}")?;
        }
        writeln!(f, ", {}", self.catalogue_version)?;
        for line in &self.prices {
            let price = &line.price;
            let until = price
                .valid_until
                .map(|day| format!(" until {day}"))
                .unwrap_or_default();
            let from = price
                .valid_from
                .map_or_else(|| "since ever".to_owned(), |day| format!("from {day}"));
            writeln!(f, "  {}: {from}{until}, {}", price.price_id, line.matched)?;
            match &price.basis {
                PriceBasis::Rates(rates) => {
                    let texts: Vec<String> = rates
                        .iter()
                        .map(|(class, rate)| match rate.usd_per_million() {
                            Some(usd) if class.is_priced_by_million() => format!("{class} {usd}"),
                            _ => format!("{class} {rate}"),
                        })
                        .collect();
                    writeln!(f, "    USD a million: {}", texts.join(", "))?;
                }
                PriceBasis::Free => writeln!(f, "    free")?,
                _ => writeln!(f, "    no price")?,
            }
            if price.long_context {
                writeln!(f, "    requests beyond some size cost more, which is not priced")?;
            }
            let checked = price
                .checked
                .map_or_else(|| "never checked".to_owned(), |day| format!("checked {day}"));
            writeln!(f, "    {}, {checked}: {}", line.layer, price.source)?;
        }
        Ok(())
    }
}

/// What the ledger has no price for, and which prices nobody checked for long.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PricesCheck {
    /// Which price list.
    pub catalogue_version: String,
    /// Usage without a cost.
    pub unpriced: Vec<UnpricedLine>,
    /// For how many days a price may go unchecked.
    pub days: u32,
    /// Prices not checked since, those that the ledger uses first.
    pub stale: Vec<StaleLine>,
}

/// Usage without a cost.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnpricedLine {
    /// Which surface.
    pub endpoint: Endpoint,
    /// The model.
    pub model: Option<String>,
    /// The service tier.
    pub service_tier: Option<String>,
    /// Whether through the batch API.
    pub batch: Option<bool>,
    /// Why.
    pub reason: String,
    /// How many events.
    pub events: u64,
    /// How many of them `usage reprice` would price by now.
    pub priceable: u64,
    /// First instant of the first window, RFC 3339 in UTC.
    pub from: String,
    /// First instant after the last window.
    pub to: String,
    /// Whether it has no price by rule, and never will.
    pub by_rule: bool,
}

/// A price that nobody checked for long.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StaleLine {
    /// Its name.
    pub price_id: String,
    /// Which part of the price list has it.
    pub layer: &'static str,
    /// When it was last checked.
    pub checked: Option<NaiveDate>,
    /// Whether events of the ledger are priced by it.
    pub used: bool,
}

/// Looks through the ledger and the price list.
pub async fn check(app: &App, days: u32) -> Result<PricesCheck, AppError> {
    let catalogue = app.catalogue()?;
    let ledger = app.ledger().await?;
    let unpriced = ledger.unpriced_usage(AccountScope::All).await?;
    let used = ledger.price_records().await?;
    let is_used = |id: &str| used.values().any(|record| record.price_id == id);
    let mut stale = stale_lines(&catalogue, app.clock.now().date_naive(), days, is_used);
    stale.sort_by_key(|line| !line.used);
    Ok(PricesCheck {
        catalogue_version: catalogue.version().to_owned(),
        unpriced: unpriced.into_iter().map(UnpricedLine::new).collect(),
        days,
        stale,
    })
}

fn stale_lines(
    catalogue: &Catalogue,
    today: NaiveDate,
    days: u32,
    is_used: impl Fn(&str) -> bool,
) -> Vec<StaleLine> {
    catalogue
        .stale(today, days)
        .into_iter()
        .map(|stale| StaleLine {
            used: is_used(&stale.price.price_id),
            price_id: stale.price.price_id.clone(),
            layer: stale.layer.as_str(),
            checked: stale.price.checked,
        })
        .collect()
}

impl UnpricedLine {
    fn new(usage: UnpricedUsage) -> Self {
        Self {
            endpoint: usage.endpoint,
            model: usage.model,
            service_tier: usage.service_tier,
            batch: usage.batch,
            reason: usage
                .reason
                .unwrap_or_else(|| "stored before there were prices".to_owned()),
            events: usage.events,
            priceable: usage.priceable,
            from: format_instant(usage.first.start()),
            to: format_instant(usage.last.end()),
            // Stored bytes are a level, which has no price for an amount.
            by_rule: usage.endpoint == Endpoint::VectorStores,
        }
    }
}

impl PricesCheck {
    /// 1 when usage lacks a price that could have one.
    pub fn exit(&self) -> Exit {
        if self.unpriced.iter().any(|line| !line.by_rule) {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }
}

impl fmt::Display for PricesCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.catalogue_version)?;
        if self.unpriced.is_empty() {
            writeln!(f, "every event of the ledger has a price")?;
        }
        for line in &self.unpriced {
            let mut what = vec![line.endpoint.as_str().to_owned()];
            what.extend(line.model.clone());
            what.extend(line.service_tier.clone());
            what.extend((line.batch == Some(true)).then(|| "batch".to_owned()));
            write!(
                f,
                "unpriced: {}: {} from {} to {}: {}",
                what.join(", "),
                count(line.events, "event"),
                line.from,
                line.to,
                line.reason
            )?;
            if line.priceable > 0 {
                write!(f, "; `usage reprice` would price {}", thousands(line.priceable))?;
            }
            writeln!(f)?;
        }
        let (used, unused): (Vec<&StaleLine>, Vec<&StaleLine>) =
            self.stale.iter().partition(|line| line.used);
        for line in &used {
            let checked = line
                .checked
                .map_or_else(|| "never checked".to_owned(), |day| format!("last checked {day}"));
            writeln!(f, "stale: {} ({}): {checked}", line.price_id, line.layer)?;
        }
        let unused = unused.len() as u64;
        if unused > 0 {
            let more = if used.is_empty() { "" } else { " more" };
            let plural = if unused == 1 { "" } else { "s" };
            writeln!(
                f,
                "{}{more} price{plural} not checked for {} that no event uses",
                thousands(unused),
                count(self.days, "day"),
            )?;
        }
        Ok(())
    }
}
