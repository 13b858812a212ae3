//! `usage tokens`

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, Subcommand};
use usage_app::commands::tokens::TokenRole;
use usage_core::Account;

use super::{OutputFormat, each_once, parse_account, parse_label};

/// What can be done with API tokens.
#[derive(Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a token for the server's API and dashboard, and print it, this once
    ///
    /// The token alone goes to standard output, what it is to standard error. The ledger keeps its hash only. It is accepted
    /// until it expires or is revoked.
    #[command(
        after_help = "Example: usage tokens add finance --role reader --account org-AbC123 > finance.token"
    )]
    Add(AddTokenArguments),
    /// List the tokens, never their secrets
    List {
        /// How the list is written
        #[arg(long, default_value = "text")]
        format: OutputFormat,
    },
    /// Revoke a token, for good and at once; whoever is signed in with it is not any more
    Revoke {
        /// The token's id, as `usage tokens list` shows it
        id: i64,
    },
}

/// `usage tokens add`
#[derive(Args)]
pub(crate) struct AddTokenArguments {
    /// A name to know the token by
    #[arg(value_parser = parse_label)]
    pub(crate) name: String,
    /// What it may do: a reader reads, an operator also starts runs, an admin also manages keys and tokens
    #[arg(long, value_name = "ROLE", value_parser = clap::value_parser!(TokenRole))]
    pub(crate) role: TokenRole,
    /// An account that it may see, as org-AbC123 or openai/org-AbC123; may be repeated [default: all]
    #[arg(long = "account", value_name = "ACCOUNT", value_parser = parse_account)]
    accounts: Vec<Account>,
    /// The first UTC day on which it is not accepted any more [default: none]
    #[arg(long, value_name = "DAY", value_parser = usage_core::parse_day)]
    expires: Option<NaiveDate>,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

impl AddTokenArguments {
    /// The accounts that it may see, each once; empty for all.
    pub(crate) fn accounts(&self) -> Vec<Account> {
        each_once(self.accounts.clone())
    }

    /// From when on it is not accepted any more.
    pub(crate) fn expires(&self) -> Option<DateTime<Utc>> {
        self.expires.map(|day| day.and_time(NaiveTime::MIN).and_utc())
    }
}
