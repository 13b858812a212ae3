//! `/api/tokens`: API tokens.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use usage_core::{format_instant, parse_instant};
use usage_store::{AccountScope, ApiToken, NewApiToken, TokenRole};
use utoipa::ToSchema;

use super::answer::json;
use super::document::{CallProblems, ChangeProblems, ScopedProblems};
use super::error::ApiError;
use super::parameters::Parameters;
use super::{ApiState, body};
use crate::access::Caller;

/// An API token, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiToken)]
struct TokenBody {
    /// Its number in this ledger.
    id: i64,
    /// A name for people.
    name: String,
    /// What it may do: `reader`, `operator` or `admin`.
    role: &'static str,
    /// The numbers of the accounts that it sees; null is every one.
    #[schema(required)]
    accounts: Option<Vec<i64>>,
    /// What may be shown of it.
    masked_token: String,
    /// Whether it is accepted now.
    is_valid: bool,
    /// When it was added.
    created_at: String,
    /// From when on it is not accepted; null is never.
    #[schema(required)]
    expires_at: Option<String>,
    /// When it was last used, to about a minute.
    #[schema(required)]
    last_used_at: Option<String>,
    /// When it was revoked.
    #[schema(required)]
    revoked_at: Option<String>,
}

impl TokenBody {
    fn new(token: ApiToken, state: &ApiState) -> Self {
        Self {
            is_valid: token.is_valid(state.clock.now()),
            id: token.id,
            name: token.name,
            role: token.role.as_str(),
            accounts: match token.scope {
                AccountScope::All => None,
                AccountScope::Only(ids) => Some(ids),
            },
            masked_token: token.mask,
            created_at: format_instant(token.created_at),
            expires_at: token.expires_at.map(format_instant),
            last_used_at: token.last_used_at.map(format_instant),
            revoked_at: token.revoked_at.map(format_instant),
        }
    }
}

/// API tokens.
#[derive(Serialize, ToSchema)]
struct TokensBody {
    /// The tokens, oldest first; also those that expired or were revoked.
    tokens: Vec<TokenBody>,
}

/// Fails unless the caller manages tokens: those of every account, since a token may be of any.
fn must_manage(caller: &Caller) -> Result<(), ApiError> {
    caller.must_be(TokenRole::Admin)?;
    caller.must_see_all()
}

/// Every API token. Takes the role admin and a token that sees every account.
#[utoipa::path(
    get,
    path = "/api/tokens",
    tag = "tokens",
    responses((status = 200, description = "The tokens.", body = TokensBody), CallProblems),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    must_manage(&caller)?;
    Parameters::parse(query.as_deref(), &[])?;
    let tokens = state.ledger.api_tokens().await?.into_iter();
    let tokens = tokens.map(|token| TokenBody::new(token, &state)).collect();
    json(StatusCode::OK, &TokensBody { tokens })
}

/// A token to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewToken {
    /// A name for people.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do: `reader`, `operator` or `admin`.
    #[schema(pattern = "^(reader|operator|admin)$")]
    role: String,
    /// The numbers of the accounts that it sees; every one if none is named.
    accounts: Option<Vec<i64>>,
    /// From when on it is not accepted, RFC 3339; never if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

/// A token that was added.
#[derive(Serialize, ToSchema)]
struct AddedToken {
    /// The token.
    token: TokenBody,
    /// The token itself, which is shown this once.
    secret: String,
}

/// Adds an API token and shows it, once. Takes the role admin and a token that sees every account.
#[utoipa::path(
    post,
    path = "/api/tokens",
    tag = "tokens",
    request_body = NewToken,
    responses((status = 201, description = "The token.", body = AddedToken), ChangeProblems),
    security(("token" = [])),
)]
pub(super) async fn add(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    sent: Bytes,
) -> Result<Response, ApiError> {
    must_manage(&caller)?;
    Parameters::parse(query.as_deref(), &[])?;
    let new: NewToken = body::json(&headers, &sent)?;
    let name = body::name("name", Some(&new.name))?;
    let name =
        name.ok_or_else(|| ApiError::bad_request("name: write one, so that people know the token again"))?;
    let role: TokenRole = new
        .role
        .parse()
        .map_err(|_| ApiError::bad_request("role: use reader, operator or admin"))?;
    let expires_at = new.expires_at.as_deref().map(parse_instant).transpose();
    let expires_at = expires_at
        .map_err(|_| ApiError::bad_request("expiresAt: write an instant such as 2027-01-01T00:00:00Z"))?;
    if expires_at.is_some_and(|end| end <= state.clock.now()) {
        return Err(ApiError::bad_request("expiresAt: it is over already"));
    }
    let scope = match new.accounts {
        None => AccountScope::All,
        Some(ids) if ids.is_empty() => {
            return Err(ApiError::bad_request(
                "accounts: name one, or leave the field out for every account",
            ));
        }
        Some(ids) => AccountScope::Only(ids),
    };
    let (token, secret) = state
        .ledger
        .add_api_token(NewApiToken {
            name,
            role,
            scope,
            expires_at,
        })
        .await?;
    tracing::info!(
        added = token.id,
        token = caller.token_id(),
        "an API token was added through the API"
    );
    let added = AddedToken {
        token: TokenBody::new(token, &state),
        secret: secret.expose_secret().to_owned(),
    };
    json(StatusCode::CREATED, &added)
}

/// Revokes an API token for good, and ends its sessions on the dashboard. Takes the role admin and a token that sees every
/// account.
#[utoipa::path(
    delete,
    path = "/api/tokens/{id}",
    tag = "tokens",
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 204, description = "The token is revoked."), ScopedProblems),
    security(("token" = [])),
)]
pub(super) async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    must_manage(&caller)?;
    Parameters::parse(query.as_deref(), &[])?;
    let id: i64 = id.parse().map_err(|_| ApiError::not_found("API token"))?;
    state.ledger.revoke_api_token(id).await?;
    tracing::info!(
        revoked = id,
        token = caller.token_id(),
        "an API token was revoked through the API"
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}
