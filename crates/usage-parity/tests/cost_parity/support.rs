//! A ledger in memory, and exports in a few words.

use std::collections::BTreeMap;
use std::convert::Infallible;

use chrono::{DateTime, Utc};
use usage_core::{
    CostGroup, DimensionSet, Endpoint, ProjectFilter, Width, Window, WindowState, parse_instant,
};
use usage_parity::costs::{
    CostChange, CostComparison, CostCsvWriter, CostExport, CostLayout, CostLedger, CostRow, CostTolerance,
    CostValue, LedgerCost, compare_costs,
};
use usage_parity::{CompareOptions, ExportScope, ExportText, LedgerCoverage, LedgerSelection, TimeRange};

/// When every comparison is made, unless it says otherwise: long after the windows it uses.
pub(crate) const NOW: &str = "2025-11-01T00:00:00Z";

/// The first day of most tests.
pub(crate) const FIRST: i64 = 1_756_684_800;
pub(crate) const DAY: i64 = 86_400;

/// The costs of one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryLedger {
    pub(crate) coverage: Vec<LedgerCoverage>,
    pub(crate) costs: Vec<LedgerCost>,
    pub(crate) changes: BTreeMap<Window, Vec<CostChange>>,
    unread: Vec<LedgerCost>,
}

impl MemoryLedger {
    /// A ledger that was grouped by everything and read after its windows were settled.
    pub(crate) fn covering(windows: impl IntoIterator<Item = Window>) -> Self {
        let coverage = windows.into_iter().map(|window| LedgerCoverage {
            window,
            filter: ProjectFilter::ALL,
            grouped_by: Endpoint::Costs.dimensions(),
            empty: DimensionSet::EMPTY,
            state: WindowState::Settled,
            run_id: 1,
        });
        Self {
            coverage: coverage.collect(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, window: Window, who: &str, value: CostValue) -> Self {
        self.costs.push(LedgerCost {
            window,
            group: group(who),
            value,
            run_id: 1,
        });
        self
    }

    /// The same ledger, had it been read without these dimensions.
    pub(crate) fn grouped_by(mut self, dimensions: DimensionSet) -> Self {
        for covered in &mut self.coverage {
            covered.grouped_by = dimensions;
        }
        self
    }
}

impl CostLedger for MemoryLedger {
    type Error = Infallible;

    fn begin(&mut self, selection: &LedgerSelection) -> Result<Vec<LedgerCoverage>, Infallible> {
        assert_eq!(selection.endpoint, Endpoint::Costs);
        let is_asked = |window: Window| {
            window.width() == selection.width
                && selection.range.from.is_none_or(|from| from <= window.start())
                && selection.range.to.is_none_or(|to| window.start() < to)
        };
        let mut costs = self.costs.clone();
        costs.retain(|cost| is_asked(cost.window));
        costs.sort_by_key(|cost| cost.window);
        self.unread = costs;
        let mut coverage = self.coverage.clone();
        coverage.retain(|covered| is_asked(covered.window));
        Ok(coverage)
    }

    fn costs(&mut self) -> Result<Vec<LedgerCost>, Infallible> {
        // Three at a time, so that windows go on from one answer to the next.
        let page = self.unread.len().min(3);
        Ok(self.unread.drain(..page).collect())
    }

    fn changes(&mut self, window: Window) -> Result<Vec<CostChange>, Infallible> {
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

/// A group from `project/key/line item/currency`, any of them blank.
pub(crate) fn group(who: &str) -> CostGroup {
    let mut parts = who.split('/');
    let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    CostGroup {
        project_id: next(),
        api_key_id: next(),
        line_item: next(),
        currency: next(),
    }
}

/// A value from `amount` or `amount quantity unit`, `?` for what is unknown.
pub(crate) fn value(text: &str) -> CostValue {
    let mut parts = text.split(' ').map(|part| Some(part).filter(|part| *part != "?"));
    let mut next = || parts.next().flatten();
    CostValue {
        amount: next().map(|amount| amount.parse().unwrap()),
        quantity: next().map(|quantity| quantity.parse().unwrap()),
        quantity_unit: next().map(str::to_owned),
    }
}

/// A row of an export, its group and value written as above, numbers with the text that stands here.
pub(crate) fn row(window: Window, who: &str, text: &str) -> CostRow {
    let CostGroup {
        project_id,
        api_key_id,
        line_item,
        currency,
    } = group(who);
    let mut parts = text.split(' ').map(|part| Some(part).filter(|part| *part != "?"));
    let mut next = || parts.next().flatten();
    CostRow {
        amount: next().map(|amount| amount.parse().unwrap()),
        quantity: next().map(|quantity| quantity.parse().unwrap()),
        quantity_unit: next().map(str::to_owned),
        project_id,
        api_key_id,
        line_item,
        currency,
        ..CostRow::idle(window)
    }
}

pub(crate) fn csv<'a>(layout: CostLayout, rows: impl IntoIterator<Item = &'a CostRow>) -> Vec<u8> {
    let mut file = CostCsvWriter::new(Vec::new(), layout);
    for row in rows {
        file.write(row).unwrap();
    }
    file.finish().unwrap()
}

/// A file of 17 columns.
pub(crate) fn wide(rows: impl IntoIterator<Item = CostRow>) -> CostExport {
    let rows: Vec<CostRow> = rows.into_iter().collect();
    export(csv(CostLayout::SeventeenColumns, &rows))
}

/// A file of 10 columns.
pub(crate) fn narrow(rows: impl IntoIterator<Item = CostRow>) -> CostExport {
    let rows: Vec<CostRow> = rows.into_iter().collect();
    export(csv(CostLayout::TenColumns, &rows))
}

pub(crate) fn export(text: impl Into<Vec<u8>>) -> CostExport {
    named("cost_2025-09.csv", text)
}

pub(crate) fn named(name: &str, text: impl Into<Vec<u8>>) -> CostExport {
    CostExport::open(Box::new(ExportText::new(name, text))).unwrap()
}

pub(crate) fn options() -> CompareOptions {
    CompareOptions {
        range: TimeRange::default(),
        scope: ExportScope::default(),
        tolerance: 0,
        now: at(NOW),
    }
}

pub(crate) fn compared(export: CostExport, ledger: &MemoryLedger) -> CostComparison {
    compared_with(export, ledger, &options())
}

pub(crate) fn compared_with(
    export: CostExport,
    ledger: &MemoryLedger,
    options: &CompareOptions,
) -> CostComparison {
    all_compared(&[export], ledger, options)
}

pub(crate) fn all_compared(
    exports: &[CostExport],
    ledger: &MemoryLedger,
    options: &CompareOptions,
) -> CostComparison {
    compare_costs(exports, &mut ledger.clone(), options, CostTolerance::default()).unwrap()
}
