#![doc = include_str!("../README.md")]

mod provider_csv;

pub use provider_csv::{ProviderCsvError, ProviderCsvWriter};
