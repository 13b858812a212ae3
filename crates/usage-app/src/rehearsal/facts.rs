//! What the ledger says of a pass, asked apart from the pass's own report: what it had to read, what was read, and which
//! revisions it left.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::Value;
use usage_core::{Endpoint, Severity, Width, WindowRange, WindowState};
use usage_store::{AccountScope, Coverage, CoverageQuery, Ledger, Run, RunStatus, StoredAccount};

use super::record::{
    CodeCount, Counters, ExpectedDays, PassEntry, PassFacts, Rehearsal, RunRevisions, WindowTally,
};
use crate::cron::{PassMark, PassReport, RUN_KIND};
use crate::error::AppError;

/// The days that a pass which is due now has to read: every day of the horizon, today included, that is not covered as
/// settled, of every endpoint that answers, of every account that has a key.
pub(super) async fn expected(
    ledger: &Ledger,
    rehearsal: &Rehearsal,
    due: DateTime<Utc>,
) -> Result<Vec<ExpectedDays>, AppError> {
    let range = range(rehearsal, due)?;
    let mut expected = Vec::new();
    for account in accounts(ledger, rehearsal).await? {
        let name = account.account.to_string();
        for endpoint in rehearsal.available(&name) {
            let covered = coverage(ledger, &account, endpoint, range).await?;
            let settled: BTreeSet<NaiveDate> = covered
                .iter()
                .filter(|coverage| coverage.state == WindowState::Settled)
                .map(|coverage| coverage.window.utc_day())
                .collect();
            let days = range.windows().map(usage_core::Window::utc_day);
            expected.push(ExpectedDays {
                account: name.clone(),
                endpoint: endpoint.to_string(),
                days: ExpectedDays::stretches(days.filter(|day| !settled.contains(day))),
            });
        }
    }
    Ok(expected)
}

/// What the report of a pass says, and what the ledger holds of it.
pub(super) async fn of_pass(
    ledger: &Ledger,
    rehearsal: &Rehearsal,
    entry: &PassEntry,
    report: &PassReport,
    ended_at: DateTime<Utc>,
) -> Result<PassFacts, AppError> {
    let accounts = &report.accounts;
    let parity = accounts.iter().filter_map(|account| {
        let parity = account.parity.clone()?;
        Some((account.account.clone(), parity))
    });
    let reconciliation = accounts.iter().filter_map(|account| {
        let reconciliation = account.reconciliation.clone()?;
        Some((account.account.clone(), reconciliation))
    });
    let errors = accounts.iter().filter_map(|account| {
        let error = account.error.as_ref()?;
        Some(format!("{}: {error}", account.account))
    });
    let held = accounts.iter().filter_map(|account| {
        let holder = account.held_by.as_ref()?;
        Some(format!(
            "{}: not read, its lease is held by {holder}",
            account.account
        ))
    });
    let names = accounts.iter().filter_map(|account| {
        let directory = account.directory.filter(|directory| directory.refreshed)?;
        Some(format!(
            "{}: {} names of projects, keys and users, {} new, {} that the provider has no longer",
            account.account, directory.names, directory.added, directory.gone
        ))
    });
    let runs = runs_of(ledger, entry).await?;
    let told: BTreeSet<i64> = accounts.iter().filter_map(|account| account.run_id).collect();
    // Of a process that died, and of another host, there is only the record.
    let others: Vec<&Run> = runs.iter().filter(|run| !told.contains(&run.id)).collect();
    let mut counters = Counters::default();
    counters.add(&serde_json::to_value(&report.telemetry.counters).unwrap_or_default());
    for run in &others {
        counters.add(&telemetry_of(run));
    }
    let kept = ledger.revisions_since(rehearsal.begun_at).await?;
    let of_passes: BTreeSet<i64> = rehearsal
        .passes
        .iter()
        .filter_map(PassEntry::facts)
        .flat_map(|facts| &facts.revisions)
        .map(|run| run.run)
        .chain(runs.iter().map(|run| run.id))
        .collect();
    Ok(PassFacts {
        ended_at,
        success: report.success,
        telemetry: serde_json::to_value(&report.telemetry).unwrap_or_default(),
        counters,
        windows: tallies(ledger, rehearsal, entry).await?,
        issues: issues(report, &others),
        revisions: revisions(&runs, &kept),
        foreign_revisions: kept
            .into_iter()
            .filter(|(run, _)| !of_passes.contains(run))
            .collect(),
        parity: parity.collect(),
        reconciliation: reconciliation.collect(),
        remarks: errors
            .chain(held)
            .chain(names)
            .chain(report.notes.iter().cloned())
            .collect(),
    })
}

impl Counters {
    /// Adds what a run recorded, under the names that every run's record has.
    fn add(&mut self, telemetry: &Value) {
        let of = |name: &str| number(telemetry, name).unwrap_or_default();
        self.windows_processed += of("windowsProcessed");
        self.windows_failed += of("windowsFailed");
        let events = [
            "storedEvents",
            "updatedEvents",
            "unchangedEvents",
            "retractedEvents",
        ];
        for (sum, name) in self.events.iter_mut().zip(events) {
            *sum += of(name);
        }
        let costs = ["storedCosts", "updatedCosts", "unchangedCosts", "retractedCosts"];
        for (sum, name) in self.costs.iter_mut().zip(costs) {
            *sum += of(name);
        }
        self.requests += of("requests");
        self.retries += of("retries");
        self.throttled_ms += of("throttledMs");
        self.manual_fallback_windows += of("manualFallbackWindows");
        self.manual_fallback_keys += of("manualFallbackKeys");
        let by_status = telemetry.get("requestsByStatus").and_then(Value::as_object);
        let by_status = by_status.into_iter().flat_map(|providers| providers.values());
        self.throttled_requests += by_status
            .filter_map(Value::as_object)
            .flat_map(|endpoints| endpoints.values())
            .filter_map(|statuses| number(statuses, "429"))
            .sum::<u64>();
    }
}

/// What was read since the pass was due, of what it had to read.
async fn tallies(
    ledger: &Ledger,
    rehearsal: &Rehearsal,
    entry: &PassEntry,
) -> Result<Vec<WindowTally>, AppError> {
    let accounts = accounts(ledger, rehearsal).await?;
    let range = range(rehearsal, entry.due)?;
    let mut tallies = Vec::with_capacity(entry.expected.len());
    for expected in &entry.expected {
        let account = accounts
            .iter()
            .find(|account| account.account.to_string() == expected.account);
        let covered = match (account, expected.endpoint.parse::<Endpoint>()) {
            (Some(account), Ok(endpoint)) => coverage(ledger, account, endpoint, range).await?,
            // An account whose last key was removed in the meantime is read by nobody.
            _ => Vec::new(),
        };
        let read: BTreeSet<NaiveDate> = covered
            .iter()
            .filter(|coverage| coverage.read_started_at >= entry.due)
            .map(|coverage| coverage.window.utc_day())
            .collect();
        tallies.push(WindowTally {
            account: expected.account.clone(),
            endpoint: expected.endpoint.clone(),
            expected: expected.each().count() as u64,
            read: expected.each().filter(|day| read.contains(day)).count() as u64,
            first_unread: expected.each().find(|day| !read.contains(day)),
        });
    }
    Ok(tallies)
}

/// Issues by code: those of the report, and those on the record of runs that are not in it.
fn issues(report: &PassReport, others: &[&Run]) -> Vec<CodeCount> {
    let mut codes: Vec<CodeCount> = Vec::new();
    for issue in report.accounts.iter().flat_map(|account| &account.issues) {
        let severity = match issue.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        count_issue(&mut codes, issue.code.as_str(), severity, &issue.message);
    }
    for run in others {
        let recorded: Vec<RecordedIssue> = serde_json::from_str(&run.issues).unwrap_or_default();
        for issue in recorded {
            count_issue(&mut codes, &issue.code, &issue.severity, &issue.message);
        }
    }
    codes
}

/// An issue as a run's record has it.
#[derive(Deserialize)]
struct RecordedIssue {
    code: String,
    severity: String,
    message: String,
}

fn count_issue(codes: &mut Vec<CodeCount>, code: &str, severity: &str, message: &str) {
    let known = codes
        .iter_mut()
        .find(|known| known.code == code && known.severity == severity);
    match known {
        Some(known) => known.count += 1,
        None => codes.push(CodeCount {
            code: code.to_owned(),
            severity: severity.to_owned(),
            count: 1,
            message: message.to_owned(),
        }),
    }
}

/// The runs that belong to the pass, those of processes that died and of other hosts among them.
async fn runs_of(ledger: &Ledger, entry: &PassEntry) -> Result<Vec<Run>, AppError> {
    let due = usage_core::format_instant(entry.due);
    let runs = ledger.runs_started_since(RUN_KIND, entry.due).await?;
    Ok(runs
        .into_iter()
        .filter(|run| PassMark::of(&run.telemetry).is_some_and(|mark| mark.due == due))
        .collect())
}

/// The revisions of every run of the pass: those that it counted beside those that are kept.
fn revisions(runs: &[Run], kept: &BTreeMap<i64, u64>) -> Vec<RunRevisions> {
    let revisions = runs.iter().map(|run| RunRevisions {
        run: run.id,
        status: run.status.as_str().to_owned(),
        counted: match run.status {
            // What it had in hand when its process died it never counted.
            RunStatus::Running | RunStatus::Interrupted => None,
            _ => number(&telemetry_of(run), "revisions"),
        },
        kept: kept.get(&run.id).copied().unwrap_or_default(),
    });
    revisions.collect()
}

fn telemetry_of(run: &Run) -> Value {
    serde_json::from_str(&run.telemetry).unwrap_or_default()
}

fn number(telemetry: &Value, name: &str) -> Option<u64> {
    telemetry.get(name)?.as_u64()
}

async fn accounts(ledger: &Ledger, rehearsal: &Rehearsal) -> Result<Vec<StoredAccount>, AppError> {
    let wanted = &rehearsal.place.accounts;
    let mut accounts: Vec<StoredAccount> = Vec::new();
    for key in ledger.keys().await? {
        let is_wanted = wanted.is_empty() || wanted.contains(&key.account.account.to_string());
        if is_wanted && !accounts.contains(&key.account) {
            accounts.push(key.account);
        }
    }
    Ok(accounts)
}

/// From the horizon to the day on which the pass is due.
fn range(rehearsal: &Rehearsal, due: DateTime<Utc>) -> Result<WindowRange, AppError> {
    let today = due.date_naive();
    let first = today.checked_sub_days(Days::new(rehearsal.place.horizon_days.into()));
    Ok(WindowRange::days(first.unwrap_or(today), today)?)
}

async fn coverage(
    ledger: &Ledger,
    account: &StoredAccount,
    endpoint: Endpoint,
    range: WindowRange,
) -> Result<Vec<Coverage>, AppError> {
    let covered = ledger
        .coverage(CoverageQuery {
            scope: AccountScope::one(account),
            endpoint: Some(endpoint),
            windows: Some(range),
        })
        .await?;
    debug_assert!(
        covered
            .iter()
            .all(|coverage| coverage.window.width() == Width::Day)
    );
    Ok(covered)
}
