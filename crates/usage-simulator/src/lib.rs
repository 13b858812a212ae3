#![doc = include_str!("../README.md")]

pub mod faults;
mod organization;
mod server;

pub use organization::{
    ApiKey, BatchSpelling, ChargeQuantity, Cost, CostCharge, CostError, CostLayout, CsvError, ExportsError,
    Generate, KeyOwner, LivingOrganization, Organization, PriceShare, Project, Quirks, Totals, UsageLog,
    User,
};
pub use server::{AdminKey, ArrayEncoding, LoggedRequest, Simulator, SimulatorBuilder, StartError};
