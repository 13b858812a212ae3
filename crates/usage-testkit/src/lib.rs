#![doc = include_str!("../README.md")]

mod cluster;
mod database;
mod focus_toolkit;
mod server;

pub use cluster::PostgresCluster;
pub use database::PostgresDatabase;
pub use focus_toolkit::FocusToolkit;
