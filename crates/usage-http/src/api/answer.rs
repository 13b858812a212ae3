//! Answers: JSON, and JSON that a client keeps until the data change.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use usage_store::{AccountScope, Ledger};

use super::error::ApiError;

/// The value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(|error| ApiError::broken(&error))?;
    let media_type = HeaderValue::from_static("application/json");
    Ok((status, [(CONTENT_TYPE, media_type)], body).into_response())
}

/// Names what a call answers as long as the data do not change.
pub(super) struct Etag(String);

impl Etag {
    /// Of the data that the scope sees, asked in this way. Taken before the data are read, so that it is never newer.
    pub(super) async fn of(ledger: &Ledger, scope: &AccountScope, asked: &str) -> Result<Self, ApiError> {
        let version = ledger.data_version(scope.clone()).await?;
        let asked = blake3::hash(asked.as_bytes()).to_hex();
        // Weak: the same data may be sent compressed or not.
        Ok(Self(format!("W/\"{version}{}\"", &asked[..8])))
    }

    /// The answer of a client that has it already.
    pub(super) fn unchanged(&self, headers: &HeaderMap) -> Option<Response> {
        let known = headers.get_all(IF_NONE_MATCH).iter();
        let mut known = known
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .map(str::trim);
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        let mine = opaque(&self.0);
        known
            .any(|tag| tag == "*" || opaque(tag) == mine)
            .then(|| self.on(StatusCode::NOT_MODIFIED.into_response()))
    }

    /// The answer with its name.
    pub(super) fn on(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(ETAG, value);
        }
        // The client may keep it, and asks each time whether it still holds.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }
}
