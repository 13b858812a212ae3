//! `usage export`

mod costs;
mod days;
mod focus;
mod names;
mod selection;
#[cfg(test)]
mod testing;
mod usage;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use usage_core::{Account, Endpoint, Width};
use usage_parity::event_lines::cells;
use usage_store::Ledger;

use self::selection::{Content, Selection};
use crate::error::AppError;
use crate::files::{AtomicFile, cannot_write};
use crate::wiring::App;

/// Events or costs in memory at once.
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
    /// The surfaces; if none is named, all of usage, completions in the provider's own export, and costs in a FOCUS file.
    pub endpoints: Vec<Endpoint>,
    /// How wide the windows of the events are: those of two widths are never in one export, where they would count
    /// twice.
    pub width: Width,
    /// The accounts; every one if none is named.
    pub accounts: Vec<Account>,
    /// The file, written exactly there, whole or not at all; standard output if none is named.
    pub output: Option<PathBuf>,
}

/// In which form events or costs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportLayout {
    /// One JSON object a line.
    JsonLines,
    /// One row an event or a cost. Texts that a spreadsheet would take for a formula are marked as text.
    Csv,
    /// The provider's own export of one endpoint, column for column.
    ProviderCsv,
    /// Costs as the FinOps Open Cost and Usage Specification has them, version 1.4; see `docs/FOCUS.md`.
    Focus,
}

/// What was written, and what whoever reads it must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// How many events or costs were written.
    pub written: u64,
    /// What is not in the file though somebody may look for it there, a line each.
    pub warnings: Vec<String>,
}

/// Which of the two forms with our own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    Json,
    Csv,
}

/// Writes the events or the costs.
pub async fn export(app: &App, options: ExportOptions) -> Result<ExportReport, AppError> {
    let ledger = app.ledger().await?;
    let selection = Selection::new(&ledger, &options).await?;
    let layout = options.layout;
    match &options.output {
        None => write(&ledger, layout, &selection, &mut io::stdout().lock()).await,
        Some(path) => {
            check_folder(path)?;
            let mut file = AtomicFile::create(path)?;
            let written = write(&ledger, layout, &selection, file.writer()).await;
            let report = written.map_err(|error| match error {
                AppError::Stream { source, .. } => cannot_write(path)(source),
                other => other,
            })?;
            file.commit()?;
            Ok(report)
        }
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

async fn write(
    ledger: &Ledger,
    layout: ExportLayout,
    selection: &Selection,
    out: &mut dyn Write,
) -> Result<ExportReport, AppError> {
    let lines = match layout {
        ExportLayout::JsonLines => Some(Lines::Json),
        ExportLayout::Csv => Some(Lines::Csv),
        ExportLayout::ProviderCsv | ExportLayout::Focus => None,
    };
    let written = match (selection.content(), lines) {
        (Content::Usage(endpoints), Some(lines)) => {
            usage::write_lines(ledger, selection, endpoints, lines, out).await?
        }
        (Content::Usage(endpoints), None) => {
            let mut written = 0;
            for endpoint in endpoints {
                written += usage::write_provider_csv(ledger, selection, *endpoint, out).await?;
            }
            written
        }
        (Content::Costs, Some(lines)) => costs::write_lines(ledger, selection, lines, out).await?,
        (Content::Costs, None) if layout == ExportLayout::Focus => {
            return focus::write(ledger, selection, out).await;
        }
        (Content::Costs, None) => costs::write_provider_csv(ledger, selection, out).await?,
    };
    Ok(ExportReport {
        written,
        warnings: Vec::new(),
    })
}

fn stream(source: io::Error) -> AppError {
    AppError::Stream {
        what: "cannot write the export",
        source,
    }
}
