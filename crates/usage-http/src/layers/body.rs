//! Requests are read before they are handled.

use std::error::Error;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::LengthLimitError;

use crate::connections::Arrival;
use crate::limits::Limits;
use crate::problem::Problem;

/// Reads the whole body, within its size and its time, so that a slow or endless client never holds a handler.
pub(crate) async fn read_whole(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    if announced(&head.headers).is_some_and(|bytes| bytes > limits.body_bytes as u64) {
        return too_large(&limits);
    }
    match tokio::time::timeout(limits.body, to_bytes(body, limits.body_bytes)).await {
        Ok(Ok(bytes)) => {
            if let Some(arrival) = head.extensions.get::<Arrival>() {
                arrival.is_whole();
            }
            next.run(Request::from_parts(head, Body::from(bytes))).await
        }
        Ok(Err(error)) if error.source().is_some_and(<dyn Error>::is::<LengthLimitError>) => {
            too_large(&limits)
        }
        Ok(Err(_)) => {
            refused(Problem::new(StatusCode::BAD_REQUEST).with_detail("the body of the request was cut off"))
        }
        Err(_) => refused(
            Problem::new(StatusCode::REQUEST_TIMEOUT)
                .with_detail("the body of the request took too long to arrive"),
        ),
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limits: &Limits) -> Response {
    let detail = format!(
        "the body of a request may have {} bytes; send less",
        limits.body_bytes
    );
    refused(Problem::new(StatusCode::PAYLOAD_TOO_LARGE).with_detail(detail))
}

/// What is left of the body is not waited for.
fn refused(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
