//! `/api/keys`: provider keys. Their secrets go in and never come out.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use usage_core::{Account, ProjectFilter, Provider, format_instant, normalize_project_id};
use usage_store::{KeyStatus, ProviderKey, TokenRole};
use utoipa::ToSchema;

use super::answer::json;
use super::document::{ChangeProblems, ScopedProblems};
use super::error::ApiError;
use super::parameters::{Known, Parameters, account_parameter, documented_parameters};
use super::{ApiState, body};
use crate::access::Caller;
use crate::dashboard::{KeyToAdd, Refused};

fn known() -> Vec<Known> {
    vec![account_parameter()]
}

documented_parameters! {
    KeysParameters: known,
}

/// A provider key, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProviderKey)]
struct KeyBody {
    /// Its number in this ledger.
    id: i64,
    /// The number of the account whose usage it reads.
    account_id: i64,
    /// The provider.
    provider: &'static str,
    /// The provider's organisation.
    account: String,
    /// A name for people.
    #[schema(required)]
    label: Option<String>,
    /// The projects that it is limited to; none is no limit.
    projects: Vec<String>,
    /// What may be shown of the secret.
    masked_key: String,
    /// What the last check found: `unchecked`, `active`, `refused` or `conflict`.
    status: &'static str,
    /// Why the provider, or the ledger, refuses it.
    #[schema(required)]
    status_message: Option<String>,
    /// When it was added.
    created_at: String,
    /// When it was last checked.
    #[schema(required)]
    checked_at: Option<String>,
}

impl KeyBody {
    fn new(key: ProviderKey) -> Self {
        let status = key.status.as_str();
        Self {
            id: key.id,
            account_id: key.account.id,
            provider: key.account.account.provider().as_str(),
            account: key.account.account.organization().to_owned(),
            label: key.label,
            projects: key.filter.ids().map(str::to_owned).collect(),
            masked_key: key.mask,
            status,
            status_message: match key.status {
                KeyStatus::Refused(why) | KeyStatus::Conflict(why) => Some(why),
                KeyStatus::Unchecked | KeyStatus::Active => None,
            },
            created_at: format_instant(key.created_at),
            checked_at: key.checked_at.map(format_instant),
        }
    }
}

/// Provider keys.
#[derive(Serialize, ToSchema)]
struct KeysBody {
    /// The keys, oldest first.
    keys: Vec<KeyBody>,
}

/// The provider keys that the token sees.
#[utoipa::path(
    get,
    path = "/api/keys",
    tag = "keys",
    params(KeysParameters),
    responses((status = 200, description = "The keys.", body = KeysBody), ScopedProblems),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(query.as_deref(), &known())?;
    let scope = parameters.scope(&state.ledger, &caller).await?;
    let keys = state.ledger.keys_in(scope).await?;
    let keys = keys.into_iter().map(KeyBody::new);
    json(StatusCode::OK, &KeysBody { keys: keys.collect() })
}

/// A key to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewKey {
    /// The provider, for example `openai`.
    #[schema(pattern = "^openai$")]
    provider: String,
    /// The provider's organisation, for example `org-…`.
    #[schema(min_length = 1)]
    organization: String,
    /// A name for people.
    #[schema(max_length = 100)]
    label: Option<String>,
    /// The projects that it is limited to; none is no limit.
    #[serde(default)]
    projects: Vec<String>,
    /// The admin key itself.
    #[schema(value_type = String, format = Password)]
    secret: SecretText,
}

/// A secret as it was sent: it is wiped from memory, and shown nowhere.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

/// Adds a provider key.
///
/// The provider is asked first; a key that it refuses is not kept. Takes the role admin and a token that sees every account.
#[utoipa::path(
    post,
    path = "/api/keys",
    tag = "keys",
    request_body = NewKey,
    responses(
        (status = 201, description = "The key is sealed and kept.", body = KeyBody, headers(("Location" = String))),
        ChangeProblems,
    ),
    security(("token" = [])),
)]
pub(super) async fn add(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    sent: Bytes,
) -> Result<Response, ApiError> {
    caller.must_be(TokenRole::Admin)?;
    caller.must_see_all()?;
    Parameters::parse(query.as_deref(), &[])?;
    let new = read(body::json(&headers, &sent)?)?;
    let id = state.operations.add_key(new).await.map_err(unprocessable)?;
    tracing::info!(
        key = id,
        token = caller.token_id(),
        "a provider key was added through the API"
    );
    let key = state.ledger.key(id).await?;
    let mut response = json(StatusCode::CREATED, &KeyBody::new(key))?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/keys/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn read(new: NewKey) -> Result<KeyToAdd, ApiError> {
    let provider: Provider = new
        .provider
        .parse()
        .map_err(|error| ApiError::bad_request(format!("provider: {error}")))?;
    let account = Account::new(provider, new.organization.trim())
        .map_err(|error| ApiError::bad_request(format!("organization: {error}")))?;
    let projects = new
        .projects
        .iter()
        .map(|id| {
            normalize_project_id(provider, id)
                .map_err(|error| ApiError::bad_request(format!("projects: {error}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(KeyToAdd {
        account,
        label: body::name("label", new.label.as_deref())?,
        filter: if projects.is_empty() {
            ProjectFilter::ALL
        } else {
            ProjectFilter::projects(projects)
        },
        secret: new.secret.0,
    })
}

/// One provider key.
#[utoipa::path(
    get,
    path = "/api/keys/{id}",
    tag = "keys",
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The key.", body = KeyBody), ScopedProblems),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Parameters::parse(query.as_deref(), &[])?;
    let key = find(&state, &caller, &id).await?;
    json(StatusCode::OK, &KeyBody::new(key))
}

/// What to change of a key; what is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyChange {
    /// Another name for people; an empty one takes it away.
    label: Option<String>,
    /// Another admin key of the same account, in place of the old one.
    #[schema(value_type = Option<String>, format = Password)]
    secret: Option<SecretText>,
}

/// Changes a provider key.
///
/// The provider is asked about another secret first; if it refuses that, the old one stays. Takes the role admin.
#[utoipa::path(
    patch,
    path = "/api/keys/{id}",
    tag = "keys",
    params(("id" = i64, Path, description = "Its number.")),
    request_body = KeyChange,
    responses((status = 200, description = "The key as it is now.", body = KeyBody), ChangeProblems),
    security(("token" = [])),
)]
pub(super) async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    sent: Bytes,
) -> Result<Response, ApiError> {
    caller.must_be(TokenRole::Admin)?;
    Parameters::parse(query.as_deref(), &[])?;
    let key = find(&state, &caller, &id).await?;
    let change: KeyChange = body::json(&headers, &sent)?;
    if change.label.is_none() && change.secret.is_none() {
        return Err(ApiError::bad_request(
            "name `label` or `secret`; there is nothing to change",
        ));
    }
    // Both are looked at before either is changed.
    let label = match &change.label {
        Some(label) => Some(body::name("label", Some(label))?),
        None => None,
    };
    if let Some(SecretText(secret)) = change.secret {
        let rotated = state.operations.rotate_key(key.id, secret).await;
        rotated.map_err(unprocessable)?;
    }
    if let Some(label) = label {
        state
            .ledger
            .set_key_label_in(caller.scope().clone(), key.id, label)
            .await?;
    }
    tracing::info!(
        key = key.id,
        token = caller.token_id(),
        "a provider key was changed through the API"
    );
    json(StatusCode::OK, &KeyBody::new(find(&state, &caller, &id).await?))
}

/// Removes a provider key and its secret; the history of its account stays. Takes the role admin.
#[utoipa::path(
    delete,
    path = "/api/keys/{id}",
    tag = "keys",
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 204, description = "The key is removed."), ScopedProblems),
    security(("token" = [])),
)]
pub(super) async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    caller.must_be(TokenRole::Admin)?;
    Parameters::parse(query.as_deref(), &[])?;
    let key = find(&state, &caller, &id).await?;
    state.ledger.remove_key_in(caller.scope().clone(), key.id).await?;
    tracing::info!(
        key = key.id,
        token = caller.token_id(),
        "a provider key was removed through the API"
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the provider says of a key.
#[derive(Serialize, ToSchema)]
struct CheckBody {
    /// The key with its status.
    key: KeyBody,
    /// What the provider says, for people.
    result: String,
}

/// Asks the provider about a key and keeps what it says. Takes the role admin.
#[utoipa::path(
    post,
    path = "/api/keys/{id}/check",
    tag = "keys",
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "What the provider says.", body = CheckBody), ChangeProblems),
    security(("token" = [])),
)]
pub(super) async fn check(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    caller.must_be(TokenRole::Admin)?;
    Parameters::parse(query.as_deref(), &[])?;
    let key = find(&state, &caller, &id).await?;
    let result = state.operations.check_key(key.id).await.map_err(unprocessable)?;
    let key = KeyBody::new(find(&state, &caller, &id).await?);
    json(StatusCode::OK, &CheckBody { key, result })
}

/// The key, if the caller may see it.
async fn find(state: &ApiState, caller: &Caller, id: &str) -> Result<ProviderKey, ApiError> {
    let id: i64 = id.parse().map_err(|_| ApiError::not_found("provider key"))?;
    Ok(state.ledger.key_in(caller.scope().clone(), id).await?)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
fn unprocessable(refused: Refused) -> ApiError {
    ApiError::of_refused(&refused, StatusCode::UNPROCESSABLE_ENTITY)
}
