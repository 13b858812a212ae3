//! `usage keys`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use usage_core::{Account, ParseAccountError, Provider};

use super::{OutputFormat, each_once, parse_label};

/// What can be done with provider keys.
#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Store an admin key, encrypted with the master key
    ///
    /// The secret is read from standard input, or from a file; it is never an argument, since other users of a
    /// machine can see those. The provider is asked what the key may do, unless --no-check is given.
    #[command(after_help = "Example: usage keys add --provider openai --organization org-AbC123 < admin.key")]
    Add(AddKeyArguments),
    /// List the stored keys, never their secrets
    List {
        /// How the list is written
        #[arg(long, default_value = "text")]
        format: OutputFormat,
    },
    /// Ask the provider what a stored key may do
    Check {
        /// The key's id, as `usage keys list` shows it
        id: String,
        /// Store no user's name or e-mail address, and erase those that are stored
        #[arg(long)]
        no_names: bool,
    },
    /// Replace the secret of a stored key; its id, its label and the usage that it read stay
    ///
    /// The new secret is read and checked as `usage keys add` does. If it is refused, the old one stays.
    #[command(after_help = "Example: usage keys rotate 1 < new-admin.key")]
    Rotate(RotateKeyArguments),
    /// Remove a stored key; the usage that it read stays
    Remove {
        /// The key's id, as `usage keys list` shows it
        id: String,
    },
    /// Make a file with a new master key; nothing uses it before the settings name it
    ///
    /// The file is readable by its owner only and replaces nothing. To change to it, set `USAGE_MASTER_KEY_FILE` to it and
    /// `USAGE_PREVIOUS_MASTER_KEY_FILE` to the key used so far, then run `usage keys reseal`.
    #[command(after_help = "Example: usage keys new-master /etc/usage/master-2026.key")]
    NewMaster {
        /// The file to make, in a folder that exists
        file: PathBuf,
    },
    /// Seal every stored key with the current master key
    ///
    /// Opens what the previous master key sealed. It may be stopped at any moment and run again: while both master keys
    /// are set, every stored key can be used.
    Reseal,
}

impl KeysCommand {
    /// Whether users' names are to stay out of the ledger, whatever the setting says.
    pub(crate) const fn no_names(&self) -> bool {
        match self {
            Self::Add(arguments) => arguments.no_names,
            Self::Check { no_names, .. } => *no_names,
            Self::Rotate(arguments) => arguments.no_names,
            Self::List { .. } | Self::Remove { .. } | Self::NewMaster { .. } | Self::Reseal => false,
        }
    }
}

/// `usage keys add`
#[derive(Args)]
pub(crate) struct AddKeyArguments {
    /// Whose key it is: openai
    #[arg(long)]
    pub(crate) provider: Provider,
    /// The organisation whose usage it reads, for example org-AbC123; the provider does not reveal it
    #[arg(long, value_name = "ORG")]
    pub(crate) organization: String,
    /// A name to know the key by
    #[arg(long, value_parser = parse_label)]
    pub(crate) label: Option<String>,
    /// The projects to which the key is restricted.
    #[arg(
        long = "project",
        value_name = "PROJECT",
        help = "A project to which the key is restricted, for example proj_AbC123; may be repeated"
    )]
    pub(crate) projects: Vec<String>,
    /// The file that holds the secret, instead of standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Store the key without asking the provider what it may do
    #[arg(long)]
    pub(crate) no_check: bool,
    /// Store no user's name or e-mail address, and erase those that are stored
    #[arg(long)]
    pub(crate) no_names: bool,
}

/// `usage keys rotate`
#[derive(Args)]
pub(crate) struct RotateKeyArguments {
    /// The key's id, as `usage keys list` shows it
    pub(crate) id: String,
    /// The file that holds the new secret, instead of standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Store the secret without asking the provider what it may do
    #[arg(long)]
    pub(crate) no_check: bool,
    /// Store no user's name or e-mail address, and erase those that are stored
    #[arg(long)]
    pub(crate) no_names: bool,
}

impl AddKeyArguments {
    /// The account that the key reads.
    pub(crate) fn account(&self) -> Result<Account, ParseAccountError> {
        Account::new(self.provider, &self.organization)
    }

    /// The projects to which the key is restricted, each once.
    pub(crate) fn project_ids(&self) -> Result<Vec<String>, ParseAccountError> {
        let ids: Result<Vec<String>, _> = self
            .projects
            .iter()
            .map(|project| usage_core::normalize_project_id(self.provider, project))
            .collect();
        ids.map(each_once)
    }
}
