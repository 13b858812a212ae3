//! `usage alerts` and `usage budgets`

use clap::{Args, Subcommand};

use super::OutputFormat;

/// What to do about alerts.
#[derive(Subcommand)]
pub(crate) enum AlertsCommand {
    /// Send every webhook a test message
    ///
    /// 0: every webhook took it; 1: one did not; 2: no webhook is set.
    Test,
    /// Show what is wrong now, and what was until lately
    List {
        /// How the result is written
        #[arg(long, default_value = "text")]
        format: OutputFormat,
    },
}

/// `usage budgets`
#[derive(Args)]
pub(crate) struct BudgetsArguments {
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}
