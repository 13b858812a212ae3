//! Priced usage against what the provider says it charged.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod bridge;
mod classes;
mod matching;
mod overlay;
mod report;
mod support;
