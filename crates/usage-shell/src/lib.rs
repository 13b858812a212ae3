#![doc = include_str!("../README.md")]

pub mod output;
mod refusal;
mod signals;
mod values;

pub use refusal::Refusal;
pub use signals::{stop_on_signal, survive_file_size_limits};
pub use values::{parse_account, parse_duration, parse_label, parse_percent};
