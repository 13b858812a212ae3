//! The pages, filled from the ledger: for each, a handler and what it asks.

pub(crate) mod access;
mod bars;
pub(crate) mod budgets;
mod cards;
mod days;
mod divide;
mod event_rows;
pub(crate) mod explore;
mod facts;
mod filters;
mod names;
pub(crate) mod overview;
pub(crate) mod proofs;
mod ranges;
mod report;
pub(crate) mod restatements;
pub(crate) mod runs;
mod trust;

pub(crate) use facts::KeptFacts;
