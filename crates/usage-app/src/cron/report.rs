//! What a pass did, for people, programs and the cron route: the field names of the system before this one, and more.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use usage_core::{Account, Issue, IssueCode, Severity, format_instant};
use usage_ingest::{HeldBy, Outcome, Plan, RunReport, Telemetry};
use usage_store::{RunStatus, StoredAccount};

use super::evidence::{CostVarianceFound, Evidence};
use super::record::{ParityResult, ReconciliationResult};
use crate::alerting::{AlertSummary, BudgetStatus};
use crate::error::AppError;
use crate::monitoring::ParityProof;
use crate::text::{count, hide_secrets, thousands};
use crate::wiring::Exit;

/// What a pass did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PassReport {
    /// Whether every account was read and proved without an error, by this process or by another one in the same pass.
    pub success: bool,
    /// Accounts that this process worked on.
    pub processed: usize,
    /// Of these, accounts without an error.
    pub successful: usize,
    /// Of these, accounts with errors.
    pub errors: usize,
    /// Issues that are warnings.
    pub warning_count: usize,
    /// Why nothing, or not everything, was done although nothing went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
    /// When the pass ended, RFC 3339 in UTC.
    pub timestamp: String,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// When it was due, RFC 3339 in UTC: what was read since is not read again.
    pub due: String,
    /// Requests planned for usage, costs and control totals.
    pub planned_requests: usize,
    /// Requests planned for names: as many as those take that the ledger knows.
    pub planned_name_requests: usize,
    /// The sums over the accounts.
    pub telemetry: PassTelemetry,
    /// Account by account.
    pub accounts: Vec<AccountReport>,
    /// Incidents that began, go on or ended, and who was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertSummary>,
    /// Budgets and how far they are spent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetStatus>,
    /// What went wrong beside the accounts, none of which changes what was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(skip)]
    plan_only: bool,
}

/// Why a pass did not do everything although nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Skipped {
    /// Another process held the lease of an account, and did so until this one had waited for a whole lease.
    LeaseHeld,
}

/// The sums over the accounts of a pass.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PassTelemetry {
    /// Accounts worked on, under the name that operators of the old system look for.
    pub processed_users: usize,
    /// Always 0: usage is never simulated. Operators of the old system check it.
    pub simulated_keys: u64,
    /// The counters.
    #[serde(flatten)]
    pub counters: Telemetry,
}

/// What a pass did for one account.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountReport {
    /// The account, as `provider/organization`.
    pub account: String,
    /// What became of it.
    pub outcome: AccountOutcome,
    /// The run in the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<i64>,
    /// Requests planned for usage, costs and control totals.
    pub planned_requests: usize,
    /// Requests planned for names: as many as those take that the ledger knows; none while they are young.
    pub planned_name_requests: usize,
    /// Windows planned.
    pub planned_windows: usize,
    /// The counters of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<Telemetry>,
    /// What went otherwise than planned.
    pub issues: Vec<Issue>,
    /// Names of projects, keys and users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryReport>,
    /// The comparison with the provider's exports, where some lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parity: Option<ParityResult>,
    /// The comparison with the provider's costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciliation: Option<ReconciliationResult>,
    /// Who works on it instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// Why nothing could be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip)]
    pub(super) owner: Account,
    /// The key that reads the account first, and its name for people.
    #[serde(skip)]
    pub(super) key: Option<(i64, Option<String>)>,
    #[serde(skip)]
    pub(super) variance: Option<CostVarianceFound>,
    /// What holding each endpoint against its exports found; none if that was not tried.
    #[serde(skip)]
    pub(super) proofs: Option<BTreeMap<String, ParityProof>>,
}

/// What became of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AccountOutcome {
    /// Everything was read and nothing differs.
    Clean,
    /// Done, with errors or differences.
    Incomplete,
    /// Nothing could be done.
    Failed,
    /// Another process did it in the same pass.
    DoneElsewhere,
    /// Another process did it in the same pass, with errors or differences.
    IncompleteElsewhere,
    /// Another process works on it.
    LeaseHeld,
    /// The pass was told to stop before it came to it.
    Stopped,
    /// Only planned.
    Planned,
}

/// What asking for names found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryReport {
    /// Whether they were asked for; young ones are not.
    pub refreshed: bool,
    /// How many there are.
    pub names: usize,
    /// How many are new.
    pub added: usize,
    /// How many the provider no longer has; the ledger keeps them.
    pub gone: usize,
}

impl PassReport {
    /// The accounts that another process works on, or worked on until it died.
    pub(super) fn held(&self) -> Vec<Account> {
        let accounts = self.accounts.iter();
        accounts
            .filter(|account| account.outcome == AccountOutcome::LeaseHeld)
            .map(|account| account.owner.clone())
            .collect()
    }

    pub(super) fn new(
        accounts: Vec<AccountReport>,
        due: DateTime<Utc>,
        began_at: DateTime<Utc>,
        ended_at: DateTime<Utc>,
        plan_only: bool,
    ) -> Self {
        let number =
            |is: fn(AccountOutcome) -> bool| accounts.iter().filter(|account| is(account.outcome)).count();
        let successful = number(|outcome| outcome == AccountOutcome::Clean);
        let errors = number(AccountOutcome::is_error);
        let is_held = number(|outcome| outcome == AccountOutcome::LeaseHeld) > 0;
        let issues = accounts.iter().flat_map(|account| &account.issues);
        let mut counters = Telemetry::default();
        for telemetry in accounts.iter().filter_map(|account| account.telemetry.as_ref()) {
            counters.add(telemetry);
        }
        Self {
            success: errors == 0 && !is_held,
            processed: successful + errors,
            successful,
            errors,
            warning_count: issues.filter(|issue| issue.severity == Severity::Warning).count(),
            skipped: is_held.then_some(Skipped::LeaseHeld),
            timestamp: format_instant(ended_at),
            started_at: format_instant(began_at),
            due: format_instant(due),
            planned_requests: accounts.iter().map(|account| account.planned_requests).sum(),
            planned_name_requests: accounts.iter().map(|account| account.planned_name_requests).sum(),
            telemetry: PassTelemetry {
                processed_users: successful + errors,
                simulated_keys: 0,
                counters,
            },
            accounts,
            alerts: None,
            budgets: Vec::new(),
            notes: Vec::new(),
            plan_only,
        }
    }

    /// 0 if nothing went wrong, also if another process did the work; 1 if something did; 2 if nothing could be done for
    /// any account.
    pub fn exit(&self) -> Exit {
        let failed = |account: &AccountReport| account.outcome == AccountOutcome::Failed;
        if self.accounts.iter().all(failed) {
            Exit::Failed
        } else if self.errors > 0 {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }

    /// One line for the pass and one for each account.
    pub(super) fn log(&self) {
        for account in &self.accounts {
            let telemetry = account.telemetry.as_ref();
            tracing::info!(
                account = account.account,
                outcome = ?account.outcome,
                run = account.run_id,
                windows = telemetry.map(|telemetry| telemetry.windows_processed),
                stored = telemetry.map(|telemetry| telemetry.stored_events),
                updated = telemetry.map(|telemetry| telemetry.updated_events),
                error = account.error,
                "account"
            );
        }
        tracing::info!(
            success = self.success,
            processed = self.processed,
            errors = self.errors,
            requests = self.telemetry.counters.requests,
            "pass ended"
        );
    }
}

impl AccountOutcome {
    const fn is_error(self) -> bool {
        matches!(
            self,
            Self::Incomplete | Self::IncompleteElsewhere | Self::Failed | Self::Stopped
        )
    }
}

impl AccountReport {
    fn new(account: &StoredAccount, outcome: AccountOutcome) -> Self {
        Self {
            account: account.account.to_string(),
            outcome,
            run_id: None,
            planned_requests: 0,
            planned_name_requests: 0,
            planned_windows: 0,
            telemetry: None,
            issues: Vec::new(),
            directory: None,
            parity: None,
            reconciliation: None,
            held_by: None,
            error: None,
            owner: account.account.clone(),
            key: None,
            variance: None,
            proofs: None,
        }
    }

    pub(super) fn planned(account: &StoredAccount, plan: &Plan, name_requests: usize) -> Self {
        Self {
            planned_requests: plan.requests(),
            planned_name_requests: name_requests,
            planned_windows: plan.windows(),
            key: plan
                .readers
                .first()
                .map(|reader| (reader.key.id, reader.key.label.clone())),
            ..Self::new(account, AccountOutcome::Planned)
        }
    }

    pub(super) fn worked(
        account: &StoredAccount,
        plan: &Plan,
        name_requests: usize,
        run: RunReport,
        directory: DirectoryReport,
        evidence: Evidence,
    ) -> Self {
        Self {
            outcome: run.outcome.into(),
            run_id: Some(run.run_id),
            telemetry: Some(run.telemetry),
            issues: run.issues,
            directory: Some(directory),
            parity: evidence.parity,
            reconciliation: evidence.reconciliation,
            variance: evidence.variance,
            proofs: evidence.proofs.parity.into_values().next(),
            ..Self::planned(account, plan, name_requests)
        }
    }

    /// Another process did it in the same pass, and its run ended so.
    pub(super) fn done_elsewhere(account: &StoredAccount, status: RunStatus) -> Self {
        let outcome = match status {
            RunStatus::Succeeded => AccountOutcome::DoneElsewhere,
            _ => AccountOutcome::IncompleteElsewhere,
        };
        Self::new(account, outcome)
    }

    pub(super) fn held(account: &StoredAccount, by: Option<HeldBy>) -> Self {
        Self {
            held_by: by.map(|by| by.holder),
            ..Self::new(account, AccountOutcome::LeaseHeld)
        }
    }

    pub(super) fn stopped(account: &StoredAccount) -> Self {
        let issue = Issue::new(
            IssueCode::Stopped,
            format!("{}: told to stop before it was read", account.account),
        );
        Self {
            issues: vec![issue],
            ..Self::new(account, AccountOutcome::Stopped)
        }
    }

    pub(super) fn failed(account: &StoredAccount, error: &AppError) -> Self {
        let error = hide_secrets(&error.to_string());
        tracing::error!(account = %account.account, "{error}");
        Self {
            error: Some(error),
            ..Self::new(account, AccountOutcome::Failed)
        }
    }
}

impl From<Outcome> for AccountOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => Self::Clean,
            Outcome::Incomplete => Self::Incomplete,
            Outcome::Failed => Self::Failed,
        }
    }
}

impl fmt::Display for PassReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plan_only {
            writeln!(
                f,
                "the pass would send {} for usage and costs and {} for names",
                count(self.planned_requests as u64, "request"),
                thousands(self.planned_name_requests as u64)
            )?;
        } else {
            let verdict = match (self.success, self.skipped) {
                (true, _) => "pass: done",
                (false, Some(Skipped::LeaseHeld)) if self.errors == 0 => {
                    "pass: skipped, another process is at work"
                }
                (false, _) => "pass: not clean",
            };
            writeln!(f, "{verdict}, due {}, ended {}", self.due, self.timestamp)?;
        }
        for account in &self.accounts {
            account.write(f)?;
        }
        if let Some(alerts) = &self.alerts {
            write!(f, "{alerts}")?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        Ok(())
    }
}

impl AccountReport {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.account, self.outcome.in_words())?;
        if self.planned_requests > 0 {
            write!(
                f,
                "; planned {} for {} and {} for names",
                count(self.planned_requests as u64, "request"),
                count(self.planned_windows as u64, "window"),
                thousands(self.planned_name_requests as u64)
            )?;
        }
        writeln!(f)?;
        if let Some(error) = &self.error {
            writeln!(f, "  {error}")?;
        }
        if let Some(holder) = &self.held_by {
            writeln!(f, "  held by {holder}")?;
        }
        if let (Some(run), Some(telemetry)) = (self.run_id, &self.telemetry) {
            writeln!(
                f,
                "  run {run}: {} made; {} stored, {} failed; events: {} inserted, {} updated, {} unchanged, {} retracted",
                count(telemetry.requests, "request"),
                count(telemetry.windows_processed, "window"),
                thousands(telemetry.windows_failed),
                thousands(telemetry.stored_events),
                thousands(telemetry.updated_events),
                thousands(telemetry.unchanged_events),
                thousands(telemetry.retracted_events),
            )?;
        }
        if let Some(parity) = &self.parity {
            writeln!(
                f,
                "  parity: {}, {} over {}",
                if parity.clean { "proved" } else { "NOT PROVED" },
                count(parity.differences, "difference"),
                count(parity.windows_compared, "window"),
            )?;
        }
        if let Some(reconciliation) = &self.reconciliation {
            writeln!(f, "  reconciliation: {}", reconciliation.in_words())?;
        }
        let mut by_code: BTreeMap<(Severity, &str), u64> = BTreeMap::new();
        for issue in &self.issues {
            *by_code.entry((issue.severity, issue.code.as_str())).or_default() += 1;
        }
        for ((severity, code), number) in by_code {
            let kind = match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "note",
            };
            writeln!(f, "  {}: {code}", count(number, kind))?;
        }
        Ok(())
    }
}

impl AccountOutcome {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Incomplete => "done with errors",
            Self::Failed => "failed",
            Self::DoneElsewhere => "done by another process in this pass",
            Self::IncompleteElsewhere => {
                "done with errors by another process in this pass, and not tried again"
            }
            Self::LeaseHeld => "skipped, another process works on it",
            Self::Stopped => "stopped before it was read",
            Self::Planned => "planned",
        }
    }
}
