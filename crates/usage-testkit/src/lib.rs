#![doc = include_str!("../README.md")]

mod api_tester;
mod cluster;
mod command_lines;
mod database;
mod deploy_tools;
mod focus_toolkit;
mod proxy;
mod python;
mod server;

pub use api_tester::ApiTester;
pub use cluster::PostgresCluster;
pub use command_lines::CommandLine;
pub use database::PostgresDatabase;
pub use deploy_tools::DeployTools;
pub use focus_toolkit::FocusToolkit;
pub use proxy::{Proxy, Then};
