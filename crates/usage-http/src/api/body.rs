//! Bodies of requests.

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::problem::Problem;

/// How long a name or a label may be, in characters.
const NAME: usize = 100;

/// The body as JSON of a form that is documented; anything else is refused. What stands in it is not repeated, since people
/// send secrets.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, ApiError> {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .with_detail("send the body as JSON, with `Content-Type: application/json`")
            .into());
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => {
                "the body lacks a field, or has one that is unknown or of another type; see /api/openapi.json"
            }
            _ => "the body is not JSON",
        };
        ApiError::bad_request(format!(
            "{what} (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

/// A name for people, without what surrounds it; `None` if nothing is left.
pub(super) fn name(field: &str, text: Option<&str>) -> Result<Option<String>, ApiError> {
    let text = text.unwrap_or_default().trim();
    if text.chars().count() > NAME || text.contains(char::is_control) {
        return Err(ApiError::bad_request(format!(
            "{field}: write up to {NAME} characters on one line"
        )));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
