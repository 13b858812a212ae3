//! Settings: flags, then the environment, then `usage.toml`, then defaults.
//!
//! This is the only place of the project that reads the environment, and it does so once, into an [`Environment`];
//! everything after that is a function of its arguments.
//!
//! ```
//! use usage_app::settings::{Environment, Flags, Settings, Sources};
//!
//! let environment = Environment::from_iter([("USAGE_REQUESTS_PER_MINUTE", "20")]);
//! let sources = Sources::gather(Flags::default(), environment, "a directory without usage.toml".as_ref());
//! let settings = Settings::resolve(&sources)?;
//! assert_eq!(settings.requests_per_minute.value.get(), 20);
//! assert_eq!(settings.requests_per_minute.origin.to_string(), "USAGE_REQUESTS_PER_MINUTE");
//! assert_eq!(settings.database_url.value.to_string(), "sqlite:usage.db");
//! # Ok::<(), usage_app::settings::SettingsError>(())
//! ```

mod array_encoding;
mod base_url;
mod budgets;
mod database_url;
mod describe;
mod environment;
mod error;
mod file;
mod key_file;
mod mask;
mod master_key;
mod origin;
mod secret_url;
mod sources;
mod variables;
mod webhook_format;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use secrecy::SecretString;

pub use array_encoding::ArrayEncoding;
pub use base_url::BaseUrl;
pub(crate) use budgets::day_start;
pub use budgets::{Budget, BudgetPeriod, InvalidBudget};
pub use database_url::{DatabaseUrl, ParseDatabaseUrlError};
pub use describe::{SettingLine, describe};
pub use environment::Environment;
pub use error::{InvalidValue, SettingsError};
pub use master_key::{MasterKeyError, MasterKeySource, MasterKeyWarning, make_master_key_file};
pub use origin::{Origin, Setting};
pub use secret_url::{ParseSecretUrlError, SecretUrl};
pub use sources::{Flags, Sources};
pub use variables::Variable;
pub use webhook_format::WebhookFormat;

/// Every setting of the project, each with where it came from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The ledger.
    pub database_url: Setting<DatabaseUrl>,
    /// How many seconds a PostgreSQL server that goes away is waited for; 0 is not at all.
    pub database_retry_seconds: Setting<u32>,
    /// Where the key is that encrypts provider keys. Nothing is read before it is asked to load.
    pub master_key: Setting<MasterKeySource>,
    /// Where the master key is that was used before and still opens what it sealed, if someone named one.
    pub previous_master_key: Option<Setting<MasterKeySource>>,
    /// Where `OpenAI`'s API is.
    pub openai_base_url: Setting<BaseUrl>,
    /// How lists are written into `OpenAI`'s queries.
    pub openai_array_encoding: Setting<ArrayEncoding>,
    /// Where Anthropic's API is.
    pub anthropic_base_url: Setting<BaseUrl>,
    /// How many requests an account may make in a minute.
    pub requests_per_minute: Setting<NonZeroU32>,
    /// How many seconds one attempt of a request to a provider may take.
    pub request_timeout: Setting<NonZeroU32>,
    /// A file with the user's own prices, if someone named one.
    pub prices_file: Option<Setting<PathBuf>>,
    /// Whether users' names and e-mail addresses stay out of the ledger.
    pub no_names: Setting<bool>,
    /// The address and port that the server listens on.
    pub bind: Setting<SocketAddr>,
    /// The webhooks that are told of incidents; none unless someone named one.
    pub webhook_urls: Setting<Vec<SecretUrl>>,
    /// What a webhook is sent.
    pub webhook_format: Setting<WebhookFormat>,
    /// How many seconds a webhook or a ping may take.
    pub webhook_timeout: Setting<NonZeroU32>,
    /// The dead-man's switch that is told how each cron pass ended, if someone named one.
    pub ping_url: Option<Setting<SecretUrl>>,
    /// How much may be spent, each with where it stands.
    pub budgets: Vec<Setting<Budget>>,
    /// What a caller of the server's cron routes must present; without it they answer nobody.
    pub cron_secret: Option<Setting<SecretString>>,
    /// What the pseudonyms of sanitized fixtures depend on; without it nothing is sanitized.
    pub sanitize_salt: Option<Setting<SecretString>>,
}

impl Settings {
    /// Resolves every setting; the first that is wrong is the error.
    pub fn resolve(sources: &Sources) -> Result<Self, SettingsError> {
        sources.check_file()?;
        Ok(Self {
            database_url: sources.database_url()?,
            database_retry_seconds: sources.database_retry_seconds()?,
            master_key: sources.master_key()?,
            previous_master_key: sources.previous_master_key()?,
            openai_base_url: sources.openai_base_url()?,
            openai_array_encoding: sources.openai_array_encoding()?,
            anthropic_base_url: sources.anthropic_base_url()?,
            requests_per_minute: sources.requests_per_minute()?,
            request_timeout: sources.request_timeout()?,
            prices_file: sources.prices_file()?,
            no_names: sources.no_names()?,
            bind: sources.bind()?,
            webhook_urls: sources.webhook_urls()?,
            webhook_format: sources.webhook_format()?,
            webhook_timeout: sources.webhook_timeout()?,
            ping_url: sources.ping_url()?,
            budgets: sources.budgets(),
            cron_secret: sources.cron_secret()?,
            sanitize_salt: sources.sanitize_salt()?,
        })
    }

    /// How many requests an account may make at once after a pause: ten, or a minute's worth where that is fewer.
    pub fn burst(&self) -> NonZeroU32 {
        const BURST: NonZeroU32 = NonZeroU32::new(10).unwrap();
        self.requests_per_minute.value.min(BURST)
    }
}

#[cfg(test)]
mod tests;
