//! Which price a row gets.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod bundled;
mod listing;
mod row;
mod user_file;
