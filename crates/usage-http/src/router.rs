//! The routes, put together, and what holds for each of them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use usage_core::Clock;

use crate::api::{self, ApiState};
use crate::cached::Cached;
use crate::dashboard::{self, DashboardState};
use crate::layers::{body, panics, problems, requests};
use crate::limits::Limits;
use crate::operations::{Operations, Readiness};
use crate::problem::Problem;
use crate::routes;
use crate::secret::CronSecret;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct ServerState {
    pub(crate) operations: Arc<dyn Operations>,
    pub(crate) cron_secret: Option<CronSecret>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What goes on when its client has gone; the server does not end before it does.
    pub(crate) tasks: TaskTracker,
    pub(crate) metrics: Arc<Cached<Option<Bytes>>>,
    pub(crate) readiness: Arc<Cached<Readiness>>,
}

/// Every route.
pub(crate) fn router(
    state: ServerState,
    dashboard: Option<DashboardState>,
    api: Option<ApiState>,
    limits: &Limits,
) -> Router {
    let in_time = Router::new()
        .merge(routes::health::router())
        .merge(routes::metrics::router())
        .with_state(state.clone())
        .merge(dashboard.map_or_else(Router::new, dashboard::router))
        .merge(api.map_or_else(Router::new, api::router))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            limits.answer,
        ));
    // A pass takes as long as its own deadline lets it.
    let in_their_own_time = routes::cron::router().with_state(state);
    let routes = in_time.merge(in_their_own_time);
    guarded(routes, limits)
}

/// What holds for every route, and for what is no route: the last layer is the outermost.
fn guarded(routes: Router, limits: &Limits) -> Router {
    routes
        .fallback(no_such_route)
        .layer(from_fn_with_state(*limits, body::read_whole))
        .layer(CatchPanicLayer::custom(panics::answer))
        .layer(from_fn(problems::write_down))
        .layer(CompressionLayer::new())
        .layer(SetResponseHeaderLayer::if_not_present(
            CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        ))
        .layer(SetResponseHeaderLayer::overriding(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(from_fn(requests::observe))
}

async fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND).with_detail("there is no such resource")
}
