//! Answers requests for costs.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::api_error::ApiError;
use super::costs_page::write_page;
use super::faulty::ClockShift;
use super::key::KeyAccess;
use super::shared::Shared;
use super::surface::Surface;
use super::usage_request::UsageRequest;

pub(super) async fn costs(
    State(shared): State<Arc<Shared>>,
    Extension(access): Extension<KeyAccess>,
    shift: Option<Extension<ClockShift>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    // Half a year takes a while to add up, and a test may hold the organisation for a change.
    let answer = tokio::task::spawn_blocking(move || {
        let shift = shift.map_or(0, |Extension(ClockShift(seconds))| seconds);
        let now = shared.clock.now().timestamp().saturating_add(shift);
        let request = UsageRequest::parse(Surface::COSTS, query.as_deref(), &shared.settings, &access, now)?;
        let organization = shared.organization_since(request.first_day());
        write_page(&organization, &request, &shared.settings)
            .map_err(|error| ApiError::internal(&error.to_string()))
    });
    let body = answer
        .await
        .map_err(|error| ApiError::internal(&error.to_string()))??;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}
