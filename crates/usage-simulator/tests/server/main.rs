//! The server's contract, through a real HTTP client.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod access;
mod cost_faults;
mod costs;
mod directory;
mod endpoints;
mod fault_choice;
mod faults;
mod grouping;
mod page_faults;
mod pages;
mod refusals;
mod support;
mod truth;
mod wire_faults;
