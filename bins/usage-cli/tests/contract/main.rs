//! The contract of golden fixtures: recorded pages of an account, and what the program must make of them, from the file to
//! the ledger.
//!
//! The fixtures of the repository are always held to it. A folder of your own is, too, with
//!
//! ```console
//! $ DAILY_USAGE_CONTRACT_FIXTURES_READY=true \
//!   DAILY_USAGE_CONTRACT_FIXTURES_DIR=… DAILY_USAGE_CONTRACT_EXPECTED_TOTALS_DIR=… \
//!   DAILY_USAGE_CONTRACT_EXPECTED_TOLERANCE=0 DAILY_USAGE_CONTRACT_LOG_DIR=audit/golden-fixtures/test-run-logs \
//!   cargo test -p usage-cli --test contract
//! ```
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod checks;
mod commands;
mod golden;
mod log;
mod place;
mod provider;
mod settings;
mod tenants;
