#![doc = include_str!("../README.md")]

pub mod faults;
mod organization;
mod server;

pub use organization::{
    ApiKey, BatchSpelling, CostError, CsvError, Generate, KeyOwner, Organization, Project, Quirks, Totals,
    UsageLog, User,
};
pub use server::{AdminKey, ArrayEncoding, LoggedRequest, Simulator, SimulatorBuilder, StartError};
