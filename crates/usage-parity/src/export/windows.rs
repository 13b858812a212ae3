//! Several files of one endpoint and width, as one export.

use usage_core::{DimensionSet, Endpoint, Metric, Width};

use super::UsageExport;
use super::error::{ExportError, ExportProblem};
use super::file_windows::{FileCounts, FileWindow, FileWindows};
use crate::groups::{Symbols, WindowGroups};
use crate::time_range::TimeRange;

/// One window of the export.
pub(crate) struct ExportWindow {
    /// The file that it stands in.
    pub(crate) source: String,
    /// Its groups; none if it was idle.
    pub(crate) groups: WindowGroups,
    /// How many rows of it had nothing but times.
    pub(crate) idle_rows: u64,
    /// The dimensions that the file can tell apart.
    pub(crate) dimensions: DimensionSet,
    /// A bit for each metric of the endpoint that has a column.
    pub(crate) metrics: u32,
    /// Whether a file goes on from before the window that came before this one, so that windows in between, which it
    /// does not mention, are said to be idle.
    pub(crate) follows_on: bool,
}

/// The windows of several files in time order. For each window one file counts as a whole.
pub(crate) struct ExportWindows<'a> {
    files: Vec<File<'a>>,
    endpoint: Endpoint,
}

struct File<'a> {
    export: &'a UsageExport,
    windows: FileWindows<'a>,
    has_begun: bool,
}

impl<'a> ExportWindows<'a> {
    /// Opens all files, which must be of this endpoint and width.
    pub(crate) fn open(
        exports: &'a [UsageExport],
        endpoint: Endpoint,
        width: Width,
        range: TimeRange,
        symbols: &'a Symbols,
    ) -> Result<Self, ExportError> {
        let files = exports
            .iter()
            .filter(|export| export.endpoint == endpoint && export.width == Some(width))
            .map(|export| {
                Ok(File {
                    windows: FileWindows::open(export, width, range, symbols)?,
                    export,
                    has_begun: false,
                })
            })
            .collect::<Result<_, ExportError>>()?;
        Ok(Self { files, endpoint })
    }

    /// The next window.
    ///
    /// Fails if two files disagree about it.
    pub(crate) fn next(&mut self) -> Result<Option<ExportWindow>, ExportError> {
        let Some(start) = self
            .files
            .iter()
            .filter_map(|file| file.windows.next_start())
            .min()
        else {
            return Ok(None);
        };
        let follows_on = self
            .files
            .iter()
            .any(|file| file.has_begun && file.windows.next_start().is_some());
        // A file that goes on and does not mention the window says that it was idle.
        let silent = self
            .files
            .iter()
            .find(|file| file.has_begun && file.windows.next_start().is_some_and(|next| next > start))
            .map(|file| file.export);
        let mut chosen: Option<(&UsageExport, FileWindow)> = None;
        for file in &mut self.files {
            if file.windows.next_start() != Some(start) {
                continue;
            }
            file.has_begun = true;
            let Some(window) = file.windows.next()? else {
                continue;
            };
            match &mut chosen {
                None => chosen = Some((file.export, window)),
                Some((other, standing)) => {
                    if !standing.groups.equals(&window.groups) {
                        return Err(disagree(file.export, other, &window));
                    }
                    standing.idle_rows = standing.idle_rows.max(window.idle_rows);
                }
            }
        }
        if let (Some(silent), Some((export, window))) = (silent, &chosen)
            && !window.groups.is_empty()
        {
            return Err(disagree(silent, export, window));
        }
        Ok(chosen.map(|(export, window)| ExportWindow {
            source: export.name().to_owned(),
            dimensions: export.dimensions(),
            metrics: metric_bits(self.endpoint, export.metrics()),
            groups: window.groups,
            idle_rows: window.idle_rows,
            follows_on,
        }))
    }

    /// What was read of each file; complete at the end.
    pub(crate) fn counts(&self) -> Vec<(String, FileCounts)> {
        self.files
            .iter()
            .map(|file| (file.export.name().to_owned(), file.windows.counts()))
            .collect()
    }
}

/// A bit for each metric of the endpoint, in the endpoint's order.
fn metric_bits(endpoint: Endpoint, metrics: impl Iterator<Item = Metric>) -> u32 {
    metrics
        .filter_map(|metric| endpoint.metrics().iter().position(|known| *known == metric))
        .fold(0, |bits, place| bits | 1 << place)
}

fn disagree(export: &UsageExport, other: &UsageExport, window: &FileWindow) -> ExportError {
    let problem = ExportProblem::Disagree {
        endpoint: export.endpoint,
        window: window.groups.window(),
        other: other.name().to_owned(),
    };
    ExportError::of_file(export.name(), problem)
}
