//! Provider keys: encrypted admin credentials of an account.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use usage_core::{Account, ProjectFilter};

use crate::accounts::{self, AccountScope, StoredAccount};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::events::instant;
use crate::ledger::Ledger;
use crate::schema::provider_keys;
use crate::vault::{CIPHER_VERSION, MasterKey, Sealed, mask_secret};

/// A key to be added.
pub struct NewProviderKey {
    /// Whose usage it reads.
    pub account: Account,
    /// A name for people.
    pub label: Option<String>,
    /// The projects it is limited to.
    pub filter: ProjectFilter,
    /// The credential itself.
    pub secret: SecretString,
    /// What is known about it.
    pub status: KeyStatus,
}

/// A stored key. The secret stays sealed; see [`Ledger::open_key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKey {
    /// Its number in this ledger.
    pub id: i64,
    /// Whose usage it reads.
    pub account: StoredAccount,
    /// A name for people.
    pub label: Option<String>,
    /// The projects it is limited to.
    pub filter: ProjectFilter,
    /// What may be shown of the secret, for example `sk-admin-…3fLg`.
    pub mask: String,
    /// Which master key it is sealed with.
    pub master_key_id: String,
    /// What the last check found.
    pub status: KeyStatus,
    /// When it was added, UTC.
    pub created_at: DateTime<Utc>,
    /// When it was last checked, UTC.
    pub checked_at: Option<DateTime<Utc>>,
}

/// What is known about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// Never asked.
    Unchecked,
    /// The provider accepts it.
    Active,
    /// The provider does not accept it; with its reason.
    Refused(String),
    /// Its projects belong to another account of this ledger: the same usage would count twice.
    Conflict(String),
}

impl KeyStatus {
    /// Whether a run may use the key.
    pub const fn is_usable(&self) -> bool {
        matches!(self, Self::Unchecked | Self::Active)
    }

    /// The status in one word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Active => "active",
            Self::Refused(_) => "refused",
            Self::Conflict(_) => "conflict",
        }
    }

    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::Unchecked | Self::Active => None,
            Self::Refused(message) | Self::Conflict(message) => Some(message),
        }
    }

    fn parse(status: &str, message: Option<String>) -> Result<Self, StoreError> {
        let message = message.unwrap_or_default();
        match status {
            "unchecked" => Ok(Self::Unchecked),
            "active" => Ok(Self::Active),
            "refused" => Ok(Self::Refused(message)),
            "conflict" => Ok(Self::Conflict(message)),
            other => Err(StoreError::corrupt("key status", other)),
        }
    }
}

impl Ledger {
    /// Seals and stores a key, and its account if that is new.
    pub async fn add_key(
        &self,
        master: Arc<MasterKey>,
        new: NewProviderKey,
    ) -> Result<ProviderKey, StoreError> {
        let now = self.now_unix();
        self.write(move |connection| insert(connection, &master, &new, now))
            .await
    }

    /// Every key, oldest first: for the system. Whoever asks for somebody takes [`Ledger::keys_in`].
    pub async fn keys(&self) -> Result<Vec<ProviderKey>, StoreError> {
        self.keys_in(AccountScope::All).await
    }

    /// The keys of the accounts in scope, oldest first.
    pub async fn keys_in(&self, scope: AccountScope) -> Result<Vec<ProviderKey>, StoreError> {
        self.run(move |connection| {
            let mut keys = load(connection, None)?;
            keys.retain(|key| is_in(&scope, key));
            Ok(keys)
        })
        .await
    }

    /// One key, whosever it is: for the system.
    pub async fn key(&self, id: i64) -> Result<ProviderKey, StoreError> {
        self.key_in(AccountScope::All, id).await
    }

    /// One key; one of an account out of scope is as if it was not there.
    pub async fn key_in(&self, scope: AccountScope, id: i64) -> Result<ProviderKey, StoreError> {
        self.run(move |connection| find_in(connection, &scope, id)).await
    }

    /// The key's secret.
    pub async fn open_key(&self, master: Arc<MasterKey>, id: i64) -> Result<SecretString, StoreError> {
        self.run(move |connection| {
            let key = find(connection, id)?;
            let sealed = sealed(connection, id)?;
            open(&master, &key, &sealed)
        })
        .await
    }

    /// Records what a check found.
    pub async fn set_key_status(&self, id: i64, status: KeyStatus) -> Result<(), StoreError> {
        let now = self.now_unix();
        self.write(move |connection| {
            let changed = diesel::update(provider_keys::table.find(id))
                .set((
                    provider_keys::status.eq(status.as_str()),
                    provider_keys::status_message.eq(status.message()),
                    provider_keys::checked_at.eq(Some(now)),
                ))
                .execute(connection)
                .map_err(StoreError::query("updating a provider key"))?;
            found(changed, id)
        })
        .await
    }

    /// Gives the key another name for people, or none.
    pub async fn set_key_label(&self, id: i64, label: Option<String>) -> Result<(), StoreError> {
        self.set_key_label_in(AccountScope::All, id, label).await
    }

    /// As [`Ledger::set_key_label`], for a key of an account in scope.
    pub async fn set_key_label_in(
        &self,
        scope: AccountScope,
        id: i64,
        label: Option<String>,
    ) -> Result<(), StoreError> {
        self.write(move |connection| {
            find_in(connection, &scope, id)?;
            let changed = diesel::update(provider_keys::table.find(id))
                .set(provider_keys::label.eq(label.as_deref()))
                .execute(connection)
                .map_err(StoreError::query("updating a provider key"))?;
            found(changed, id)
        })
        .await
    }

    /// Removes the key and its secret. The usage it read stays: it belongs to the account.
    pub async fn remove_key(&self, id: i64) -> Result<(), StoreError> {
        self.remove_key_in(AccountScope::All, id).await
    }

    /// As [`Ledger::remove_key`], for a key of an account in scope.
    pub async fn remove_key_in(&self, scope: AccountScope, id: i64) -> Result<(), StoreError> {
        self.write(move |connection| {
            find_in(connection, &scope, id)?;
            let removed = diesel::delete(provider_keys::table.find(id))
                .execute(connection)
                .map_err(StoreError::query("removing a provider key"))?;
            found(removed, id)
        })
        .await
    }
}

fn insert(
    connection: &mut AnyConnection,
    master: &MasterKey,
    new: &NewProviderKey,
    now: i64,
) -> Result<ProviderKey, StoreError> {
    let account = accounts::find_or_insert(connection, &new.account, now)?;
    for other in load(connection, None)?
        .into_iter()
        .filter(|other| other.account == account)
    {
        let sealed = sealed(connection, other.id)?;
        let opened = open(master, &other, &sealed);
        let same = opened.is_ok_and(|secret| secret.expose_secret() == new.secret.expose_secret());
        if same && other.filter == new.filter {
            return Err(StoreError::AlreadyExists(format!(
                "this key is already stored as key {}; remove that one first to add it anew",
                other.id
            )));
        }
    }

    // The row's number is part of what the seal binds, so the row comes first and its seal second.
    let id: i64 = diesel::insert_into(provider_keys::table)
        .values((
            provider_keys::account_id.eq(account.id),
            provider_keys::label.eq(new.label.as_deref()),
            provider_keys::project_filter.eq(new.filter.canonical()),
            provider_keys::mask.eq(mask_secret(new.secret.expose_secret())),
            provider_keys::cipher_version.eq(CIPHER_VERSION),
            provider_keys::master_key_id.eq(master.id()),
            provider_keys::nonce.eq(Vec::new()),
            provider_keys::ciphertext.eq(Vec::new()),
            provider_keys::status.eq(new.status.as_str()),
            provider_keys::status_message.eq(new.status.message()),
            provider_keys::created_at.eq(now),
            provider_keys::checked_at.eq((new.status != KeyStatus::Unchecked).then_some(now)),
        ))
        .returning(provider_keys::id)
        .get_result(connection)
        .map_err(StoreError::query("adding a provider key"))?;
    let sealed = seal(master, &new.secret, &binding(id, &account.account, &new.filter))?;
    diesel::update(provider_keys::table.find(id))
        .set((
            provider_keys::nonce.eq(sealed.nonce),
            provider_keys::ciphertext.eq(sealed.ciphertext),
        ))
        .execute(connection)
        .map_err(StoreError::query("adding a provider key"))?;
    find(connection, id)
}

/// A sealed secret and the id of the master key that sealed it, read at once, so that they belong together.
pub(crate) struct SealedRow {
    pub(crate) master_key_id: String,
    pub(crate) sealed: Sealed,
}

pub(crate) fn sealed(connection: &mut AnyConnection, id: i64) -> Result<SealedRow, StoreError> {
    let found: Option<(String, Vec<u8>, Vec<u8>)> = provider_keys::table
        .find(id)
        .select((
            provider_keys::master_key_id,
            provider_keys::nonce,
            provider_keys::ciphertext,
        ))
        .first(connection)
        .optional()
        .map_err(StoreError::query("reading a provider key"))?;
    let (master_key_id, nonce, ciphertext) = found.ok_or_else(|| not_found(id))?;
    Ok(SealedRow {
        master_key_id,
        sealed: Sealed { nonce, ciphertext },
    })
}

/// Opens a row with the master key that it names.
pub(crate) fn open(
    master: &MasterKey,
    key: &ProviderKey,
    row: &SealedRow,
) -> Result<SecretString, StoreError> {
    master
        .named(&row.master_key_id)
        .and_then(|master| master.open(&row.sealed, &binding(key.id, &key.account.account, &key.filter)))
        .ok_or(StoreError::WrongMasterKey { key_id: key.id })
}

pub(crate) fn seal(master: &MasterKey, secret: &SecretString, binding: &str) -> Result<Sealed, StoreError> {
    master.seal(secret, binding).ok_or_else(|| StoreError::Query {
        doing: "sealing a provider key",
        reason: "no random numbers from the system".to_owned(),
        retry: crate::error::Retry::Never,
    })
}

/// Everything that makes a row this row: a ciphertext copied into another one does not open there.
pub(crate) fn binding(id: i64, account: &Account, filter: &ProjectFilter) -> String {
    format!(
        "provider key v{CIPHER_VERSION} {id} {account} [{}]",
        filter.canonical()
    )
}

pub(crate) fn find(connection: &mut AnyConnection, id: i64) -> Result<ProviderKey, StoreError> {
    let mut keys = load(connection, Some(id))?;
    keys.pop().ok_or_else(|| not_found(id))
}

fn find_in(connection: &mut AnyConnection, scope: &AccountScope, id: i64) -> Result<ProviderKey, StoreError> {
    let key = find(connection, id)?;
    if is_in(scope, &key) {
        Ok(key)
    } else {
        Err(not_found(id))
    }
}

fn is_in(scope: &AccountScope, key: &ProviderKey) -> bool {
    match scope {
        AccountScope::All => true,
        AccountScope::Only(ids) => ids.contains(&key.account.id),
    }
}

pub(crate) fn found(rows: usize, id: i64) -> Result<(), StoreError> {
    if rows == 0 { Err(not_found(id)) } else { Ok(()) }
}

fn not_found(id: i64) -> StoreError {
    StoreError::NotFound {
        what: "provider key",
        id: id.to_string(),
    }
}

#[derive(Queryable)]
struct KeyRow {
    id: i64,
    account_id: i64,
    label: Option<String>,
    project_filter: String,
    mask: String,
    master_key_id: String,
    status: String,
    status_message: Option<String>,
    created_at: i64,
    checked_at: Option<i64>,
}

pub(crate) fn load(connection: &mut AnyConnection, id: Option<i64>) -> Result<Vec<ProviderKey>, StoreError> {
    let mut query = provider_keys::table
        .select((
            provider_keys::id,
            provider_keys::account_id,
            provider_keys::label,
            provider_keys::project_filter,
            provider_keys::mask,
            provider_keys::master_key_id,
            provider_keys::status,
            provider_keys::status_message,
            provider_keys::created_at,
            provider_keys::checked_at,
        ))
        .order(provider_keys::id.asc())
        .into_boxed();
    if let Some(id) = id {
        query = query.filter(provider_keys::id.eq(id));
    }
    let rows: Vec<KeyRow> = query
        .load(connection)
        .map_err(StoreError::query("reading the provider keys"))?;
    let owners = accounts::load(connection, &AccountScope::All)?;
    rows.into_iter()
        .map(|row| {
            let account = owners.iter().find(|owner| owner.id == row.account_id).cloned();
            Ok(ProviderKey {
                id: row.id,
                account: account.ok_or_else(|| StoreError::corrupt("account", row.account_id))?,
                label: row.label,
                filter: ProjectFilter::from_canonical(&row.project_filter),
                mask: row.mask,
                master_key_id: row.master_key_id,
                status: KeyStatus::parse(&row.status, row.status_message)?,
                created_at: instant(row.created_at)?,
                checked_at: row.checked_at.map(instant).transpose()?,
            })
        })
        .collect()
}
