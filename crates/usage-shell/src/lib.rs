#![doc = include_str!("../README.md")]

mod arguments;
mod memory;
pub mod output;
mod process;
mod refusal;
mod signals;
mod values;

pub use arguments::{OutputFormat, SettingsArguments};
pub use process::run;
pub use refusal::Refusal;
pub use signals::stop_on_signal;
pub use values::{parse_account, parse_address, parse_duration, parse_label, parse_percent};
