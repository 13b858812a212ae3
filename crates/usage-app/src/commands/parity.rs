//! `usage parity`: the ledger against the provider's own export.

mod bridge;
mod costs_bridge;
mod exports;
mod report;

use std::path::PathBuf;

use usage_core::{Account, Endpoint};
use usage_parity::costs::{CostTolerance, compare_costs, summarize_costs};
use usage_parity::{
    CompareOptions, Comparison, LedgerFacts, ParityError, ReportFacts, RestatementCounts, RunFact, Verdict,
    compare, summarize,
};
pub use usage_parity::{ExportScope, TimeRange};
use usage_store::{AccountScope, CostQuery, Ledger, RevisionKind, StoredAccount};

use self::bridge::LedgerBridge;
use self::costs_bridge::CostsBridge;
use self::exports::Opened;
pub use self::report::ParityReport;
use super::choice::{chosen_account, existing_ledger};
use crate::error::AppError;
use crate::wiring::App;

/// What to compare, and where the report goes.
#[derive(Clone, Debug, Default)]
pub struct ParityOptions {
    /// The provider's exports.
    pub files: Vec<PathBuf>,
    /// A folder with more of them: every `*.csv` directly in it.
    pub folder: Option<PathBuf>,
    /// Whose ledger; needed if it has several accounts.
    pub account: Option<Account>,
    /// The surface of exports whose columns leave a choice.
    pub endpoint: Option<Endpoint>,
    /// Which windows; those that the exports span unless set.
    pub range: TimeRange,
    /// To what the exports were filtered when they were downloaded.
    pub scope: ExportScope,
    /// A name to know the report by.
    pub label: Option<String>,
    /// By how much a number may differ and still count as equal.
    pub tolerance: u64,
    /// Whether equality after summing over a dimension that the ledger lacks counts as clean.
    pub allow_coarse: bool,
    /// Where the report is written; a dated file below `audit_dir` and the latest one beside it unless set.
    pub output: Option<PathBuf>,
    /// The folder for evidence.
    pub audit_dir: PathBuf,
    /// Sums up the exports and reads no ledger.
    pub skip_ledger: bool,
}

/// Compares, writes the report, and returns it.
///
/// # Errors
///
/// A file cannot be used, the ledger cannot be read, or nothing could be compared. Then nothing is written.
pub async fn parity(app: &App, options: ParityOptions) -> Result<ParityReport, AppError> {
    let mut opened = exports::open(&options)?;
    let compare_options = CompareOptions {
        range: options.range,
        scope: options.scope.clone(),
        tolerance: options.tolerance,
        now: app.clock.now(),
    };
    let mut facts = ReportFacts {
        program: concat!("usage ", env!("CARGO_PKG_VERSION")).to_owned(),
        account: None,
        label: options.label.clone(),
        allow_coarse: options.allow_coarse,
        skipped_files: std::mem::take(&mut opened.skipped),
        ledger: LedgerFacts::default(),
    };
    if options.skip_ledger {
        let comparison = sum_up(opened, compare_options.clone()).await?;
        let report = ParityReport::new(comparison, facts, compare_options);
        return report.written(options.output.as_deref());
    }
    let ledger = existing_ledger(app).await.map_err(|error| match error {
        AppError::NoLedger(path) => AppError::NoLedgerForExport(path),
        error => error,
    })?;
    let account = chosen_account(&ledger, options.account.as_ref()).await?;
    let comparison = with_ledger(&ledger, &account, opened, compare_options.clone()).await?;
    if comparison.verdict() == Verdict::NothingCompared {
        return Err(AppError::NothingCompared);
    }
    facts.ledger = ledger_facts(&ledger, &account, &comparison).await?;
    facts.account = Some(account.account);
    let report = ParityReport::new(comparison, facts, compare_options);
    match &options.output {
        Some(path) => report.written(Some(path)),
        None => report.filed(&options.audit_dir),
    }
}

/// Compares exports with a ledger, on a thread that may block.
async fn with_ledger(
    ledger: &Ledger,
    account: &StoredAccount,
    opened: Opened,
    options: CompareOptions,
) -> Result<Comparison, AppError> {
    let mut usage = LedgerBridge::new(ledger.clone(), account.clone());
    let mut costs = CostsBridge::new(ledger.clone(), account.clone());
    on_a_thread(move || {
        let cannot = |error| match error {
            ParityError::Ledger(error) => AppError::Store(error),
            error => AppError::Parity(error.to_string()),
        };
        let comparison = compare(&opened.usage, &mut usage, &options).map_err(cannot)?;
        if opened.costs.is_empty() {
            return Ok(comparison);
        }
        let tolerance = CostTolerance::default();
        let costs = compare_costs(&opened.costs, &mut costs, &options, tolerance).map_err(cannot)?;
        Ok(comparison.with_costs(costs))
    })
    .await
}

async fn sum_up(opened: Opened, options: CompareOptions) -> Result<Comparison, AppError> {
    on_a_thread(move || {
        let cannot = |error: ParityError<_>| AppError::Parity(error.to_string());
        let comparison = summarize(&opened.usage, &options).map_err(cannot)?;
        if opened.costs.is_empty() {
            return Ok(comparison);
        }
        let costs = summarize_costs(&opened.costs, &options).map_err(cannot)?;
        Ok(comparison.with_costs(costs))
    })
    .await
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, AppError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(failed) => Err(AppError::Parity(failed.to_string())),
        },
    }
}

async fn ledger_facts(
    ledger: &Ledger,
    account: &StoredAccount,
    comparison: &Comparison,
) -> Result<LedgerFacts, AppError> {
    let runs = ledger
        .runs_with_ids(AccountScope::All, comparison.runs.iter().copied().collect())
        .await?;
    let mut restatements = RestatementCounts::default();
    for surface in &comparison.surfaces {
        let Some(range) = surface.range else { continue };
        let counted = ledger.count_revisions(account, surface.endpoint, range).await?;
        let count = |kind| counted.get(&kind).copied().unwrap_or(0);
        restatements.changed += count(RevisionKind::Changed);
        restatements.retracted += count(RevisionKind::Retracted);
        restatements.added += count(RevisionKind::Added);
        restatements.cleaned += count(RevisionKind::Cleaned);
    }
    let surfaces = comparison.costs.iter().flat_map(|costs| &costs.surfaces);
    for range in surfaces.filter_map(|surface| surface.range) {
        let query = CostQuery {
            scope: AccountScope::one(account),
            windows: Some(range),
        };
        for revision in ledger.cost_revisions(query).await? {
            match revision.kind {
                RevisionKind::Changed => restatements.changed += 1,
                RevisionKind::Retracted => restatements.retracted += 1,
                RevisionKind::Added => restatements.added += 1,
                RevisionKind::Cleaned | RevisionKind::Repriced => {}
            }
        }
    }
    Ok(LedgerFacts {
        database: ledger.name().to_owned(),
        runs: runs
            .into_iter()
            .map(|run| RunFact {
                id: run.id,
                kind: run.kind,
                label: run.label,
                status: run.status.as_str().to_owned(),
                started_at: usage_core::format_instant(run.started_at),
            })
            .collect(),
        restatements,
    })
}
