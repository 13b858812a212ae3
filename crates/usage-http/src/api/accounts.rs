//! `/api/accounts`, `/api/names` and `/api/models/unpriced`: what ids stand for, and which usage has no price.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use usage_core::{DirectoryKind, format_instant};
use utoipa::ToSchema;

use super::ApiState;
use super::answer::{Etag, json};
use super::document::{CallProblems, ScopedProblems};
use super::error::ApiError;
use super::parameters::{Known, Parameters, account_parameter, documented_parameters};
use crate::access::Caller;

fn name_parameters() -> Vec<Known> {
    vec![
        account_parameter(),
        Known::words(
            "kind",
            &DirectoryKind::ALL.map(kind_name),
            "Names of one of these kinds; of every one unless given.",
        ),
    ]
}

fn unpriced_parameters() -> Vec<Known> {
    vec![account_parameter()]
}

documented_parameters! {
    NamesParameters: name_parameters,
    UnpricedParameters: unpriced_parameters,
}

const fn kind_name(kind: DirectoryKind) -> &'static str {
    match kind {
        DirectoryKind::Project => "project",
        DirectoryKind::ApiKey => "apiKey",
        DirectoryKind::User => "user",
    }
}

/// An account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Account)]
struct AccountBody {
    /// Its number in this ledger, which parameters take.
    id: i64,
    /// The provider.
    provider: &'static str,
    /// The provider's organisation.
    account: String,
}

/// Accounts.
#[derive(Serialize, ToSchema)]
struct AccountsBody {
    /// The accounts, by provider and organisation.
    accounts: Vec<AccountBody>,
}

/// The accounts that the token sees.
#[utoipa::path(
    get,
    path = "/api/accounts",
    tag = "names",
    responses((status = 200, description = "The accounts.", body = AccountsBody), CallProblems),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Parameters::parse(query.as_deref(), &[])?;
    let accounts = state.ledger.accounts(caller.scope().clone()).await?;
    let accounts = accounts.into_iter().map(|stored| AccountBody {
        id: stored.id,
        provider: stored.account.provider().as_str(),
        account: stored.account.organization().to_owned(),
    });
    json(
        StatusCode::OK,
        &AccountsBody {
            accounts: accounts.collect(),
        },
    )
}

/// What an id stands for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Name)]
struct NameBody {
    /// The number of the account.
    account_id: i64,
    /// What the id names: `project`, `apiKey` or `user`.
    kind: &'static str,
    /// The provider's id.
    id: String,
    /// The name people gave it.
    #[schema(required)]
    name: Option<String>,
    /// The e-mail address of a user.
    #[schema(required)]
    email: Option<String>,
    /// When the provider first returned it.
    first_seen_at: String,
    /// When it last did; a deleted one is not seen again.
    last_seen_at: String,
}

/// Names.
#[derive(Serialize, ToSchema)]
struct NamesBody {
    /// The names.
    names: Vec<NameBody>,
}

/// The names of projects, API keys and users, as far as the ledger keeps them.
#[utoipa::path(
    get,
    path = "/api/names",
    tag = "names",
    params(NamesParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag of an answer that is at hand.")),
    responses(
        (status = 200, description = "The names.", body = NamesBody, headers(("ETag" = String))),
        (status = 304, description = "The answer at hand still holds."),
        ScopedProblems,
    ),
    security(("token" = [])),
)]
pub(super) async fn names(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(query.as_deref(), &name_parameters())?;
    let scope = parameters.scope(&state.ledger, &caller).await?;
    let etag = Etag::of(&state.ledger, &scope, query.as_deref().unwrap_or_default()).await?;
    if let Some(unchanged) = etag.unchanged(&headers) {
        return Ok(unchanged);
    }
    let kinds: Vec<&str> = parameters.all("kind").collect();
    let names = state.ledger.names(scope).await?.into_iter();
    let names = names
        .filter(|known| kinds.is_empty() || kinds.contains(&kind_name(known.kind)))
        .map(|known| NameBody {
            account_id: known.account_id,
            kind: kind_name(known.kind),
            id: known.id,
            name: known.name,
            email: known.email,
            first_seen_at: format_instant(known.first_seen_at),
            last_seen_at: format_instant(known.last_seen_at),
        });
    let body = NamesBody {
        names: names.collect(),
    };
    Ok(etag.on(json(StatusCode::OK, &body)?))
}

/// Usage without a price that has surface, model, tier and reason in common.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnpricedModel)]
struct UnpricedBody {
    /// The surface.
    endpoint: &'static str,
    /// The model.
    #[schema(required)]
    model: Option<String>,
    /// The service tier.
    #[schema(required)]
    service_tier: Option<String>,
    /// Whether through the batch API.
    #[schema(required)]
    batch: Option<bool>,
    /// Why it has no cost; null if it was stored before there were prices.
    #[schema(required)]
    reason: Option<String>,
    /// How many events.
    events: u64,
    /// How many of them the price list has a price for by now: `usage reprice` prices them.
    priceable_events: u64,
    /// The begin of the first window.
    first_window_start: String,
    /// The end of the last window.
    last_window_end: String,
}

/// Usage without a price.
#[derive(Serialize, ToSchema)]
struct UnpricedListBody {
    /// The models.
    models: Vec<UnpricedBody>,
}

/// Models whose usage has no price, and why.
#[utoipa::path(
    get,
    path = "/api/models/unpriced",
    tag = "usage",
    params(UnpricedParameters),
    responses((status = 200, description = "The models.", body = UnpricedListBody), ScopedProblems),
    security(("token" = [])),
)]
pub(super) async fn unpriced(
    State(state): State<ApiState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(query.as_deref(), &unpriced_parameters())?;
    let scope = parameters.scope(&state.ledger, &caller).await?;
    let models = state.ledger.unpriced_usage(scope).await?.into_iter();
    let models = models.map(|usage| UnpricedBody {
        endpoint: usage.endpoint.as_str(),
        model: usage.model,
        service_tier: usage.service_tier,
        batch: usage.batch,
        reason: usage.reason,
        events: usage.events,
        priceable_events: usage.priceable,
        first_window_start: format_instant(usage.first.start()),
        last_window_end: format_instant(usage.last.end()),
    });
    json(
        StatusCode::OK,
        &UnpricedListBody {
            models: models.collect(),
        },
    )
}
