#![doc = include_str!("../README.md")]

pub mod alerting;
pub mod commands;
pub mod cron;
mod error;
mod files;
pub mod logging;
pub mod monitoring;
pub mod rehearsal;
pub mod serving;
pub mod settings;
mod text;
mod wiring;

pub use error::AppError;
pub use text::hide_secrets;
pub use usage_ingest::{Progress, Step};

pub use wiring::{App, Exit};
