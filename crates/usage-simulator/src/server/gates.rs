//! What a request passes before its route: the log, ordered failures, the rate limit, the key.
//!
//! Each gate is a layer of its own, outermost first. Injected faults are layers around and among them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::api_error::ApiError;
use super::key::KeyAccess;
use super::parameters::decode_query;
use super::request_log::LoggedRequest;
use super::shared::Shared;

const MINUTE: Duration = Duration::from_mins(1);

/// Writes the request log.
pub(super) async fn log(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let key = bearer(&request).and_then(|secret| {
        let keys = shared.keys();
        keys.iter()
            .find(|key| key.is(secret))
            .map(|key| key.label().to_owned())
    });
    let mut logged = LoggedRequest {
        at: shared.clock.now(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: decode_query(request.uri().query()),
        status: 0,
        key,
    };
    let response = next.run(request).await;
    logged.status = response.status().as_u16();
    shared.log_request(logged);
    response
}

/// Fails requests as ordered.
pub(super) async fn ordered_failures(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let failure = shared.failures().pop_front().flatten();
    match failure {
        Some(failure) => ApiError::ordered(failure.status, failure.retry_after).into_response(),
        None => next.run(request).await,
    }
}

/// Counts requests over a sliding minute of real time, so many times more on a faster clock, whose clients do in that minute
/// what they would do in many; refused ones do not count.
pub(super) async fn rate_limit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if let Some(limit) = shared.settings.requests_per_minute
        && let Err(error) = admit(&shared, limit.saturating_mul(shared.clock.scale()))
    {
        return error.into_response();
    }
    next.run(request).await
}

fn admit(shared: &Shared, limit: u32) -> Result<(), ApiError> {
    let now = Instant::now();
    let mut recent = shared.recent();
    while recent.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
        recent.pop_front();
    }
    if recent.len() < limit as usize {
        recent.push_back(now);
        return Ok(());
    }
    let oldest = recent
        .front()
        .map_or(Duration::ZERO, |at| now.duration_since(*at));
    // Whole seconds, rounded up, so that who waits so long is admitted.
    let wait = MINUTE.saturating_sub(oldest).as_secs() + 1;
    Err(ApiError::rate_limited(wait))
}

/// Admits known admin keys of owners and tells the route what the key may read.
pub(super) async fn authenticate(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    match identify(&shared, &request) {
        Ok(access) => {
            request.extensions_mut().insert(access);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

fn identify(shared: &Shared, request: &Request) -> Result<KeyAccess, ApiError> {
    let secret = bearer(request).ok_or_else(ApiError::missing_key)?;
    if secret.starts_with("sk-proj-") {
        return Err(ApiError::project_key(secret));
    }
    let keys = shared.keys();
    let key = keys.iter().find(|key| key.is(secret));
    match key.map(|key| &key.access) {
        None => Err(ApiError::wrong_key(secret)),
        Some(KeyAccess::Nothing) => Err(ApiError::not_an_owner()),
        Some(access) => Ok(access.clone()),
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    header
        .strip_prefix("Bearer ")
        .map(str::trim)
        .filter(|secret| !secret.is_empty())
}
