//! API tokens: making and revoking them.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use usage_store::{AccountScope, ApiToken, NewApiToken, StoredAccount, TokenRole};

use crate::dashboard::chrome::Section;
use crate::dashboard::display::{At, Fact, Html};
use crate::dashboard::pages::{Badge, Standing, TokenMade, TokenRevoke, TokenRow, Tokens};
use crate::dashboard::query::Query;
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page, see, with_status};

/// How long a name may be, in characters.
const NAME: usize = 100;

pub(crate) async fn list(State(state): State<DashboardState>, visitor: Visitor) -> Response {
    let made = tokens(&state, &visitor, None).await.map(|made| page(&made));
    visitor.answer(made)
}

/// Fails unless the visitor manages tokens: those of every account, since a token may be of any.
fn must_manage(visitor: &Visitor) -> Result<(), Failed> {
    visitor.must_be(TokenRole::Admin)?;
    visitor.must_see_all()
}

async fn tokens(
    state: &DashboardState,
    visitor: &Visitor,
    refused: Option<String>,
) -> Result<Tokens, Failed> {
    must_manage(visitor)?;
    let accounts = state.ledger.accounts(AccountScope::All).await?;
    let tokens = state.ledger.api_tokens().await?;
    let rows = tokens
        .iter()
        .rev()
        .map(|token| row(state, visitor, token, &accounts));
    Ok(Tokens {
        chrome: visitor.chrome("API tokens", Section::Tokens),
        rows: rows.collect::<Result<_, _>>()?,
        accounts: accounts
            .iter()
            .map(|account| (account.id, account.account.to_string()))
            .collect(),
        refused,
    })
}

fn row(
    state: &DashboardState,
    visitor: &Visitor,
    token: &ApiToken,
    accounts: &[StoredAccount],
) -> Result<TokenRow, Failed> {
    let now = state.clock.now();
    let status = if token.revoked_at.is_some() {
        Badge::new(Standing::Unknown, "revoked")
    } else if token.is_valid(now) {
        Badge::new(Standing::Good, "valid")
    } else {
        Badge::new(Standing::Warn, "expired")
    };
    Ok(TokenRow {
        id: token.id,
        name: token.name.clone(),
        mask: token.mask.clone(),
        role: token.role.as_str(),
        accounts: scope_text(&token.scope, accounts),
        status,
        created: At(Some(token.created_at)),
        expires: At(token.expires_at),
        used: At(token.last_used_at),
        is_own: visitor.token()?.id == token.id,
        may_revoke: token.revoked_at.is_none(),
    })
}

fn scope_text(scope: &AccountScope, accounts: &[StoredAccount]) -> String {
    match scope {
        AccountScope::All => "all".to_owned(),
        AccountScope::Only(ids) if ids.is_empty() => "none".to_owned(),
        AccountScope::Only(ids) => {
            let names = accounts.iter().filter(|account| ids.contains(&account.id));
            names
                .map(|account| account.account.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}

pub(crate) async fn make(State(state): State<DashboardState>, visitor: Visitor, body: Bytes) -> Response {
    let result = try_make(&state, &visitor, &body).await;
    visitor.answer(result)
}

async fn try_make(state: &DashboardState, visitor: &Visitor, body: &Bytes) -> Result<Response, Failed> {
    must_manage(visitor)?;
    let sent = visitor.form(state, body)?;
    let new = match read(&sent, state.clock.now()) {
        Ok(new) => new,
        Err(wrong) => {
            let made = tokens(state, visitor, Some(wrong)).await?;
            return Ok(with_status(StatusCode::UNPROCESSABLE_ENTITY, page(&made)));
        }
    };
    let accounts = state.ledger.accounts(AccountScope::All).await?;
    let (token, secret) = state.ledger.add_api_token(new).await?;
    tracing::info!(token = token.id, "an API token was made from the dashboard");
    let expires = match token.expires_at {
        Some(_) => Html::of(At(token.expires_at)),
        None => Html::text("never"),
    };
    Ok(page(&TokenMade {
        chrome: visitor.chrome("A new token", Section::Tokens),
        name: token.name.clone(),
        secret: secret.expose_secret().to_owned(),
        facts: vec![
            Fact::new("Role", Html::text(token.role.as_str())),
            Fact::new("Accounts", Html::text(&scope_text(&token.scope, &accounts))),
            Fact::new("Expires", expires),
        ],
    }))
}

fn read(sent: &Query, now: chrono::DateTime<chrono::Utc>) -> Result<NewApiToken, String> {
    let name = sent.get("name").unwrap_or_default().trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME {
        return Err(format!("name: write one of up to {NAME} characters"));
    }
    let role: TokenRole = sent
        .get("role")
        .unwrap_or_default()
        .parse()
        .map_err(|error: usage_store::UnknownTokenRole| error.to_string())?;
    let accounts = sent
        .all("account")
        .map(|id| {
            id.parse::<i64>()
                .map_err(|_| format!("account: `{id}` is no number of an account"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let days = match sent.get("expiresInDays").unwrap_or_default() {
        "" => None,
        text => Some(
            text.parse::<u16>()
                .map_err(|_| "expires: write a number of days".to_owned())?,
        ),
    };
    Ok(NewApiToken {
        name,
        role,
        scope: if accounts.is_empty() {
            AccountScope::All
        } else {
            AccountScope::Only(accounts)
        },
        expires_at: days.map(|days| now + TimeDelta::days(days.into())),
    })
}

pub(crate) async fn ask_revoke(
    State(state): State<DashboardState>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Response {
    let made = revocation(&state, &visitor, &id).await.map(|made| page(&made));
    visitor.answer(made)
}

async fn revocation(state: &DashboardState, visitor: &Visitor, id: &str) -> Result<TokenRevoke, Failed> {
    must_manage(visitor)?;
    let id: i64 = id.parse().map_err(|_| Failed::NotFound)?;
    let accounts = state.ledger.accounts(AccountScope::All).await?;
    let tokens = state.ledger.api_tokens().await?;
    let token = tokens
        .iter()
        .find(|token| token.id == id)
        .ok_or(Failed::NotFound)?;
    Ok(TokenRevoke {
        chrome: visitor.chrome("Revoke a token?", Section::Tokens),
        token: row(state, visitor, token, &accounts)?,
    })
}

pub(crate) async fn revoke(
    State(state): State<DashboardState>,
    Path(id): Path<String>,
    visitor: Visitor,
    body: Bytes,
) -> Response {
    let result = try_revoke(&state, &visitor, &id, &body).await;
    visitor.answer(result)
}

async fn try_revoke(
    state: &DashboardState,
    visitor: &Visitor,
    id: &str,
    body: &Bytes,
) -> Result<Response, Failed> {
    must_manage(visitor)?;
    visitor.form(state, body)?;
    let id: i64 = id.parse().map_err(|_| Failed::NotFound)?;
    state.ledger.revoke_api_token(id).await?;
    tracing::info!(token = id, "an API token was revoked from the dashboard");
    Ok(see("/tokens?done=token-revoked"))
}
