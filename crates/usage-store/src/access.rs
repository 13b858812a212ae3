//! API tokens: who may ask the server for what, of which accounts.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use diesel::dsl::{exists, select};
use diesel::prelude::*;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::accounts::{self, AccountScope};
use crate::connection::{self, AnyConnection, DatabaseKind};
use crate::error::StoreError;
use crate::events::instant;
use crate::ledger::Ledger;
use crate::schema::api_tokens;
use crate::vault::mask_secret;

/// What a token begins with, so that people and secret scanners recognise one.
const PREFIX: &str = "usage_";
const SECRET_BYTES: usize = 32;
/// A token has so many random bytes that its hash needs no salt, and no work factor.
const HASH_CONTEXT: &str = "usage ledger 2026-11-26 api token";
/// Uses of a token are noted no more often than this, in seconds.
const USE_NOTED_EVERY: i64 = 60;

/// What a token may do; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenRole {
    /// Read what the ledger holds.
    Reader,
    /// Also start runs.
    Operator,
    /// Also manage keys and tokens.
    Admin,
}

impl TokenRole {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Operator, Self::Admin];

    /// The role in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for TokenRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TokenRole {
    type Err = UnknownTokenRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownTokenRole(text.to_owned()))
    }
}

/// The text names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role `{0}`; use reader, operator or admin")]
pub struct UnknownTokenRole(pub String);

/// A token to be added.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// Whose rows it may see.
    pub scope: AccountScope,
    /// From when on it is not accepted any more, UTC; `None` is never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A stored token, without the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its number in this ledger.
    pub id: i64,
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// Whose rows it may see.
    pub scope: AccountScope,
    /// What may be shown of it, for example `usage_…x3Bw`.
    pub mask: String,
    /// When it was added, UTC.
    pub created_at: DateTime<Utc>,
    /// From when on it is not accepted any more, UTC; `None` is never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, UTC, to about a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked, UTC.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ApiToken {
    /// Whether it is to be accepted at this moment: neither revoked nor expired.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Ledger {
    /// Adds a token and returns it with its secret: `usage_` and 32 random bytes as base64url without padding. The secret
    /// stands nowhere, so it can be shown this once only.
    ///
    /// Fails with [`StoreError::NotFound`] if the scope names an account that the ledger does not have.
    pub async fn add_api_token(&self, new: NewApiToken) -> Result<(ApiToken, SecretString), StoreError> {
        let secret = random_secret()?;
        let hash = hash(&secret);
        let mask = mask_secret(secret.expose_secret());
        let now = self.now_unix();
        let token = self
            .write(move |connection| insert(connection, &new, &hash, &mask, now))
            .await?;
        Ok((token, secret))
    }

    /// Every token, also those that expired or were revoked, oldest first.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.run(|connection| {
            let rows: Vec<TokenRow> = api_tokens::table
                .select(TokenRow::as_select())
                .order(api_tokens::id.asc())
                .load(connection)
                .map_err(StoreError::query("reading the API tokens"))?;
            rows.into_iter().map(TokenRow::into_token).collect()
        })
        .await
    }

    /// The token with this secret; `None` if there is none.
    ///
    /// One that expired or was revoked is returned too: whoever asks judges it by their clock, see
    /// [`ApiToken::is_valid`].
    pub async fn find_api_token(&self, secret: &SecretString) -> Result<Option<ApiToken>, StoreError> {
        if !looks_like_a_token(secret) {
            return Ok(None);
        }
        let hash = hash(secret);
        self.run(move |connection| find(connection, &hash)).await
    }

    /// Notes that a token was used; at most one write a minute and token, whoever notes it. A number without a token is
    /// ignored.
    ///
    /// It is skipped where another writer has SQLite's file: a use that is told a minute late is no reason to hold a connection.
    pub async fn note_api_token_used(&self, id: i64, now: DateTime<Utc>) -> Result<(), StoreError> {
        let now = now.timestamp();
        let noted: Option<Option<i64>> = self
            .run(move |connection| {
                api_tokens::table
                    .find(id)
                    .select(api_tokens::last_used_at)
                    .first(connection)
                    .optional()
                    .map_err(StoreError::query("looking when a token was used"))
            })
            .await?;
        let due = move |last: Option<i64>| last.is_none_or(|last| now - last >= USE_NOTED_EVERY);
        if !noted.is_some_and(due) {
            return Ok(());
        }
        let note = move |connection: &mut AnyConnection| {
            diesel::update(
                api_tokens::table.find(id).filter(
                    api_tokens::last_used_at
                        .is_null()
                        .or(api_tokens::last_used_at.le(now - USE_NOTED_EVERY)),
                ),
            )
            .set(api_tokens::last_used_at.eq(now))
            .execute(connection)
            .map_err(StoreError::query("noting that a token was used"))
            .map(drop)
        };
        let done = match self.kind() {
            DatabaseKind::Postgres => self.write(note).await,
            DatabaseKind::Sqlite => {
                self.once(move |connection| connection::without_waiting(connection, note))
                    .await
            }
        };
        done.or_else(|error| if error.is_locked() { Ok(()) } else { Err(error) })
    }

    /// Revokes a token for good, from the next look at it on; returns whether it had not been revoked before.
    ///
    /// Fails with [`StoreError::NotFound`] if there is no such token.
    pub async fn revoke_api_token(&self, id: i64) -> Result<bool, StoreError> {
        let now = self.now_unix();
        self.write(move |connection| {
            let revoked = diesel::update(
                api_tokens::table
                    .find(id)
                    .filter(api_tokens::revoked_at.is_null()),
            )
            .set(api_tokens::revoked_at.eq(now))
            .execute(connection)
            .map_err(StoreError::query("revoking an API token"))?;
            if revoked > 0 {
                return Ok(true);
            }
            let known: bool = select(exists(api_tokens::table.find(id)))
                .get_result(connection)
                .map_err(StoreError::query("looking for an API token"))?;
            if known {
                return Ok(false);
            }
            Err(StoreError::NotFound {
                what: "API token",
                id: id.to_string(),
            })
        })
        .await
    }

    /// Whether any token was ever added, also one that expired or was revoked: a server that starts without any makes one.
    pub async fn has_api_tokens(&self) -> Result<bool, StoreError> {
        self.run(|connection| {
            select(exists(api_tokens::table.select(api_tokens::id)))
                .get_result(connection)
                .map_err(StoreError::query("looking for API tokens"))
        })
        .await
    }
}

/// Whether this may be a token at all, so that the database is not asked about anything else.
fn looks_like_a_token(secret: &SecretString) -> bool {
    let body = secret.expose_secret().strip_prefix(PREFIX);
    body.is_some_and(|body| {
        body.len() == (SECRET_BYTES * 4).div_ceil(3)
            && body
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}

fn random_secret() -> Result<SecretString, StoreError> {
    let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| {
        StoreError::Unsupported(format!("the system gives no random bytes for a token: {error}"))
    })?;
    let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    Ok(SecretString::from(format!("{PREFIX}{}", body.as_str())))
}

fn hash(secret: &SecretString) -> blake3::Hash {
    blake3::Hash::from_bytes(blake3::derive_key(
        HASH_CONTEXT,
        secret.expose_secret().as_bytes(),
    ))
}

fn insert(
    connection: &mut AnyConnection,
    new: &NewApiToken,
    hash: &blake3::Hash,
    mask: &str,
    now: i64,
) -> Result<ApiToken, StoreError> {
    if let AccountScope::Only(ids) = &new.scope {
        let known = accounts::load(connection, &new.scope)?;
        if let Some(unknown) = ids
            .iter()
            .find(|id| !known.iter().any(|account| account.id == **id))
        {
            return Err(StoreError::NotFound {
                what: "account",
                id: unknown.to_string(),
            });
        }
    }
    diesel::insert_into(api_tokens::table)
        .values((
            api_tokens::name.eq(&new.name),
            api_tokens::role.eq(new.role.as_str()),
            api_tokens::account_scope.eq(scope_text(&new.scope)),
            api_tokens::token_hash.eq(hash.as_bytes().as_slice()),
            api_tokens::mask.eq(mask),
            api_tokens::created_at.eq(now),
            api_tokens::expires_at.eq(new.expires_at.map(|end| end.timestamp())),
        ))
        .execute(connection)
        .map_err(StoreError::query("adding an API token"))?;
    find(connection, hash)?.ok_or_else(|| StoreError::corrupt("API token", mask))
}

/// The index finds the hash, and the comparison that decides takes as long whatever differs.
fn find(connection: &mut AnyConnection, hash: &blake3::Hash) -> Result<Option<ApiToken>, StoreError> {
    let row: Option<TokenRow> = api_tokens::table
        .filter(api_tokens::token_hash.eq(hash.as_bytes().to_vec()))
        .select(TokenRow::as_select())
        .first(connection)
        .optional()
        .map_err(StoreError::query("looking for an API token"))?;
    let Some(row) = row else { return Ok(None) };
    let stands: [u8; 32] = row
        .token_hash
        .as_slice()
        .try_into()
        .map_err(|_| StoreError::corrupt("hash of an API token", row.id))?;
    if blake3::Hash::from_bytes(stands) != *hash {
        return Ok(None);
    }
    row.into_token().map(Some)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_tokens)]
struct TokenRow {
    id: i64,
    name: String,
    role: String,
    account_scope: String,
    token_hash: Vec<u8>,
    mask: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TokenRow {
    fn into_token(self) -> Result<ApiToken, StoreError> {
        Ok(ApiToken {
            id: self.id,
            name: self.name,
            role: self
                .role
                .parse()
                .map_err(|_| StoreError::corrupt("role of an API token", &self.role))?,
            scope: parse_scope(&self.account_scope)?,
            mask: self.mask,
            created_at: instant(self.created_at)?,
            expires_at: self.expires_at.map(instant).transpose()?,
            last_used_at: self.last_used_at.map(instant).transpose()?,
            revoked_at: self.revoked_at.map(instant).transpose()?,
        })
    }
}

const EVERY_ACCOUNT: &str = "all";

fn scope_text(scope: &AccountScope) -> String {
    match scope {
        AccountScope::All => EVERY_ACCOUNT.to_owned(),
        AccountScope::Only(ids) => {
            let mut ids = ids.clone();
            ids.sort_unstable();
            ids.dedup();
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            ids.join(",")
        }
    }
}

fn parse_scope(text: &str) -> Result<AccountScope, StoreError> {
    match text {
        EVERY_ACCOUNT => Ok(AccountScope::All),
        "" => Ok(AccountScope::Only(Vec::new())),
        ids => ids
            .split(',')
            .map(|id| {
                id.parse()
                    .map_err(|_| StoreError::corrupt("accounts of an API token", text))
            })
            .collect::<Result<_, _>>()
            .map(AccountScope::Only),
    }
}
