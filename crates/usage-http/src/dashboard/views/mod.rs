//! The pages, filled from the ledger: for each, a handler and what it asks.

pub(crate) mod access;
pub(crate) mod budgets;
mod days;
pub(crate) mod explore;
mod facts;
mod names;
pub(crate) mod overview;
pub(crate) mod proofs;
mod ranges;
mod report;
pub(crate) mod restatements;
pub(crate) mod runs;
mod trust;

pub(crate) use facts::KeptFacts;
