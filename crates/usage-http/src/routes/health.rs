//! `/healthz` and `/readyz`: whether the process lives, and whether it can answer.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::json;
use crate::operations::{Readiness, ReadinessCheck};
use crate::problem::Problem;
use crate::router::ServerState;

pub(crate) fn router() -> Router<ServerState> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
}

/// Whether the process lives.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "server",
    responses((status = 200, description = "It does.", body = Object), crate::api::OpenProblems),
    security(()),
)]
pub(super) async fn alive() -> Response {
    json(StatusCode::OK, json!({ "status": "ok" }).to_string())
}

/// Whether everything is in order that an answer depends on.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "server",
    responses((status = 200, description = "It is.", body = Object), crate::api::OpenProblems),
    security(()),
)]
pub(super) async fn ready(State(state): State<ServerState>) -> Response {
    let readiness = state.readiness.get_or(state.operations.readiness()).await;
    let checks = checks(&readiness);
    if readiness.is_ready() {
        let body = json!({
            "status": "ready",
            "checks": checks,
            "coverageLagSeconds": readiness.coverage_lag_seconds,
        });
        return json(StatusCode::OK, body.to_string());
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .with_detail(format!("not ready: {}", faults(&readiness).join("; ")))
        .with("checks", checks)
        .with("coverageLagSeconds", json!(readiness.coverage_lag_seconds))
        .into_response()
}

fn checks(readiness: &Readiness) -> Value {
    let checks = readiness.checks.iter();
    let shown = |ReadinessCheck { name, fault }: &ReadinessCheck| match fault {
        None => json!({ "name": name, "ok": true }),
        Some(fault) => json!({ "name": name, "ok": false, "fault": fault }),
    };
    checks.map(shown).collect()
}

fn faults(readiness: &Readiness) -> Vec<String> {
    let checks = readiness.checks.iter();
    let faults = checks.filter_map(|check| {
        let fault = check.fault.as_ref()?;
        Some(format!("{}: {fault}", check.name))
    });
    faults.collect()
}
