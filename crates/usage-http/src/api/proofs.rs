//! `/api/parity` and `/api/reconciliation`: the latest reports of each account.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use usage_store::StoredAccount;
use utoipa::ToSchema;

use super::ApiState;
use super::answer::json;
use super::document::ScopedProblems;
use super::error::ApiError;
use super::parameters::{Known, Parameters, account_parameter, documented_parameters};
use crate::access::Caller;
use crate::files::without_folders;

fn known() -> Vec<Known> {
    vec![account_parameter()]
}

documented_parameters! {
    ReportsParameters: known,
}

/// The latest report of an account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AccountReport)]
struct ReportBody {
    /// The number of the account.
    account_id: i64,
    /// The provider.
    provider: &'static str,
    /// The provider's organisation.
    account: String,
    /// The report as the command wrote it, without folders of the server; null if there is none yet.
    #[schema(required, value_type = Option<Object>)]
    report: Option<Value>,
}

/// The latest reports.
#[derive(Serialize, ToSchema)]
struct ReportsBody {
    /// One for each account that the token sees.
    reports: Vec<ReportBody>,
}

/// The latest report of `usage parity` of each account.
#[utoipa::path(
    get,
    path = "/api/parity",
    tag = "proofs",
    params(ReportsParameters),
    responses((status = 200, description = "The reports.", body = ReportsBody), ScopedProblems),
    security(("token" = [])),
)]
pub(super) async fn parity(
    State(state): State<ApiState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut reports = Vec::new();
    for account in accounts(&state, &caller, query.as_deref()).await? {
        let report = state.operations.latest_parity(&account).await?;
        reports.push(body(&account, report)?);
    }
    json(StatusCode::OK, &ReportsBody { reports })
}

/// The latest report of `usage reconcile` of each account.
#[utoipa::path(
    get,
    path = "/api/reconciliation",
    tag = "proofs",
    params(ReportsParameters),
    responses((status = 200, description = "The reports.", body = ReportsBody), ScopedProblems),
    security(("token" = [])),
)]
pub(super) async fn reconciliation(
    State(state): State<ApiState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut reports = Vec::new();
    for account in accounts(&state, &caller, query.as_deref()).await? {
        let report = state.operations.latest_reconciliation(&account).await?;
        reports.push(body(&account, report)?);
    }
    json(StatusCode::OK, &ReportsBody { reports })
}

async fn accounts(
    state: &ApiState,
    caller: &Caller,
    query: Option<&str>,
) -> Result<Vec<StoredAccount>, ApiError> {
    let parameters = Parameters::parse(query, &known())?;
    let scope = parameters.scope(&state.ledger, caller).await?;
    Ok(state.ledger.accounts(scope).await?)
}

fn body(account: &StoredAccount, report: Option<String>) -> Result<ReportBody, ApiError> {
    let mut report: Option<Value> = report
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| ApiError::broken(&error))?;
    if let Some(files) = report
        .as_mut()
        .and_then(|report| report.get_mut("inspectedCsvFiles"))
    {
        without_folders(files);
    }
    Ok(ReportBody {
        account_id: account.id,
        provider: account.account.provider().as_str(),
        account: account.account.organization().to_owned(),
        report,
    })
}
