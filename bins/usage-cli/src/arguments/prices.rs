//! `usage prices` and `usage reprice`

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use usage_core::Provider;

use super::{OutputFormat, Selection};

/// What to know about prices.
#[derive(Subcommand)]
pub(crate) enum PricesCommand {
    /// The prices of a model: every tier, the batch API, every date
    #[command(after_help = "Example: usage prices show gpt-5-2025-08-07 --at 2025-09-01")]
    Show(ShowPricesArguments),
    /// Usage of the ledger that has no price, and prices that nobody checked for long
    ///
    /// Ends with 1 if usage has no price that could have one.
    Check(CheckPricesArguments),
}

/// `usage prices show`
#[derive(Args)]
pub(crate) struct ShowPricesArguments {
    /// The model.
    #[arg(
        value_name = "MODEL",
        help = "The model as the provider spells it, or the endpoint for usage without a model: \
                code_interpreter_sessions, file_search_calls"
    )]
    pub(crate) model: String,
    /// Only what holds on this UTC day
    #[arg(long, value_name = "DAY")]
    pub(crate) at: Option<NaiveDate>,
    /// Whose prices
    #[arg(long, value_name = "PROVIDER", default_value = "openai")]
    pub(crate) provider: Provider,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// `usage prices check`
#[derive(Args)]
pub(crate) struct CheckPricesArguments {
    /// For how many days a price may go unchecked
    #[arg(long, value_name = "N", default_value_t = 180)]
    pub(crate) days: u32,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// `usage reprice`
#[derive(Args)]
pub(crate) struct RepriceArguments {
    /// The first UTC day
    #[arg(long, value_name = "DAY")]
    pub(crate) start: NaiveDate,
    /// The last UTC day, included
    #[arg(long, value_name = "DAY")]
    pub(crate) end: NaiveDate,
    /// Which part of the ledger.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}
