//! What a pass does for one account.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::sync::watch;
use usage_core::{Issue, IssueCode, Severity, WindowRange, format_instant};
use usage_ingest::{Backfill, HeldLease, Outcome, Plan, PlanRequest, Progress, RunReport, Step};
use usage_store::{Ledger, RunStatus, StoredAccount};

use super::RUN_KIND;
use super::evidence;
use super::names::{self, NamesPlan};
use super::pass::PassOptions;
use super::record::{PassMark, PassRecord};
use super::report::AccountReport;
use crate::error::AppError;
use crate::wiring::App;

/// One account's part of a pass.
pub(super) struct Work<'a> {
    pub(super) app: &'a App,
    pub(super) options: &'a PassOptions,
    pub(super) progress: &'a dyn Progress,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) ledger: &'a Ledger,
    pub(super) account: &'a StoredAccount,
    pub(super) due: DateTime<Utc>,
    /// The last run that is no part of the pass, if one can be told.
    pub(super) after_run: Option<i64>,
    pub(super) range: WindowRange,
    /// Whether the pass has no other account.
    pub(super) is_only_account: bool,
}

/// What the pass would ask of the account; asks nothing.
pub(super) async fn plan_only(work: &Work<'_>) -> AccountReport {
    match work.plan().await {
        Ok((plan, names)) => AccountReport::planned(work.account, &plan, names.requests),
        Err(error) => AccountReport::failed(work.account, &error),
    }
}

/// Does everything for the account, unless another process has done so since the pass was due, and gives the lease back.
pub(super) async fn work_on(work: &Work<'_>, lease: HeldLease) -> AccountReport {
    let report = match work.done().await {
        Ok(Some(status)) => AccountReport::done_elsewhere(work.account, status),
        Ok(None) => match work.everything(&lease).await {
            Ok(report) => report,
            Err(error) => AccountReport::failed(work.account, &error),
        },
        Err(error) => AccountReport::failed(work.account, &error),
    };
    lease.release().await;
    report
}

impl Work<'_> {
    /// How the run of this pass ended that did everything for the account, if there was one; of several, the best.
    async fn done(&self) -> Result<Option<RunStatus>, AppError> {
        let due = format_instant(self.due);
        let account = self.account.account.to_string();
        let runs = self.ledger.runs_started_since(RUN_KIND, self.due).await?;
        let done: Vec<RunStatus> = runs
            .iter()
            .filter(|run| self.after_run.is_none_or(|last| run.id > last))
            .filter(|run| {
                PassMark::of(&run.telemetry)
                    .is_some_and(|mark| mark.complete && mark.account == account && mark.due == due)
            })
            .map(|run| run.status)
            .collect();
        let best = done.iter().find(|status| **status == RunStatus::Succeeded);
        Ok(best.or(done.first()).copied())
    }

    /// What to ask for: usage and costs, and names.
    async fn plan(&self) -> Result<(Plan, NamesPlan), AppError> {
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
        let plan = usage_ingest::plan(self.ledger, readers, &request).await?;
        let names = names::plan(self, &plan).await?;
        Ok((plan, names))
    }

    async fn everything(&self, lease: &HeldLease) -> Result<AccountReport, AppError> {
        let (plan, names) = self.plan().await?;
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
        let directory = names::refresh(self, &plan, &names, &mut run).await?;
        let evidence = evidence::gather(self, &mut run).await;
        mark.complete = self.is_at_its_end(&run);
        self.record(&run, mark, &evidence).await?;
        Ok(AccountReport::worked(
            self.account,
            &plan,
            names.requests,
            run,
            directory,
            evidence,
        ))
    }

    /// Whether nothing is left to do in this pass. What one process found wrong another would find as well; but where
    /// nothing could be read, or the time was over, another may come further.
    fn is_at_its_end(&self, run: &RunReport) -> bool {
        let was_cut_short = run
            .issues
            .iter()
            .any(|issue| matches!(issue.code, IssueCode::DeadlinePassed | IssueCode::Stopped));
        run.outcome != Outcome::Failed && !was_cut_short && !*self.stop.borrow()
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
