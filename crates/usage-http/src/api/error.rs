//! Why a call of the API has no result.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use usage_store::StoreError;

use crate::operations::OperationFailed;
use crate::problem::Problem;

/// A problem, and what its response says beside it.
#[derive(Debug)]
pub(crate) struct ApiError {
    problem: Box<Problem>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// Something was asked for, or sent, that makes no sense; with what is wrong and what to do.
    pub(crate) fn bad_request(wrong: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST)
            .with_detail(wrong.into())
            .into()
    }

    /// There is no such thing, or none that the caller may see: nobody can tell which.
    pub(crate) fn not_found(what: &'static str) -> Self {
        Problem::new(StatusCode::NOT_FOUND)
            .with_detail(format!("there is no such {what}, or your token does not see it"))
            .into()
    }

    /// It cannot be done as things stand; with what is wrong.
    pub(crate) fn conflict(wrong: impl Into<String>) -> Self {
        Problem::new(StatusCode::CONFLICT)
            .with_detail(wrong.into())
            .into()
    }

    /// It is the server's fault, and the log says why.
    pub(crate) fn broken(reason: &dyn std::fmt::Display) -> Self {
        tracing::error!("a call of the API failed: {reason}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
            .with_detail("the server failed; its log says why, under the id of this request")
            .into()
    }

    /// With a header of its response.
    pub(crate) fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            header: None,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, .. } => Self::not_found(what),
            StoreError::Unsupported(wrong) => Self::bad_request(wrong),
            StoreError::AlreadyExists(wrong) => Self::conflict(wrong),
            error @ (StoreError::Unreachable { .. } | StoreError::Lost { .. }) => {
                tracing::error!("a call of the API failed: {error}");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE)
                    .with_detail("the database does not answer; ask again later")
                    .into()
            }
            error => Self::broken(&error),
        }
    }
}

impl From<OperationFailed> for ApiError {
    fn from(error: OperationFailed) -> Self {
        Self::broken(&error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
