//! `usage import`

use clap::{Args, Subcommand};
use usage_app::settings::DatabaseUrl;
use usage_core::Account;

use super::{OutputFormat, parse_account, parse_label};

/// What can be imported.
#[derive(Subcommand)]
pub(crate) enum ImportCommand {
    /// Import the `usage_events` of `CogniTrack`, the system before this one, from its PostgreSQL database
    ///
    /// The old database is only read. Windows that were read from the provider are left as they are; imported ones count
    /// as never read, and the first `usage backfill` of them replaces what was imported. Doing it again changes nothing.
    #[command(
        after_help = "Example: usage import cognitrack postgres://reader@db/cognitrack --account org-AbC123\n\n\
                            Other users of a machine can see arguments: leave the password out of the URL and put it \
                            into ~/.pgpass."
    )]
    Cognitrack(CognitrackArguments),
}

/// `usage import cognitrack`
#[derive(Args)]
pub(crate) struct CognitrackArguments {
    /// The old database.
    #[arg(help = "The old database: postgres://USER@HOST/NAME")]
    pub(crate) url: DatabaseUrl,
    /// The account whose usage it is, as org-AbC123: the old table does not say
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_account)]
    pub(crate) account: Account,
    /// An old key id whose rows are wanted; may be repeated [default: all]
    #[arg(long = "key", value_name = "N")]
    pub(crate) keys: Vec<i64>,
    /// A name to know the run by
    #[arg(long, value_parser = parse_label)]
    pub(crate) label: Option<String>,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}
