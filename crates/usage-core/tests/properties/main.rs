//! What must hold for every value, not only for the ones in examples.

#![expect(clippy::unwrap_used, reason = "a strategy that cannot go on fails its test")]

mod keys;
mod metrics;
mod money;
mod split;
mod windows;
