//! `usage tokens`

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use usage_core::{Account, format_instant};
pub use usage_store::TokenRole;
use usage_store::{AccountScope, ApiToken, NewApiToken, StoredAccount};

use super::choice::{chosen_accounts, existing_ledger};
use crate::error::AppError;
use crate::wiring::App;

/// A token to be added.
#[derive(Clone, Debug)]
pub struct AddTokenOptions {
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// Whose rows it may see; empty for every account, also those that come later.
    pub accounts: Vec<Account>,
    /// From when on it is not accepted any more, UTC.
    pub expires: Option<DateTime<Utc>>,
}

/// A token that was added, and its secret.
pub struct AddedToken {
    token: TokenLine,
    secret: SecretString,
}

/// The tokens of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TokenList(Vec<TokenLine>);

/// A token that is not accepted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    id: i64,
    is_new: bool,
}

/// What may be told of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenLine {
    id: i64,
    name: String,
    role: &'static str,
    /// The accounts that it may see; absent for every account.
    accounts: Option<Vec<String>>,
    masked_token: String,
    status: Status,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Expired,
    Revoked,
}

/// Makes a token and stores its hash.
pub async fn add(app: &App, options: AddTokenOptions) -> Result<AddedToken, AppError> {
    let now = app.clock.now();
    if let Some(end) = options.expires.filter(|end| *end <= now) {
        return Err(AppError::TokenExpired(format_instant(end)));
    }
    let ledger = app.ledger().await?;
    let scope = if options.accounts.is_empty() {
        AccountScope::All
    } else {
        let accounts = chosen_accounts(&ledger, &options.accounts).await?;
        AccountScope::Only(accounts.iter().map(|account| account.id).collect())
    };
    let (token, secret) = ledger
        .add_api_token(NewApiToken {
            name: options.name,
            role: options.role,
            scope,
            expires_at: options.expires,
        })
        .await?;
    let accounts = ledger.accounts(AccountScope::All).await?;
    Ok(AddedToken {
        token: TokenLine::new(token, &accounts, now),
        secret,
    })
}

/// Every token, never its secret.
pub async fn list(app: &App) -> Result<TokenList, AppError> {
    let ledger = existing_ledger(app).await?;
    let accounts = ledger.accounts(AccountScope::All).await?;
    let now = app.clock.now();
    let tokens = ledger.api_tokens().await?.into_iter();
    Ok(TokenList(
        tokens
            .map(|token| TokenLine::new(token, &accounts, now))
            .collect(),
    ))
}

/// Revokes a token, from the next request with it on.
pub async fn revoke(app: &App, id: i64) -> Result<RevokedToken, AppError> {
    let is_new = existing_ledger(app).await?.revoke_api_token(id).await?;
    Ok(RevokedToken { id, is_new })
}

impl AddedToken {
    /// The secret, which is shown this once.
    pub fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// What is said beside it.
    pub fn remark(&self) -> String {
        format!(
            "token {} is added and shown this once: {}",
            self.token.id, self.token
        )
    }

    /// All of it for a program, the secret too.
    pub fn with_secret(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct WithSecret<'a> {
            #[serde(flatten)]
            token: &'a TokenLine,
            secret: &'a str,
        }
        WithSecret {
            token: &self.token,
            secret: self.secret.expose_secret(),
        }
    }
}

impl TokenLine {
    fn new(token: ApiToken, accounts: &[StoredAccount], now: DateTime<Utc>) -> Self {
        let status = if token.revoked_at.is_some() {
            Status::Revoked
        } else if token.is_valid(now) {
            Status::Active
        } else {
            Status::Expired
        };
        let accounts = match &token.scope {
            AccountScope::All => None,
            AccountScope::Only(ids) => Some(
                accounts
                    .iter()
                    .filter(|account| ids.contains(&account.id))
                    .map(|account| account.account.to_string())
                    .collect(),
            ),
        };
        Self {
            id: token.id,
            name: token.name,
            role: token.role.as_str(),
            accounts,
            masked_token: token.mask,
            status,
            created_at: format_instant(token.created_at),
            expires_at: token.expires_at.map(format_instant),
            last_used_at: token.last_used_at.map(format_instant),
            revoked_at: token.revoked_at.map(format_instant),
        }
    }
}

impl fmt::Display for TokenLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"  {}  {}", self.name, self.role, self.masked_token)?;
        match &self.accounts {
            None => write!(f, "  every account")?,
            Some(accounts) => write!(f, "  only {}", accounts.join(", "))?,
        }
        match (self.status, &self.expires_at, &self.revoked_at) {
            (Status::Revoked, _, Some(at)) => write!(f, "  revoked {at}"),
            (Status::Expired, Some(at), _) => write!(f, "  expired {at}"),
            (_, Some(at), _) => write!(f, "  until {at}"),
            (..) => Ok(()),
        }?;
        match &self.last_used_at {
            Some(at) => write!(f, "  last used {at}"),
            None => write!(f, "  never used"),
        }
    }
}

impl fmt::Display for TokenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "no tokens; add one with `usage tokens add NAME --role reader`");
        }
        self.0
            .iter()
            .try_for_each(|token| writeln!(f, "{}  {token}", token.id))
    }
}

impl fmt::Display for RevokedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, is_new } = self;
        if *is_new {
            writeln!(
                f,
                "token {id} is revoked; whoever was signed in with it is not any more"
            )
        } else {
            writeln!(f, "token {id} was revoked before")
        }
    }
}
