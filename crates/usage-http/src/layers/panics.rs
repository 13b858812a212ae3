//! A route that panics ends its request and nothing else.

use std::any::Any;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// The answer; the panic itself is logged, and no client sees it.
#[expect(clippy::needless_pass_by_value, reason = "the shape that tower-http asks for")]
pub(crate) fn answer(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!("a route panicked: {message}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
        .with_detail("the server failed; its log says why, under the id of this request")
        .into_response()
}
