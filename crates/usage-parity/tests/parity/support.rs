//! A ledger in memory, and exports in a few words.

use std::collections::BTreeMap;
use std::convert::Infallible;

use chrono::{DateTime, Utc};
use usage_core::{
    Dimension, DimensionSet, Dimensions, Endpoint, Metrics, ProjectFilter, UsageRow, Width, Window,
    WindowState, parse_instant,
};
use usage_parity::{
    CompareOptions, Comparison, ExportScope, ExportText, LedgerChange, LedgerCoverage, LedgerReader,
    LedgerRow, LedgerSelection, ParityError, TimeRange, UsageExport, compare,
};

/// When every comparison is made, unless it says otherwise: long after the windows it uses.
pub(crate) const NOW: &str = "2025-11-01T00:00:00Z";

/// The first day of most tests.
pub(crate) const FIRST: i64 = 1_756_684_800;
pub(crate) const DAY: i64 = 86_400;

/// A ledger of one account and endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryLedger {
    pub(crate) coverage: Vec<LedgerCoverage>,
    pub(crate) rows: Vec<LedgerRow>,
    pub(crate) changes: BTreeMap<Window, Vec<LedgerChange>>,
    unread: Vec<LedgerRow>,
}

impl MemoryLedger {
    /// A ledger that was grouped by everything and read after its windows were settled.
    pub(crate) fn covering(endpoint: Endpoint, windows: impl IntoIterator<Item = Window>) -> Self {
        let coverage = windows.into_iter().map(|window| LedgerCoverage {
            window,
            filter: ProjectFilter::ALL,
            grouped_by: endpoint.dimensions(),
            empty: DimensionSet::EMPTY,
            state: WindowState::Settled,
            run_id: 1,
        });
        Self {
            coverage: coverage.collect(),
            ..Self::default()
        }
    }

    #[expect(
        clippy::large_types_passed_by_value,
        reason = "tests read better without borrows"
    )]
    pub(crate) fn with(mut self, window: Window, dimensions: Dimensions, metrics: Metrics) -> Self {
        self.rows.push(LedgerRow {
            window,
            dimensions,
            metrics,
            run_id: 1,
        });
        self
    }

    /// The rows of a window, for writing an export.
    pub(crate) fn window(&self, window: Window) -> Vec<UsageRow> {
        let rows = self.rows.iter().filter(|row| row.window == window);
        rows.map(|row| UsageRow {
            dimensions: row.dimensions.clone(),
            metrics: row.metrics,
        })
        .collect()
    }
}

impl LedgerReader for MemoryLedger {
    type Error = Infallible;

    fn begin(&mut self, selection: &LedgerSelection) -> Result<Vec<LedgerCoverage>, Infallible> {
        let is_asked = |window: Window| {
            window.width() == selection.width
                && selection.range.from.is_none_or(|from| from <= window.start())
                && selection.range.to.is_none_or(|to| window.start() < to)
        };
        let mut rows = self.rows.clone();
        rows.retain(|row| is_asked(row.window));
        rows.sort_by_key(|row| row.window);
        self.unread = rows;
        let mut coverage = self.coverage.clone();
        coverage.retain(|covered| is_asked(covered.window));
        Ok(coverage)
    }

    fn rows(&mut self) -> Result<Vec<LedgerRow>, Infallible> {
        // Three at a time, so that windows go on from one answer to the next.
        let page = self.unread.len().min(3);
        Ok(self.unread.drain(..page).collect())
    }

    fn changes(&mut self, window: Window) -> Result<Vec<LedgerChange>, Infallible> {
        Ok(self.changes.get(&window).cloned().unwrap_or_default())
    }
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

pub(crate) fn day(number: i64) -> Window {
    Window::from_unix(FIRST + number * DAY, Width::Day).unwrap()
}

pub(crate) fn days(count: i64) -> impl Iterator<Item = Window> {
    (0..count).map(day)
}

/// Dimensions from `project/key/user/model/tier/batch`, any of them blank, `y` or `n` for the last.
pub(crate) fn group(text: &str) -> Dimensions {
    let mut parts = text.split('/');
    let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    Dimensions {
        project_id: next(),
        api_key_id: next(),
        user_id: next(),
        model: next(),
        service_tier: next(),
        batch: next().map(|batch| batch == "y"),
        ..Dimensions::default()
    }
}

/// Numbers of a completions group: input, output, cached, requests.
pub(crate) fn tokens(input: i64, output: i64, cached: i64, requests: i64) -> Metrics {
    Metrics {
        input_tokens: Some(input),
        output_tokens: Some(output),
        input_cached_tokens: Some(cached),
        num_model_requests: Some(requests),
        ..Metrics::default()
    }
}

/// The header of [`line`].
pub(crate) const HEADER: &str = "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,\
     user_id,api_key_id,model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens";

/// A line of an export.
pub(crate) fn line(window: Window, dimensions: &Dimensions, metrics: &Metrics) -> String {
    let text = |dimension| dimensions.get(dimension).unwrap_or_default().to_owned();
    let number = |value: Option<i64>| value.map_or_else(String::new, |value| value.to_string());
    [
        window.start_unix().to_string(),
        window.end_unix().to_string(),
        String::new(),
        String::new(),
        text(Dimension::ProjectId),
        number(metrics.num_model_requests),
        text(Dimension::UserId),
        text(Dimension::ApiKeyId),
        text(Dimension::Model),
        text(Dimension::Batch),
        text(Dimension::ServiceTier),
        number(metrics.input_tokens),
        number(metrics.output_tokens),
        number(metrics.input_cached_tokens),
    ]
    .join(",")
}

/// A row of an idle window.
pub(crate) fn idle(window: Window) -> String {
    line(window, &Dimensions::default(), &Metrics::default())
}

pub(crate) fn csv(lines: impl IntoIterator<Item = String>) -> String {
    let mut text = HEADER.to_owned();
    for line in lines {
        text.push('\n');
        text.push_str(&line);
    }
    text.push('\n');
    text
}

pub(crate) fn export(text: impl Into<Vec<u8>>) -> UsageExport {
    named("completions_usage.csv", text)
}

pub(crate) fn named(name: &str, text: impl Into<Vec<u8>>) -> UsageExport {
    UsageExport::open(Box::new(ExportText::new(name, text)), None).unwrap()
}

pub(crate) fn options() -> CompareOptions {
    CompareOptions {
        range: TimeRange::default(),
        scope: ExportScope::default(),
        tolerance: 0,
        now: at(NOW),
    }
}

pub(crate) fn compared(text: impl Into<Vec<u8>>, ledger: &MemoryLedger) -> Comparison {
    compared_with(text, ledger, &options())
}

pub(crate) fn compared_with(
    text: impl Into<Vec<u8>>,
    ledger: &MemoryLedger,
    options: &CompareOptions,
) -> Comparison {
    compare(&[export(text)], &mut ledger.clone(), options).unwrap()
}

/// Why the export cannot be compared.
pub(crate) fn refused(text: impl Into<Vec<u8>>) -> String {
    let opened = UsageExport::open(Box::new(ExportText::new("completions.csv", text)), None);
    let error = match opened {
        Err(error) => ParityError::Export(error),
        Ok(export) => {
            let mut ledger = MemoryLedger::default();
            compare(&[export], &mut ledger, &options()).unwrap_err()
        }
    };
    error.to_string()
}

/// Two groups that differ in project, key and user.
pub(crate) const A: &str = "proj_a/key_a/user-a/gpt-5/default/n";
pub(crate) const B: &str = "proj_b/key_b/user-b/gpt-5/default/n";

/// What one group used.
pub(crate) fn one() -> Metrics {
    tokens(10, 2, 4, 1)
}

/// A ledger that read three days, and nothing in them.
pub(crate) fn covered() -> MemoryLedger {
    MemoryLedger::covering(Endpoint::Completions, days(3))
}
