//! The routes: a module for each resource.

pub(crate) mod cron;
pub(crate) mod health;
pub(crate) mod metrics;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use utoipa::OpenApi as _;

/// What the routes of this module are, for the document of the API.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    cron::run,
    cron::run_by_post,
    health::alive,
    health::ready,
    metrics::metrics,
    document_itself
))]
struct Document;

/// This document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "server",
    responses((status = 200, description = "The document.", body = Object), crate::api::OpenProblems),
    security(()),
)]
#[expect(dead_code, reason = "the API serves it; this says so in the document")]
fn document_itself() {}

/// An answer whose body is JSON already.
fn json(status: StatusCode, body: String) -> Response {
    let media_type = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, media_type)], body).into_response()
}
