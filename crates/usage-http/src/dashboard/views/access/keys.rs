//! Provider keys: adding, checking, giving another secret, removing.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;
use usage_core::{Account, ProjectFilter, Provider, normalize_project_id};
use usage_store::{KeyStatus, ProviderKey, TokenRole};

use crate::dashboard::chrome::Section;
use crate::dashboard::display::At;
use crate::dashboard::operations::{KeyToAdd, Refused, WhyRefused};
use crate::dashboard::pages::{AddKey, Badge, KeyAction, KeyPage, KeyRow, Keys, Standing};
use crate::dashboard::query::Query;
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page, see, with_status};

pub(crate) async fn list(State(state): State<DashboardState>, visitor: Visitor) -> Response {
    let made = keys(&state, &visitor, AddKey::default())
        .await
        .map(|made| page(&made));
    visitor.answer(made)
}

async fn keys(state: &DashboardState, visitor: &Visitor, add: AddKey) -> Result<Keys, Failed> {
    let scope = visitor.scope()?;
    let keys = state.ledger.keys_in(scope.clone()).await?;
    Ok(Keys {
        chrome: visitor.chrome("Provider keys", Section::Keys),
        rows: keys.iter().map(row).collect(),
        add,
    })
}

fn row(key: &ProviderKey) -> KeyRow {
    let (status, message) = match &key.status {
        KeyStatus::Unchecked => (Badge::new(Standing::Unknown, "not checked"), None),
        KeyStatus::Active => (Badge::new(Standing::Good, "accepted"), None),
        KeyStatus::Refused(why) => (Badge::new(Standing::Bad, "refused"), Some(why.clone())),
        KeyStatus::Conflict(why) => (Badge::new(Standing::Bad, "in conflict"), Some(why.clone())),
    };
    let projects: Vec<&str> = key.filter.ids().collect();
    KeyRow {
        id: key.id,
        account: key.account.account.to_string(),
        label: key.label.clone(),
        mask: key.mask.clone(),
        projects: if key.filter.is_all() {
            "all".to_owned()
        } else {
            projects.join(", ")
        },
        status,
        message,
        added: At(Some(key.created_at)),
        checked: At(key.checked_at),
    }
}

pub(crate) async fn add(State(state): State<DashboardState>, visitor: Visitor, body: Bytes) -> Response {
    let result = try_add(&state, &visitor, &body).await;
    visitor.answer(result)
}

async fn try_add(state: &DashboardState, visitor: &Visitor, body: &Bytes) -> Result<Response, Failed> {
    visitor.must_be(TokenRole::Admin)?;
    // A new key may be of an account that a narrower token would not see.
    visitor.must_see_all()?;
    let sent = visitor.form(state, body)?;
    let refused = match read(&sent) {
        Ok(key) => match state.operations.add_key(key).await {
            Ok(id) => {
                tracing::info!(key = id, "a provider key was added from the dashboard");
                return Ok(see("/keys?done=key-added"));
            }
            Err(refused) => asked(refused)?,
        },
        Err(wrong) => wrong,
    };
    let field = |name: &str| sent.get(name).unwrap_or_default().to_owned();
    let form = AddKey {
        provider: field("provider"),
        organization: field("organization"),
        label: field("label"),
        projects: field("projects"),
        refused: Some(refused),
    };
    Ok(with_status(
        StatusCode::UNPROCESSABLE_ENTITY,
        page(&keys(state, visitor, form).await?),
    ))
}

fn read(sent: &Query) -> Result<KeyToAdd, String> {
    let field = |name: &str| sent.get(name).unwrap_or_default().trim().to_owned();
    let provider: Provider = field("provider")
        .parse()
        .map_err(|error| format!("provider: {error}"))?;
    let account =
        Account::new(provider, &field("organization")).map_err(|error| format!("organisation: {error}"))?;
    let projects = field("projects");
    let projects = projects
        .split([' ', ',', '\n', '\r', '\t'])
        .filter(|id| !id.is_empty())
        .map(|id| normalize_project_id(provider, id).map_err(|error| format!("projects: {error}")))
        .collect::<Result<Vec<_>, _>>()?;
    let filter = if projects.is_empty() {
        ProjectFilter::ALL
    } else {
        ProjectFilter::projects(projects)
    };
    Ok(KeyToAdd {
        account,
        label: Some(field("label")).filter(|label| !label.is_empty()),
        filter,
        secret: secret(sent)?,
    })
}

fn secret(sent: &Query) -> Result<SecretString, String> {
    match sent.get("secret").unwrap_or_default().trim() {
        "" => Err("the admin key is missing".to_owned()),
        secret => Ok(SecretString::from(secret)),
    }
}

pub(crate) async fn check(
    State(state): State<DashboardState>,
    Path(id): Path<String>,
    visitor: Visitor,
    body: Bytes,
) -> Response {
    let result = try_check(&state, &visitor, &id, &body).await;
    visitor.answer(result)
}

async fn try_check(
    state: &DashboardState,
    visitor: &Visitor,
    id: &str,
    body: &Bytes,
) -> Result<Response, Failed> {
    visitor.must_be(TokenRole::Admin)?;
    visitor.form(state, body)?;
    let key = find(state, visitor, id).await?;
    state.operations.check_key(key.id).await?;
    Ok(see("/keys?done=key-checked"))
}

pub(crate) async fn ask_rotate(
    State(state): State<DashboardState>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Response {
    let made = ask(&state, &visitor, &id, KeyAction::Rotate, None).await;
    visitor.answer(made.map(|made| page(&made)))
}

pub(crate) async fn ask_remove(
    State(state): State<DashboardState>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Response {
    let made = ask(&state, &visitor, &id, KeyAction::Remove, None).await;
    visitor.answer(made.map(|made| page(&made)))
}

async fn ask(
    state: &DashboardState,
    visitor: &Visitor,
    id: &str,
    action: KeyAction,
    refused: Option<String>,
) -> Result<KeyPage, Failed> {
    visitor.must_be(TokenRole::Admin)?;
    let key = find(state, visitor, id).await?;
    let title = match action {
        KeyAction::Rotate => "Give this key another secret",
        KeyAction::Remove => "Remove this key?",
    };
    Ok(KeyPage {
        chrome: visitor.chrome(title, Section::Keys),
        key: row(&key),
        action,
        refused,
    })
}

pub(crate) async fn rotate(
    State(state): State<DashboardState>,
    Path(id): Path<String>,
    visitor: Visitor,
    body: Bytes,
) -> Response {
    let result = try_rotate(&state, &visitor, &id, &body).await;
    visitor.answer(result)
}

async fn try_rotate(
    state: &DashboardState,
    visitor: &Visitor,
    id: &str,
    body: &Bytes,
) -> Result<Response, Failed> {
    visitor.must_be(TokenRole::Admin)?;
    let sent = visitor.form(state, body)?;
    let key = find(state, visitor, id).await?;
    let refused = match secret(&sent) {
        Ok(secret) => match state.operations.rotate_key(key.id, secret).await {
            Ok(()) => {
                tracing::info!(key = key.id, "a provider key was rotated from the dashboard");
                return Ok(see("/keys?done=key-rotated"));
            }
            Err(refused) => asked(refused)?,
        },
        Err(wrong) => wrong,
    };
    let made = ask(state, visitor, id, KeyAction::Rotate, Some(refused)).await?;
    Ok(with_status(StatusCode::UNPROCESSABLE_ENTITY, page(&made)))
}

pub(crate) async fn remove(
    State(state): State<DashboardState>,
    Path(id): Path<String>,
    visitor: Visitor,
    body: Bytes,
) -> Response {
    let result = try_remove(&state, &visitor, &id, &body).await;
    visitor.answer(result)
}

async fn try_remove(
    state: &DashboardState,
    visitor: &Visitor,
    id: &str,
    body: &Bytes,
) -> Result<Response, Failed> {
    visitor.must_be(TokenRole::Admin)?;
    visitor.form(state, body)?;
    let key = find(state, visitor, id).await?;
    let scope = visitor.scope()?.clone();
    state.ledger.remove_key_in(scope, key.id).await?;
    tracing::info!(key = key.id, "a provider key was removed from the dashboard");
    Ok(see("/keys?done=key-removed"))
}

/// The key, if the visitor may see it: another account's is as if it was not there.
async fn find(state: &DashboardState, visitor: &Visitor, id: &str) -> Result<ProviderKey, Failed> {
    let id: i64 = id.parse().map_err(|_| Failed::NotFound)?;
    Ok(state.ledger.key_in(visitor.scope()?.clone(), id).await?)
}

/// Why what was asked for is refused, for its form; what is not about it has a page of its own.
fn asked(refused: Refused) -> Result<String, Failed> {
    match refused.why() {
        WhyRefused::Asked => Ok(refused.to_string()),
        WhyRefused::Unavailable | WhyRefused::Broken => Err(refused.into()),
    }
}
