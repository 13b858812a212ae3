//! Usage events as JSON lines, as CSV, and as the provider exports them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use usage_core::{
    Dimension, Dimensions, Endpoint, Metric, Metrics, NanoUsd, UsageEvent, UsageRow, Window, format_instant,
};
use usage_parity::{ProviderCsvError, ProviderCsvWriter};
use usage_store::Ledger;

use super::prices::{PriceFields, Prices};
use super::selection::Selection;
use super::{Lines, PAGE, camel_case, cells, stream};
use crate::error::AppError;

/// Writes endpoint after endpoint, a page in memory at a time, and says how many events there were.
pub(super) async fn write_lines(
    ledger: &Ledger,
    selection: &Selection,
    endpoints: &[Endpoint],
    lines: Lines,
    out: &mut dyn Write,
) -> Result<u64, AppError> {
    let mut prices = Prices::default();
    let mut bytes = Vec::new();
    let mut events = 0;
    if lines == Lines::Csv {
        cells::push_line(&mut bytes, header());
    }
    for endpoint in endpoints.iter().copied() {
        let mut after = None;
        loop {
            let page = ledger
                .events(selection.events(Some(endpoint)), after, PAGE)
                .await?;
            prices.know(ledger, &page.events).await?;
            for stored in &page.events {
                let price = prices.of(&stored.event, stored.price);
                match lines {
                    Lines::Json => json_line(&mut bytes, &stored.event, &price)?,
                    Lines::Csv => csv_line(&mut bytes, &stored.event, &price),
                }
                events += 1;
            }
            out.write_all(&bytes).map_err(stream)?;
            bytes.clear();
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    out.flush().map_err(stream)?;
    Ok(events)
}

/// The provider's layout: every covered window, quiet ones as a row of times only.
pub(super) async fn write_provider_csv(
    ledger: &Ledger,
    selection: &Selection,
    endpoint: Endpoint,
    out: &mut dyn Write,
) -> Result<u64, AppError> {
    let mut rows: BTreeMap<Window, Vec<UsageRow>> = BTreeMap::new();
    for coverage in ledger.coverage(selection.coverage(endpoint)).await? {
        if coverage.window.width() == selection.width() {
            rows.entry(coverage.window).or_default();
        }
    }
    let mut writer = ProviderCsvWriter::new(out, endpoint);
    let mut events = 0;
    let mut after = None;
    loop {
        let page = ledger
            .events(selection.events(Some(endpoint)), after, PAGE)
            .await?;
        events += page.events.len() as u64;
        for stored in page.events {
            let UsageEvent {
                window,
                dimensions,
                metrics,
                ..
            } = stored.event;
            rows.entry(window)
                .or_default()
                .push(UsageRow { dimensions, metrics });
        }
        let unfinished = page.next.as_ref().map(|(window_start, _)| *window_start);
        // A window whose rows go on on the next page is not whole yet.
        while let Some(entry) = rows.first_entry() {
            if unfinished.is_some_and(|start| entry.key().start_unix() >= start) {
                break;
            }
            let (window, rows) = entry.remove_entry();
            writer.write_window(window, &rows).map_err(provider_csv_error)?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    writer.finish().map_err(provider_csv_error)?;
    Ok(events)
}

/// A reader that has gone is no error of the layout, whatever is being written.
fn provider_csv_error(error: ProviderCsvError) -> AppError {
    match error {
        ProviderCsvError::Header { error } | ProviderCsvError::Window { error, .. }
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            stream(error)
        }
        error => error.into(),
    }
}

/// An event with the names of the API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventLine<'a> {
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

fn json_line(bytes: &mut Vec<u8>, event: &UsageEvent, price: &PriceFields<'_>) -> Result<(), AppError> {
    let line = EventLine {
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
    };
    serde_json::to_writer(&mut *bytes, &line).map_err(|error| stream(error.into()))?;
    bytes.push(b'\n');
    Ok(())
}

fn header() -> Vec<String> {
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

fn csv_line(bytes: &mut Vec<u8>, event: &UsageEvent, price: &PriceFields<'_>) {
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

#[cfg(test)]
mod tests {
    use usage_core::{Account, Provider, parse_day};

    use super::*;

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
        assert_eq!(cells::names_of(&line), header().join(","));
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
