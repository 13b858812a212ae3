//! Costs exports against a ledger in memory.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod files;
mod outcomes;
mod properties;
mod quirks;
mod report;
mod restatements;
mod scope;
mod support;
