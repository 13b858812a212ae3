//! Errors in the provider's envelope.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer other than 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
    retry_after: Option<String>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

impl ApiError {
    /// A 400 about one parameter.
    pub(super) fn invalid(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.to_owned()),
            ..Self::new(StatusCode::BAD_REQUEST, Some(code), message)
        }
    }

    /// A 400 that, as some do live, names no parameter.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Some("invalid_request_error"), message)
    }

    /// A value that is not on the list.
    pub(super) fn unsupported_value(param: &str, value: &str, supported: &[&str]) -> Self {
        Self::invalid(
            param,
            "invalid_value",
            format!(
                "Invalid value: '{value}'. Supported values are: {}.",
                listed(supported)
            ),
        )
    }

    pub(super) fn missing_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            Some("invalid_api_key"),
            "You didn't provide an API key. You need to provide your API key in an Authorization header using \
             Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    }

    pub(super) fn wrong_key(secret: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            Some("invalid_api_key"),
            format!("Incorrect API key provided: {}.", masked(secret)),
        )
    }

    /// A key that was right once.
    pub(super) fn revoked_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            Some("invalid_api_key"),
            "Incorrect API key provided: it was revoked.",
        )
    }

    /// The key of somebody who may not read usage.
    pub(super) fn not_an_owner() -> Self {
        Self::forbidden(
            "You have insufficient permissions for this operation. You must be an organization owner.",
        )
    }

    pub(super) fn project_key(secret: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            Some("invalid_api_key"),
            format!(
                "{} is a project API key. This endpoint requires an admin API key.",
                masked(secret)
            ),
        )
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Some("insufficient_permissions"), message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, None, message)
    }

    pub(super) fn method_not_allowed(method: &str, path: &str) -> Self {
        let message = format!(
            "Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)"
        );
        Self::new(StatusCode::METHOD_NOT_ALLOWED, None, message)
    }

    pub(super) fn rate_limited(retry_after_seconds: u64) -> Self {
        Self {
            kind: "requests",
            retry_after: Some(retry_after_seconds.to_string()),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                Some("rate_limit_exceeded"),
                format!("Rate limit reached for admin requests. Please try again in {retry_after_seconds}s."),
            )
        }
    }

    /// A failure that a test ordered.
    pub(super) fn ordered(status: StatusCode, retry_after: Option<String>) -> Self {
        let kind = if status.is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };
        let reason = status.canonical_reason().unwrap_or("Unknown status");
        Self {
            kind,
            retry_after,
            ..Self::new(status, None, format!("{reason} (as the test ordered)."))
        }
    }

    pub(super) fn internal(message: &str) -> Self {
        Self {
            kind: "server_error",
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, None, message)
        }
    }

    fn new(status: StatusCode, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            kind: "invalid_request_error",
            param: None,
            code,
            retry_after: None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let envelope = Envelope {
            error: Body {
                message: &self.message,
                kind: self.kind,
                param: self.param.as_deref(),
                code: self.code,
            },
        };
        // A struct of texts cannot fail to serialize.
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(value) = self
            .retry_after
            .and_then(|text| HeaderValue::from_str(&text).ok())
        {
            headers.insert(RETRY_AFTER, value);
        }
        response
    }
}

/// `'a'`, `'a' and 'b'`, `'a', 'b', and 'c'`: the provider's way to list.
fn listed(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first, second] => format!("{first} and {second}"),
        [rest @ .., last] => format!("{}, and {last}", rest.join(", ")),
    }
}

/// Enough of a key to recognise it by, and no more than its prefix and last four characters.
fn masked(secret: &str) -> String {
    let characters: Vec<char> = secret.chars().collect();
    if characters.len() < 16 {
        return "****".to_owned();
    }
    let prefix: String = characters[..8].iter().collect();
    let end: String = characters[characters.len() - 4..].iter().collect();
    format!("{prefix}****{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_the_providers_do() {
        assert_eq!(listed(&["1d"]), "'1d'");
        assert_eq!(listed(&["1h", "1d"]), "'1h' and '1d'");
        assert_eq!(listed(&["1m", "1h", "1d"]), "'1m', '1h', and '1d'");
    }

    #[test]
    fn keys_are_masked_and_short_ones_entirely() {
        assert_eq!(masked("sk-admin-test-not-a-real-key"), "sk-admin****-key");
        assert_eq!(masked("sk-short"), "****");
    }
}
