//! How fast the ledger answers what a dashboard asks, beside the same questions put to its events in SQL.

fn main() {}
