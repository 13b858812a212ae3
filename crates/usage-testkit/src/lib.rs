#![doc = include_str!("../README.md")]

mod cluster;
mod database;
mod focus_toolkit;
mod proxy;
mod server;

pub use cluster::PostgresCluster;
pub use database::PostgresDatabase;
pub use focus_toolkit::FocusToolkit;
pub use proxy::{Proxy, Then};
