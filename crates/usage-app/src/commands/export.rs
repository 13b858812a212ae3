//! `usage export`

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::Serialize;
use usage_core::{
    Account, Dimension, Endpoint, Metric, Metrics, UsageEvent, UsageRow, Width, Window, WindowRange,
    format_instant,
};
use usage_parity::{ProviderCsvError, ProviderCsvWriter};
use usage_store::{AccountScope, CoverageQuery, EventQuery, Ledger, StoredAccount};

use crate::error::AppError;
use crate::files::{AtomicFile, cannot_write};
use crate::wiring::App;

/// Events in memory at once.
const PAGE: usize = 5_000;

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// In which form.
    pub layout: ExportLayout,
    /// The first UTC day; the first in the ledger unless set.
    pub first_day: Option<NaiveDate>,
    /// The last UTC day, included; the last in the ledger unless set.
    pub last_day: Option<NaiveDate>,
    /// The surfaces.
    pub endpoints: Vec<Endpoint>,
    /// How wide the windows of the events are: those of two widths are never in one export, where they would count
    /// twice.
    pub width: Width,
    /// The accounts; every one if none is named.
    pub accounts: Vec<Account>,
    /// The file, written exactly there, whole or not at all; standard output if none is named.
    pub output: Option<PathBuf>,
}

/// In which form events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportLayout {
    /// One JSON object a line.
    JsonLines,
    /// One row an event. Texts that a spreadsheet would take for a formula are marked as text.
    Csv,
    /// The provider's own export of one endpoint, column for column; of completions if all are asked for.
    ProviderCsv,
}

/// Writes the events and says how many there were.
pub async fn export(app: &App, options: ExportOptions) -> Result<u64, AppError> {
    let ledger = app.ledger().await?;
    let known = ledger.accounts(AccountScope::All).await?;
    let chosen: Vec<StoredAccount> = known
        .into_iter()
        .filter(|known| options.accounts.is_empty() || options.accounts.contains(&known.account))
        .collect();
    if let Some(missing) = options
        .accounts
        .iter()
        .find(|wanted| !chosen.iter().any(|known| known.account == **wanted))
    {
        return Err(AppError::UnknownAccount(missing.clone()));
    }
    let selection = Selection::new(&options, &chosen)?;
    let options = ExportOptions {
        endpoints: laid_out(&options)?,
        ..options
    };
    match &options.output {
        None => write(&ledger, &options, &selection, &mut io::stdout().lock()).await,
        Some(path) => {
            check_folder(path)?;
            let mut file = AtomicFile::create(path)?;
            let written = write(&ledger, &options, &selection, file.writer()).await;
            let events = written.map_err(|error| match error {
                AppError::Stream { source, .. } => cannot_write(path)(source),
                other => other,
            })?;
            file.commit()?;
            Ok(events)
        }
    }
}

/// The endpoints that are written. The provider's export holds one endpoint: completions, if none is chosen.
fn laid_out(options: &ExportOptions) -> Result<Vec<Endpoint>, AppError> {
    match (options.layout, options.endpoints.as_slice()) {
        (ExportLayout::JsonLines | ExportLayout::Csv, endpoints)
        | (ExportLayout::ProviderCsv, endpoints @ [_]) => Ok(endpoints.to_vec()),
        (ExportLayout::ProviderCsv, endpoints) if endpoints == Endpoint::USAGE => {
            Ok(vec![Endpoint::Completions])
        }
        (ExportLayout::ProviderCsv, endpoints) => Err(AppError::SeveralEndpoints(endpoints.len())),
    }
}

/// A mistyped folder is said in plain words, not in those of a temporary file in it.
fn check_folder(path: &Path) -> Result<(), AppError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            let missing = format!("there is no folder {}", folder.display());
            Err(cannot_write(path)(io::Error::new(
                io::ErrorKind::NotFound,
                missing,
            )))
        }
        _ => Ok(()),
    }
}

/// The part of the ledger that is exported.
struct Selection {
    scope: AccountScope,
    accounts: usize,
    windows: Option<WindowRange>,
    width: Width,
}

impl Selection {
    fn new(options: &ExportOptions, accounts: &[StoredAccount]) -> Result<Self, AppError> {
        // Days far beyond any ledger stand for an end that was not named.
        let first = options
            .first_day
            .unwrap_or(NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default());
        let last = options
            .last_day
            .unwrap_or(NaiveDate::from_ymd_opt(9999, 12, 30).unwrap_or_default());
        let named = options.first_day.is_some() || options.last_day.is_some();
        Ok(Self {
            scope: AccountScope::Only(accounts.iter().map(|account| account.id).collect()),
            accounts: accounts.len(),
            width: options.width,
            windows: if named {
                let days = WindowRange::days(first, last)?;
                Some(WindowRange::new(days.start(), days.end(), options.width)?)
            } else {
                None
            },
        })
    }

    fn query(&self, endpoint: Endpoint) -> EventQuery {
        EventQuery {
            scope: self.scope.clone(),
            endpoint: Some(endpoint),
            windows: self.windows,
            width: self.width,
        }
    }
}

/// Writes endpoint after endpoint, a page in memory at a time.
async fn write(
    ledger: &Ledger,
    options: &ExportOptions,
    selection: &Selection,
    out: &mut dyn Write,
) -> Result<u64, AppError> {
    let mut bytes = Vec::new();
    let mut events = 0;
    if options.layout == ExportLayout::Csv {
        bytes.extend_from_slice(header().as_bytes());
    }
    for endpoint in options.endpoints.iter().copied() {
        if options.layout == ExportLayout::ProviderCsv {
            if selection.accounts > 1 {
                return Err(AppError::SeveralAccounts(selection.accounts));
            }
            events += provider_csv(ledger, endpoint, selection, out).await?;
            continue;
        }
        let mut after = None;
        loop {
            let page = ledger.events(selection.query(endpoint), after, PAGE).await?;
            for stored in &page.events {
                match options.layout {
                    ExportLayout::JsonLines => json_line(&mut bytes, &stored.event)?,
                    ExportLayout::Csv | ExportLayout::ProviderCsv => csv_line(&mut bytes, &stored.event),
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
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(stream)?;
    Ok(events)
}

/// The provider's layout: every covered window, quiet ones as a row of times only.
async fn provider_csv(
    ledger: &Ledger,
    endpoint: Endpoint,
    selection: &Selection,
    out: &mut dyn Write,
) -> Result<u64, AppError> {
    let query = CoverageQuery {
        scope: selection.scope.clone(),
        endpoint: Some(endpoint),
        windows: selection.windows,
    };
    let mut rows: BTreeMap<Window, Vec<UsageRow>> = BTreeMap::new();
    for coverage in ledger.coverage(query).await? {
        if coverage.window.width() == selection.width {
            rows.entry(coverage.window).or_default();
        }
    }
    let mut writer = ProviderCsvWriter::new(out, endpoint);
    let mut events = 0;
    let mut after = None;
    loop {
        let page = ledger.events(selection.query(endpoint), after, PAGE).await?;
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

fn stream(source: io::Error) -> AppError {
    AppError::Stream {
        what: "cannot write the export",
        source,
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
    dimensions: &'a usage_core::Dimensions,
    #[serde(flatten)]
    metrics: &'a Metrics,
    /// Unknown is not zero: events are not priced yet.
    cost_usd: Option<&'a str>,
    price_id: Option<&'a str>,
}

fn json_line(bytes: &mut Vec<u8>, event: &UsageEvent) -> Result<(), AppError> {
    let line = EventLine {
        provider: event.account.provider().as_str(),
        account: event.account.organization(),
        endpoint: event.endpoint.as_str(),
        window_start: format_instant(event.window.start()),
        window_end: format_instant(event.window.end()),
        dimensions: &event.dimensions,
        metrics: &event.metrics,
        cost_usd: None,
        price_id: None,
    };
    serde_json::to_writer(&mut *bytes, &line).map_err(|error| stream(error.into()))?;
    bytes.push(b'\n');
    Ok(())
}

fn header() -> String {
    let fixed = ["provider", "account", "endpoint", "windowStart", "windowEnd"].map(str::to_owned);
    let dimensions = Dimension::USAGE
        .into_iter()
        .map(|dimension| camel_case(dimension.as_str()));
    let metrics = Metric::ALL.into_iter().map(|metric| camel_case(metric.as_str()));
    let prices = ["costUsd", "priceId"].map(str::to_owned);
    let columns: Vec<String> = fixed
        .into_iter()
        .chain(dimensions)
        .chain(metrics)
        .chain(prices)
        .collect();
    format!("{}\n", columns.join(","))
}

fn csv_line(bytes: &mut Vec<u8>, event: &UsageEvent) {
    let fixed = [
        event.account.provider().as_str().to_owned(),
        event.account.organization().to_owned(),
        event.endpoint.as_str().to_owned(),
        format_instant(event.window.start()),
        format_instant(event.window.end()),
    ];
    let dimensions = Dimension::USAGE
        .into_iter()
        .map(|dimension| cell(event.dimensions.get(dimension).unwrap_or("")));
    let metrics = Metric::ALL.into_iter().map(|metric| {
        event
            .metrics
            .get(metric)
            .map_or_else(String::new, |value| value.to_string())
    });
    let prices = [String::new(), String::new()];
    let cells: Vec<String> = fixed
        .into_iter()
        .chain(dimensions)
        .chain(metrics)
        .chain(prices)
        .collect();
    bytes.extend_from_slice(cells.join(",").as_bytes());
    bytes.push(b'\n');
}

/// A text as a cell: quoted where CSV needs it, and led by an apostrophe where a spreadsheet would run it.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// `input_tokens` as `inputTokens`, as serde renames fields.
fn camel_case(snake_case: &str) -> String {
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
    use usage_core::{Provider, parse_day};

    use super::*;

    #[test]
    fn csv_and_json_name_and_order_the_same_columns() {
        let event = UsageEvent {
            account: Account::new(Provider::OpenAi, "org-a").unwrap(),
            endpoint: Endpoint::Completions,
            window: Window::day(parse_day("2025-09-01").unwrap()),
            dimensions: usage_core::Dimensions::default(),
            metrics: Metrics::default(),
        };
        let mut line = Vec::new();
        json_line(&mut line, &event).unwrap();
        let text = String::from_utf8(line).unwrap();
        let names: Vec<&str> = text
            .trim()
            .trim_matches(['{', '}'])
            .split(",\"")
            .map(|pair| pair.split('"').find(|part| !part.is_empty()).unwrap())
            .collect();
        assert_eq!(names.join(","), header().trim());
    }

    #[test]
    fn cells_are_quoted_and_never_run() {
        let cells: Vec<String> = ["gpt-5", "a,b", "say \"hi\"", "=1+1", "-x", "@sum", ""]
            .map(cell)
            .into();
        assert_eq!(
            cells,
            [
                "gpt-5",
                "\"a,b\"",
                "\"say \"\"hi\"\"\"",
                "'=1+1",
                "'-x",
                "'@sum",
                ""
            ]
        );
    }
}
