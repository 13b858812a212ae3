//! What can be wrong with an export.

use std::fmt;
use std::io;

use usage_core::{Endpoint, Metric, Width, Window};

use super::guard::RECORD_LIMIT;
use crate::costs::CostCsvError;

/// An export cannot be used. The message is one line that names the file and, where there is one, the line.
#[derive(Debug)]
pub struct ExportError {
    /// The file.
    pub file: String,
    /// The line, the header being 1. A row with line breaks in it is named by the line where it begins.
    pub line: Option<u64>,
    /// What is wrong.
    pub problem: ExportProblem,
}

/// What is wrong with an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportProblem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Rows had to be sorted, and the temporary file failed.
    #[error("its rows are not in time order, and sorting them in a temporary file failed: {0}")]
    Sort(io::Error),
    /// There is not even a header.
    #[error("is empty; download the export again")]
    Empty,
    /// A row passes the size that any export's rows have.
    #[error(
        "is longer than {} KiB; this is no CSV export, or a quote is left open",
        .limit / 1024
    )]
    RecordTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The header lacks the times.
    #[error("has no column `{0}`, so it is not the header of a usage export")]
    NoTimes(&'static str),
    /// A column comes twice.
    #[error("names the column `{0}` twice")]
    ColumnTwice(String),
    /// The columns are those of no export.
    #[error("is the header of no known usage export: it has the columns {0}")]
    NoEndpoint(String),
    /// The columns are those of the costs export.
    #[error("is the header of a costs export; usage is compared here")]
    Costs,
    /// The columns fit several endpoints.
    #[error("fits the exports of {}; name one with --endpoint, or keep the provider's file name", names(.0))]
    SeveralEndpoints(Vec<Endpoint>),
    /// The columns are not those of the endpoint that was asked for.
    #[error("is not the header of an export of {0}")]
    OtherEndpoint(Endpoint),
    /// A row has more or fewer values than the header.
    #[error("has {found} values where the header names {expected} columns")]
    Ragged {
        /// How many the header names.
        expected: u64,
        /// How many the row has.
        found: u64,
    },
    /// A text is not UTF-8.
    #[error("is not UTF-8 text")]
    NotText,
    /// A count is no count.
    #[error("{column} is `{text}`; {why}")]
    Count {
        /// The column.
        column: Metric,
        /// The value.
        text: String,
        /// Why it is none.
        why: &'static str,
    },
    /// `batch` is neither yes nor no.
    #[error("batch is `{0}`; it must be True, False or empty")]
    Batch(String),
    /// A time is none.
    #[error("{column} is `{text}`, which is no time")]
    Time {
        /// The column.
        column: &'static str,
        /// The value.
        text: String,
    },
    /// The two forms of a time disagree.
    #[error("{column} and {column}_iso are different times")]
    TimesDiffer {
        /// The column with Unix seconds.
        column: &'static str,
    },
    /// The times are those of no window.
    #[error("runs from {start} to {end}, which is no UTC day, hour or minute")]
    NoWindow {
        /// Unix seconds.
        start: i64,
        /// Unix seconds.
        end: i64,
    },
    /// Windows of two widths stand in one file.
    #[error(
        "is a window of {found}, while the rows before it are of {expected}; export each width into a file of its own"
    )]
    WidthsMixed {
        /// The width of the rows before.
        expected: Width,
        /// The width of this one.
        found: Width,
    },
    /// A sum is too large.
    #[error("the sum of {metric} in the window {window} is beyond 64 bits")]
    Sum {
        /// The window.
        window: Window,
        /// The metric.
        metric: Metric,
    },
    /// A costs export says something that cannot be.
    #[error(transparent)]
    CostRow(#[from] CostCsvError),
    /// Two files have different rows of one window.
    #[error("has other usage of {endpoint} in the window {window} than {other}; give only the newer one")]
    Disagree {
        /// The endpoint.
        endpoint: Endpoint,
        /// The window.
        window: Window,
        /// The other file.
        other: String,
    },
    /// Two files say different things of what was charged in one window.
    #[error("has other costs in the window {window} than {other}; give only the newer one")]
    CostsDisagree {
        /// The window.
        window: Window,
        /// The other file.
        other: String,
    },
    /// The file grew or was replaced.
    #[error("changed while it was read; try again")]
    Changed,
}

impl ExportProblem {
    /// A row passes the limit.
    pub(crate) const fn too_long() -> Self {
        Self::RecordTooLong { limit: RECORD_LIMIT }
    }
}

impl ExportError {
    /// A problem of the whole file.
    pub(crate) fn of_file(file: &str, problem: impl Into<ExportProblem>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            problem: problem.into(),
        }
    }

    /// A problem of one line.
    pub(crate) fn of_line(file: &str, line: u64, problem: ExportProblem) -> Self {
        Self {
            file: file.to_owned(),
            line: Some(line),
            problem,
        }
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} line {line}: {}", self.file, self.problem),
            None => write!(f, "{} {}", self.file, self.problem),
        }
    }
}

impl std::error::Error for ExportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problem.source()
    }
}

fn names(endpoints: &[Endpoint]) -> String {
    let names: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.as_str()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
