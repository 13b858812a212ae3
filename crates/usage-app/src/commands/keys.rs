//! `usage keys`

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use usage_core::{Account, DirectoryKind, ProjectFilter, format_instant};
use usage_ingest::KeyCheck;
use usage_providers::Access;
use usage_store::{KeyStatus, MasterKey, NewProviderKey, ProviderKey, StoreError};

use super::names;
use crate::error::AppError;
use crate::text::count;
use crate::wiring::{App, Exit};

/// A key to be added.
pub struct AddKeyOptions {
    /// Whose usage it reads.
    pub account: Account,
    /// A name for people.
    pub label: Option<String>,
    /// The projects it is limited to.
    pub filter: ProjectFilter,
    /// The credential as it was typed or read from a file.
    pub secret: SecretString,
    /// Whether to ask the provider before storing it.
    pub check: bool,
}

/// A new secret for a stored key.
pub struct RotateKeyOptions {
    /// The key's id, as it was typed.
    pub id: String,
    /// The new credential as it was typed or read from a file.
    pub secret: SecretString,
    /// Whether to ask the provider before storing it.
    pub check: bool,
}

/// A stored key and what it may do.
#[derive(Clone, Debug)]
pub struct KeyReport {
    key: ProviderKey,
    check: Option<KeyCheck>,
    names: Exit,
}

/// A key that was removed.
#[derive(Clone, Debug)]
pub struct RemovedKey {
    key: ProviderKey,
    names: Exit,
}

/// Checks and stores a key. A key that the provider refuses, or that belongs to another account of the ledger, is not
/// stored.
pub async fn add(app: &App, options: AddKeyOptions) -> Result<KeyReport, AppError> {
    let secret = cleaned(&options.secret)?;
    // Before anything is made: a wrong setting must not leave a ledger and a master key behind.
    let source = app.source(options.account.provider(), secret.clone())?;
    app.check_master_key()?;
    let ledger = app.ledger().await?;
    let names = names::enforce(app, &ledger).await?;
    let keys = ledger.keys().await?;
    let master = app.master_key(&keys)?;
    refuse_unopened(&master, &keys)?;
    let check = if options.check {
        let check =
            usage_ingest::check_key(&ledger, &options.account, &options.filter, source.as_ref()).await?;
        refuse_unusable(&check.status)?;
        Some(check)
    } else {
        None
    };
    let new = NewProviderKey {
        account: options.account,
        label: options.label,
        filter: options.filter,
        secret,
        status: check
            .as_ref()
            .map_or(KeyStatus::Unchecked, |check| check.status.clone()),
    };
    let key = ledger.add_key(master, new).await?;
    if let Some(check) = &check {
        names::save(app, &ledger, key.account.id, check.report.names.clone()).await?;
    }
    Ok(KeyReport { key, check, names })
}

/// Checks the new secret of a stored key and puts it in the old one's place; number, label and usage stay. It is refused
/// for the same reasons as a key that is added, and then the old secret stays.
pub async fn rotate(app: &App, options: RotateKeyOptions) -> Result<KeyReport, AppError> {
    let id = parse_id(&options.id)?;
    let secret = cleaned(&options.secret)?;
    let ledger = app.ledger().await?;
    let names = names::enforce(app, &ledger).await?;
    let key = ledger.key(id).await?;
    let account = &key.account.account;
    let source = app.source(account.provider(), secret.clone())?;
    let keys = ledger.keys().await?;
    let master = app.master_key(&keys)?;
    refuse_unopened(&master, &keys)?;
    let check = if options.check {
        let check = usage_ingest::check_key(&ledger, account, &key.filter, source.as_ref()).await?;
        refuse_unusable(&check.status)?;
        Some(check)
    } else {
        None
    };
    let status = check
        .as_ref()
        .map_or(KeyStatus::Unchecked, |check| check.status.clone());
    let key = ledger.rotate_key(master, id, secret, status).await?;
    if let Some(check) = &check {
        names::save(app, &ledger, key.account.id, check.report.names.clone()).await?;
    }
    Ok(KeyReport { key, check, names })
}

/// Asks the provider what a stored key may do, and remembers the answer and the names it gave.
pub async fn check(app: &App, id: &str) -> Result<KeyReport, AppError> {
    let id = parse_id(id)?;
    let ledger = app.ledger().await?;
    let names = names::enforce(app, &ledger).await?;
    let key = ledger.key(id).await?;
    let master = app.master_key(std::slice::from_ref(&key))?;
    let secret = ledger.open_key(master, id).await?;
    let source = app.source(key.account.account.provider(), secret)?;
    let check = usage_ingest::check_key(&ledger, &key.account.account, &key.filter, source.as_ref()).await?;
    ledger.set_key_status(id, check.status.clone()).await?;
    refuse_unusable(&check.status)?;
    names::save(app, &ledger, key.account.id, check.report.names.clone()).await?;
    Ok(KeyReport {
        key: ledger.key(id).await?,
        check: Some(check),
        names,
    })
}

/// Removes a key; the usage that it read stays.
pub async fn remove(app: &App, id: &str) -> Result<RemovedKey, AppError> {
    let id = parse_id(id)?;
    let ledger = app.ledger().await?;
    let names = names::enforce(app, &ledger).await?;
    let key = ledger.key(id).await?;
    ledger.remove_key(id).await?;
    Ok(RemovedKey { key, names })
}

/// The stored keys, never their secrets. A master key that cannot be read is a warning: the list does not need it.
pub async fn list(app: &App) -> Result<KeyList, AppError> {
    let keys = app.ledger().await?.keys().await?;
    if keys.is_empty() {
        return Ok(KeyList(Vec::new()));
    }
    let master = app
        .load_master_key()
        .inspect_err(|error| tracing::warn!("{error}"))
        .ok();
    let line = |key| KeyLine::new(key, master.as_ref());
    Ok(KeyList(keys.into_iter().map(line).collect()))
}

/// The keys of a ledger.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct KeyList(Vec<KeyLine>);

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyLine {
    id: i64,
    account: String,
    label: Option<String>,
    projects: Vec<String>,
    masked_key: String,
    status: &'static str,
    status_message: Option<String>,
    sealed_with: SealedWith,
    created_at: String,
    checked_at: Option<String>,
}

/// Which of the master keys that are set opens a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum SealedWith {
    Current,
    Previous,
    /// None of them.
    Other,
    /// They could not be read.
    Unknown,
}

impl SealedWith {
    fn of(key: &ProviderKey, master: Option<&MasterKey>) -> Self {
        match master {
            None => Self::Unknown,
            Some(master) if key.master_key_id == master.id() => Self::Current,
            Some(master) if master.opens(&key.master_key_id) => Self::Previous,
            Some(_) => Self::Other,
        }
    }

    const fn remark(self) -> Option<&'static str> {
        match self {
            Self::Current | Self::Unknown => None,
            Self::Previous => Some("sealed with the previous master key; run `usage keys reseal`"),
            Self::Other => Some(
                "sealed with a master key that is not set; name it in USAGE_PREVIOUS_MASTER_KEY_FILE, or remove the key",
            ),
        }
    }
}

impl KeyLine {
    fn new(key: ProviderKey, master: Option<&MasterKey>) -> Self {
        let sealed_with = SealedWith::of(&key, master);
        let status_message = match &key.status {
            KeyStatus::Refused(message) | KeyStatus::Conflict(message) => Some(message.clone()),
            KeyStatus::Unchecked | KeyStatus::Active => None,
        };
        Self {
            id: key.id,
            account: key.account.account.to_string(),
            label: key.label,
            projects: key.filter.ids().map(str::to_owned).collect(),
            masked_key: key.mask,
            status: key.status.as_str(),
            status_message,
            sealed_with,
            created_at: format_instant(key.created_at),
            checked_at: key.checked_at.map(format_instant),
        }
    }
}

impl fmt::Display for KeyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(
                f,
                "no keys; add one with `usage keys add --provider openai --organization org-…`"
            );
        }
        for key in &self.0 {
            write!(
                f,
                "{}  {}  {}  {}",
                key.id, key.account, key.masked_key, key.status
            )?;
            if let Some(label) = &key.label {
                write!(f, "  \"{label}\"")?;
            }
            if !key.projects.is_empty() {
                write!(f, "  only {}", key.projects.join(", "))?;
            }
            if let Some(message) = &key.status_message {
                write!(f, "  ({message})")?;
            }
            if let Some(remark) = key.sealed_with.remark() {
                write!(f, "  ({remark})")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl KeyReport {
    /// The key's number in the ledger.
    pub fn key_id(&self) -> i64 {
        self.key.id
    }

    /// 1 when no endpoint, or not the directory, may be read, or when erased names may still be in the database's file.
    /// Organisations lack endpoints, and keys are restricted to some, without anything being wrong.
    pub fn exit(&self) -> Exit {
        let useless = self.check.as_ref().is_some_and(|check| {
            let endpoints = &check.report.endpoints;
            !check.report.directory.is_allowed() || !endpoints.iter().any(|answer| answer.access.is_allowed())
        });
        let exit = if useless { Exit::Findings } else { Exit::Clean };
        exit.max(self.names)
    }
}

impl RemovedKey {
    /// 1 when names were erased and the database's file may still hold them.
    pub fn exit(&self) -> Exit {
        self.names
    }
}

impl fmt::Display for RemovedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProviderKey {
            id, mask, account, ..
        } = &self.key;
        writeln!(
            f,
            "removed key {id} ({mask}); the usage of {} stays in the ledger",
            account.account
        )
    }
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        writeln!(
            f,
            "key {} of {} ({}) is {}",
            key.id,
            key.account.account,
            key.mask,
            key.status.as_str()
        )?;
        if !key.filter.is_all() {
            writeln!(f, "  it is asked only for {}", key.filter)?;
        }
        let Some(check) = &self.check else {
            return writeln!(
                f,
                "  it was not checked; `usage keys check {}` asks the provider",
                key.id
            );
        };
        let mut allowed = Vec::new();
        let mut refused: Vec<(String, Vec<&str>)> = Vec::new();
        for answer in &check.report.endpoints {
            let name = answer.endpoint.as_str();
            match &answer.access {
                Access::Allowed => allowed.push(name),
                Access::Refused(error) => {
                    // The same refusal of every endpoint is told once.
                    let error = error.to_string().replacen(&format!(" {name}"), "", 1);
                    match refused.iter_mut().find(|(told, _)| *told == error) {
                        Some((_, names)) => names.push(name),
                        None => refused.push((error, vec![name])),
                    }
                }
            }
        }
        if !allowed.is_empty() {
            writeln!(f, "  it may read {}", allowed.join(", "))?;
        }
        for (error, names) in refused {
            writeln!(f, "  it may not read {}: {error}", names.join(", "))?;
        }
        match &check.report.directory {
            Access::Allowed => {
                let of = |kind| check.report.names.ids(kind).count() as u64;
                writeln!(
                    f,
                    "  it may read names: {}, {}, {}",
                    count(of(DirectoryKind::Project), "project"),
                    count(of(DirectoryKind::ApiKey), "API key"),
                    count(of(DirectoryKind::User), "user"),
                )
            }
            Access::Refused(error) => {
                writeln!(f, "  it may not read names, so reports show ids: {error}")
            }
        }
    }
}

/// A pasted secret often carries a newline; anything else that is no key is refused here, before it is stored.
fn cleaned(secret: &SecretString) -> Result<SecretString, AppError> {
    let text = secret.expose_secret().trim();
    if text.is_empty() {
        return Err(AppError::Secret(
            "no secret was given; pipe it in, as in `usage keys add … < admin.key`".to_owned(),
        ));
    }
    if text.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(AppError::Secret(
            "the secret holds white space; give the key alone, on one line".to_owned(),
        ));
    }
    Ok(SecretString::from(text))
}

fn refuse_unusable(status: &KeyStatus) -> Result<(), AppError> {
    match status {
        KeyStatus::Unchecked | KeyStatus::Active => Ok(()),
        KeyStatus::Refused(message) | KeyStatus::Conflict(message) => {
            Err(AppError::KeyRefused(message.clone()))
        }
    }
}

/// Fails if a key is sealed with a master key that is not set: another secret under this one would only spread the mix.
fn refuse_unopened(master: &MasterKey, keys: &[ProviderKey]) -> Result<(), StoreError> {
    match keys.iter().find(|key| !master.opens(&key.master_key_id)) {
        Some(other) => Err(StoreError::WrongMasterKey { key_id: other.id }),
        None => Ok(()),
    }
}

fn parse_id(id: &str) -> Result<i64, AppError> {
    id.parse().map_err(|_| AppError::KeyId(id.to_owned()))
}
