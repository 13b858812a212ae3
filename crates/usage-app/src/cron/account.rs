//! What a pass does for one account.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use tokio::sync::watch;
use usage_core::{Issue, Severity, WindowRange, format_instant};
use usage_ingest::{Backfill, HeldLease, Outcome, Plan, PlanRequest, Progress, Reader, RunReport, Step};
use usage_store::{AccountScope, Ledger, RunStatus, StoredAccount};

use super::RUN_KIND;
use super::evidence;
use super::pass::PassOptions;
use super::record::{PassMark, PassRecord};
use super::report::{AccountReport, DirectoryReport};
use crate::commands::names;
use crate::error::AppError;
use crate::wiring::App;

/// Names younger than this are not asked for again: a pass an hour would ask for every project's keys every time.
const NAMES_LAST: TimeDelta = TimeDelta::hours(20);

/// One account's part of a pass.
pub(super) struct Work<'a> {
    pub(super) app: &'a App,
    pub(super) options: &'a PassOptions,
    pub(super) progress: &'a dyn Progress,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) ledger: &'a Ledger,
    pub(super) account: &'a StoredAccount,
    pub(super) due: DateTime<Utc>,
    pub(super) range: WindowRange,
    /// Whether the pass has no other account.
    pub(super) is_only_account: bool,
}

/// What the pass would ask of the account; asks nothing.
pub(super) async fn plan_only(work: &Work<'_>) -> AccountReport {
    match work.plan().await {
        Ok(plan) => AccountReport::planned(work.account, &plan),
        Err(error) => AccountReport::failed(work.account, &error),
    }
}

/// Does everything for the account, unless another process has done so since the pass was due, and gives the lease back.
pub(super) async fn work_on(work: &Work<'_>, lease: HeldLease) -> AccountReport {
    let report = match work.is_done().await {
        Ok(true) => AccountReport::done_elsewhere(work.account),
        Ok(false) => match work.everything(&lease).await {
            Ok(report) => report,
            Err(error) => AccountReport::failed(work.account, &error),
        },
        Err(error) => AccountReport::failed(work.account, &error),
    };
    lease.release().await;
    report
}

impl Work<'_> {
    /// Whether a run of this pass has said that everything is done for the account.
    async fn is_done(&self) -> Result<bool, AppError> {
        let due = format_instant(self.due);
        let account = self.account.account.to_string();
        let runs = self.ledger.runs_started_since(RUN_KIND, self.due).await?;
        Ok(runs
            .iter()
            .filter_map(|run| PassMark::of(&run.telemetry))
            .any(|mark| mark.complete && mark.account == account && mark.due == due))
    }

    async fn plan(&self) -> Result<Plan, AppError> {
        let accounts = [self.account.account.clone()];
        let readers = self.app.readers(self.ledger, &accounts).await?;
        let request = PlanRequest {
            windows: self.range,
            endpoints: self.options.endpoints.clone(),
            chunk_windows: None,
            group_by: None,
            force: false,
            fresh_since: Some(self.due),
            now: self.app.clock.now(),
        };
        Ok(usage_ingest::plan(self.ledger, readers, &request).await?)
    }

    async fn everything(&self, lease: &HeldLease) -> Result<AccountReport, AppError> {
        let plan = self.plan().await?;
        let mut mark = PassMark {
            account: self.account.account.to_string(),
            due: format_instant(self.due),
            complete: false,
        };
        let mut notes = Map::new();
        notes.insert("pass".to_owned(), to_value(&mark));
        let backfill = Backfill {
            ledger: self.ledger,
            kind: RUN_KIND,
            label: self.options.label.clone(),
            range_start: self.range.start(),
            range_end: self.range.end(),
            accept_retractions: false,
            progress: self.progress,
            stop: self.stop.clone(),
            notes,
        };
        let mut run = usage_ingest::run_under_lease(backfill, &plan, lease).await?;
        let directory = self.refresh_names(&plan, &mut run).await?;
        let evidence = evidence::gather(self, &mut run).await;
        mark.complete = run.outcome == Outcome::Clean && !*self.stop.borrow();
        self.record(&run, mark, &evidence).await?;
        Ok(AccountReport::worked(
            self.account,
            &plan,
            run,
            directory,
            evidence,
        ))
    }

    /// Asks for the names of projects, keys and users, unless they are young. That they could not be read is a warning: no
    /// number depends on them.
    async fn refresh_names(&self, plan: &Plan, run: &mut RunReport) -> Result<DirectoryReport, AppError> {
        let scope = AccountScope::one(self.account);
        let known = self.ledger.names(scope.clone()).await?;
        let now = self.app.clock.now();
        let mut report = DirectoryReport::default();
        let latest = known.iter().map(|name| name.last_seen_at).max();
        // A key that reads no usage reads no names.
        let in_vain = run.outcome == Outcome::Failed || *self.stop.borrow();
        if in_vain || latest.is_some_and(|seen| (now - seen).abs() < NAMES_LAST) {
            return Ok(report);
        }
        let before: BTreeSet<_> = known.into_iter().map(|name| (name.kind, name.id)).collect();
        for Reader { key, filter, .. } in &plan.readers {
            // A key that is limited to projects may not ask for the organisation's names.
            if !filter.is_all() {
                continue;
            }
            let traffic = key.source.traffic();
            let read = key.source.read_directory().await;
            let traffic = key.source.traffic().since(&traffic);
            run.telemetry.count_traffic(key.source.provider(), &traffic);
            match read {
                Ok(directory) => {
                    report.refreshed = true;
                    report.names = directory.entries.len();
                    let seen: BTreeSet<_> = directory
                        .entries
                        .iter()
                        .map(|entry| (entry.kind, entry.id.clone()))
                        .collect();
                    report.added = seen.difference(&before).count();
                    report.gone = before.difference(&seen).count();
                    names::save(self.app, self.ledger, self.account.id, directory).await?;
                }
                Err(error) => self.note(
                    run,
                    Issue {
                        severity: Severity::Warning,
                        message: format!("the names were not read: {}", error.issue.message),
                        ..error.issue
                    },
                ),
            }
        }
        Ok(report)
    }

    /// Adds an issue to the run, as the run itself would have.
    pub(super) fn note(&self, run: &mut RunReport, issue: Issue) {
        self.progress.step(Step::Issue(&issue));
        run.telemetry.count_issue(&issue);
        if issue.severity == Severity::Error && run.outcome == Outcome::Clean {
            run.outcome = Outcome::Incomplete;
        }
        run.issues.push(issue);
    }

    async fn record(
        &self,
        run: &RunReport,
        pass: PassMark,
        evidence: &evidence::Evidence,
    ) -> Result<(), AppError> {
        let record = PassRecord {
            telemetry: &run.telemetry,
            pass,
            proofs: evidence.proofs.clone(),
            evidence,
        };
        let status = match run.outcome {
            Outcome::Clean => RunStatus::Succeeded,
            Outcome::Incomplete => RunStatus::Incomplete,
            Outcome::Failed => RunStatus::Failed,
        };
        let (telemetry, issues) = (to_value(&record).to_string(), to_value(&run.issues).to_string());
        Ok(self
            .ledger
            .finish_run(run.run_id, status, telemetry, issues)
            .await?)
    }
}

fn to_value(value: &impl serde::Serialize) -> Value {
    // Only maps with keys that are no text can fail, and there are none.
    serde_json::to_value(value).unwrap_or_default()
}
