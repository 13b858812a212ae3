//! A PostgreSQL server that goes away: what is being done is done all the same, once in effect and once in the counts.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod absence;
mod copies;
mod marks;
mod world;
mod writes;
