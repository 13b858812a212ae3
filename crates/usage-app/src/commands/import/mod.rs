//! `usage import cognitrack`

mod report;

use serde_json::json;
use tokio::sync::watch;
use usage_core::{Account, Endpoint, Issue, IssueCode, Severity, WindowRange};
use usage_ingest::{
    HeldLease, Outcome, ProcessIdentity, Progress, RunReport, Step, Telemetry, mark_dead_runs,
};
use usage_store::{
    IMPORT_RUN, ImportedWindow, Ledger, NewRun, OldBatch, OldUsage, OldWindow, RowFate, RunStatus,
    StoreError, StoredAccount, WindowRows, WritePath,
};

use super::names;
use crate::error::AppError;
use crate::settings::DatabaseUrl;
use crate::wiring::App;

pub use report::{ImportReport, KindReport, KindReports, OldKeyReport, RowCounts};

/// The only surface that the old system read.
const ENDPOINT: Endpoint = Endpoint::Completions;
/// Issues of one code that are told one by one; the others are counted.
const ISSUES_TOLD: u64 = 100;

/// What to import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The old system's database. It is only read, and its password is never shown or stored.
    pub source: DatabaseUrl,
    /// Whose usage it holds; the old table does not say.
    pub account: Account,
    /// The old key ids whose rows are wanted; all if none is named.
    pub keys: Vec<i64>,
    /// The operator's name for the run.
    pub label: Option<String>,
}

/// Imports the old system's usage into windows that nobody read from the provider.
pub async fn cognitrack(
    app: &App,
    options: ImportOptions,
    progress: &dyn Progress,
    stop: watch::Receiver<bool>,
) -> Result<ImportReport, AppError> {
    // The source comes first: a mistake in its URL leaves no ledger behind.
    let mut source = OldUsage::open(&options.source.with_password(), &options.keys).await?;
    let mut report = ImportReport::new(&source, &options.account, ENDPOINT);
    if source.keys().is_empty() {
        return Ok(report);
    }
    let ledger = app.ledger().await?;
    report.names = names::enforce(app, &ledger).await?;
    let account = ledger.add_account(options.account.clone()).await?;
    let us = ProcessIdentity::current();
    let lease = HeldLease::take(&ledger, &account, &us, progress, &stop)
        .await?
        .map_err(AppError::Issue)?;
    let target = Target {
        ledger: &ledger,
        account: &account,
        lease: &lease,
        progress,
        stop: &stop,
    };
    let imported = run(&target, &us, &mut source, options.label, &mut report).await;
    lease.release().await;
    imported?;
    Ok(report)
}

/// Where an import goes.
struct Target<'a> {
    ledger: &'a Ledger,
    account: &'a StoredAccount,
    lease: &'a HeldLease,
    progress: &'a dyn Progress,
    stop: &'a watch::Receiver<bool>,
}

async fn run(
    target: &Target<'_>,
    us: &ProcessIdentity,
    source: &mut OldUsage,
    label: Option<String>,
    report: &mut ImportReport,
) -> Result<(), StoreError> {
    let ledger = target.ledger;
    mark_dead_runs(ledger, us).await?;
    let firsts = source.keys().iter().filter_map(|key| key.first);
    let lasts = source.keys().iter().filter_map(|key| key.last);
    let plan = json!({
        "source": source.database(),
        "account": target.account.account.to_string(),
        "keys": source.keys().iter().map(|key| key.id).collect::<Vec<_>>(),
        "rows": source.keys().iter().map(|key| key.rows).sum::<u64>(),
    });
    let run_id = ledger
        .start_run(NewRun {
            kind: IMPORT_RUN,
            label,
            range_start: firsts.min().unwrap_or_else(|| ledger.now()),
            range_end: lasts.max().unwrap_or_else(|| ledger.now()),
            holder: us.to_string(),
            plan: plan.to_string(),
            notes: "{}".to_owned(),
        })
        .await?;
    let mut import = Import {
        target,
        run_id,
        report,
        telemetry: Telemetry::default(),
        issues: Vec::new(),
    };
    let worked = import.every_batch(source).await;
    import.tell_what_was_not_told();
    let outcome = import.outcome(worked.is_ok());
    let Import {
        report,
        telemetry,
        issues,
        ..
    } = import;
    let status = match outcome {
        Outcome::Clean => RunStatus::Succeeded,
        Outcome::Incomplete => RunStatus::Incomplete,
        Outcome::Failed => RunStatus::Failed,
    };
    let recorded = ledger
        .finish_run(
            run_id,
            status,
            json!(telemetry).to_string(),
            json!(issues).to_string(),
        )
        .await;
    report.run = Some(RunReport {
        run_id,
        outcome,
        telemetry,
        issues,
    });
    worked?;
    recorded
}

/// An import at work.
struct Import<'a> {
    target: &'a Target<'a>,
    run_id: i64,
    report: &'a mut ImportReport,
    telemetry: Telemetry,
    issues: Vec<Issue>,
}

impl Import<'_> {
    async fn every_batch(&mut self, source: &mut OldUsage) -> Result<(), StoreError> {
        while let Some(batch) = source.next_batch().await? {
            self.batch(batch).await?;
            if *self.target.stop.borrow() {
                self.note(Issue::new(
                    IssueCode::Stopped,
                    format!(
                        "told to stop after {} rows; what was imported stays, and the same command goes on",
                        self.report.rows.read
                    ),
                ));
                break;
            }
        }
        let manual = self.telemetry.manual_fallback_windows;
        if manual > 0 {
            self.note(Issue::new(
                IssueCode::ManualFallback,
                format!(
                    "usage_admin_bucket_idx is missing, so {manual} windows were written by look-up; `usage migrate` \
                     makes the index"
                ),
            ));
        }
        Ok(())
    }

    async fn batch(&mut self, batch: OldBatch) -> Result<(), StoreError> {
        let rows = &mut self.report.rows;
        rows.read += batch.read;
        rows.derived_windows += batch.derived_windows;
        rows.derived_ends += batch.derived_ends;
        rows.refused += batch.refused.len() as u64;
        self.telemetry.skipped_events += batch.refused.len() as u64;
        for refused in batch.refused {
            let message = format!("{}: {}; it was not imported", refused.place, refused.reason);
            self.note(Issue::new(IssueCode::ImportUnusable, message));
        }
        let windows: Vec<WindowRows> = batch
            .windows
            .iter()
            .map(|window| WindowRows {
                window: window.window,
                rows: window.rows.iter().map(|row| row.row.clone()).collect(),
            })
            .collect();
        let Target {
            ledger,
            account,
            lease,
            progress,
            ..
        } = self.target;
        let imported = ledger
            .import_windows(lease.lease(), account, ENDPOINT, self.run_id, windows)
            .await?;
        for (window, imported) in batch.windows.iter().zip(&imported) {
            self.window(window, imported);
        }
        for windows in WindowRange::join(batch.windows.iter().map(|window| window.window)) {
            let events = batch
                .windows
                .iter()
                .filter(|window| windows.contains(window.window))
                .map(|window| window.rows.len() as u64)
                .sum();
            progress.step(Step::ChunkDone {
                endpoint: ENDPOINT,
                windows,
                events,
                read_started_at: Some(ledger.now()),
            });
        }
        Ok(())
    }

    /// Counts what became of a window, and names what was not imported.
    fn window(&mut self, window: &OldWindow, imported: &ImportedWindow) {
        let conflicting: u64 = window.conflicts.iter().map(|conflict| conflict.rows).sum();
        let Some(fates) = &imported.fates else {
            let all = window.rows.len() as u64 + window.duplicates + conflicting;
            self.report.windows_read_already += 1;
            self.report.rows.of_read_windows += all;
            self.telemetry.skipped_events += all;
            return;
        };
        self.report.rows.duplicates += window.duplicates;
        self.report.rows.conflicting += conflicting;
        self.telemetry.merged_events += window.duplicates;
        self.telemetry.skipped_events += conflicting;
        self.telemetry.windows_processed += 1;
        let place = format!("{} {ENDPOINT} {}", self.target.account.account, window.window);
        for conflict in &window.conflicts {
            let message = format!("{place} {conflict}; none of them was imported");
            self.note(Issue::new(IssueCode::ImportConflict, message));
        }
        let mut inserted = 0;
        for (row, fate) in window.rows.iter().zip(fates) {
            match fate {
                RowFate::Inserted => inserted += 1,
                RowFate::Stands => {
                    self.report.rows.standing += 1;
                    self.telemetry.unchanged_events += 1;
                }
                RowFate::Cleaned => {
                    self.report.rows.cleaned += 1;
                    self.telemetry.skipped_events += 1;
                }
                RowFate::Differs => {
                    self.report.rows.differing += 1;
                    self.telemetry.skipped_events += 1;
                    let message = format!(
                        "{place} {row}: the ledger has other numbers from an earlier import, and keeps them"
                    );
                    self.note(Issue::new(IssueCode::ImportConflict, message));
                }
            }
            if matches!(fate, RowFate::Inserted | RowFate::Stands) {
                self.report.count_row(row);
            }
        }
        self.report.rows.inserted += inserted;
        self.report.windows_imported += u64::from(inserted > 0);
        self.telemetry.stored_events += inserted;
        match imported.path {
            WritePath::Constraint => self.telemetry.constraint_inserts += inserted,
            WritePath::Manual => {
                self.telemetry.manual_fallback_inserts += inserted;
                self.telemetry.manual_fallback_windows += 1;
            }
        }
    }

    /// Counts an issue, and tells it unless many of its code were told.
    fn note(&mut self, issue: Issue) {
        let seen = self
            .telemetry
            .issues_by_code
            .entry(issue.code.to_string())
            .or_default();
        *seen += 1;
        if *seen <= ISSUES_TOLD {
            self.target.progress.step(Step::Issue(&issue));
            self.issues.push(issue);
        }
    }

    fn tell_what_was_not_told(&mut self) {
        for code in [IssueCode::ImportConflict, IssueCode::ImportUnusable] {
            let seen = self.telemetry.issues_by_code.get(code.as_str()).copied();
            let untold = seen.unwrap_or_default().saturating_sub(ISSUES_TOLD);
            if untold > 0 {
                let issue = Issue::new(code, format!("and {untold} more of this kind"));
                self.target.progress.step(Step::Issue(&issue));
                self.issues.push(issue);
            }
        }
    }

    fn outcome(&self, ledger_works: bool) -> Outcome {
        let errors = self.issues.iter().any(|issue| issue.severity == Severity::Error);
        match (ledger_works, errors) {
            (false, _) => Outcome::Failed,
            (true, true) => Outcome::Incomplete,
            (true, false) => Outcome::Clean,
        }
    }
}
