//! `usage copy`

use clap::Args;
use usage_app::settings::DatabaseUrl;

use super::OutputFormat;

/// `usage copy`
#[derive(Args)]
pub(crate) struct CopyArguments {
    /// The empty database to copy into.
    #[arg(
        long,
        value_name = "URL",
        help = "The empty database to copy into: sqlite:PATH or postgres://USER@HOST/NAME"
    )]
    pub(crate) to: DatabaseUrl,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}
