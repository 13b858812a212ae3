#![doc = include_str!("../README.md")]

mod cached;
mod connections;
#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "no route leads to it yet")
)]
mod dashboard;
mod layers;
mod limits;
mod operations;
mod problem;
mod router;
mod routes;
mod secret;
mod server;
mod stream;

pub use limits::Limits;
pub use operations::{JsonText, OperationFailed, Operations, Readiness, ReadinessCheck};
pub use secret::is_usable_cron_secret;
pub use server::{Listen, ListenError, ServeOptions, Server};
