//! Settings as `usage doctor` shows them.

use std::fmt::{self, Display};
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::error::SettingsError;
use super::master_key::{MasterKeyError, MasterKeySource};
use super::origin::{Origin, Setting};
use super::secret_url::SecretUrl;
use super::sources::Sources;
use super::variables::Variable;
use crate::text::hide_secrets;

/// One setting as it would be used now, fit to be shown: secrets and passwords are masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingLine {
    /// The variable that sets it, by which people know it.
    pub name: &'static str,
    /// The value; `None` when it is not set or cannot be used.
    pub value: Option<String>,
    /// Where the value came from; `None` when nobody can say.
    pub origin: Option<Origin>,
    /// What makes it unusable, in one line that names the place.
    pub error: Option<String>,
    /// What is unwise about it, one line each.
    pub warnings: Vec<String>,
}

impl fmt::Display for SettingLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().unwrap_or("not set");
        write!(f, "{} = {value}", self.name)?;
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        if let Some(error) = &self.error {
            write!(f, "\n    WRONG {error}")?;
        }
        self.warnings
            .iter()
            .try_for_each(|warning| write!(f, "\n    warning: {warning}"))
    }
}

/// Every setting with where it came from and what is wrong with it. One that is wrong hides no other.
pub fn describe(sources: &Sources) -> Vec<SettingLine> {
    let mut lines = vec![
        settings_file(sources),
        line(Variable::USAGE_DATABASE_URL, sources.database_url()),
        line(
            Variable::USAGE_DATABASE_RETRY_SECONDS,
            sources.database_retry_seconds(),
        ),
        master_key(sources),
        previous_master_key(sources),
        line(Variable::USAGE_OPENAI_BASE_URL, sources.openai_base_url()),
        line(
            Variable::USAGE_OPENAI_ARRAY_ENCODING,
            sources.openai_array_encoding(),
        ),
        line(Variable::USAGE_ANTHROPIC_BASE_URL, sources.anthropic_base_url()),
        line(Variable::USAGE_REQUESTS_PER_MINUTE, sources.requests_per_minute()),
        line(Variable::USAGE_REQUEST_TIMEOUT, sources.request_timeout()),
        path_line(Variable::USAGE_PRICES_FILE, sources.prices_file()),
        line(Variable::USAGE_NO_NAMES, sources.no_names()),
        line(Variable::USAGE_BIND, sources.bind()),
        webhooks(sources),
        line(Variable::USAGE_WEBHOOK_FORMAT, sources.webhook_format()),
        line(Variable::USAGE_WEBHOOK_TIMEOUT, sources.webhook_timeout()),
        optional_line(Variable::USAGE_PING_URL, sources.ping_url()),
        cron_secret(sources),
        secret_line(Variable::DAILY_USAGE_SANITIZE_SALT, sources.sanitize_salt()),
    ];
    lines.extend(budgets(sources));
    lines
}

fn settings_file(sources: &Sources) -> SettingLine {
    let name = Variable::USAGE_CONFIG.name;
    match sources.file() {
        Ok(file) => SettingLine {
            value: file.value.map(|path| path.display().to_string()),
            origin: Some(file.origin),
            ..SettingLine::empty(name)
        },
        Err((origin, error)) => SettingLine {
            origin: Some(origin),
            error: Some(hide_secrets(&error.to_string())),
            ..SettingLine::empty(name)
        },
    }
}

fn master_key(sources: &Sources) -> SettingLine {
    key_line(Variable::USAGE_MASTER_KEY_FILE, sources.master_key())
}

fn previous_master_key(sources: &Sources) -> SettingLine {
    let variable = Variable::USAGE_PREVIOUS_MASTER_KEY_FILE;
    match sources.previous_master_key().transpose() {
        Some(source) => key_line(variable, source),
        None => SettingLine {
            origin: Some(Origin::Default),
            ..SettingLine::empty(variable.name)
        },
    }
}

/// A key that was not made yet is no error: the first command that needs it makes it.
fn key_line(variable: Variable, source: Result<Setting<MasterKeySource>, SettingsError>) -> SettingLine {
    let (error, warnings) = match &source {
        Ok(source) => {
            let error = match source.value.load() {
                Ok(_) | Err(MasterKeyError::NotMade { .. }) => None,
                Err(error) => Some(hide_secrets(&error.to_string())),
            };
            let warnings = source.value.warnings().iter().map(ToString::to_string).collect();
            (error, warnings)
        }
        Err(_) => (None, Vec::new()),
    };
    let line = line(variable, source);
    SettingLine {
        // Someone who set the key itself knows it by that variable.
        name: match line.origin {
            Some(Origin::Environment(name)) => name,
            _ => line.name,
        },
        error: line.error.or(error),
        warnings,
        ..line
    }
}

/// A file that may be left out.
fn path_line(variable: Variable, path: Result<Option<Setting<PathBuf>>, SettingsError>) -> SettingLine {
    let shown = |path: Setting<PathBuf>| Setting {
        value: path.value.display().to_string(),
        origin: path.origin,
    };
    optional_line(variable, path.map(|path| path.map(shown)))
}

/// What may be left out.
fn optional_line<T: Display>(
    variable: Variable,
    setting: Result<Option<Setting<T>>, SettingsError>,
) -> SettingLine {
    match setting {
        Ok(Some(setting)) => line(variable, Ok(setting)),
        Ok(None) => SettingLine {
            origin: Some(Origin::Default),
            ..SettingLine::empty(variable.name)
        },
        Err(error) => line::<T>(variable, Err(error)),
    }
}

/// The hosts of the webhooks.
fn webhooks(sources: &Sources) -> SettingLine {
    let shown = |urls: Setting<Vec<SecretUrl>>| {
        let hosts: Vec<String> = urls.value.iter().map(ToString::to_string).collect();
        (!hosts.is_empty()).then(|| Setting {
            value: hosts.join(" "),
            origin: urls.origin,
        })
    };
    optional_line(Variable::USAGE_WEBHOOK_URL, sources.webhook_urls().map(shown))
}

/// A line for each budget, or one that there is none.
fn budgets(sources: &Sources) -> Vec<SettingLine> {
    let line = |value, origin| SettingLine {
        value,
        origin: Some(origin),
        ..SettingLine::empty("budgets")
    };
    let budgets = sources.budgets();
    if budgets.is_empty() {
        return vec![line(None, Origin::Default)];
    }
    budgets
        .into_iter()
        .map(|budget| line(Some(budget.value.to_string()), budget.origin))
        .collect()
}

/// The secret of the cron routes; a script that lacks it writes something else in its place.
fn cron_secret(sources: &Sources) -> SettingLine {
    let secret = sources.cron_secret();
    let is_unusable = matches!(&secret, Ok(Some(secret))
        if !usage_http::is_usable_cron_secret(secret.value.expose_secret()));
    let mut line = secret_line(Variable::CRON_SECRET, secret);
    if is_unusable {
        line.warnings.push(
            "it is `undefined` or `null`, so the cron routes answer nobody; set it to a secret".to_owned(),
        );
    }
    line
}

/// A secret that may be left out.
fn secret_line(
    variable: Variable,
    secret: Result<Option<Setting<SecretString>>, SettingsError>,
) -> SettingLine {
    let name = variable.name;
    match secret {
        Ok(Some(secret)) => SettingLine {
            value: Some("set, hidden".to_owned()),
            origin: Some(secret.origin),
            ..SettingLine::empty(name)
        },
        Ok(None) => SettingLine {
            origin: Some(Origin::Default),
            ..SettingLine::empty(name)
        },
        Err(error) => SettingLine {
            error: Some(hide_secrets(&error.to_string())),
            ..SettingLine::empty(name)
        },
    }
}

fn line<T: Display>(variable: Variable, setting: Result<Setting<T>, SettingsError>) -> SettingLine {
    match setting {
        Ok(Setting { value, origin }) => SettingLine {
            value: Some(value.to_string()),
            origin: Some(origin),
            ..SettingLine::empty(variable.name)
        },
        Err(error) => SettingLine {
            origin: match &error {
                SettingsError::Invalid { origin, .. } => Some(origin.clone()),
                _ => None,
            },
            error: Some(hide_secrets(&error.to_string())),
            ..SettingLine::empty(variable.name)
        },
    }
}

impl SettingLine {
    fn empty(name: &'static str) -> Self {
        Self {
            name,
            value: None,
            origin: None,
            error: None,
            warnings: Vec::new(),
        }
    }
}
