#![doc = include_str!("../README.md")]

mod organization;
mod server;

pub use organization::{
    ApiKey, CostError, CsvError, Generate, KeyOwner, Organization, Project, Totals, UsageLog, User,
};
pub use server::{AdminKey, ArrayEncoding, LoggedRequest, Simulator, SimulatorBuilder, StartError};
