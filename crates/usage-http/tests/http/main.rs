//! The server over real sockets, with operations that the tests direct.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod connections;
mod cron;
mod fake;
mod monitoring;
mod problems;
mod requests;
mod wire;
