//! `usage names`

use clap::Subcommand;

/// What can be done with names.
#[derive(Subcommand)]
pub(crate) enum NamesCommand {
    /// Erase a user's name and e-mail address for good; the user's usage stays, under the id
    ///
    /// A later read of the directory does not bring them back. On SQLite the file is written anew, so that the text is
    /// in no unused part of it; backups keep it until they are deleted.
    #[command(after_help = "Example: usage names erase --user user-AbC123")]
    Erase {
        /// The user's id, as the provider and `usage export` have it
        #[arg(long, value_name = "ID")]
        user: String,
    },
}
