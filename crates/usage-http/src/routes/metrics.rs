//! `/metrics`: the ledger's numbers for Prometheus.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::problem::Problem;
use crate::router::ServerState;

pub(crate) fn router() -> Router<ServerState> {
    Router::new().route("/metrics", get(metrics))
}

/// The ledger's metrics, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses((status = 200, description = "The metrics, at most 5 seconds old.", body = String, content_type = "text/plain; version=0.0.4; charset=utf-8"), crate::api::OpenProblems),
    security(()),
)]
pub(super) async fn metrics(State(state): State<ServerState>) -> Response {
    // A failure is told again, too: a database that is down is not asked by every scrape.
    let text = state.metrics.get_or(async {
        match state.operations.metrics().await {
            Ok(text) => Some(Bytes::from(text)),
            Err(failed) => {
                tracing::error!("the metrics could not be computed: {failed}");
                None
            }
        }
    });
    match text.await {
        Some(text) => {
            let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            ([(CONTENT_TYPE, media_type)], Body::from(text)).into_response()
        }
        None => Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
            .with_detail("the metrics could not be computed; the server's log says why")
            .into_response(),
    }
}
