//! Every fault of the provider, through the real binary: what is told, how the run ends, what the ledger holds.

mod matrix;
mod page;
mod table;
