//! What can be wrong with a setting.

use std::path::PathBuf;

use super::budgets::InvalidBudget;
use super::database_url::ParseDatabaseUrlError;
use super::origin::Origin;
use super::secret_url::ParseSecretUrlError;

/// A setting that cannot be used: one line that says where, what and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A value that is not what the setting takes.
    #[error("{origin}: {problem}")]
    Invalid {
        /// Who said so.
        origin: Origin,
        /// What is wrong with it.
        problem: InvalidValue,
    },
    /// A variable that is not text.
    #[error("{0} is not valid UTF-8")]
    NotUnicode(&'static str),
    /// Two master keys, of which only one can be meant.
    #[error("{0} and {0}_FILE are both set; unset one of them")]
    TwoMasterKeys(&'static str),
    /// A settings file that was named but does not exist.
    #[error("{origin}: the settings file {} does not exist", path.display())]
    NoFile {
        /// Who named it.
        origin: Origin,
        /// The file.
        path: PathBuf,
    },
    /// A settings file that cannot be read.
    #[error("cannot read the settings file {}: {reason}", path.display())]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A settings file that is not TOML.
    #[error("{place} is not valid TOML: {message}")]
    Syntax {
        /// File and line.
        place: Origin,
        /// What the parser said.
        message: String,
    },
    /// A key that no setting has.
    #[error("{place}: there is no setting `{key}`; {advice}")]
    UnknownKey {
        /// File and line.
        place: Origin,
        /// The key.
        key: String,
        /// The nearest key, or all of them.
        advice: String,
    },
    /// A secret in a file that people share and commit.
    #[error("{place}: `{key}` is a secret and does not belong in this file; {advice}")]
    SecretInFile {
        /// File and line.
        place: Origin,
        /// The key.
        key: String,
        /// Where the secret belongs.
        advice: &'static str,
    },
    /// A value of another type.
    #[error("{place}: `{key}` must be {expected}, found {found}")]
    WrongType {
        /// File and line.
        place: Origin,
        /// The key.
        key: &'static str,
        /// What the setting takes.
        expected: &'static str,
        /// What the file has.
        found: &'static str,
    },
    /// A budget that cannot be kept.
    #[error("{place}: {problem}")]
    Budget {
        /// File and line.
        place: Origin,
        /// What is wrong with it.
        problem: InvalidBudget,
    },
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// Not a database that the ledger can live in.
    #[error(transparent)]
    DatabaseUrl(#[from] ParseDatabaseUrlError),
    /// Not a pace.
    #[error("`{0}` is not a number of requests per minute; write a whole number from 1 to 100000")]
    RequestsPerMinute(String),
    /// Not a time-out.
    #[error("`{0}` is not a time-out; write a whole number of seconds from 1 to 3600")]
    RequestTimeout(String),
    /// Not a switch.
    #[error("`{0}` is neither true nor false")]
    Switch(String),
    /// Not a way to write lists.
    #[error("`{0}` is not a way to write lists; write repeated, brackets or comma")]
    ArrayEncoding(String),
    /// Not the URL of a webhook or a dead-man's switch.
    #[error(transparent)]
    SecretUrl(#[from] ParseSecretUrlError),
    /// Not a form of what a webhook is sent.
    #[error("`{0}` is not a format of webhooks; write json or slack")]
    WebhookFormat(String),
    /// Not a time to wait for a database.
    #[error("`{0}` is not a time to wait for the database; write a whole number of seconds from 0 to 3600")]
    DatabaseRetry(String),
    /// Not a time-out of a webhook.
    #[error("`{0}` is not a time-out of webhooks; write a whole number of seconds from 1 to 120")]
    WebhookTimeout(String),
    /// Not an address with a port.
    #[error("`{0}` is not an address to listen on; write address:port, for example 127.0.0.1:8080")]
    Bind(String),
    /// No value at all.
    #[error("the value is empty; remove the line or write a value")]
    Empty,
    /// Not a log level.
    #[error("`{0}` is not a log level; use off, error, warn, info, debug or trace")]
    LogLevel(String),
}
