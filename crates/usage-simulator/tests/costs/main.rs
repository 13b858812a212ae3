//! What a simulated organisation is charged, row by row, and its exports.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod charges;
mod exports;
mod prices;
mod rows;
mod support;
