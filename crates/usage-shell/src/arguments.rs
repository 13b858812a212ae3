//! Arguments that every binary has.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use usage_app::logging::LogFormat;
use usage_app::settings::{DatabaseUrl, Flags};

/// The flags that are settings.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub struct SettingsArguments {
    /// The ledger.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "The ledger: sqlite:PATH or postgres://USER@HOST/NAME [default: sqlite:usage.db]"
    )]
    database: Option<DatabaseUrl>,
    /// The settings file [default: usage.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl SettingsArguments {
    /// As settings are resolved from them.
    pub fn flags(&self) -> Flags {
        Flags {
            database: self.database.clone(),
            config: self.config.clone(),
        }
    }
}

/// How a result, or a log line, is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

impl From<OutputFormat> for LogFormat {
    fn from(format: OutputFormat) -> Self {
        match format {
            OutputFormat::Text => Self::Text,
            OutputFormat::Json => Self::Json,
        }
    }
}
