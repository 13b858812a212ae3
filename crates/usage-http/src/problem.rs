//! What went wrong, as RFC 9457 has it.

use std::borrow::Cow;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The media type of a problem document.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error that a client is told of.
///
/// It travels as an extension of its response until [`crate::layers::problems`] writes it down, together with the id of the
/// request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(flatten)]
    more: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// An error with this status, which says everything that its number does.
    pub(crate) fn new(status: StatusCode) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            detail: None,
            request_id: None,
            more: serde_json::Map::new(),
        }
    }

    /// With what is wrong and what to do, in a sentence.
    pub(crate) fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    /// With a member of its own.
    pub(crate) fn with(mut self, member: &str, value: serde_json::Value) -> Self {
        self.more.insert(member.to_owned(), value);
        self
    }

    pub(crate) fn with_request_id(self, id: &str) -> Self {
        Self {
            request_id: Some(id.to_owned()),
            ..self
        }
    }

    /// As the body of its response.
    pub(crate) fn document(&self) -> (HeaderValue, Vec<u8>) {
        // Texts and numbers always have a form in JSON.
        (MEDIA_TYPE, serde_json::to_vec(self).unwrap_or_default())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.headers_mut().remove(CONTENT_TYPE);
        response.extensions_mut().insert(self);
        response
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
