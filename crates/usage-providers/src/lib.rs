#![doc = include_str!("../README.md")]

mod base_url;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod openai;
mod options;
mod source;
mod text;
mod transport;

pub use base_url::{BaseUrl, InvalidBaseUrl, is_loopback};
pub use openai::OpenAi;
pub use options::{ArrayEncoding, InvalidOptions, Limits, OpenAiOptions, Pace, RetryPolicy};
pub use source::{
    Access, CostsRead, CostsWindow, DirectorySize, EndpointAccess, GroupingLimit, KeyReport, RawUsageRead,
    ReadError, RequestsByStatus, Traffic, UsageQuery, UsageRead, UsageSource, WindowRead,
};
pub use transport::Pacer;
