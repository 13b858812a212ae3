//! `/api/usage`: usage events page by page, and a run that reads the last days again.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use usage_core::DedupeKey;
use usage_store::{StoredEvent, TokenRole, UsageOrder, UsagePageQuery};
use utoipa::ToSchema;

use super::answer::{Etag, json};
use super::document::{ChangeProblems, ScopedProblems};
use super::error::ApiError;
use super::event::{EventBody, EventSchema};
use super::parameters::{Known, Parameters, documented_parameters, filter_parameters, page_parameters};
use super::{ApiState, body};
use crate::access::Caller;

fn known() -> Vec<Known> {
    let mut known = filter_parameters();
    known.push(order_parameter());
    known.extend(page_parameters());
    known
}

/// `order`, by the begin of windows or by a number.
pub(super) fn order_parameter() -> Known {
    Known::word(
        "order",
        &UsageOrder::ALL.map(UsageOrder::as_str),
        "Whether the last windows come first, or the first, or the events with the highest cost, most tokens or most requests: \
         of up to 100,000 events.",
    )
}

documented_parameters! {
    UsageParameters: known,
}

/// A page of usage events.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsagePageBody<'a> {
    /// The events.
    #[schema(value_type = Vec<EventSchema>)]
    events: Vec<EventBody<'a>>,
    /// `cursor` of the next page; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Usage events.
///
/// Each account, surface and UTC day is shown in windows of one width, so that sums of events are sums of usage. A page goes on
/// where the one before it ended, whatever came or went meanwhile.
#[utoipa::path(
    get,
    path = "/api/usage",
    tag = "usage",
    params(UsageParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag of an answer that is at hand.")),
    responses(
        (status = 200, description = "A page.", body = UsagePageBody<'_>, headers(("ETag" = String))),
        (status = 304, description = "The answer at hand still holds."),
        ScopedProblems,
    ),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(query.as_deref(), &known())?;
    let filter = parameters.filter(&state.ledger, &caller).await?;
    let after = parameters.cursor()?;
    let etag = Etag::of(&state.ledger, &filter.scope, query.as_deref().unwrap_or_default()).await?;
    if let Some(unchanged) = etag.unchanged(&headers) {
        return Ok(unchanged);
    }
    let page = state
        .ledger
        .usage_page(UsagePageQuery {
            filter,
            order: parameters.order().unwrap_or_default(),
            after,
            limit: parameters.limit(),
        })
        .await?;
    let prices = state.prices.of(&state.ledger, &page.events).await?;
    let priced: Vec<_> = page
        .events
        .iter()
        .map(|stored| {
            let price = stored.price.map(|price| (price.cost, price.price_ref));
            (stored, prices.of(&stored.event, price))
        })
        .collect();
    let keys = page.events.iter().map(place).collect();
    let restated = state.ledger.last_restated(keys).await?;
    let body = UsagePageBody {
        events: priced
            .iter()
            .map(|(stored, price)| EventBody::new(stored, price, restated.get(&place(stored)).copied()))
            .collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    };
    Ok(etag.on(json(StatusCode::OK, &body)?))
}

/// By what an event is known.
fn place(stored: &StoredEvent) -> (DateTime<Utc>, DedupeKey) {
    (stored.event.window.start(), stored.event.key())
}

/// Which days to read again.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RunRequest {
    /// How many UTC days back the first day to read lies. Today is read, too: 7 is eight days.
    #[schema(minimum = 1, maximum = 30)]
    days_back: u16,
}

/// A run that has begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StartedRun {
    /// Its number, for `/api/runs/{id}`.
    run_id: i64,
}

/// Begins a run.
///
/// It reads the last days of the token's accounts again, and goes on after the answer. Takes the role operator.
#[utoipa::path(
    post,
    path = "/api/usage",
    tag = "usage",
    request_body = RunRequest,
    responses(
        (status = 202, description = "The run has begun.", body = StartedRun, headers(("Location" = String, description = "Where to follow it."))),
        ChangeProblems,
    ),
    security(("token" = [])),
)]
pub(super) async fn start(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    sent: Bytes,
) -> Result<Response, ApiError> {
    caller.must_be(TokenRole::Operator)?;
    Parameters::parse(query.as_deref(), &[])?;
    let RunRequest { days_back } = body::json(&headers, &sent)?;
    if !(1..=30).contains(&days_back) {
        return Err(ApiError::bad_request(
            "daysBack: write a whole number from 1 to 30",
        ));
    }
    let started = state.operations.start_run(caller.scope(), days_back).await;
    let run_id = started.map_err(|refused| ApiError::of_refused(&refused, StatusCode::CONFLICT))?;
    tracing::info!(
        run = run_id,
        token = caller.token_id(),
        "a run was started through the API"
    );
    let mut response = json(StatusCode::ACCEPTED, &StartedRun { run_id })?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/runs/{run_id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}
