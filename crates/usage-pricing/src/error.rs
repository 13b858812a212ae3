//! What can be wrong with price data.

use std::fmt;

use chrono::NaiveDate;

use crate::amount::AmountProblem;
use crate::entry::Key;

/// What is wrong with a price file, and where. Shown as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    file: String,
    line: Option<usize>,
    problem: String,
}

impl CatalogueError {
    /// The line, counted from one, if the problem is in one.
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    pub(crate) fn new(file: &str, line: Option<usize>, problem: &Problem) -> Self {
        Self {
            file: file.to_owned(),
            line,
            problem: problem.to_string(),
        }
    }
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

impl std::error::Error for CatalogueError {}

/// What is wrong in one place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Syntax(String),
    #[error("unknown field `{field}`; {place} has {}", .known.join(", "))]
    UnknownField {
        field: String,
        place: &'static str,
        known: &'static [&'static str],
    },
    #[error("{place} lacks `{field}`")]
    Missing {
        place: &'static str,
        field: &'static str,
    },
    #[error("`{field}` takes {expected}, not {found}")]
    WrongType {
        field: String,
        expected: &'static str,
        found: &'static str,
    },
    #[error("`{field}` is empty")]
    Empty { field: &'static str },
    #[error("{0}")]
    Provider(#[from] usage_core::ParseAccountError),
    #[error("`{found}` is no endpoint with prices of its own; that is only decisions")]
    Endpoint { found: String },
    #[error("unknown unit `{unit}`; {table} has {known}")]
    UnknownUnit {
        unit: String,
        table: &'static str,
        known: String,
    },
    #[error("`{unit}` is also priced by the {other}; one of them is enough")]
    RepeatedUnit { unit: String, other: &'static str },
    #[error("`{amount}` for `{unit}` {problem}")]
    Amount {
        unit: String,
        amount: String,
        problem: AmountProblem,
    },
    #[error("the price has no rates; name them in usd_per_million or usd_per_unit")]
    NoRates,
    #[error("the standard tier cannot be free; name another tier, or a price of 0 for a model")]
    FreeStandard,
    #[error("`{name}` is no name for a model: the catalogue uses the word itself")]
    ReservedName { name: String },
    #[error("until {until} is not after from {from}")]
    NoDays { from: NaiveDate, until: NaiveDate },
    #[error("{key} has a price for some of these days already{}", in_line(*.line))]
    Overlap { key: Key, line: Option<usize> },
    #[error("the alias `{alias}` is the name of `{model}` and of `{other}`")]
    AmbiguousAlias {
        alias: String,
        model: String,
        other: String,
    },
    #[error("the alias `{alias}` of `{model}` is the name of a model with prices of its own")]
    AliasIsModel { alias: String, model: String },
    #[error("the price id {id} is given twice")]
    RepeatedId { id: String },
}

fn in_line(line: Option<usize>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}
