//! The dashboard: the ledger for people, as HTML that works without a script.

mod assets;
mod chart;
mod chrome;
mod display;
#[cfg(test)]
mod gallery;
mod pages;
