//! Usage events as JSON lines, as CSV, and as the provider exports them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use usage_core::{Endpoint, UsageEvent, UsageRow, Window};
use usage_parity::event_lines::{KeptPrices, csv_line, event_columns, json_line};
use usage_parity::{ProviderCsvError, ProviderCsvWriter};
use usage_store::{Ledger, StoredEvent};

use super::selection::Selection;
use super::{Lines, PAGE, cells, stream};
use crate::error::AppError;

/// Writes endpoint after endpoint, a page in memory at a time, and says how many events there were.
pub(super) async fn write_lines(
    ledger: &Ledger,
    selection: &Selection,
    endpoints: &[Endpoint],
    lines: Lines,
    out: &mut dyn Write,
) -> Result<u64, AppError> {
    let mut prices = KeptPrices::default();
    let mut bytes = Vec::new();
    let mut events = 0;
    if lines == Lines::Csv {
        cells::push_line(&mut bytes, event_columns());
    }
    for endpoint in endpoints.iter().copied() {
        let mut after = None;
        loop {
            let page = ledger
                .events(selection.events(Some(endpoint)), after, PAGE)
                .await?;
            know(&mut prices, ledger, &page.events).await?;
            for stored in &page.events {
                let price = stored.price.map(|price| (price.cost, price.price_ref));
                let price = prices.of(&stored.event, price);
                match lines {
                    Lines::Json => {
                        json_line(&mut bytes, &stored.event, &price).map_err(|error| stream(error.into()))?;
                    }
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

/// Reads the prices of the ledger if these events name one that is not known. A run that goes on meanwhile may add some.
async fn know(prices: &mut KeptPrices, ledger: &Ledger, events: &[StoredEvent]) -> Result<(), AppError> {
    let mut named = events.iter().filter_map(|event| event.price.as_ref());
    if named.all(|price| prices.knows(price.price_ref)) {
        return Ok(());
    }
    for (number, kept) in ledger.price_records().await? {
        prices.add(number, &kept.price_id, &kept.catalogue_version, &kept.record);
    }
    Ok(())
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
