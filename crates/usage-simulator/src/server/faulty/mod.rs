//! Faults at work. [`layers::outer`] chooses them and spoils the way to the client, [`layers::inner`] spoils what is
//! said.

mod armed;
mod bodies;
mod chosen;
mod connection;
mod cost_rows;
mod gzip;
mod layers;
mod page;
mod refusals;
mod rows;

pub(super) use armed::Armed;
pub(super) use chosen::ClockShift;
pub(super) use connection::{Connection, Connections};
pub(super) use layers::{inner, outer};
