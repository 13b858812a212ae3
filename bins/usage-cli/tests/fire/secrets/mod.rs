//! No secret is told or stored in the open, whatever is run, however loudly and however it fails.

mod leaks;
mod parrot;
mod story;

pub(crate) use story::no_command_tells_or_stores_a_secret;
