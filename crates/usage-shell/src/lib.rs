#![doc = include_str!("../README.md")]

/// Memory that many threads use in turns, as database work does, is given back: with the allocator of glibc a process that runs
/// for months grew by every thread's largest moment.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod arguments;
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
