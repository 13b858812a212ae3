//! The server's contract, through a real HTTP client.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod access;
mod directory;
mod faults;
mod grouping;
mod pages;
mod refusals;
mod support;
mod truth;
