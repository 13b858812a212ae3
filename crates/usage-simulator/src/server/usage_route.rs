//! Answers usage requests of any surface.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::api_error::ApiError;
use super::faulty::ClockShift;
use super::key::KeyAccess;
use super::shared::Shared;
use super::surface::Surface;
use super::usage_page::write_page;
use super::usage_request::UsageRequest;

pub(super) async fn usage(
    surface: &'static Surface,
    State(shared): State<Arc<Shared>>,
    Extension(access): Extension<KeyAccess>,
    shift: Option<Extension<ClockShift>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    // A large page takes a while to add up and write, and a test may hold the organisation for a change.
    let answer = tokio::task::spawn_blocking(move || {
        let shift = shift.map_or(0, |Extension(ClockShift(seconds))| seconds);
        let now = shared.clock.now().timestamp().saturating_add(shift);
        let settings = &shared.settings;
        let request = UsageRequest::parse(surface, query.as_deref(), settings, &access, now)?;
        let organization = shared.organization_since(request.first_day());
        write_page(
            surface,
            organization.usage(surface.endpoint),
            &request,
            settings.split_every,
        )
        .map_err(|error| ApiError::internal(&error.to_string()))
    });
    let body = answer
        .await
        .map_err(|error| ApiError::internal(&error.to_string()))??;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}
