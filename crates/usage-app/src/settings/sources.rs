//! What settings are resolved from, and the resolution of each.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use usage_store::DATABASE_RETRY;

use super::array_encoding::ArrayEncoding;
use super::base_url::BaseUrl;
use super::budgets::Budget;
use super::database_url::DatabaseUrl;
use super::environment::Environment;
use super::error::{InvalidValue, SettingsError};
use super::file::SettingsFile;
use super::master_key::MasterKeySource;
use super::origin::{Origin, Setting};
use super::secret_url::SecretUrl;
use super::variables::Variable;
use super::webhook_format::WebhookFormat;

const DEFAULT_FILE: &str = "usage.toml";
const DEFAULT_REQUESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(50).unwrap();
const MAX_REQUESTS_PER_MINUTE: u32 = 100_000;
const DEFAULT_REQUEST_TIMEOUT: NonZeroU32 = NonZeroU32::new(300).unwrap();
const MAX_REQUEST_TIMEOUT: u32 = 3_600;
const MAX_DATABASE_RETRY: u32 = 3_600;
const DEFAULT_WEBHOOK_TIMEOUT: NonZeroU32 = NonZeroU32::new(10).unwrap();
const MAX_WEBHOOK_TIMEOUT: u32 = 120;

/// The settings that were given as flags.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--database`
    pub database: Option<DatabaseUrl>,
    /// `--config`
    pub config: Option<PathBuf>,
}

/// Everything that settings are resolved from, gathered before the first is looked at.
#[derive(Debug)]
pub struct Sources {
    flags: Flags,
    environment: Environment,
    directory: PathBuf,
    file: Result<Option<SettingsFile>, SettingsError>,
}

impl Sources {
    /// Reads the settings file, if there is one. `directory` is the current directory, from which relative paths
    /// count; an empty path means just that.
    ///
    /// A file that cannot be used is no error yet: `doctor` shows everything else all the same.
    pub fn gather(flags: Flags, environment: Environment, directory: &Path) -> Self {
        let file = read_file(&flags, &environment, directory);
        Self {
            flags,
            environment,
            directory: directory.to_owned(),
            file,
        }
    }

    /// Fails if there is a settings file that cannot be used.
    pub(super) fn check_file(&self) -> Result<(), SettingsError> {
        self.file.as_ref().map(drop).map_err(Clone::clone)
    }

    /// The settings file as it was read; for `doctor`.
    pub(super) fn file(&self) -> Result<Setting<Option<&Path>>, (Origin, &SettingsError)> {
        let origin = named_file(&self.flags, &self.environment).map_or(Origin::Default, |(_, origin)| origin);
        match &self.file {
            Ok(file) => Ok(Setting {
                value: file.as_ref().map(SettingsFile::path),
                origin,
            }),
            Err(error) => Err((origin, error)),
        }
    }

    pub(super) fn database_url(&self) -> Result<Setting<DatabaseUrl>, SettingsError> {
        if let Some(url) = &self.flags.database {
            return Ok(Setting {
                value: url.clone(),
                origin: Origin::Flag("--database"),
            });
        }
        let text = match self.environment_text(Variable::USAGE_DATABASE_URL)? {
            Some(text) => Some(text),
            None => match self.environment_text(Variable::DATABASE_URL)? {
                Some(text) => Some(text),
                None => self.file_text(Variable::USAGE_DATABASE_URL)?,
            },
        };
        or_default(text, DatabaseUrl::default(), |text| Ok(text.parse()?))
    }

    pub(super) fn database_retry_seconds(&self) -> Result<Setting<u32>, SettingsError> {
        let text = self.text(Variable::USAGE_DATABASE_RETRY_SECONDS)?;
        let default = u32::try_from(DATABASE_RETRY.as_secs()).unwrap_or(MAX_DATABASE_RETRY);
        or_default(text, default, |text| {
            text.parse::<u32>()
                .ok()
                .filter(|seconds| *seconds <= MAX_DATABASE_RETRY)
                .ok_or_else(|| InvalidValue::DatabaseRetry(text.to_owned()))
        })
    }

    pub(super) fn master_key(&self) -> Result<Setting<MasterKeySource>, SettingsError> {
        let named = self.named_master_key(
            Variable::USAGE_MASTER_KEY,
            Variable::USAGE_MASTER_KEY_FILE,
            MasterKeySource::given,
            MasterKeySource::file,
        )?;
        Ok(named.unwrap_or_else(|| Setting {
            value: MasterKeySource::default_file(self.configuration_home(), self.database_file()),
            origin: Origin::Default,
        }))
    }

    pub(super) fn previous_master_key(&self) -> Result<Option<Setting<MasterKeySource>>, SettingsError> {
        self.named_master_key(
            Variable::USAGE_PREVIOUS_MASTER_KEY,
            Variable::USAGE_PREVIOUS_MASTER_KEY_FILE,
            MasterKeySource::previous_given,
            MasterKeySource::previous_file,
        )
    }

    /// The master key of these two variables, if someone set one of them.
    fn named_master_key(
        &self,
        key: Variable,
        file: Variable,
        from_text: impl FnOnce(SecretString) -> MasterKeySource,
        from_file: impl FnOnce(PathBuf, Option<PathBuf>) -> MasterKeySource,
    ) -> Result<Option<Setting<MasterKeySource>>, SettingsError> {
        let text = self.environment_text(key)?;
        let path = self.environment.path(file);
        let (path, origin) = match (text, path) {
            (Some(_), Some(_)) => return Err(SettingsError::TwoMasterKeys(key.name)),
            (Some(text), None) => {
                return Ok(Some(Setting {
                    value: from_text(SecretString::from(text.value)),
                    origin: text.origin,
                }));
            }
            (None, Some(path)) => (path.to_owned(), Origin::Environment(file.name)),
            (None, None) => match self.file_text(file)? {
                Some(path) => (PathBuf::from(path.value), path.origin),
                None => return Ok(None),
            },
        };
        Ok(Some(Setting {
            value: from_file(self.directory.join(path), self.database_file()),
            origin,
        }))
    }

    /// The file of the ledger, if it is one.
    fn database_file(&self) -> Option<PathBuf> {
        let url = self.database_url().ok()?;
        url.value.sqlite_path().map(|path| self.directory.join(path))
    }

    pub(super) fn openai_base_url(&self) -> Result<Setting<BaseUrl>, SettingsError> {
        self.base_url(Variable::USAGE_OPENAI_BASE_URL)
    }

    pub(super) fn openai_array_encoding(&self) -> Result<Setting<ArrayEncoding>, SettingsError> {
        let text = self.text(Variable::USAGE_OPENAI_ARRAY_ENCODING)?;
        or_default(text, ArrayEncoding::default(), str::parse)
    }

    pub(super) fn anthropic_base_url(&self) -> Result<Setting<BaseUrl>, SettingsError> {
        self.base_url(Variable::USAGE_ANTHROPIC_BASE_URL)
    }

    pub(super) fn requests_per_minute(&self) -> Result<Setting<NonZeroU32>, SettingsError> {
        let text = self.text(Variable::USAGE_REQUESTS_PER_MINUTE)?;
        or_default(text, DEFAULT_REQUESTS_PER_MINUTE, |text| {
            text.parse::<NonZeroU32>()
                .ok()
                .filter(|rate| rate.get() <= MAX_REQUESTS_PER_MINUTE)
                .ok_or_else(|| InvalidValue::RequestsPerMinute(text.to_owned()))
        })
    }

    pub(super) fn request_timeout(&self) -> Result<Setting<NonZeroU32>, SettingsError> {
        let text = self.text(Variable::USAGE_REQUEST_TIMEOUT)?;
        or_default(text, DEFAULT_REQUEST_TIMEOUT, |text| {
            text.parse::<NonZeroU32>()
                .ok()
                .filter(|seconds| seconds.get() <= MAX_REQUEST_TIMEOUT)
                .ok_or_else(|| InvalidValue::RequestTimeout(text.to_owned()))
        })
    }

    pub(super) fn prices_file(&self) -> Result<Option<Setting<PathBuf>>, SettingsError> {
        let variable = Variable::USAGE_PRICES_FILE;
        let (path, origin) = match self.environment.path(variable) {
            Some(path) => (path.to_owned(), Origin::Environment(variable.name)),
            None => match self.file_text(variable)? {
                Some(path) => (PathBuf::from(path.value), path.origin),
                None => return Ok(None),
            },
        };
        Ok(Some(Setting {
            value: self.directory.join(path),
            origin,
        }))
    }

    pub(super) fn no_names(&self) -> Result<Setting<bool>, SettingsError> {
        let text = self.text(Variable::USAGE_NO_NAMES)?;
        or_default(text, false, |text| {
            text.parse().map_err(|_| InvalidValue::Switch(text.to_owned()))
        })
    }

    pub(super) fn bind(&self) -> Result<Setting<SocketAddr>, SettingsError> {
        let text = self.text(Variable::USAGE_BIND)?;
        or_default(text, SocketAddr::from(([127, 0, 0, 1], 8080)), |text| {
            text.parse().map_err(|_| InvalidValue::Bind(text.to_owned()))
        })
    }

    /// The webhooks, each once.
    pub(super) fn webhook_urls(&self) -> Result<Setting<Vec<SecretUrl>>, SettingsError> {
        let text = self.text(Variable::USAGE_WEBHOOK_URL)?;
        or_default(text, Vec::new(), |text| {
            let mut urls: Vec<SecretUrl> = Vec::new();
            for word in text.split_whitespace() {
                let url: SecretUrl = word.parse()?;
                if urls.iter().all(|known| known.expose() != url.expose()) {
                    urls.push(url);
                }
            }
            Ok(urls)
        })
    }

    pub(super) fn webhook_format(&self) -> Result<Setting<WebhookFormat>, SettingsError> {
        let text = self.text(Variable::USAGE_WEBHOOK_FORMAT)?;
        or_default(text, WebhookFormat::default(), str::parse)
    }

    pub(super) fn webhook_timeout(&self) -> Result<Setting<NonZeroU32>, SettingsError> {
        let text = self.text(Variable::USAGE_WEBHOOK_TIMEOUT)?;
        or_default(text, DEFAULT_WEBHOOK_TIMEOUT, |text| {
            text.parse::<NonZeroU32>()
                .ok()
                .filter(|seconds| seconds.get() <= MAX_WEBHOOK_TIMEOUT)
                .ok_or_else(|| InvalidValue::WebhookTimeout(text.to_owned()))
        })
    }

    pub(super) fn ping_url(&self) -> Result<Option<Setting<SecretUrl>>, SettingsError> {
        let Some(Setting { value: text, origin }) = self.text(Variable::USAGE_PING_URL)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(value) => Ok(Some(Setting { value, origin })),
            Err(problem) => Err(SettingsError::Invalid {
                origin,
                problem: InvalidValue::SecretUrl(problem),
            }),
        }
    }

    /// The budgets of the settings file, in its order.
    pub(super) fn budgets(&self) -> Vec<Setting<Budget>> {
        let file = self.file.as_ref().ok().and_then(Option::as_ref);
        file.map(|file| file.budgets().to_vec()).unwrap_or_default()
    }

    pub(super) fn cron_secret(&self) -> Result<Option<Setting<SecretString>>, SettingsError> {
        let text = self.environment_text(Variable::CRON_SECRET)?;
        Ok(text.map(|text| Setting {
            value: SecretString::from(text.value),
            origin: text.origin,
        }))
    }

    pub(super) fn sanitize_salt(&self) -> Result<Option<Setting<SecretString>>, SettingsError> {
        let text = self.environment_text(Variable::DAILY_USAGE_SANITIZE_SALT)?;
        Ok(text.map(|text| Setting {
            value: SecretString::from(text.value),
            origin: text.origin,
        }))
    }

    fn base_url(&self, variable: Variable) -> Result<Setting<BaseUrl>, SettingsError> {
        let text = self.text(variable)?;
        let default = BaseUrl::new(variable.default.to_owned());
        or_default(text, default, |text| Ok(BaseUrl::new(text.to_owned())))
    }

    /// The environment's value, else the file's.
    fn text(&self, variable: Variable) -> Result<Option<Setting<String>>, SettingsError> {
        match self.environment_text(variable)? {
            Some(text) => Ok(Some(text)),
            None => self.file_text(variable),
        }
    }

    fn environment_text(&self, variable: Variable) -> Result<Option<Setting<String>>, SettingsError> {
        Ok(self.environment.text(variable)?.map(|text| Setting {
            value: text.to_owned(),
            origin: Origin::Environment(variable.name),
        }))
    }

    fn file_text(&self, variable: Variable) -> Result<Option<Setting<String>>, SettingsError> {
        let file = self.file.as_ref().ok().and_then(Option::as_ref);
        match file.and_then(|file| file.get(variable)) {
            None => Ok(None),
            Some(("", origin)) => Err(SettingsError::Invalid {
                origin,
                problem: InvalidValue::Empty,
            }),
            Some((text, origin)) => Ok(Some(Setting {
                value: text.to_owned(),
                origin,
            })),
        }
    }

    /// Where the user's configuration lies; `None` for a user without a home.
    fn configuration_home(&self) -> Option<PathBuf> {
        let absolute = |variable| self.environment.path(variable).filter(|path| path.is_absolute());
        absolute(Variable::XDG_CONFIG_HOME)
            .map(Path::to_owned)
            .or_else(|| absolute(Variable::HOME).map(|home| home.join(".config")))
    }
}

fn read_file(
    flags: &Flags,
    environment: &Environment,
    directory: &Path,
) -> Result<Option<SettingsFile>, SettingsError> {
    let Some((path, origin)) = named_file(flags, environment) else {
        return SettingsFile::read(Path::new(DEFAULT_FILE), &directory.join(DEFAULT_FILE));
    };
    match SettingsFile::read(path, &directory.join(path))? {
        Some(file) => Ok(Some(file)),
        None => Err(SettingsError::NoFile {
            origin,
            path: path.to_owned(),
        }),
    }
}

/// The settings file that someone named, and who did.
fn named_file<'a>(flags: &'a Flags, environment: &'a Environment) -> Option<(&'a Path, Origin)> {
    let flag = flags.config.as_deref();
    flag.map(|path| (path, Origin::Flag("--config"))).or_else(|| {
        let path = environment.path(Variable::USAGE_CONFIG)?;
        Some((path, Origin::Environment(Variable::USAGE_CONFIG.name)))
    })
}

/// The value of the text, or the default where nobody wrote one.
fn or_default<T>(
    text: Option<Setting<String>>,
    default: T,
    parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
) -> Result<Setting<T>, SettingsError> {
    let Some(Setting { value: text, origin }) = text else {
        return Ok(Setting {
            value: default,
            origin: Origin::Default,
        });
    };
    match parse(&text) {
        Ok(value) => Ok(Setting { value, origin }),
        Err(problem) => Err(SettingsError::Invalid { origin, problem }),
    }
}
