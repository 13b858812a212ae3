//! Usage events as lines: the names and the forms that exports and the API have in common.

pub mod cells;
mod prices;

use serde::Serialize;
use usage_core::{Dimension, Dimensions, Metric, Metrics, NanoUsd, UsageEvent, format_instant};

pub use self::prices::{KeptPrices, PriceFields};

/// An event with the names that exports and the API have in common.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventFields<'a> {
    provider: &'a str,
    account: &'a str,
    endpoint: &'a str,
    window_start: String,
    window_end: String,
    #[serde(flatten)]
    dimensions: &'a Dimensions,
    #[serde(flatten)]
    metrics: &'a Metrics,
    cost_usd: Option<NanoUsd>,
    price_id: Option<&'a str>,
    catalogue_version: Option<&'a str>,
    unpriced_reason: Option<&'a str>,
}

impl<'a> EventFields<'a> {
    /// Of an event and its price.
    pub fn new(event: &'a UsageEvent, price: &'a PriceFields<'_>) -> Self {
        Self {
            provider: event.account.provider().as_str(),
            account: event.account.organization(),
            endpoint: event.endpoint.as_str(),
            window_start: format_instant(event.window.start()),
            window_end: format_instant(event.window.end()),
            dimensions: &event.dimensions,
            metrics: &event.metrics,
            cost_usd: price.cost_usd,
            price_id: price.price_id,
            catalogue_version: price.catalogue_version,
            unpriced_reason: price.unpriced_reason.as_deref(),
        }
    }
}

/// Adds an event as a line of JSON.
///
/// # Errors
///
/// It has no form in JSON.
pub fn json_line(
    bytes: &mut Vec<u8>,
    event: &UsageEvent,
    price: &PriceFields<'_>,
) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *bytes, &EventFields::new(event, price))?;
    bytes.push(b'\n');
    Ok(())
}

/// The columns of the CSV form; the JSON form has the same names in the same order.
pub fn event_columns() -> Vec<String> {
    let fixed = ["provider", "account", "endpoint", "windowStart", "windowEnd"].map(str::to_owned);
    let dimensions = Dimension::USAGE
        .into_iter()
        .map(|dimension| camel_case(dimension.as_str()));
    let metrics = Metric::ALL.into_iter().map(|metric| camel_case(metric.as_str()));
    let prices = ["costUsd", "priceId", "catalogueVersion", "unpricedReason"].map(str::to_owned);
    fixed
        .into_iter()
        .chain(dimensions)
        .chain(metrics)
        .chain(prices)
        .collect()
}

/// Adds an event as a line of CSV. Texts that a spreadsheet would run are marked as text.
pub fn csv_line(bytes: &mut Vec<u8>, event: &UsageEvent, price: &PriceFields<'_>) {
    let fixed = [
        event.account.provider().as_str().to_owned(),
        event.account.organization().to_owned(),
        event.endpoint.as_str().to_owned(),
        format_instant(event.window.start()),
        format_instant(event.window.end()),
    ];
    let dimensions = Dimension::USAGE
        .into_iter()
        .map(|dimension| cells::text(event.dimensions.get(dimension).unwrap_or("")));
    let metrics = Metric::ALL.into_iter().map(|metric| {
        event
            .metrics
            .get(metric)
            .map_or_else(String::new, |value| value.to_string())
    });
    let prices = [
        price.cost_usd.map_or_else(String::new, |cost| cost.to_string()),
        cells::text(price.price_id.unwrap_or("")),
        cells::text(price.catalogue_version.unwrap_or("")),
        cells::text(price.unpriced_reason.as_deref().unwrap_or("")),
    ];
    let line = fixed.into_iter().chain(dimensions).chain(metrics).chain(prices);
    cells::push_line(bytes, line);
}

/// `input_tokens` as `inputTokens`, as serde renames fields.
pub fn camel_case(snake_case: &str) -> String {
    let mut words = snake_case.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let mut characters = word.chars();
        text.extend(characters.next().map(|initial| initial.to_ascii_uppercase()));
        text.push_str(characters.as_str());
        text
    })
}

#[cfg(test)]
mod tests {
    use usage_core::{Account, Endpoint, Provider, Window, parse_day};

    use super::*;

    /// The names of the JSON form in its order.
    fn names_of(line: &[u8]) -> String {
        let text = std::str::from_utf8(line).unwrap().trim();
        let names: Vec<&str> = text
            .trim_matches(['{', '}'])
            .split(",\"")
            .map(|pair| pair.split('"').find(|part| !part.is_empty()).unwrap())
            .collect();
        names.join(",")
    }

    fn event() -> UsageEvent {
        UsageEvent {
            account: Account::new(Provider::OpenAi, "org-a").unwrap(),
            endpoint: Endpoint::Completions,
            window: Window::day(parse_day("2025-09-01").unwrap()),
            dimensions: Dimensions::default(),
            metrics: Metrics::default(),
        }
    }

    #[test]
    fn csv_and_json_name_and_order_the_same_columns() {
        let mut line = Vec::new();
        json_line(&mut line, &event(), &PriceFields::default()).unwrap();
        assert_eq!(names_of(&line), event_columns().join(","));
    }

    #[test]
    fn prices_are_text_and_absent_ones_are_empty() {
        for (price, json, csv) in [
            (
                PriceFields::default(),
                "\"costUsd\":null,\"priceId\":null,\"catalogueVersion\":null,\"unpricedReason\":null}\n",
                ",,,,\n",
            ),
            (
                PriceFields {
                    cost_usd: Some(NanoUsd::new(1_250_000_000)),
                    price_id: Some("openai/gpt-5/standard@2025-08-07"),
                    catalogue_version: Some("list-1"),
                    unpriced_reason: None,
                },
                "\"costUsd\":\"1.25\",\"priceId\":\"openai/gpt-5/standard@2025-08-07\",\"catalogueVersion\":\"list-1\",\
                 \"unpricedReason\":null}\n",
                ",1.25,openai/gpt-5/standard@2025-08-07,list-1,\n",
            ),
            (
                PriceFields {
                    catalogue_version: Some("list-1"),
                    unpriced_reason: Some("no price, at all".to_owned()),
                    ..PriceFields::default()
                },
                "\"costUsd\":null,\"priceId\":null,\"catalogueVersion\":\"list-1\",\"unpricedReason\":\"no price, at all\"}\n",
                ",,,list-1,\"no price, at all\"\n",
            ),
        ] {
            let (mut line, mut row) = (Vec::new(), Vec::new());
            json_line(&mut line, &event(), &price).unwrap();
            csv_line(&mut row, &event(), &price);
            let (line, row) = (String::from_utf8(line).unwrap(), String::from_utf8(row).unwrap());
            assert!(line.ends_with(json), "{line}");
            assert!(row.ends_with(csv), "{row}");
        }
    }
}
