#![doc = include_str!("../README.md")]

mod cluster;
mod database;
mod server;

pub use cluster::PostgresCluster;
pub use database::PostgresDatabase;
