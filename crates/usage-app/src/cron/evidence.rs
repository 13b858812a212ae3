//! What a pass proves after it has read: parity where exports lie, and reconciliation.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::Serialize;
use usage_core::{Decimal, Endpoint, Issue, IssueCode, Severity, format_instant};
use usage_ingest::RunReport;
use usage_parity::reconcile::Complaint;
use usage_parity::{SurfaceCounts, Verdict};
use usage_store::{AccountScope, CoverageQuery};

use super::account::Work;
use super::record::{ParityResult, ReconciliationResult};
use crate::commands::parity::{self, ParityOptions, ParityReport};
use crate::commands::reconcile::{self, ReconcileOptions, ReconcileReport};
use crate::error::AppError;
use crate::files::file_label;
use crate::monitoring::Proofs;
use crate::wiring::Exit;

/// The label of reports that a pass files.
const LABEL: &str = "cron";

/// What was proved, and what not.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Evidence {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parity: Option<ParityResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reconciliation: Option<ReconciliationResult>,
    #[serde(skip)]
    pub(super) proofs: Proofs,
    /// What whoever is alerted must know of the variance.
    #[serde(skip)]
    pub(super) variance: Option<CostVarianceFound>,
}

/// The days that were reconciled, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct CostVarianceFound {
    pub(super) days: (NaiveDate, NaiveDate),
    pub(super) percent: Decimal,
}

/// Holds the ledger against the exports and the bill, and adds what that finds to the run: differences from the exports are
/// errors, a variance from the bill is a warning.
pub(super) async fn gather(work: &Work<'_>, run: &mut RunReport) -> Evidence {
    if *work.stop.borrow() {
        return Evidence::default();
    }
    let mut evidence = Evidence::default();
    evidence.parity = parity(work, run, &mut evidence.proofs).await;
    evidence.reconciliation = reconciliation(work, run, &mut evidence).await;
    evidence
}

async fn parity(work: &Work<'_>, run: &mut RunReport, proofs: &mut Proofs) -> Option<ParityResult> {
    let named = work.options.exports.as_ref()?;
    let folder = match work.exports_below(named) {
        Ok(Some(folder)) => folder,
        Ok(None) => {
            not_proved(
                work,
                run,
                proofs,
                &format!("no export lies in {}", named.display()),
            );
            return None;
        }
        Err(error) => {
            work.note(run, Issue::new(IssueCode::ParityFailed, error.to_string()));
            return None;
        }
    };
    let options = ParityOptions {
        folder: Some(folder.clone()),
        account: Some(work.account.account.clone()),
        label: Some(label(work)),
        audit_dir: work.options.audit_dir.clone(),
        output: Some(latest(work, "telemetry-audit")),
        ..ParityOptions::default()
    };
    let report = match parity::parity(work.app, options).await {
        Ok(report) => report,
        Err(AppError::NothingCompared) => {
            let reason = format!("the exports in {} have no day that is over", folder.display());
            not_proved(work, run, proofs, &reason);
            return None;
        }
        Err(error) => {
            let message = format!("the exports were not compared: {error}");
            work.note(run, Issue::new(IssueCode::ParityFailed, message));
            return None;
        }
    };
    let (mut result, coarse) = parity_result(&report);
    prove(work, &report, proofs);
    if !result.clean || work.options.keeps_reports {
        match report.filed(&work.options.audit_dir) {
            Ok(filed) => result.report = filed.file().map(|path| path.display().to_string()),
            Err(error) => work.note(run, Issue::new(IssueCode::ParityFailed, error.to_string())),
        }
    }
    if !result.clean {
        let told = if coarse {
            "the ledger equals the exports only when summed over a dimension that it lacks".to_owned()
        } else {
            format!("the ledger differs from the exports: {}", result.in_words())
        };
        let place = result.report.as_deref().unwrap_or("the report");
        work.note(
            run,
            Issue::new(IssueCode::ParityDifferences, format!("{told}; see {place}")),
        );
    }
    Some(result)
}

/// There is nothing to hold the ledger against. Whatever an earlier comparison found is no longer there to be looked at.
fn not_proved(work: &Work<'_>, run: &mut RunReport, proofs: &mut Proofs, reason: &str) {
    let account = work.account.account.to_string();
    let message = format!("{account}: {reason}, so parity was not proved");
    proofs.parity.entry(account).or_default();
    work.note(run, Issue::new(IssueCode::NoExports, message));
}

/// Keeps what was compared of each endpoint; what an endpoint has at several widths is added up.
fn prove(work: &Work<'_>, report: &ParityReport, proofs: &mut Proofs) {
    let comparison = report.comparison();
    let of_account = proofs.parity.entry(work.account.account.to_string()).or_default();
    for surface in &comparison.surfaces {
        let SurfaceCounts {
            windows_compared,
            missing_in_db,
            missing_in_csv,
            mismatched,
        } = surface.counts;
        let proof = of_account.entry(surface.endpoint.to_string()).or_default();
        proof.add(windows_compared, [missing_in_db, missing_in_csv], mismatched);
    }
    if let Some(costs) = &comparison.costs {
        let counts = costs.counts;
        let missing = [counts.missing_in_db, counts.missing_in_csv];
        let proof = of_account.entry(Endpoint::Costs.to_string()).or_default();
        proof.add(counts.windows_compared, missing, counts.mismatched);
    }
}

fn windows_by_endpoint(report: &ParityReport) -> BTreeMap<String, u64> {
    let comparison = report.comparison();
    let mut windows: BTreeMap<String, u64> = BTreeMap::new();
    for surface in &comparison.surfaces {
        *windows.entry(surface.endpoint.to_string()).or_default() += surface.counts.windows_compared;
    }
    if let Some(costs) = &comparison.costs {
        windows.insert(Endpoint::Costs.to_string(), costs.counts.windows_compared);
    }
    windows
}

fn parity_result(report: &ParityReport) -> (ParityResult, bool) {
    let comparison = report.comparison();
    let counts = comparison.counts;
    let costs = comparison
        .costs
        .as_ref()
        .map(|costs| costs.counts)
        .unwrap_or_default();
    let missing_in_db = counts.missing_in_db + costs.missing_in_db;
    let missing_in_csv = counts.missing_in_csv + costs.missing_in_csv;
    let mismatched = counts.mismatched + costs.mismatched;
    let verdict = comparison.verdict();
    let result = ParityResult {
        clean: verdict == Verdict::Matched,
        windows_compared: counts.windows_compared + costs.windows_compared,
        windows_by_endpoint: windows_by_endpoint(report),
        differences: missing_in_db + missing_in_csv + mismatched,
        missing_in_db,
        missing_in_csv,
        mismatched,
        restated_since: counts.restated_since + costs.restated_since,
        not_covered: counts.windows_not_covered
            + counts.groups_not_covered
            + costs.windows_not_covered
            + costs.groups_not_covered,
        report: report.file().map(|path| path.display().to_string()),
    };
    (result, verdict == Verdict::MatchedCoarse)
}

async fn reconciliation(
    work: &Work<'_>,
    run: &mut RunReport,
    evidence: &mut Evidence,
) -> Option<ReconciliationResult> {
    let (first_day, last_day) = match covered_by_costs(work).await {
        Ok(days) => days?,
        Err(error) => {
            work.note(run, warning(IssueCode::ReconciliationFailed, error.to_string()));
            return None;
        }
    };
    let options = ReconcileOptions {
        first_day,
        last_day,
        invoice: None,
        account: Some(work.account.account.clone()),
        max_variance: work.options.max_variance.clone(),
        label: Some(label(work)),
        output: Some(latest(work, "reconciliation")),
        audit_dir: work.options.audit_dir.clone(),
    };
    let report = match reconcile::reconcile(work.app, options).await {
        Ok(report) => report,
        // Nothing is over and read on both sides yet, as on the first day.
        Err(AppError::Reconcile(reason)) => {
            tracing::info!(account = %work.account.account, reason, "not reconciled");
            return None;
        }
        Err(error) => {
            work.note(run, warning(IssueCode::ReconciliationFailed, error.to_string()));
            return None;
        }
    };
    let mut result = reconciliation_result(work, &report);
    // A variance has a code of its own.
    let others: Vec<String> = report
        .found()
        .complaints(&work.options.max_variance)
        .iter()
        .filter(|complaint| !matches!(complaint, Complaint::Variance { .. }))
        .map(ToString::to_string)
        .collect();
    let variance = &report.found().variance;
    evidence
        .proofs
        .add_reconciliation(&work.account.account, variance);
    evidence.variance = variance.percent.clone().map(|percent| CostVarianceFound {
        days: (first_day, last_day),
        percent,
    });
    if work.options.keeps_reports {
        match report.filed(&work.options.audit_dir) {
            Ok(filed) => result.report = filed.file().map(|path| path.display().to_string()),
            Err(error) => work.note(run, warning(IssueCode::ReconciliationFailed, error.to_string())),
        }
    }
    if result.passes_limit {
        let percent = result.variance_percent.as_deref().unwrap_or("unknown");
        let place = result.report.as_deref().unwrap_or("the report");
        work.note(
            run,
            Issue::new(
                IssueCode::CostVariance,
                format!(
                    "charges and priced usage of {first_day} to {last_day} are {percent} % apart, {} % allowed; see {place}",
                    work.options.max_variance
                ),
            ),
        );
    }
    if !others.is_empty() {
        let place = result.report.as_deref().unwrap_or("the report");
        work.note(
            run,
            Issue::new(
                IssueCode::NotReconciled,
                format!(
                    "{first_day} to {last_day} is not reconciled, {} USD charged: {}; see {place}",
                    result.charged,
                    others.join("; ")
                ),
            ),
        );
    }
    Some(result)
}

fn reconciliation_result(work: &Work<'_>, report: &ReconcileReport) -> ReconciliationResult {
    let found = report.found();
    let complaints = found.complaints(&work.options.max_variance);
    ReconciliationResult {
        clean: report.exit() == Exit::Clean,
        days_compared: found.days.compared.len(),
        charged: found.bridge.charged.to_string(),
        compared: found.variance.charged.to_string(),
        complaints: complaints.iter().map(ToString::to_string).collect(),
        variance_percent: found.variance.percent.as_ref().map(ToString::to_string),
        passes_limit: found
            .variance
            .percent
            .as_ref()
            .is_some_and(|percent| *percent > work.options.max_variance),
        report: report.file().map(|path| path.display().to_string()),
    }
}

/// The first and the last day of the pass's range of which costs were read completely.
async fn covered_by_costs(work: &Work<'_>) -> Result<Option<(NaiveDate, NaiveDate)>, AppError> {
    let covered = work
        .ledger
        .coverage(CoverageQuery {
            scope: AccountScope::one(work.account),
            endpoint: Some(Endpoint::Costs),
            windows: Some(work.range),
        })
        .await?;
    let now = work.app.clock.now();
    let days = covered
        .iter()
        .map(|coverage| coverage.window)
        .filter(|window| window.end() <= now);
    let days: Vec<NaiveDate> = days.map(usage_core::Window::utc_day).collect();
    tracing::debug!(days = days.len(), now = format_instant(now), "days of costs");
    Ok(days.iter().min().copied().zip(days.iter().max().copied()))
}

fn warning(code: IssueCode, message: String) -> Issue {
    Issue {
        severity: Severity::Warning,
        ..Issue::new(code, message)
    }
}

/// The label of the reports of the account.
fn label(work: &Work<'_>) -> String {
    if work.is_only_account {
        LABEL.to_owned()
    } else {
        format!("{LABEL}-{}", work.account.account.organization())
    }
}

/// Where the newest report of the account is kept; it replaces the one before. Only what differs is filed under its date, so
/// that a pass an hour does not fill the folder.
fn latest(work: &Work<'_>, folder: &str) -> PathBuf {
    let name = format!("latest{}.json", file_label(Some(&label(work))));
    work.options.audit_dir.join(folder).join(name)
}

/// Whether a file that may be an export lies in the folder; none does in a folder that is not there.
fn has_exports(folder: &Path) -> Result<bool, AppError> {
    let cannot = |error: std::io::Error| {
        AppError::Parity(format!("the folder {} cannot be read: {error}", folder.display()))
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(cannot(error)),
    };
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Work<'_> {
    /// The folder with exports of the account, if there are any: the one below `named` that is called like its
    /// organisation, or `named` itself if there is no other account.
    fn exports_below(&self, named: &Path) -> Result<Option<PathBuf>, AppError> {
        let own = named.join(self.account.account.organization());
        if has_exports(&own)? {
            return Ok(Some(own));
        }
        if self.is_only_account && has_exports(named)? {
            return Ok(Some(named.to_owned()));
        }
        Ok(None)
    }
}
