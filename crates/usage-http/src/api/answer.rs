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

/// Names what a call answers as long as the data do not change; there is no name while somebody changed them by hand, since
/// such a change names itself to nobody.
pub(super) struct Etag(Option<String>);

impl Etag {
    /// Of the data that the scope sees, asked in this way. Taken before the data are read, so that it is never newer.
    pub(super) async fn of(ledger: &Ledger, scope: &AccountScope, asked: &str) -> Result<Self, ApiError> {
        let version = ledger.answer_version(scope.clone()).await?;
        let mut form = blake3::Hasher::new();
        // Another version of the program may write the same data in another form.
        form.update(env!("CARGO_PKG_VERSION").as_bytes());
        form.update(b"\0");
        form.update(asked.as_bytes());
        let form = form.finalize().to_hex();
        // Weak: the same data may be sent compressed or not.
        Ok(Self(
            version.map(|version| format!("W/\"{version}{}\"", &form[..8])),
        ))
    }

    /// The answer of a client that has it already.
    pub(super) fn unchanged(&self, headers: &HeaderMap) -> Option<Response> {
        let tag = self.0.as_deref()?;
        let known = headers.get_all(IF_NONE_MATCH).iter();
        let mut known = known
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .map(str::trim);
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        let mine = opaque(tag);
        known
            .any(|tag| tag == "*" || opaque(tag) == mine)
            .then(|| self.on(StatusCode::NOT_MODIFIED.into_response()))
    }

    /// The answer with its name.
    pub(super) fn on(&self, mut response: Response) -> Response {
        let Some(tag) = &self.0 else {
            return response;
        };
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(tag) {
            headers.insert(ETAG, value);
        }
        // The client may keep it, and asks each time whether it still holds.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }
}
