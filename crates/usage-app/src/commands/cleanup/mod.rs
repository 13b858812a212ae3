//! `usage cleanup blank-metadata`

mod record;
mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use tokio::sync::watch;
use usage_core::Account;
use usage_ingest::{HeldLease, ProcessIdentity, Progress, Telemetry, mark_dead_runs};
use usage_store::{
    AccountScope, BlankRows, Cleaned, EventQuery, Lease, Ledger, NewRun, RunStatus, StoredAccount,
};

use super::choice::chosen_accounts;
use super::names;
use super::totals::TotalsReport;
use crate::error::AppError;
use crate::wiring::App;

use record::Record;
pub use report::{CleanupReport, DoubledReport, StayingReport, SumsReport};

/// What to clean.
#[derive(Clone, Debug)]
pub struct CleanupOptions {
    /// The accounts; every one of the ledger if none is named.
    pub accounts: Vec<Account>,
    /// Whether to delete, instead of only listing.
    pub apply: bool,
    /// The audit folder, below which a deletion is recorded.
    pub audit: PathBuf,
}

/// Lists the rows without project, API key and user that count usage twice, and deletes them if that is wanted.
pub async fn blank_metadata(
    app: &App,
    options: CleanupOptions,
    progress: &dyn Progress,
    stop: watch::Receiver<bool>,
) -> Result<CleanupReport, AppError> {
    let ledger = app.ledger().await?;
    let accounts = chosen_accounts(&ledger, &options.accounts).await?;
    let scope = AccountScope::Only(accounts.iter().map(|account| account.id).collect());
    let blank = ledger.blank_rows(scope).await?;
    if !options.apply || blank.doubled.is_empty() {
        return Ok(CleanupReport::new(ledger.name(), &blank));
    }
    let names = names::enforce(app, &ledger).await?;
    let us = ProcessIdentity::current();
    let leases = take_leases(&ledger, &blank, &us, progress, &stop).await?;
    let held: Vec<Lease> = leases.iter().map(|lease| lease.lease().clone()).collect();
    let applied = apply(app, &ledger, &us, &held, &options).await;
    release(leases).await;
    Ok(CleanupReport { names, ..applied? })
}

/// The leases of every account in which something is doubled, or none.
async fn take_leases(
    ledger: &Ledger,
    blank: &BlankRows,
    us: &ProcessIdentity,
    progress: &dyn Progress,
    stop: &watch::Receiver<bool>,
) -> Result<Vec<HeldLease>, AppError> {
    // By number, so that two cleanups cannot each wait for what the other has.
    let affected: BTreeMap<i64, &StoredAccount> = blank
        .doubled
        .iter()
        .map(|doubled| (doubled.account.id, &doubled.account))
        .collect();
    let mut leases = Vec::with_capacity(affected.len());
    for account in affected.into_values() {
        let taken = HeldLease::take(ledger, account, us, progress, stop).await;
        match taken
            .map_err(AppError::from)
            .and_then(|taken| taken.map_err(AppError::Issue))
        {
            Ok(lease) => leases.push(lease),
            Err(error) => {
                release(leases).await;
                return Err(error);
            }
        }
    }
    Ok(leases)
}

async fn release(leases: Vec<HeldLease>) {
    for lease in leases {
        lease.release().await;
    }
}

/// Deletes under the leases: first the record, then the deletion, then the record of what is certain.
async fn apply(
    app: &App,
    ledger: &Ledger,
    us: &ProcessIdentity,
    leases: &[Lease],
    options: &CleanupOptions,
) -> Result<CleanupReport, AppError> {
    mark_dead_runs(ledger, us).await?;
    // Looked at again: until the leases were ours, others could write.
    let scope = AccountScope::Only(leases.iter().map(|lease| lease.account_id).collect());
    let blank = ledger.blank_rows(scope).await?;
    let mut report = CleanupReport::new(ledger.name(), &blank);
    let windows = || blank.doubled.iter().map(|doubled| doubled.window);
    let (Some(first), Some(last)) = (windows().min(), windows().max()) else {
        return Ok(report);
    };
    let run_id = ledger
        .start_run(NewRun {
            kind: "cleanup",
            label: None,
            range_start: first.start(),
            range_end: last.end(),
            holder: us.to_string(),
            plan: json!({ "rows": report.rows, "windows": report.doubled.len() }).to_string(),
            notes: "{}".to_owned(),
        })
        .await?;
    report.run_id = Some(run_id);
    let deleted = delete(app, ledger, leases, &blank, &mut report, options).await;
    let (status, cleaned) = match &deleted {
        Ok((cleaned, _)) => (RunStatus::Succeeded, *cleaned),
        Err(_) => (RunStatus::Failed, Cleaned::default()),
    };
    let telemetry = Telemetry {
        retracted_events: cleaned.deleted,
        revisions: cleaned.revisions,
        windows_processed: if cleaned.deleted == 0 {
            0
        } else {
            report.doubled.len() as u64
        },
        ..Telemetry::default()
    };
    let recorded = ledger
        .finish_run(run_id, status, json!(telemetry).to_string(), "[]".to_owned())
        .await;
    let (_, record) = deleted?;
    report.record = Some(record.path().to_owned());
    // What is deleted is deleted, so nothing that fails from here on may keep the record from saying so.
    let looked = look_again(ledger, &blank, &mut report).await;
    if let Err(error) = record.conclude(app.clock.now(), &report) {
        report.record_problem = Some(error.to_string());
    }
    recorded?;
    looked?;
    Ok(report)
}

async fn delete(
    app: &App,
    ledger: &Ledger,
    leases: &[Lease],
    blank: &BlankRows,
    report: &mut CleanupReport,
    options: &CleanupOptions,
) -> Result<(Cleaned, Record), AppError> {
    let run_id = report.run_id.unwrap_or_default();
    let record = Record::intend(&options.audit, app.clock.now(), report)?;
    let cleaned = ledger.delete_doubled_rows(leases, run_id, blank).await?;
    report.deleted = Some(cleaned.deleted);
    report.revisions = cleaned.revisions;
    report.uncovered_windows = cleaned.uncovered;
    Ok((cleaned, record))
}

/// Sums what stands now, instead of what should.
async fn look_again(ledger: &Ledger, blank: &BlankRows, report: &mut CleanupReport) -> Result<(), AppError> {
    for (sums, found) in report.sums.iter_mut().zip(&blank.sums) {
        let query = EventQuery {
            width: found.width,
            ..EventQuery::daily(AccountScope::one(&found.account))
        };
        sums.after = TotalsReport::read(ledger, found.endpoint, query).await?;
    }
    Ok(())
}
