#![doc = include_str!("../README.md")]

mod access;
mod api;
mod cached;
mod connections;
mod dashboard;
mod files;
mod layers;
mod limits;
mod operations;
mod problem;
mod router;
mod routes;
mod secret;
mod server;
mod stream;

pub use dashboard::{BudgetState, DashboardOperations, KeyToAdd, Refused, WhyRefused};
pub use limits::Limits;
pub use operations::{JsonText, OperationFailed, Operations, Readiness, ReadinessCheck};
pub use secret::is_usable_cron_secret;
pub use server::{Dashboard, Listen, ListenError, ServeOptions, Server};
