//! The API over real sockets, on a ledger of its own for each story.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod access;
mod away;
mod export;
mod keys;
mod lists;
mod schemathesis;
mod tokens;
mod usage;
mod walk;
#[path = "../http/wire.rs"]
mod wire;
mod world;
