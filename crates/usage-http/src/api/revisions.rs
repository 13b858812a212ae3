//! `/api/revisions`: what the provider changed after the fact, as it stood before.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use usage_core::format_instant;
use usage_store::{RevisionKind, RevisionPageQuery};
use utoipa::ToSchema;

use super::ApiState;
use super::answer::{Etag, json};
use super::document::ScopedProblems;
use super::error::ApiError;
use super::event::{EventBody, EventSchema};
use super::parameters::{
    Known, Parameters, account_parameter, documented_parameters, page_parameters, time_parameters,
};
use crate::access::Caller;

fn known() -> Vec<Known> {
    let mut known = vec![account_parameter()];
    known.extend(time_parameters());
    known.push(Known::words(
        "kind",
        &RevisionKind::ALL.map(RevisionKind::as_str),
        "Revisions of one of these kinds; of every one unless given.",
    ));
    known.extend(page_parameters());
    known
}

documented_parameters! {
    RevisionsParameters: known,
}

/// A row that was changed or deleted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Revision)]
struct RevisionBody<'a> {
    /// `changed`, `retracted`, `added`, `cleaned` or `repriced`.
    kind: &'static str,
    /// When it was replaced.
    replaced_at: String,
    /// The run that replaced it.
    replaced_by_run_id: i64,
    /// The event as it stood; one that was added has no metrics, and the revision 0.
    #[schema(value_type = EventSchema)]
    before: EventBody<'a>,
}

/// A page of revisions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RevisionsBody<'a> {
    /// The revisions, the last that happened first.
    revisions: Vec<RevisionBody<'a>>,
    /// `cursor` of the next page; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Revisions of usage events. `from` and `to` are about the windows of the events.
#[utoipa::path(
    get,
    path = "/api/revisions",
    tag = "proofs",
    params(RevisionsParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag of an answer that is at hand.")),
    responses(
        (status = 200, description = "A page.", body = RevisionsBody<'_>, headers(("ETag" = String))),
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
    let scope = parameters.scope(&state.ledger, &caller).await?;
    let (start, end) = parameters.range()?;
    let after = parameters.cursor()?;
    let etag = Etag::of(&state.ledger, &scope, query.as_deref().unwrap_or_default()).await?;
    if let Some(unchanged) = etag.unchanged(&headers) {
        return Ok(unchanged);
    }
    let kinds: Vec<&str> = parameters.all("kind").collect();
    let page = state
        .ledger
        .revision_page(RevisionPageQuery {
            scope,
            start,
            end,
            kinds: RevisionKind::ALL
                .into_iter()
                .filter(|kind| kinds.contains(&kind.as_str()))
                .collect(),
            after,
            limit: parameters.limit(),
        })
        .await?;
    let events: Vec<_> = page
        .revisions
        .iter()
        .map(|revision| revision.before.clone())
        .collect();
    let prices = state.prices.of(&state.ledger, &events).await?;
    let fields: Vec<_> = events
        .iter()
        .map(|stored| {
            let price = stored.price.map(|price| (price.cost, price.price_ref));
            prices.of(&stored.event, price)
        })
        .collect();
    let revisions = page
        .revisions
        .iter()
        .zip(&fields)
        .map(|(revision, price)| RevisionBody {
            kind: revision.kind.as_str(),
            replaced_at: format_instant(revision.replaced_at),
            replaced_by_run_id: revision.replaced_by_run,
            // The list itself says what was restated when.
            before: EventBody::new(&revision.before, price, None),
        });
    let body = RevisionsBody {
        revisions: revisions.collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    };
    Ok(etag.on(json(StatusCode::OK, &body)?))
}
