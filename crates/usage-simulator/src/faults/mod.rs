//! Faults: what a provider or the way to it may do wrong, on command.
//!
//! An [`Injection`] says which [`Fault`] happens to which requests for usage and costs. Tests hand injections to
//! [`SimulatorBuilder::fault`](crate::SimulatorBuilder::fault) or [`Simulator::inject`](crate::Simulator::inject);
//! `usage-simulator serve --fault` reads them from texts:
//!
//! ```
//! use usage_core::Endpoint;
//! use usage_simulator::faults::{Fault, Injection, When};
//!
//! let written: Injection = "server-error-503@every=3:images".parse()?;
//! let built = Injection::new(Fault::ServerError(503)).when(When::Every(3)).endpoint(Endpoint::Images);
//! assert_eq!(written, built);
//! assert_eq!(written.to_string(), "server-error-503@every=3:images");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The directory is never touched. [`Fault::examples`] has one of each, for tests that go through all of them.

mod fault;
mod injection;

pub use fault::{Fault, UnknownFault};
pub use injection::{BadInjection, Injection, When};
