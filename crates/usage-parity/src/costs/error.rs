//! Why a costs export cannot be read.

use std::io;

use usage_core::{ParseDecimalError, ParseInstantError};

/// Why a costs export cannot be read. Lines are counted from 1, by line feeds, and are those on which a row begins; the
/// name of the file is the caller's to add. Of a cell at most 60 characters are shown.
#[derive(Debug, thiserror::Error)]
pub enum CostCsvError {
    /// The input failed.
    #[error("line {line}: cannot read on: {error}")]
    Read {
        /// The line up to which it could be read.
        line: u64,
        /// What the input said.
        error: io::Error,
    },
    /// The header is not that of a costs export.
    #[error(
        "line {line}: there is no column `{missing}`; give a costs export of the provider's dashboard, \
         cost_<from>_<to>.csv"
    )]
    NoCostsExport {
        /// The line of the header.
        line: u64,
        /// What every costs export has.
        missing: &'static str,
    },
    /// The header names a column that means something twice.
    #[error("line {line}: the column `{column}` is there twice; export the file again")]
    RepeatedColumn {
        /// The line of the header.
        line: u64,
        /// The column.
        column: &'static str,
    },
    /// A row is shorter or longer than the header, for example since the file was cut off.
    #[error("line {line}: {found} cells where the header has {expected}; export the file again")]
    Ragged {
        /// The line of the row.
        line: u64,
        /// How many cells it has.
        found: usize,
        /// How many columns there are.
        expected: usize,
    },
    /// A cell is not UTF-8.
    #[error("line {line}, column {column}: the text is not UTF-8; export the file again, or convert it")]
    NotUtf8 {
        /// The line of the row.
        line: u64,
        /// The column.
        column: String,
    },
    /// A time is neither Unix seconds nor ISO 8601.
    #[error("line {line}, column {column}: `{value}` is no time in whole Unix seconds")]
    UnixTime {
        /// The line of the row.
        line: u64,
        /// The column.
        column: &'static str,
        /// What the cell holds.
        value: String,
    },
    /// An ISO time that is none.
    #[error("line {line}, column {column}: {error}")]
    IsoTime {
        /// The line of the row.
        line: u64,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        error: ParseInstantError,
    },
    /// Two columns that say the same time say different ones.
    #[error("line {line}, column {column}: `{value}` is another time than the Unix seconds {unix} say")]
    TimesDiffer {
        /// The line of the row.
        line: u64,
        /// The column of the ISO time.
        column: &'static str,
        /// The ISO time.
        value: String,
        /// The Unix seconds.
        unix: i64,
    },
    /// A row has no time.
    #[error("line {line}, column {column}: the time is blank")]
    NoTime {
        /// The line of the row.
        line: u64,
        /// The column of the Unix seconds.
        column: &'static str,
    },
    /// The two times of a row span no minute, hour or UTC day.
    #[error("line {line}, column end_time: {start} to {end} is no minute, hour or UTC day")]
    Window {
        /// The line of the row.
        line: u64,
        /// The start, Unix seconds.
        start: i64,
        /// The end, Unix seconds.
        end: i64,
    },
    /// A number is none.
    #[error("line {line}, column {column}: {error}")]
    Decimal {
        /// The line of the row.
        line: u64,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        error: ParseDecimalError,
    },
}

/// The beginning of a text, fit for a message of one line.
pub(super) fn shown(text: &str) -> String {
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    text.chars().take(60).map(visible).collect()
}
