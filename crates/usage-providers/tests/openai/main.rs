//! The `OpenAI` client against servers that say exactly what a test wants them to say.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

mod costs;
mod directory;
mod grouping;
mod key;
mod pace;
mod paging;
mod recorded;
mod requests;
mod retries;
mod support;
mod transport;
