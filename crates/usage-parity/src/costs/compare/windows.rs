//! Several costs exports as one, window by window.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoValues;

use usage_core::{CostGroup, DecimalText, DimensionSet, NanoUsd, Width, Window};

use super::groups::{CostGroups, CostSum, Likeness, key_of};
use crate::costs::export::{CostRows, says_nothing};
use crate::costs::{CostExport, CostRow};
use crate::diff::CompareOptions;
use crate::export::{ExportError, ExportProblem};
use crate::groups::{ABSENT, Symbols};

/// One window of the exports.
pub(super) struct CostWindow<'a> {
    /// The file that it stands in.
    pub(super) export: &'a CostExport,
    /// Its groups; none if it was idle.
    pub(super) groups: CostGroups,
    /// How many rows of it say nothing.
    pub(super) idle_rows: u64,
    /// How many rows of it are of other users than those named.
    pub(super) rows_of_others: u64,
    /// Whether a file goes on from before the window that came before this one, so that windows in between, which it
    /// does not mention, are said to be idle.
    pub(super) follows_on: bool,
}

/// The windows of several files in time order. For each window one file counts as a whole.
pub(super) struct CostWindows<'a> {
    files: Vec<FileWindows<'a>>,
    tolerance_per_row: NanoUsd,
}

impl<'a> CostWindows<'a> {
    /// Opens those of the files that are of this width.
    pub(super) fn open(
        exports: &'a [CostExport],
        width: Width,
        options: &'a CompareOptions,
        tolerance_per_row: NanoUsd,
        symbols: &'a Symbols,
    ) -> Result<Self, ExportError> {
        let files = exports
            .iter()
            .filter(|export| export.width() == Some(width))
            .map(|export| FileWindows::open(export, options, symbols))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            files,
            tolerance_per_row,
        })
    }

    /// When the next window starts, Unix seconds; `None` at the end.
    pub(super) fn next_start(&self) -> Option<i64> {
        self.files.iter().filter_map(FileWindows::next_start).min()
    }

    /// The next window.
    ///
    /// Fails if two files disagree about it.
    pub(super) fn next(&mut self) -> Result<Option<CostWindow<'a>>, ExportError> {
        let Some(start) = self.next_start() else {
            return Ok(None);
        };
        let goes_on = |file: &&FileWindows<'_>| file.has_begun && file.next_start().is_some();
        let follows_on = self.files.iter().any(|file| goes_on(&file));
        // A file that goes on and does not mention the window says that nothing was charged in it.
        let silent = self
            .files
            .iter()
            .filter(goes_on)
            .find(|file| file.next_start() != Some(start))
            .map(|file| file.export);
        let mut chosen: Option<CostWindow<'a>> = None;
        for file in &mut self.files {
            if file.next_start() != Some(start) {
                continue;
            }
            let Some(FileWindow {
                groups,
                idle_rows,
                rows_of_others,
            }) = file.next()?
            else {
                continue;
            };
            let window = CostWindow {
                export: file.export,
                groups,
                idle_rows,
                rows_of_others,
                follows_on,
            };
            chosen = Some(match chosen {
                None => window,
                Some(standing) if agree(&standing, &window, self.tolerance_per_row) => {
                    finer(standing, window)
                }
                Some(standing) => return Err(disagree(file.export, standing.export, window.groups.window())),
            });
        }
        if let (Some(silent), Some(window)) = (silent, &chosen)
            && !window.groups.is_empty()
        {
            return Err(disagree(silent, window.export, window.groups.window()));
        }
        Ok(chosen)
    }

    /// How many rows of each file were outside the range; complete at the end.
    pub(super) fn rows_outside(&self) -> impl Iterator<Item = (&'a CostExport, u64)> {
        self.files.iter().map(|file| (file.export, file.rows_outside))
    }
}

/// Whether two files say the same of a window, as far as both tell it apart. The older layout prints sums of what the
/// newer one has row by row, so that they may be as far apart as a ledger and an export may be.
fn agree(one: &CostWindow<'_>, two: &CostWindow<'_>, tolerance_per_row: NanoUsd) -> bool {
    let both: DimensionSet = one.export.dimensions().intersection(two.export.dimensions());
    let one = one.groups.clone().summed_over_others(both);
    let two = two.groups.clone().summed_over_others(both);
    one.len() == two.len()
        && one.iter().all(|(key, sum)| {
            let Some(other) = two.find(key).map(|place| two.group(place).1) else {
                return false;
            };
            sum.amount_like(other, tolerance_per_row) != Likeness::Different
                && sum.quantity_equals(other) != Some(false)
        })
}

/// The window of the file that tells more apart, or of the first.
fn finer<'a>(standing: CostWindow<'a>, other: CostWindow<'a>) -> CostWindow<'a> {
    let detail = |window: &CostWindow<'_>| {
        let dimensions = window.export.dimensions().iter().count();
        (dimensions, window.export.has_quantities())
    };
    let idle_rows = standing.idle_rows.max(other.idle_rows);
    let chosen = if detail(&other) > detail(&standing) {
        other
    } else {
        standing
    };
    CostWindow { idle_rows, ..chosen }
}

fn disagree(export: &CostExport, other: &CostExport, window: Window) -> ExportError {
    let problem = ExportProblem::CostsDisagree {
        window,
        other: other.name().to_owned(),
    };
    ExportError::of_file(export.name(), problem)
}

/// One window of one file.
struct FileWindow {
    groups: CostGroups,
    idle_rows: u64,
    rows_of_others: u64,
}

/// The windows of one file.
struct FileWindows<'a> {
    export: &'a CostExport,
    options: &'a CompareOptions,
    symbols: &'a Symbols,
    windows: InOrder<'a>,
    has_begun: bool,
    rows_outside: u64,
}

enum InOrder<'a> {
    /// One window after the other, with the first row of the next.
    AsTheyStand {
        rows: Box<CostRows<'a>>,
        next: Option<Box<CostRow>>,
    },
    /// All of them, since the file is out of order.
    Held {
        windows: IntoValues<Window, FileWindow>,
        next: Option<FileWindow>,
    },
}

impl FileWindow {
    fn new(window: Window) -> Self {
        Self {
            groups: CostGroups::new(window),
            idle_rows: 0,
            rows_of_others: 0,
        }
    }
}

impl<'a> FileWindows<'a> {
    fn open(
        export: &'a CostExport,
        options: &'a CompareOptions,
        symbols: &'a Symbols,
    ) -> Result<Self, ExportError> {
        let rows = Box::new(export.read_again()?);
        let mut file = Self {
            export,
            options,
            symbols,
            windows: InOrder::AsTheyStand { rows, next: None },
            has_begun: false,
            rows_outside: 0,
        };
        file.advance()?;
        if !export.is_in_order() {
            file.hold()?;
        }
        Ok(file)
    }

    fn next_start(&self) -> Option<i64> {
        let window = match &self.windows {
            InOrder::AsTheyStand { next, .. } => next.as_ref().map(|row| row.window),
            InOrder::Held { next, .. } => next.as_ref().map(|window| window.groups.window()),
        };
        window.map(Window::start_unix)
    }

    /// The next window.
    fn next(&mut self) -> Result<Option<FileWindow>, ExportError> {
        self.has_begun = true;
        if let InOrder::Held { windows, next } = &mut self.windows {
            return Ok(std::mem::replace(next, windows.next()));
        }
        let Some(row) = self.take_row()? else {
            return Ok(None);
        };
        let start = row.window.start_unix();
        let mut window = FileWindow::new(row.window);
        self.count(&row, &mut window);
        while self.next_start() == Some(start) {
            let Some(row) = self.take_row()? else { break };
            self.count(&row, &mut window);
        }
        if self.next_start().is_some_and(|next| next < start) {
            return Err(self.changed());
        }
        Ok(Some(window))
    }

    /// Reads the file to its end, each window by itself.
    fn hold(&mut self) -> Result<(), ExportError> {
        let mut held: BTreeMap<Window, FileWindow> = BTreeMap::new();
        while let Some(row) = self.take_row()? {
            let window = held
                .entry(row.window)
                .or_insert_with(|| FileWindow::new(row.window));
            self.count(&row, window);
        }
        let mut windows = held.into_values();
        let next = windows.next();
        self.windows = InOrder::Held { windows, next };
        Ok(())
    }

    fn count(&self, row: &CostRow, window: &mut FileWindow) {
        if says_nothing(row) {
            window.idle_rows += 1;
            return;
        }
        if !self.is_of_users_named(row) {
            window.rows_of_others += 1;
            return;
        }
        let group = CostGroup {
            project_id: row.project_id.clone(),
            api_key_id: row.api_key_id.clone(),
            line_item: row.line_item.clone(),
            currency: row.currency.clone(),
        };
        let unit = row
            .quantity_unit
            .as_deref()
            .map_or(ABSENT, |unit| self.symbols.of(unit));
        let amount = row.amount.as_ref().map(DecimalText::value);
        let quantity = row.quantity.as_ref().map(DecimalText::value);
        let sum = CostSum::of_row(amount, quantity, unit);
        window.groups.add(&key_of(&group, self.symbols), &sum);
    }

    /// A file without a column for users has none of others in it.
    fn is_of_users_named(&self, row: &CostRow) -> bool {
        let users = &self.options.scope.users;
        users.is_empty()
            || !self.export.has_users()
            || row.user_id.as_ref().is_some_and(|user| users.contains(user))
    }

    fn take_row(&mut self) -> Result<Option<Box<CostRow>>, ExportError> {
        let InOrder::AsTheyStand { next, .. } = &mut self.windows else {
            return Ok(None);
        };
        let taken = next.take();
        self.advance()?;
        Ok(taken)
    }

    /// Goes to the next row of the range.
    fn advance(&mut self) -> Result<(), ExportError> {
        let InOrder::AsTheyStand { rows, next } = &mut self.windows else {
            return Ok(());
        };
        while let Some(row) = rows.read()? {
            if self.options.range.contains(row.window.start_unix()) {
                *next = Some(Box::new(row));
                return Ok(());
            }
            self.rows_outside += 1;
        }
        if rows.sha256() == self.export.counts().sha256 {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    fn changed(&self) -> ExportError {
        ExportError::of_file(self.export.name(), ExportProblem::Changed)
    }
}
