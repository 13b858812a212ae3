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
    let methods = get(run).post(run_by_post).head(not_allowed).fallback(not_allowed);
    Router::new().route("/api/cron/daily-usage", methods)
}

/// Runs a pass over every account and answers with its report.
///
/// It has a secret of its own, and errors of its own form, which its callers know from another system.
#[utoipa::path(
    get,
    path = "/api/cron/daily-usage",
    tag = "server",
    responses(
        (status = 200, description = "The report; `success` says whether it was a good pass.", body = Object),
        (status = 400, description = "The body was cut off."),
        (status = 401, description = "The secret is missing or wrong.", body = Object, headers(("WWW-Authenticate" = String))),
        (status = 408, description = "The body took too long to arrive."),
        (status = 413, description = "The body is too large."),
        (status = 500, description = "No pass could be run; the log says why.", body = Object),
        (status = 503, description = "The server has no secret.", body = Object),
    ),
    security(("cronSecret" = [])),
)]
pub(super) async fn run(State(state): State<ServerState>, headers: HeaderMap) -> Response {
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

/// Runs a pass, as GET does.
#[utoipa::path(
    post,
    path = "/api/cron/daily-usage",
    tag = "server",
    responses(
        (status = 200, description = "The report; `success` says whether it was a good pass.", body = Object),
        (status = 400, description = "The body was cut off."),
        (status = 401, description = "The secret is missing or wrong.", body = Object, headers(("WWW-Authenticate" = String))),
        (status = 408, description = "The body took too long to arrive."),
        (status = 413, description = "The body is too large."),
        (status = 500, description = "No pass could be run; the log says why.", body = Object),
        (status = 503, description = "The server has no secret.", body = Object),
    ),
    security(("cronSecret" = [])),
)]
pub(super) async fn run_by_post(state: State<ServerState>, headers: HeaderMap) -> Response {
    run(state, headers).await
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
