//! One pass over every account.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Days, Utc};
use tokio::sync::watch;
use tokio::time::Instant;
use usage_core::{Account, Decimal, Endpoint, WindowRange};
use usage_ingest::{HeldBy, HeldLease, LEASE_DURATION, ProcessIdentity, Progress, mark_dead_runs};
use usage_store::{Ledger, StoredAccount};

use super::account::{self, Work};
use super::alerts;
use super::report::{AccountReport, PassReport};
use super::{PassMark, RUN_KIND};
use crate::alerting;
use crate::commands::names;
use crate::error::AppError;
use crate::wiring::App;

/// How often a process that has nothing else to do looks whether an account has become free.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What a pass does.
#[derive(Clone, Debug)]
pub struct PassOptions {
    /// The accounts; every one that has a key if none is named.
    pub accounts: Vec<Account>,
    /// The surfaces.
    pub endpoints: Vec<Endpoint>,
    /// How many UTC days back gaps are filled, today not counted.
    pub horizon_days: u32,
    /// When the pass was due: what any process has read since is not read again. Unless set, the moment at which the
    /// pass in progress was due, else now.
    pub due: Option<DateTime<Utc>>,
    /// The operator's name for the runs.
    pub label: Option<String>,
    /// Whether to stop after the plan.
    pub plan_only: bool,
    /// The folder with the provider's exports, if there is one. An account's exports lie in a folder below it that is
    /// named like its organisation; with a single account they may lie in the folder itself.
    pub exports: Option<PathBuf>,
    /// The folder for evidence.
    pub audit_dir: PathBuf,
    /// How large the variance between charges and priced usage may be, in percent.
    pub max_variance: Decimal,
    /// Whether the reports of parity and reconciliation are kept under their date even if nothing differs.
    pub keeps_reports: bool,
}

/// Runs one pass: every account that no other process works on, each under its lease.
///
/// What goes wrong with one account is in its part of the report, and the others are worked on all the same.
///
/// # Errors
///
/// The ledger cannot be used at all, or there is no key.
pub async fn run_pass(
    app: &App,
    options: &PassOptions,
    progress: &dyn Progress,
    stop: watch::Receiver<bool>,
) -> Result<PassReport, AppError> {
    let began_at = app.clock.now();
    let ledger = app.ledger().await?;
    if !options.plan_only {
        names::enforce(app, &ledger).await?;
    }
    let accounts = accounts(&ledger, &options.accounts).await?;
    let us = ProcessIdentity::current();
    mark_dead_runs(&ledger, &us).await?;
    let shared = match options.due {
        Some(due) => Some(due),
        None => joined(&ledger).await?,
    };
    // What ended before a pass of its own began is no part of it, also if that was in the same second.
    let after_run = match shared {
        Some(_) => None,
        None => ledger.runs(1).await?.first().map(|run| run.id),
    };
    let due = shared.unwrap_or(began_at);
    tracing::info!(
        accounts = accounts.len(),
        due = usage_core::format_instant(due),
        "pass begins"
    );
    let pass = Pass {
        app,
        options,
        progress,
        stop,
        ledger: &ledger,
        us,
        due,
        after_run,
        range: range(began_at, options.horizon_days)?,
        is_only_account: accounts.len() == 1,
    };
    let reports = if options.plan_only {
        let mut reports = Vec::with_capacity(accounts.len());
        for account in &accounts {
            reports.push(account::plan_only(&pass.work(account)).await);
        }
        reports
    } else {
        pass.every(&accounts).await
    };
    let mut report = PassReport::new(reports, due, began_at, app.clock.now(), options.plan_only);
    if !options.plan_only {
        let looked = alerting::Pass::begun_at(began_at);
        alerts::raise(app, &ledger, options, looked, &mut report).await;
    }
    report.log();
    Ok(report)
}

/// The accounts asked for that have a key, usable or not: an account whose last key was refused is told of, not forgotten.
async fn accounts(ledger: &Ledger, wanted: &[Account]) -> Result<Vec<StoredAccount>, AppError> {
    let keys = ledger.keys().await?;
    let mut known: Vec<StoredAccount> = Vec::new();
    for key in &keys {
        if !known.contains(&key.account) {
            known.push(key.account.clone());
        }
    }
    if let Some(missing) = wanted
        .iter()
        .find(|wanted| !known.iter().any(|known| known.account == **wanted))
    {
        return Err(AppError::NoKeyOfAccount(missing.clone()));
    }
    known.retain(|known| wanted.is_empty() || wanted.contains(&known.account));
    if known.is_empty() {
        return Err(AppError::NoKey);
    }
    Ok(known)
}

/// When the pass was due that other processes are working on, if there is one.
async fn joined(ledger: &Ledger) -> Result<Option<DateTime<Utc>>, AppError> {
    let holders: BTreeSet<String> = ledger
        .lease_holders()
        .await?
        .into_iter()
        .map(|(_, holder)| holder)
        .collect();
    let running = ledger.unfinished_runs().await?;
    Ok(running
        .into_iter()
        .filter(|run| run.kind == RUN_KIND && holders.contains(&run.holder))
        .filter_map(|run| PassMark::of(&run.telemetry))
        .filter_map(|mark| usage_core::parse_instant(&mark.due).ok())
        .min())
}

/// From the horizon to today.
fn range(now: DateTime<Utc>, horizon_days: u32) -> Result<WindowRange, AppError> {
    let today = now.date_naive();
    let first = today
        .checked_sub_days(Days::new(horizon_days.into()))
        .unwrap_or(today);
    Ok(WindowRange::days(first, today)?)
}

struct Pass<'a> {
    app: &'a App,
    options: &'a PassOptions,
    progress: &'a dyn Progress,
    stop: watch::Receiver<bool>,
    ledger: &'a Ledger,
    us: ProcessIdentity,
    due: DateTime<Utc>,
    after_run: Option<i64>,
    range: WindowRange,
    is_only_account: bool,
}

impl Pass<'_> {
    fn work<'b>(&'b self, account: &'b StoredAccount) -> Work<'b> {
        Work {
            app: self.app,
            options: self.options,
            progress: self.progress,
            stop: self.stop.clone(),
            ledger: self.ledger,
            account,
            due: self.due,
            after_run: self.after_run,
            range: self.range,
            is_only_account: self.is_only_account,
        }
    }

    /// Works on whichever account is free until none is left, or until those left were held for a whole lease in which
    /// nothing else was to be done.
    async fn every(&self, accounts: &[StoredAccount]) -> Vec<AccountReport> {
        let mut reports = Vec::with_capacity(accounts.len());
        let mut waiting: Vec<(&StoredAccount, Option<HeldBy>)> =
            accounts.iter().map(|account| (account, None)).collect();
        let mut give_up = Instant::now() + LEASE_DURATION;
        while !waiting.is_empty() {
            let mut held = Vec::new();
            for (account, told) in std::mem::take(&mut waiting) {
                if *self.stop.borrow() {
                    reports.push(AccountReport::stopped(account));
                    continue;
                }
                match HeldLease::try_take(self.ledger, account, &self.us).await {
                    Ok(Ok(lease)) => {
                        reports.push(account::work_on(&self.work(account), lease).await);
                        give_up = Instant::now() + LEASE_DURATION;
                    }
                    Ok(Err(by)) => {
                        if told.is_none() {
                            tracing::info!(account = %account.account, holder = by.holder, "another process works on it");
                        }
                        held.push((account, Some(by)));
                    }
                    Err(error) => reports.push(AccountReport::failed(account, &error.into())),
                }
            }
            waiting = held;
            if waiting.is_empty() {
                break;
            }
            if Instant::now() >= give_up || self.is_over() {
                for (account, by) in waiting {
                    reports.push(AccountReport::held(account, by));
                }
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        reports.sort_by(|one, other| one.account.cmp(&other.account));
        reports
    }

    fn is_over(&self) -> bool {
        self.app
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }
}
