//! Exports against a ledger in memory.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod bad_input;
mod coverage;
mod dimensions;
mod files;
mod outcomes;
mod planted;
mod properties;
mod quirks;
mod report;
mod restatements;
mod scope;
mod support;
