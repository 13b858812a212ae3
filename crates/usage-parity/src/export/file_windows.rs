//! One file, window by window, in time order.

use usage_core::{Metric, Width, Window};

use super::UsageExport;
use super::error::{ExportError, ExportProblem};
use super::order::lines_are_in_order;
use super::rows::{Row, Rows};
use super::sort::{Sorted, Sorter};
use crate::groups::{Symbols, WindowGroups};
use crate::time_range::TimeRange;

/// What was read of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileCounts {
    /// Rows with usage, also those outside the range.
    pub(crate) rows: u64,
    /// Rows with nothing but times.
    pub(crate) idle_rows: u64,
    /// Rows of windows that were not asked for.
    pub(crate) rows_outside: u64,
    /// SHA-256 in hexadecimal digits.
    pub(crate) sha256: String,
    /// Whether the rows had to be sorted.
    pub(crate) was_sorted: bool,
}

/// The windows of one file.
pub(super) struct FileWindows<'a> {
    export: &'a UsageExport,
    width: Width,
    rows: InOrder<'a>,
    range: TimeRange,
    row: Row,
    /// Whether `row` belongs to the window that comes next.
    is_pending: bool,
    counts: FileCounts,
}

/// Rows in time order, as they stand or sorted.
enum InOrder<'a> {
    AsTheyStand(Box<Rows<'a>>),
    Sorted(Sorted),
}

/// One window of one file.
pub(super) struct FileWindow {
    pub(super) groups: WindowGroups,
    pub(super) idle_rows: u64,
}

impl<'a> FileWindows<'a> {
    /// Begins to read the windows of the range.
    pub(super) fn open(
        export: &'a UsageExport,
        width: Width,
        range: TimeRange,
        symbols: &'a Symbols,
    ) -> Result<Self, ExportError> {
        let source = &*export.source;
        let is_in_order = export.columns.start == Some(0)
            && source
                .open()
                .and_then(lines_are_in_order)
                .map_err(|error| ExportError::of_file(export.name(), error))?;
        let mut counts = FileCounts::default();
        let mut rows = Rows::open(source, &export.columns, export.endpoint, symbols)?;
        let row = Row {
            values: vec![0; export.endpoint.metrics().len()],
            ..Row::default()
        };
        let rows = if is_in_order {
            InOrder::AsTheyStand(Box::new(rows))
        } else {
            let sorted = sort(export, &mut rows, row.clone())?;
            counts.sha256 = rows.sha256();
            counts.was_sorted = true;
            InOrder::Sorted(sorted)
        };
        let mut windows = Self {
            export,
            width,
            rows,
            range,
            row,
            is_pending: false,
            counts,
        };
        windows.advance()?;
        Ok(windows)
    }

    /// When the next window starts, Unix seconds; `None` at the end.
    pub(super) fn next_start(&self) -> Option<i64> {
        self.is_pending.then_some(self.row.start)
    }

    /// The next window.
    pub(super) fn next(&mut self) -> Result<Option<FileWindow>, ExportError> {
        let Some(start) = self.next_start() else {
            return Ok(None);
        };
        let window = Window::from_unix(start, self.width).map_err(|_| {
            let end = start.saturating_add(self.width.seconds());
            ExportError::of_file(self.export.name(), ExportProblem::NoWindow { start, end })
        })?;
        let mut groups = WindowGroups::new(window, self.export.endpoint);
        let mut idle_rows = 0;
        while self.next_start() == Some(start) {
            if self.row.is_idle {
                idle_rows += 1;
            } else {
                groups
                    .add(&self.row.key, &self.row.values, self.row.present, 1)
                    .map_err(|metric| self.too_large(window, metric))?;
            }
            self.advance()?;
        }
        if self.next_start().is_some_and(|next| next < start) {
            return Err(ExportError::of_file(self.export.name(), ExportProblem::Changed));
        }
        Ok(Some(FileWindow { groups, idle_rows }))
    }

    /// What was read of the file; complete at the end.
    pub(super) fn counts(&self) -> FileCounts {
        let mut counts = self.counts.clone();
        if let InOrder::AsTheyStand(rows) = &self.rows {
            counts.sha256 = rows.sha256();
        }
        counts
    }

    /// Goes to the next row of the range.
    fn advance(&mut self) -> Result<(), ExportError> {
        loop {
            self.is_pending = match &mut self.rows {
                InOrder::AsTheyStand(rows) => rows.read(&mut self.row)?,
                InOrder::Sorted(rows) => rows
                    .read(&mut self.row)
                    .map_err(|error| ExportError::of_file(self.export.name(), ExportProblem::Sort(error)))?,
            };
            if !self.is_pending {
                return Ok(());
            }
            if self.row.is_idle {
                self.counts.idle_rows += 1;
            } else {
                self.counts.rows += 1;
            }
            if self.range.contains(self.row.start) {
                return Ok(());
            }
            self.counts.rows_outside += 1;
        }
    }

    fn too_large(&self, window: Window, metric: Metric) -> ExportError {
        ExportError::of_file(self.export.name(), ExportProblem::Sum { window, metric })
    }
}

fn sort(export: &UsageExport, rows: &mut Rows<'_>, mut row: Row) -> Result<Sorted, ExportError> {
    let cannot_sort = |error| ExportError::of_file(export.name(), ExportProblem::Sort(error));
    let mut sorter = Sorter::new(row.values.len());
    while rows.read(&mut row)? {
        sorter.push(&row).map_err(cannot_sort)?;
    }
    sorter.finish().map_err(cannot_sort)
}
