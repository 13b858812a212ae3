//! `usage fixtures`

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use usage_core::{Account, Endpoint, InvalidRange, WindowRange};

use super::{OutputFormat, parse_account, parse_label};

/// What can be done with fixtures: recorded pages of usage.
#[derive(Subcommand)]
pub(crate) enum FixturesCommand {
    /// Write the raw pages of an account, as the provider sends them
    ///
    /// Asks once, grouped by everything, without touching the ledger's usage, and writes two files that replace nothing
    /// and are for their owner only: the pages, TENANT-STARTED.json, and a log of the capture,
    /// capture-TENANT-STARTED.md. Both hold ids and must be sanitized before they are shared.
    #[command(
        after_help = "Example: usage fixtures capture --start 2025-09-01 --end 2025-10-01 --tenant cached-heavy --output captured"
    )]
    Capture(CaptureArguments),
    /// Write a copy with pseudonyms for ids, names and e-mail addresses, and without credentials
    ///
    /// Pseudonyms depend on `DAILY_USAGE_SANITIZE_SALT`: the same value has the same one in every file and run with the
    /// same salt. Numbers, models, tiers and times stay to the byte. Nothing is written while anything left looks like
    /// a credential.
    #[command(after_help = "Example: usage fixtures sanitize captured audit/golden-fixtures/daily-usage")]
    Sanitize(SanitizeArguments),
    /// Sum up fixtures and check what must hold in them
    ///
    /// Reads the pages as a backfill does: cursors, buckets and counts are verified, and token classes must sum to their
    /// totals. Exit status 1 names what does not hold or is not as expected.
    #[command(
        after_help = "Example: usage fixtures summarize audit/golden-fixtures/daily-usage --expected audit/golden-fixtures/expected-totals"
    )]
    Summarize(SummarizeArguments),
}

/// `usage fixtures capture`
#[derive(Args)]
pub(crate) struct CaptureArguments {
    /// The endpoint
    #[arg(long, value_name = "ENDPOINT", default_value = "completions")]
    pub(crate) endpoint: Endpoint,
    /// The account, as org-AbC123 or openai/org-AbC123 [default: the only one]
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_account)]
    pub(crate) account: Option<Account>,
    /// What to call the account in file names [default: the organisation's id]
    #[arg(long, value_name = "NAME", value_parser = parse_label)]
    pub(crate) tenant: Option<String>,
    /// The first UTC day
    #[arg(long, value_name = "DAY", value_parser = usage_core::parse_day)]
    start: NaiveDate,
    /// The last UTC day, included
    #[arg(long, value_name = "DAY", value_parser = usage_core::parse_day)]
    end: NaiveDate,
    /// The folder for the files; it is made if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

impl CaptureArguments {
    /// The days to capture.
    pub(crate) fn range(&self) -> Result<WindowRange, InvalidRange> {
        WindowRange::days(self.start, self.end)
    }
}

/// `usage fixtures sanitize`
#[derive(Args)]
pub(crate) struct SanitizeArguments {
    /// A fixture, or a folder of them
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// The file to write, or the folder
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Use a salt of this run only: no other run gives the same pseudonyms
    #[arg(long)]
    pub(crate) random_salt: bool,
    /// How the report is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// `usage fixtures summarize`
#[derive(Args)]
pub(crate) struct SummarizeArguments {
    /// A fixture, or a folder of them
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// A file of expected totals, or a folder with one for each fixture
    #[arg(long, value_name = "FILE")]
    pub(crate) expected: Option<PathBuf>,
    /// How far each total may be off
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        value_parser = parse_tolerance,
        requires = "expected",
        allow_negative_numbers = true
    )]
    pub(crate) tolerance: u64,
    /// How the totals are written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

fn parse_tolerance(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a tolerance; write a whole number, 0 or more"))
}
