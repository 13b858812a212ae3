//! `/api/runs`: what was read when, and what went otherwise than planned.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use usage_core::format_instant;
use usage_store::Run;
use utoipa::ToSchema;

use super::ApiState;
use super::answer::json;
use super::document::{CallProblems, ScopedProblems};
use super::error::ApiError;
use super::parameters::{Known, Parameters, documented_parameters, page_parameters};
use crate::access::Caller;
use crate::files::hide_folders;

fn known() -> Vec<Known> {
    page_parameters()
}

documented_parameters! {
    RunsParameters: known,
}

/// A run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
struct RunBody {
    /// Its number in this ledger.
    id: i64,
    /// What kind of run, for example `backfill`.
    kind: String,
    /// The operator's name for it.
    #[schema(required)]
    label: Option<String>,
    /// `running`, `succeeded`, `incomplete`, `failed` or `interrupted`.
    status: &'static str,
    /// The first instant asked for.
    #[schema(required)]
    range_start: Option<String>,
    /// The first instant behind the range.
    #[schema(required)]
    range_end: Option<String>,
    /// When it began.
    started_at: String,
    /// When it ended; null while it goes on.
    #[schema(required)]
    finished_at: Option<String>,
    /// What it did, with the names that operators know.
    #[schema(value_type = Object)]
    telemetry: Value,
    /// What went otherwise than planned.
    #[schema(value_type = Vec<Object>)]
    issues: Value,
}

impl RunBody {
    fn new(run: Run) -> Self {
        let parsed = |text: &str, otherwise: Value| serde_json::from_str(text).unwrap_or(otherwise);
        let mut telemetry = parsed(&run.telemetry, Value::Object(serde_json::Map::new()));
        hide_folders(&mut telemetry);
        Self {
            id: run.id,
            kind: run.kind,
            label: run.label,
            status: run.status.as_str(),
            range_start: run.range_start.map(format_instant),
            range_end: run.range_end.map(format_instant),
            started_at: format_instant(run.started_at),
            finished_at: run.finished_at.map(format_instant),
            telemetry,
            issues: parsed(&run.issues, Value::Array(Vec::new())),
        }
    }
}

/// A page of runs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RunsBody {
    /// The runs, the last that began first.
    runs: Vec<RunBody>,
    /// `cursor` of the next page; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Runs, the last first.
///
/// A run may be of several accounts: a token sees those that name their accounts, all of which it sees. A page may therefore
/// have fewer runs than asked for, or none, and a next one all the same.
#[utoipa::path(
    get,
    path = "/api/runs",
    tag = "runs",
    params(RunsParameters),
    responses((status = 200, description = "A page.", body = RunsBody), CallProblems),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(query.as_deref(), &known())?;
    let before = parameters.cursor()?;
    let scope = caller.scope().clone();
    let page = state.ledger.run_page(scope, before, parameters.limit()).await?;
    let body = RunsBody {
        runs: page.runs.into_iter().map(RunBody::new).collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    };
    json(StatusCode::OK, &body)
}

/// One run, if the token sees every account that it names.
#[utoipa::path(
    get,
    path = "/api/runs/{id}",
    tag = "runs",
    params(("id" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "The run.", body = RunBody), ScopedProblems),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Parameters::parse(query.as_deref(), &[])?;
    let id: i64 = id.parse().map_err(|_| ApiError::not_found("run"))?;
    let run = state
        .ledger
        .runs_with_ids(caller.scope().clone(), vec![id])
        .await?
        .pop();
    let run = run.ok_or_else(|| ApiError::not_found("run"))?;
    json(StatusCode::OK, &RunBody::new(run))
}
