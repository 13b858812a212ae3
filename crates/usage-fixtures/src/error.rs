//! What makes a fixture unusable.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::error::Category;

/// Why nothing can be done with a file or folder: one line that names it, the line where there is one, and the reason.
/// It never repeats what the file holds.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {reason}", path.display(), LineSuffix(*line))]
pub struct FixtureError {
    /// The file or folder, as it was named.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl FixtureError {
    pub(crate) fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            reason: reason.into(),
        }
    }

    pub(crate) fn at(path: &Path, line: usize, reason: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::new(path, reason)
        }
    }
}

struct LineSuffix(Option<usize>);

impl fmt::Display for LineSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(line) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}

/// A fault at a line of a text whose file somebody else knows.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl Fault {
    /// What is wrong with JSON, without a word of it. `shape` says what was expected of it.
    pub(crate) fn of_json(error: &serde_json::Error, shape: &str) -> Self {
        let reason = match error.classify() {
            Category::Eof => "the JSON ends too early".to_owned(),
            Category::Syntax | Category::Io => format!("not JSON (column {})", error.column()),
            Category::Data => shape.to_owned(),
        };
        Self {
            line: error.line(),
            reason,
        }
    }

    pub(crate) fn in_file(self, path: &Path) -> FixtureError {
        FixtureError::at(path, self.line, self.reason)
    }
}
