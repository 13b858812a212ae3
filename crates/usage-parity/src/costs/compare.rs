//! Costs exports against a ledger, as decimals.

mod groups;
mod history;
mod judge;
mod ledger_windows;
mod number;
mod outcome;
mod partners;
mod record;
mod windows;

use std::collections::BTreeSet;
use std::convert::Infallible;

use chrono::DateTime;
use usage_core::{Endpoint, Width, Window};

use self::judge::Judge;
use self::ledger_windows::LedgerWindows;
pub use self::outcome::{
    CostComparison, CostCounts, CostDifference, CostGroupKey, CostRecord, CostSurface, CostTolerance,
};
use self::windows::{CostWindow, CostWindows};
use super::export::CostExport;
use super::ledger::CostLedger;
use crate::diff::{CompareOptions, InspectedFile, ParityError};
use crate::groups::Symbols;
use crate::ledger::LedgerSelection;
use crate::time_range::{TimeRange, first_window_from, windows_between};

/// Compares costs exports with a ledger.
///
/// A group is a window, a project, a line item, an API key and a currency, whose case does not count, as far as both sides
/// tell them apart; what an export tells apart besides (users, API sources) is summed. Amounts are compared as decimals
/// within the tolerance, quantities exactly where both sides have them in one unit. Of the options, the range, the scope
/// and the time count; [`CompareOptions::tolerance`] is for the integers of usage. No ledger tells costs apart by user, so
/// that an export filtered to users is not covered.
///
/// The files count as one export; where two have the same window they must agree. Memory is bounded by the largest
/// window and the number of distinct texts; a file that is not in time order is held whole, in some eighty bytes for each
/// of its groups.
///
/// # Errors
///
/// A file cannot be used, the ledger cannot be read, or a temporary file fails.
pub fn compare_costs<L: CostLedger>(
    exports: &[CostExport],
    ledger: &mut L,
    options: &CompareOptions,
    tolerance: CostTolerance,
) -> Result<CostComparison, ParityError<L::Error>> {
    let mut result = CostComparison {
        has_ledger: true,
        tolerance,
        ..CostComparison::default()
    };
    each_width(exports, options, &mut result, |walk, result| {
        walk.with_ledger(ledger, result)
    })?;
    Ok(result)
}

/// Reads costs exports to their end and sums them up, without a ledger.
///
/// # Errors
///
/// A file cannot be used.
pub fn summarize_costs(
    exports: &[CostExport],
    options: &CompareOptions,
) -> Result<CostComparison, ParityError<Infallible>> {
    let mut result = CostComparison::default();
    each_width(exports, options, &mut result, |walk: &Walk<'_>, result| {
        Walk::alone(walk, result)
    })?;
    Ok(result)
}

/// The comparison of one width.
struct Walk<'a> {
    exports: &'a [CostExport],
    width: Width,
    options: &'a CompareOptions,
    symbols: Symbols,
}

/// How many rows of which file were outside the range.
type Outside = Vec<(String, u64)>;

fn each_width<E>(
    exports: &[CostExport],
    options: &CompareOptions,
    result: &mut CostComparison,
    mut each: impl FnMut(&Walk<'_>, &mut CostComparison) -> Result<Outside, ParityError<E>>,
) -> Result<(), ParityError<E>> {
    // A file without a row says nothing of its width; where a range is asked for, it is held against days.
    let asked = options.range.from.and(options.range.to).map(|_| Width::Day);
    let widths: BTreeSet<Width> = exports
        .iter()
        .filter_map(|export| export.width().or(asked))
        .collect();
    let mut outside = Vec::new();
    for width in widths {
        let walk = Walk {
            exports,
            width,
            options,
            symbols: Symbols::default(),
        };
        outside.extend(each(&walk, result)?);
    }
    for export in exports {
        let rows_outside_range = outside
            .iter()
            .position(|(name, _)| name == export.name())
            .map_or(0, |place| outside.swap_remove(place).1);
        let counts = export.counts();
        result.files.push(InspectedFile {
            path: export.name().to_owned(),
            sha256: counts.sha256.clone(),
            endpoint: Endpoint::Costs,
            width: export.width(),
            rows: counts.rows,
            idle_rows: counts.idle_rows,
            rows_outside_range,
            was_sorted: counts.was_sorted,
            unknown_columns: export.unknown_columns().to_vec(),
        });
    }
    Ok(())
}

impl Walk<'_> {
    fn with_ledger<L: CostLedger>(
        &self,
        ledger: &mut L,
        result: &mut CostComparison,
    ) -> Result<Outside, ParityError<L::Error>> {
        let mut windows = self.windows(result)?;
        let asked = self.options.range;
        let first_asked = asked
            .from
            .map(|from| first_window_from(from.timestamp(), self.width));
        // Without a window of the export, only a range with both ends says what to look at.
        let begins = match (first_asked, windows.next_start()) {
            (Some(_), None) if asked.to.is_none() => None,
            (Some(first), _) => Some(first),
            (None, first) => first,
        };
        let Some(mut position) = begins else {
            return Ok(outside(&windows));
        };
        let coverage = ledger
            .begin(&LedgerSelection {
                endpoint: Endpoint::Costs,
                width: self.width,
                range: TimeRange {
                    from: DateTime::from_timestamp(position, 0),
                    to: asked.to,
                },
            })
            .map_err(ParityError::Ledger)?;
        let mut ledger = LedgerWindows::new(ledger, coverage, &self.symbols);
        let mut judge = Judge::new(self.width, self.options, &self.symbols, result);
        loop {
            let csv = windows.next()?;
            let next = csv.as_ref().map(|csv| csv.groups.window().start_unix());
            let Some(until) = next.or(asked.to.map(|to| to.timestamp())) else {
                break;
            };
            // Between its first window and its last, an export that mentions no cost says that there was none. So does
            // the range that was asked for, around and between exports.
            let is_asked = match &csv {
                Some(csv) => csv.follows_on || asked.from.is_some() || asked.to.is_some(),
                None => asked.to.is_some(),
            };
            if is_asked {
                while position < until {
                    let Some(window) = self.window(position) else {
                        break;
                    };
                    judge_one(&mut judge, &mut ledger, window, None)?;
                    position += self.width.seconds();
                }
            } else if let Some(between) = windows_between(position, until, self.width) {
                judge.passes_over(between);
            }
            let Some(csv) = csv else { break };
            let window = csv.groups.window();
            judge_one(&mut judge, &mut ledger, window, Some(csv))?;
            position = window.end_unix();
        }
        judge.finish();
        result.runs.extend(ledger.runs);
        Ok(outside(&windows))
    }

    fn alone<E>(&self, result: &mut CostComparison) -> Result<Outside, ParityError<E>> {
        let mut windows = self.windows(result)?;
        let mut judge = Judge::new(self.width, self.options, &self.symbols, result);
        while let Some(csv) = windows.next()? {
            judge.count(csv);
        }
        judge.finish();
        Ok(outside(&windows))
    }

    fn windows<E>(&self, result: &CostComparison) -> Result<CostWindows<'_>, ParityError<E>> {
        let windows = CostWindows::open(
            self.exports,
            self.width,
            self.options,
            result.tolerance.0,
            &self.symbols,
        )?;
        Ok(windows)
    }

    fn window(&self, start: i64) -> Option<Window> {
        Window::from_unix(start, self.width).ok()
    }
}

fn judge_one<L: CostLedger>(
    judge: &mut Judge<'_>,
    ledger: &mut LedgerWindows<'_, L>,
    window: Window,
    csv: Option<CostWindow<'_>>,
) -> Result<(), ParityError<L::Error>> {
    let coverage = ledger.coverage(window);
    let groups = ledger.groups(window).map_err(ParityError::Ledger)?;
    judge.window(window, csv, groups, &coverage, || ledger.ledger.changes(window))
}

fn outside(windows: &CostWindows<'_>) -> Outside {
    windows
        .rows_outside()
        .map(|(export, rows)| (export.name().to_owned(), rows))
        .collect()
}
