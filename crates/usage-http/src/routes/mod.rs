//! The routes: a module for each resource.

pub(crate) mod cron;
pub(crate) mod health;
pub(crate) mod metrics;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

/// An answer whose body is JSON already.
fn json(status: StatusCode, body: String) -> Response {
    let media_type = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, media_type)], body).into_response()
}
