//! Why a call of the API has no result.

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use usage_store::StoreError;

use crate::dashboard::{Refused, WhyRefused};
use crate::operations::OperationFailed;
use crate::problem::Problem;

/// After how many seconds it is worth asking a database again that is away, or busy.
pub(crate) const ASK_AGAIN: u64 = 5;

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

    /// The database is away, or others have what is needed; the log says which.
    pub(crate) fn unavailable(reason: &dyn std::fmt::Display) -> Self {
        tracing::error!("a call of the API failed: {reason}");
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .with_detail("the database does not answer, or is busy; ask again later");
        Self::from(problem).with_header(RETRY_AFTER, HeaderValue::from(ASK_AGAIN))
    }

    /// What the application did not do; what it refuses has this status.
    pub(crate) fn of_refused(refused: &Refused, status: StatusCode) -> Self {
        match refused.why() {
            WhyRefused::Asked => Problem::new(status).with_detail(refused.to_string()).into(),
            WhyRefused::Unavailable => Self::unavailable(refused),
            WhyRefused::Broken => Self::broken(refused),
        }
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
            error if error.is_unavailable() => Self::unavailable(&error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whose_affair_it_is() {
        let status = |why| {
            let refused = Refused::new("no").because(why);
            let response = ApiError::of_refused(&refused, StatusCode::CONFLICT).into_response();
            (
                response.status().as_u16(),
                response.headers().contains_key(RETRY_AFTER),
            )
        };
        assert_eq!(status(WhyRefused::Asked), (409, false));
        assert_eq!(status(WhyRefused::Unavailable), (503, true));
        assert_eq!(status(WhyRefused::Broken), (500, false));
        let busy = ApiError::from(StoreError::Busy("others".to_owned())).into_response();
        assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(busy.headers().contains_key(RETRY_AFTER));
    }
}
