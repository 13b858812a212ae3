//! Wiring: from settings to a ledger, a master key and provider clients.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;
use usage_core::{Account, Clock, Provider, SystemClock};
use usage_ingest::{CataloguePricer, ChosenKey, Reader, ReadingKey, choose_keys};
use usage_pricing::Catalogue;
use usage_providers::{BaseUrl, Limits, OpenAi, OpenAiOptions, Pace, Pacer, UsageSource};
use usage_store::{Ledger, MasterKey, OpenMode, ProviderKey};

use crate::error::AppError;
use crate::settings::{MasterKeyError, MasterKeySource, Setting, Settings};

/// Everything a command works with.
#[derive(Clone)]
pub struct App {
    /// The settings, each with its origin.
    pub settings: Settings,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// When every request to a provider must be over; without one, no wait is longer than ten minutes.
    pub deadline: Option<Instant>,
}

/// How a command ended, as an exit code; the worse, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done and clean; warnings are counted.
    Clean,
    /// 1: done, but errors or differences were found.
    Findings,
    /// 2: could not be done.
    Failed,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Failed => 2,
        }
    }
}

impl App {
    /// An app with the machine's clock.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            clock: Arc::new(SystemClock),
            deadline: None,
        }
    }

    /// Opens the ledger and sets up its schema if the database is empty.
    pub async fn ledger(&self) -> Result<Ledger, AppError> {
        self.open_ledger(OpenMode::SetUpIfEmpty).await
    }

    /// Opens the ledger.
    pub(crate) async fn open_ledger(&self, mode: OpenMode) -> Result<Ledger, AppError> {
        let url = self.settings.database_url.value.with_password();
        let retry = Duration::from_secs(self.settings.database_retry_seconds.value.into());
        let ledger = Ledger::open_retrying(&url, self.clock.clone(), mode, retry).await?;
        match mode {
            OpenMode::Inspect => Ok(ledger),
            OpenMode::SetUpIfEmpty => {
                Ok(ledger.with_pricer(Arc::new(CataloguePricer::new(self.catalogue()?))))
            }
        }
    }

    /// The price list: the built-in one, and the user's own prices before it.
    pub(crate) fn catalogue(&self) -> Result<Catalogue, AppError> {
        let bundled = Catalogue::bundled()?;
        let Some(Setting { value: path, origin }) = &self.settings.prices_file else {
            return Ok(bundled);
        };
        let text = std::fs::read_to_string(path).map_err(|source| AppError::PricesFile {
            path: path.clone(),
            origin: origin.to_string(),
            source,
        })?;
        Ok(bundled.with_user_file(&path.display().to_string(), &text)?)
    }

    /// The master key that the ledger's provider keys are sealed with. It is made on first use, but never for a ledger
    /// that already has sealed keys: a new one could not open them.
    pub(crate) fn master_key(&self, keys: &[ProviderKey]) -> Result<Arc<MasterKey>, AppError> {
        let source = &self.settings.master_key.value;
        let bytes = if keys.is_empty() {
            source.load_or_create()?
        } else {
            source.load()?
        };
        let previous = self.settings.previous_master_key.as_ref();
        let sources = std::iter::once(source).chain(previous.map(|setting| &setting.value));
        for warning in sources.flat_map(MasterKeySource::warnings) {
            tracing::warn!("{warning}");
        }
        self.with_previous_key(MasterKey::new(&bytes)).map(Arc::new)
    }

    /// The master key for looking at what is sealed: none is made.
    pub(crate) fn load_master_key(&self) -> Result<MasterKey, AppError> {
        let bytes = self.settings.master_key.value.load()?;
        self.with_previous_key(MasterKey::new(&bytes))
    }

    fn with_previous_key(&self, master: MasterKey) -> Result<MasterKey, AppError> {
        match &self.settings.previous_master_key {
            Some(previous) => Ok(master.with_previous(&previous.value.load()?)),
            None => Ok(master),
        }
    }

    /// Fails if there cannot be a master key, and makes none.
    pub(crate) fn check_master_key(&self) -> Result<(), AppError> {
        if let Some(previous) = &self.settings.previous_master_key {
            previous.value.load()?;
        }
        match self.settings.master_key.value.load() {
            Ok(_) | Err(MasterKeyError::NotMade { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A client of the provider with this key.
    pub(crate) fn source(
        &self,
        provider: Provider,
        key: SecretString,
    ) -> Result<Arc<dyn UsageSource>, AppError> {
        self.source_at(provider, key, self.pacer()?)
    }

    /// The pace of one account, to be shared by every client of it.
    fn pacer(&self) -> Result<Pacer, AppError> {
        let per_minute = self.settings.requests_per_minute.value;
        Ok(Pacer::new(Pace {
            // A clock that runs faster has more minutes.
            requests_per_minute: per_minute.get().saturating_mul(self.clock.scale()),
            burst: self.settings.burst().get().saturating_mul(self.clock.scale()),
        })?)
    }

    fn source_at(
        &self,
        provider: Provider,
        key: SecretString,
        pacer: Pacer,
    ) -> Result<Arc<dyn UsageSource>, AppError> {
        match provider {
            Provider::OpenAi => {
                let setting = &self.settings.openai_base_url;
                let base_url: BaseUrl =
                    setting
                        .value
                        .as_str()
                        .parse()
                        .map_err(|error| AppError::BaseUrl {
                            origin: setting.origin.to_string(),
                            error,
                        })?;
                let request_timeout = Duration::from_secs(self.settings.request_timeout.value.get().into());
                let limits = Limits::default();
                let limits = Limits {
                    connect_timeout: limits.connect_timeout.min(request_timeout),
                    read_timeout: limits.read_timeout.min(request_timeout),
                    request_timeout,
                    ..limits
                };
                let clock = self.clock.clone();
                Ok(Arc::new(OpenAi::new(OpenAiOptions {
                    base_url,
                    array_encoding: self.settings.openai_array_encoding.value.into(),
                    pacer: Some(pacer),
                    limits,
                    deadline: self.deadline,
                    clock,
                    ..OpenAiOptions::new(key)
                })?))
            }
            // Provider is open to more; each comes with its client.
            other => Err(AppError::UnreadableProvider(other)),
        }
    }

    /// The readers of the accounts asked for (every account if none is), each account once.
    pub(crate) async fn readers(
        &self,
        ledger: &Ledger,
        accounts: &[Account],
    ) -> Result<Vec<Reader>, AppError> {
        let keys = ledger.keys().await?;
        let chosen: Vec<ChosenKey<'_>> = choose_keys(&keys)
            .into_iter()
            .filter(|chosen| accounts.is_empty() || accounts.contains(&chosen.key.account.account))
            .collect();
        if let Some(missing) = accounts.iter().find(|account| {
            !chosen
                .iter()
                .any(|chosen| chosen.key.account.account == **account)
        }) {
            return Err(AppError::NoKeyOfAccount(missing.clone()));
        }
        if chosen.is_empty() {
            return Err(AppError::NoKey);
        }
        let master = self.master_key(&keys)?;
        let mut pacers: BTreeMap<Account, Pacer> = BTreeMap::new();
        let mut readers = Vec::with_capacity(chosen.len());
        for ChosenKey { key, spare } in chosen {
            let pacer = match pacers.get(&key.account.account) {
                Some(pacer) => pacer.clone(),
                None => self.pacer()?,
            };
            pacers.insert(key.account.account.clone(), pacer.clone());
            let mut spare_keys = Vec::with_capacity(spare.len());
            for other in spare {
                match self.reading_key(ledger, &master, other, pacer.clone()).await {
                    Ok(key) => spare_keys.push(key),
                    // Nobody needs it as long as the first key reads.
                    Err(error) => {
                        tracing::warn!(key_id = other.id, %error, "this key cannot stand in for another");
                    }
                }
            }
            readers.push(Reader {
                account: key.account.clone(),
                filter: key.filter.clone(),
                key: self.reading_key(ledger, &master, key, pacer).await?,
                spare_keys,
            });
        }
        Ok(readers)
    }

    async fn reading_key(
        &self,
        ledger: &Ledger,
        master: &Arc<MasterKey>,
        key: &ProviderKey,
        pacer: Pacer,
    ) -> Result<ReadingKey, AppError> {
        let secret = ledger.open_key(master.clone(), key.id).await?;
        Ok(ReadingKey {
            id: key.id,
            label: key.label.clone(),
            source: self.source_at(key.account.account.provider(), secret, pacer)?,
        })
    }
}
