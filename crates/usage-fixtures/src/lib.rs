#![doc = include_str!("../README.md")]

mod capture;
mod error;
mod expected;
mod files;
mod pages;
mod sanitize;
mod summary;

pub use capture::{CaptureLog, fixture_name, fixture_text, log_name};
pub use error::FixtureError;
pub use expected::{ExpectedTotals, Mismatch, TotalsFolder};
pub use files::{FixtureFiles, read_text};
pub use sanitize::{Change, ChangeKind, Salt, SanitizedFile, WeakSalt, sanitize};
pub use summary::{FixtureSummary, Summary, WindowSummary, summarize};
