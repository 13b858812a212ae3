//! `usage cleanup`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use usage_core::Account;

use super::{OutputFormat, each_once, parse_account};

/// What can be cleaned.
#[derive(Subcommand)]
pub(crate) enum CleanupCommand {
    /// List rows without project, API key and user that count usage twice, and delete them with --apply
    ///
    /// These are rows that no grouped read returned (they were imported, or read without grouping) and beside which stand,
    /// in the same window, rows with all three. Rows that a grouped read returned are usage that belongs to none, and stay.
    /// Deleted rows are kept in the ledger's revisions, and a record of the deletion is written below --audit-dir first.
    #[command(after_help = "Example: usage cleanup blank-metadata --account org-AbC123 --apply")]
    BlankMetadata(BlankMetadataArguments),
}

/// `usage cleanup blank-metadata`
#[derive(Args)]
pub(crate) struct BlankMetadataArguments {
    /// Delete the rows, in one transaction
    #[arg(long)]
    pub(crate) apply: bool,
    /// An account, as org-AbC123 or openai/org-AbC123; may be repeated [default: all]
    #[arg(long = "account", value_name = "ACCOUNT", value_parser = parse_account)]
    accounts: Vec<Account>,
    /// The folder for records of deletions
    #[arg(long, value_name = "DIR", default_value = "audit")]
    pub(crate) audit_dir: PathBuf,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

impl BlankMetadataArguments {
    /// The accounts asked for, each once; empty for every account of the ledger.
    pub(crate) fn accounts(&self) -> Vec<Account> {
        each_once(self.accounts.clone())
    }
}
