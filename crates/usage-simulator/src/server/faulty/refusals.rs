//! Answers other than the page: refusals and redirects.

use axum::extract::Request;
use axum::http::header::{HOST, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;

use super::chosen::Chosen;
use crate::faults::Fault;
use crate::server::api_error::ApiError;
use crate::server::shared::{Shared, http_date};

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The first answer that takes the place of the page.
pub(super) fn refusal(chosen: &Chosen, shared: &Shared, request: &Request) -> Option<Response> {
    chosen.faults.iter().find_map(|fault| {
        let retry_after =
            |text: String| ApiError::ordered(StatusCode::TOO_MANY_REQUESTS, Some(text)).into_response();
        Some(match fault {
            Fault::RetryAfterSeconds => retry_after("1".to_owned()),
            Fault::RetryAfterDay => retry_after("86400".to_owned()),
            Fault::RetryAfterDate => retry_after(http_date(shared.clock.now() + TimeDelta::seconds(2))),
            Fault::RetryAfterMs => {
                let mut response = ApiError::ordered(StatusCode::TOO_MANY_REQUESTS, None).into_response();
                let milliseconds = HeaderValue::from_static("20");
                response.headers_mut().insert(RETRY_AFTER_MS, milliseconds);
                response
            }
            Fault::ServerError(status) => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                ApiError::ordered(status, None).into_response()
            }
            Fault::Unauthorized => ApiError::revoked_key().into_response(),
            Fault::Forbidden => ApiError::not_an_owner().into_response(),
            Fault::NotFound => {
                let message = format!("Invalid URL ({} {})", request.method(), request.uri().path());
                ApiError::not_found(message).into_response()
            }
            Fault::RedirectOtherHost => redirect(request, &format!("http://localhost:{}", port(request))),
            Fault::RedirectSameHost => redirect(request, ""),
            _ => return None,
        })
    })
}

fn redirect(request: &Request, origin: &str) -> Response {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let location = format!("{origin}{target}");
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response()
}

/// The port that the client asked at.
fn port(request: &Request) -> &str {
    request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .and_then(|host| host.rsplit_once(':'))
        .map_or("80", |(_, port)| port)
}
