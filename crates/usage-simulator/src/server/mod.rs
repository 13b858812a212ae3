//! The server: the organisation behind HTTP, strict about the contract.

mod api_error;
mod builder;
mod costs_page;
mod costs_route;
mod cursor;
mod directory_route;
mod envelope;
mod faulty;
mod gates;
mod key;
mod parameters;
mod request_log;
mod router;
mod shared;
mod simulator;
mod surface;
mod usage_page;
mod usage_request;
mod usage_route;

pub use builder::{ArrayEncoding, SimulatorBuilder, StartError};
pub use key::AdminKey;
pub use request_log::LoggedRequest;
pub use simulator::Simulator;
