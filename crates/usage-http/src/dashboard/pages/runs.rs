//! Runs: what was read when, and what went wrong.

use askama::Template;

use super::parts::{Badge, Pages};
use crate::dashboard::chrome::Chrome;
use crate::dashboard::display::{At, Count, Fact};

/// The list of runs.
#[derive(Template)]
#[template(path = "runs.html")]
pub(crate) struct Runs {
    pub(crate) chrome: Chrome,
    pub(crate) rows: Vec<RunRow>,
    pub(crate) pages: Pages,
}

/// One run.
pub(crate) struct RunRow {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) label: Option<String>,
    pub(crate) status: Badge,
    pub(crate) started: At,
    /// How long it took, or that it is still at work.
    pub(crate) lasted: String,
    /// The days asked for, in words.
    pub(crate) range: String,
    pub(crate) windows: Count,
    pub(crate) stored: Count,
    pub(crate) updated: Count,
    pub(crate) errors: u64,
    pub(crate) warnings: u64,
}

/// One run, with everything that is known about it.
#[derive(Template)]
#[template(path = "run.html")]
pub(crate) struct RunPage {
    pub(crate) chrome: Chrome,
    pub(crate) run: RunRow,
    pub(crate) facts: Vec<Fact>,
    pub(crate) telemetry: Vec<Fact>,
    pub(crate) issues: Vec<IssueRow>,
    pub(crate) artefacts: Vec<Fact>,
}

/// What went otherwise than planned.
pub(crate) struct IssueRow {
    pub(crate) severity: Badge,
    pub(crate) code: String,
    pub(crate) message: String,
}
