//! The dashboard: the ledger for people, as HTML that works without a script.

mod assets;
mod chart;
mod chrome;
mod display;
#[cfg(test)]
mod gallery;
mod operations;
mod pages;
pub(crate) mod query;
mod server;
mod session;
mod views;
mod visitor;

pub use operations::{BudgetState, DashboardOperations, KeyToAdd, Refused, WhyRefused};
pub(crate) use server::{DashboardState, router};
pub(crate) use session::{SESSION, Sessions};
