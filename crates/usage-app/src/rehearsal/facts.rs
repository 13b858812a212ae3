//! What the ledger says of a pass, asked apart from the pass's own report: what it had to read, what was read, and which
//! revisions it left.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};
use usage_core::{Endpoint, Severity, Width, WindowRange, WindowState};
use usage_ingest::Telemetry;
use usage_store::{AccountScope, Coverage, CoverageQuery, Ledger, RunStatus, StoredAccount};

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
    Ok(PassFacts {
        ended_at,
        success: report.success,
        telemetry: serde_json::to_value(&report.telemetry).unwrap_or_default(),
        counters: counters(&report.telemetry.counters),
        windows: tallies(ledger, rehearsal, entry).await?,
        issues: issues(report),
        revisions: revisions(ledger, entry).await?,
        parity: parity.collect(),
        reconciliation: reconciliation.collect(),
        remarks: errors.chain(held).chain(report.notes.iter().cloned()).collect(),
    })
}

fn counters(telemetry: &Telemetry) -> Counters {
    let throttled = telemetry.requests_by_status.values().flat_map(BTreeMap::values);
    Counters {
        windows_processed: telemetry.windows_processed,
        windows_failed: telemetry.windows_failed,
        events: [
            telemetry.stored_events,
            telemetry.updated_events,
            telemetry.unchanged_events,
            telemetry.retracted_events,
        ],
        costs: [
            telemetry.stored_costs,
            telemetry.updated_costs,
            telemetry.unchanged_costs,
            telemetry.retracted_costs,
        ],
        requests: telemetry.requests,
        retries: telemetry.retries,
        throttled_requests: throttled.filter_map(|by_status| by_status.get("429")).sum(),
        throttled_ms: telemetry.throttled_ms,
        manual_fallback_windows: telemetry.manual_fallback_windows,
        manual_fallback_keys: telemetry.manual_fallback_keys,
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

fn issues(report: &PassReport) -> Vec<CodeCount> {
    let mut codes: Vec<CodeCount> = Vec::new();
    for issue in report.accounts.iter().flat_map(|account| &account.issues) {
        let severity = match issue.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        match codes
            .iter_mut()
            .find(|code| code.code == issue.code.as_str() && code.severity == severity)
        {
            Some(code) => code.count += 1,
            None => codes.push(CodeCount {
                code: issue.code.as_str().to_owned(),
                severity: severity.to_owned(),
                count: 1,
                message: issue.message.clone(),
            }),
        }
    }
    codes
}

/// The revisions of every run of the pass: those that it counted beside those that are kept.
async fn revisions(ledger: &Ledger, entry: &PassEntry) -> Result<Vec<RunRevisions>, AppError> {
    let due = usage_core::format_instant(entry.due);
    let runs = ledger.runs_started_since(RUN_KIND, entry.due).await?;
    let runs: Vec<_> = runs
        .into_iter()
        .filter(|run| PassMark::of(&run.telemetry).is_some_and(|mark| mark.due == due))
        .collect();
    let kept = ledger
        .revisions_by_run(runs.iter().map(|run| run.id).collect())
        .await?;
    let revisions = runs.into_iter().map(|run| RunRevisions {
        run: run.id,
        status: run.status.as_str().to_owned(),
        counted: match run.status {
            RunStatus::Running | RunStatus::Interrupted => None,
            _ => serde_json::from_str::<serde_json::Value>(&run.telemetry)
                .ok()
                .and_then(|telemetry| telemetry.get("revisions")?.as_u64()),
        },
        kept: kept.get(&run.id).copied().unwrap_or_default(),
    });
    Ok(revisions.collect())
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
