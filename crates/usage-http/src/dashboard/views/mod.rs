//! The pages, filled from the ledger: for each, a handler and what it asks.

pub(crate) mod access;
pub(crate) mod budgets;
mod days;
mod divide;
mod event_rows;
pub(crate) mod explore;
mod filters;
mod names;
pub(crate) mod overview;
pub(crate) mod proofs;
mod ranges;
mod report;
pub(crate) mod restatements;
pub(crate) mod runs;
mod trust;
