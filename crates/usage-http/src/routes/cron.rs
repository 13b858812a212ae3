//! `/api/cron/daily-usage`: a pass, when a scheduler elsewhere says so.
//!
//! Its answers, errors too, are those of the system before this one, which its callers know.

use axum::Router;
use axum::extract::State;
use axum::http::header::{ALLOW, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;
use usage_core::format_instant;

use super::json;
use crate::problem::Problem;
use crate::router::ServerState;

pub(crate) fn router() -> Router<ServerState> {
    // HEAD would be taken for a GET, which runs a pass.
    let methods = get(run).post(run).head(not_allowed).fallback(not_allowed);
    Router::new().route("/api/cron/daily-usage", methods)
}

async fn run(State(state): State<ServerState>, headers: HeaderMap) -> Response {
    let Some(secret) = &state.cron_secret else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable");
    };
    if !secret.is_presented(&headers) {
        let mut response = error(StatusCode::UNAUTHORIZED, "Unauthorized");
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    }
    let operations = state.operations.clone();
    // A task of its own: the pass goes on when the client has gone.
    let pass = state.tasks.spawn(async move { operations.run_pass().await });
    let reason = match pass.await {
        Ok(Ok(report)) => return json(StatusCode::OK, report.into_string()),
        Ok(Err(failed)) => failed.to_string(),
        Err(broken) => broken.to_string(),
    };
    tracing::error!("the pass could not be run: {reason}");
    let body = json!({
        "error": "Failed to run daily usage fetch",
        "timestamp": format_instant(state.clock.now()),
    });
    json(StatusCode::INTERNAL_SERVER_ERROR, body.to_string())
}

fn error(status: StatusCode, text: &str) -> Response {
    json(status, json!({ "error": text }).to_string())
}

async fn not_allowed() -> Response {
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED)
        .with_detail("a pass is asked for with GET or POST")
        .into_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, POST"));
    response
}
