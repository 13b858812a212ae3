//! Writing the costs export.

use std::io;

use super::layout::{CostColumn, CostLayout};
use super::row::CostRow;
use crate::TIME_COLUMNS;
use crate::provider_csv::{io_error, iso};

/// Writes the provider's costs export in one of its layouts, row after row, in the order in which they come. Numbers are
/// written in the provider's own text.
///
/// Nothing is dropped: a row with a value that the layout has no column for is refused. (The provider leaves out all
/// columns but the four times when no row of its file has a cost; this writes them all.)
///
/// ```
/// use usage_core::{Window, parse_day};
/// use usage_parity::costs::{CostCsvReader, CostCsvWriter, CostLayout, CostRow};
///
/// let row = CostRow {
///     amount: Some("0E-6176".parse()?),
///     currency: Some("usd".to_owned()),
///     ..CostRow::idle(Window::day(parse_day("2025-09-01")?))
/// };
/// let mut file = CostCsvWriter::new(Vec::new(), CostLayout::TenColumns);
/// file.write(&row)?;
/// let bytes = file.finish()?;
/// let read: Vec<CostRow> = CostCsvReader::new(bytes.as_slice())?.collect::<Result<_, _>>()?;
/// assert_eq!(read, [row]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CostCsvWriter<W: io::Write> {
    output: csv::Writer<W>,
    layout: CostLayout,
    has_header: bool,
    rows: u64,
}

impl<W: io::Write> CostCsvWriter<W> {
    /// A writer that has written nothing yet. The output needs no buffer of its own.
    pub fn new(output: W, layout: CostLayout) -> Self {
        Self {
            output: csv::Writer::from_writer(output),
            layout,
            has_header: false,
            rows: 0,
        }
    }

    /// Writes one row.
    ///
    /// # Errors
    ///
    /// The layout has no column for a value of the row, or the output fails. After an error the file is not complete
    /// and must not be used.
    pub fn write(&mut self, row: &CostRow) -> Result<(), CostCsvWriteError> {
        self.check(row)?;
        self.write_header()?;
        self.rows += 1;
        let window = row.window;
        let times = [
            window.start_unix().to_string(),
            window.end_unix().to_string(),
            iso(window.start()),
            iso(window.end()),
        ];
        let cells = self
            .layout
            .columns()
            .iter()
            .map(|column| row.get(*column).unwrap_or_default());
        let record = times.iter().map(String::as_str).chain(cells);
        self.output
            .write_record(record)
            .map_err(|error| self.output_error(io_error(error)))
    }

    /// Writes out what is still buffered and returns the output.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn finish(mut self) -> Result<W, CostCsvWriteError> {
        self.write_header()?;
        let row = self.rows;
        self.output
            .into_inner()
            .map_err(|failed| CostCsvWriteError::Output {
                row,
                error: failed.into_error(),
            })
    }

    fn check(&self, row: &CostRow) -> Result<(), CostCsvWriteError> {
        let number = self.rows + 1;
        let columns = self.layout.columns();
        let homeless = CostColumn::ALL
            .into_iter()
            .find(|column| row.get(*column).is_some() && !columns.contains(column));
        if let Some(column) = homeless {
            return Err(CostCsvWriteError::NoColumn {
                row: number,
                column,
                columns: TIME_COLUMNS.len() + columns.len(),
            });
        }
        if row.unknown.iter().any(|cell| !cell.is_empty()) {
            return Err(CostCsvWriteError::UnknownColumn { row: number });
        }
        Ok(())
    }

    fn write_header(&mut self) -> Result<(), CostCsvWriteError> {
        if self.has_header {
            return Ok(());
        }
        self.has_header = true;
        let names = self.layout.columns().iter().map(|column| column.as_str());
        self.output
            .write_record(TIME_COLUMNS.into_iter().chain(names))
            .map_err(|error| self.output_error(io_error(error)))
    }

    const fn output_error(&self, error: io::Error) -> CostCsvWriteError {
        CostCsvWriteError::Output {
            row: self.rows,
            error,
        }
    }
}

/// Why a costs export could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CostCsvWriteError {
    /// The output failed, at this row or, since writing is buffered, at one shortly before it.
    #[error("cannot write row {row}: {error}")]
    Output {
        /// The row that was being written, from 1; 0 is the header.
        row: u64,
        /// What the output said.
        error: io::Error,
    },
    /// The layout has no column for a value.
    #[error("cannot write row {row}: the layout of {columns} columns has none for `{column}`")]
    NoColumn {
        /// The row, from 1.
        row: u64,
        /// What the layout lacks.
        column: CostColumn,
        /// How many columns it has.
        columns: usize,
    },
    /// The row has a value of a column that this version does not know.
    #[error("cannot write row {row}: it has a value of a column that no known layout has")]
    UnknownColumn {
        /// The row, from 1.
        row: u64,
    },
}
