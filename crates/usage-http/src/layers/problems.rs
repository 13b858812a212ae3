//! Every error is a problem document.

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::Response;

use super::requests::RequestId;
use crate::problem::Problem;

/// Writes problems down, and makes one of every error that has no body of its own, in JSON or for people: what axum, or a
/// layer, answers by itself.
pub(crate) async fn write_down(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = match problem {
        Some(problem) => problem,
        None if is_error(status) && !has_body_of_its_own(&response) => bare(status),
        None => return response,
    };
    let problem = match id {
        Some(id) => problem.with_request_id(id.as_str()),
        None => problem,
    };
    let (media_type, document) = problem.document();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(document);
    response
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn has_body_of_its_own(response: &Response) -> bool {
    let media_type = response.headers().get(CONTENT_TYPE);
    media_type.is_some_and(|media_type| {
        media_type == "application/json" || media_type == "text/html; charset=utf-8"
    })
}

/// An error of which only the status is known.
fn bare(status: StatusCode) -> Problem {
    let problem = Problem::new(status);
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            problem.with_detail("the resource has other methods; the header Allow names them")
        }
        StatusCode::SERVICE_UNAVAILABLE => problem.with_detail("the answer took too long; ask again later"),
        _ => problem,
    }
}
