//! An organisation that lives.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod exports;
mod life;
mod served;
mod support;
