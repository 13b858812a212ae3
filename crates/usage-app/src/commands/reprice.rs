//! `usage reprice`

use std::fmt;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use usage_core::{Account, Decimal, Endpoint, Issue, NanoUsd, Width, WindowRange};
use usage_ingest::{HeldLease, ProcessIdentity, Progress, mark_dead_runs, price_issues};
use usage_store::{
    Ledger, NewRun, PriceChange, PriceChangeSums, Reprice, Repriced, RunStatus, StoredAccount,
};

use super::choice::chosen_accounts;
use super::names;
use crate::error::AppError;
use crate::text::{count, thousands};
use crate::wiring::{App, Exit};

/// Which events to price anew.
#[derive(Clone, Debug)]
pub struct RepriceOptions {
    /// The first UTC day.
    pub first_day: NaiveDate,
    /// The last UTC day, included.
    pub last_day: NaiveDate,
    /// The surfaces.
    pub endpoints: Vec<Endpoint>,
    /// The accounts; every one of the ledger if none is named.
    pub accounts: Vec<Account>,
    /// Whether only to say what would change.
    pub dry_run: bool,
}

/// What was priced anew.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RepriceReport {
    /// The run that did it; nothing if it only looked.
    pub run_id: Option<i64>,
    /// Which price list.
    pub catalogue_version: String,
    /// First UTC day.
    pub first_day: NaiveDate,
    /// Last UTC day, included.
    pub last_day: NaiveDate,
    /// Events looked at.
    pub events: u64,
    /// Events whose price changed, or would.
    pub changed_events: u64,
    /// What changed, from price to price.
    pub changes: Vec<ChangeReport>,
    /// What must be told about the prices as they are now.
    pub issues: Vec<Issue>,
    /// Why it ended before everything was priced anew; what is above was done before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    #[serde(skip)]
    names: Exit,
}

/// Events that went from one price to another.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeReport {
    /// The price before; nothing if they had never been priced.
    pub before: Option<PriceName>,
    /// The price after.
    pub after: PriceName,
    /// How many events.
    pub events: u64,
    /// What they cost before, in USD; events without a price add nothing.
    pub usd_before: Decimal,
    /// What they cost after.
    pub usd_after: Decimal,
    /// How many had no price before.
    pub unpriced_before: u64,
    /// How many have none after.
    pub unpriced_after: u64,
}

/// Which price of which list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceName {
    /// Its name.
    pub price_id: String,
    /// Which price list.
    pub catalogue_version: String,
}

/// Prices the events of the range by the price list as it is now.
pub async fn reprice(
    app: &App,
    options: RepriceOptions,
    progress: &dyn Progress,
    stop: watch::Receiver<bool>,
) -> Result<RepriceReport, AppError> {
    let days = WindowRange::days(options.first_day, options.last_day)?;
    let ledger = app.ledger().await?;
    let accounts = chosen_accounts(&ledger, &options.accounts).await?;
    let names = if options.dry_run {
        Exit::Clean
    } else {
        names::enforce(app, &ledger).await?
    };
    let us = ProcessIdentity::current();
    let run_id = if options.dry_run {
        None
    } else {
        mark_dead_runs(&ledger, &us).await?;
        Some(start_run(&ledger, &us, &options, days).await?)
    };
    let mut report = RepriceReport {
        run_id,
        catalogue_version: app.catalogue()?.version().to_owned(),
        first_day: options.first_day,
        last_day: options.last_day,
        events: 0,
        changed_events: 0,
        changes: Vec::new(),
        issues: Vec::new(),
        failure: None,
        names,
    };
    let work = Work {
        ledger: &ledger,
        us: &us,
        options: &options,
        days,
        run_id,
    };
    let done = work.every_account(&accounts, &mut report, progress, &stop).await;
    if let Some(run_id) = run_id {
        let status = if done.is_ok() {
            RunStatus::Succeeded
        } else {
            RunStatus::Failed
        };
        let telemetry = json!({ "events": report.events, "changedEvents": report.changed_events });
        let issues = serde_json::to_string(&report.issues).unwrap_or_default();
        ledger
            .finish_run(run_id, status, telemetry.to_string(), issues)
            .await?;
    }
    match done {
        Err(error) if report.changed_events > 0 => {
            report.failure = Some(error.to_string());
            Ok(report)
        }
        done => done.map(|()| report),
    }
}

struct Work<'a> {
    ledger: &'a Ledger,
    us: &'a ProcessIdentity,
    options: &'a RepriceOptions,
    days: WindowRange,
    run_id: Option<i64>,
}

impl Work<'_> {
    async fn every_account(
        &self,
        accounts: &[StoredAccount],
        report: &mut RepriceReport,
        progress: &dyn Progress,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), AppError> {
        let mut repriced = Repriced::default();
        for account in accounts {
            let taken = HeldLease::take(self.ledger, account, self.us, progress, stop).await?;
            let lease = taken.map_err(AppError::Issue)?;
            let done = self.account(account, &lease, &mut repriced).await;
            lease.release().await;
            done?;
        }
        report.events = repriced.events;
        report.changed_events = repriced.changed();
        report.changes = repriced.changes.into_iter().map(ChangeReport::new).collect();
        report.issues = price_issues(&repriced.notes);
        Ok(())
    }

    async fn account(
        &self,
        account: &StoredAccount,
        lease: &HeldLease,
        repriced: &mut Repriced,
    ) -> Result<(), AppError> {
        let endpoints = self.options.endpoints.iter().copied();
        for endpoint in endpoints.filter(|endpoint| !endpoint.is_costs()) {
            for width in Width::ALL {
                let reprice = Reprice {
                    account: account.clone(),
                    endpoint,
                    windows: WindowRange::new(self.days.start(), self.days.end(), width)?,
                    run_id: self.run_id.unwrap_or_default(),
                    dry_run: self.options.dry_run,
                };
                self.ledger.reprice(lease.lease(), reprice, repriced).await?;
            }
        }
        Ok(())
    }
}

async fn start_run(
    ledger: &Ledger,
    us: &ProcessIdentity,
    options: &RepriceOptions,
    days: WindowRange,
) -> Result<i64, AppError> {
    let plan = json!({
        "endpoints": options.endpoints.iter().map(|endpoint| endpoint.as_str()).collect::<Vec<_>>(),
        "firstDay": options.first_day,
        "lastDay": options.last_day,
    });
    let run = NewRun {
        kind: "reprice",
        label: None,
        range_start: days.start(),
        range_end: days.end(),
        holder: us.to_string(),
        plan: plan.to_string(),
        notes: "{}".to_owned(),
    };
    Ok(ledger.start_run(run).await?)
}

impl ChangeReport {
    fn new((change, sums): (PriceChange, PriceChangeSums)) -> Self {
        let name = |record: &usage_store::PriceRecord| PriceName {
            price_id: record.price_id.clone(),
            catalogue_version: record.catalogue_version.clone(),
        };
        Self {
            before: change.before.as_deref().map(name),
            after: name(&change.after),
            events: sums.events,
            usd_before: usd(sums.before),
            usd_after: usd(sums.after),
            unpriced_before: sums.unpriced_before,
            unpriced_after: sums.unpriced_after,
        }
    }
}

/// Nano-dollars as dollars; a sum may be beyond 64 bits.
fn usd(nanos: i128) -> Decimal {
    let billion = i128::from(i64::MAX);
    let mut sum = Decimal::default();
    let mut rest = nanos;
    while rest != 0 {
        let part = rest.clamp(-billion, billion);
        sum += &Decimal::from(NanoUsd::new(i64::try_from(part).unwrap_or_default()));
        rest -= part;
    }
    sum
}

impl RepriceReport {
    /// How the command ends: usage without a price is a warning.
    pub fn exit(&self) -> Exit {
        match &self.failure {
            Some(_) => Exit::Findings,
            None => self.names,
        }
    }
}

impl fmt::Display for RepriceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let would = if self.run_id.is_some() {
            "changed"
        } else {
            "would change"
        };
        writeln!(
            f,
            "{} to {}: looked at {}, {would} the price of {} ({})",
            self.first_day,
            self.last_day,
            count(self.events, "event"),
            thousands(self.changed_events),
            self.catalogue_version
        )?;
        for change in &self.changes {
            let before = change
                .before
                .as_ref()
                .map_or("never priced", |name| &name.price_id);
            write!(
                f,
                "  {before} -> {}: {}, {} -> {} usd",
                change.after.price_id,
                count(change.events, "event"),
                change.usd_before,
                change.usd_after
            )?;
            if change.unpriced_after > 0 {
                write!(f, ", {} without a price", thousands(change.unpriced_after))?;
            }
            writeln!(f)?;
        }
        match self.run_id {
            Some(run_id) if self.changed_events > 0 => {
                writeln!(f, "run {run_id}; the events as they stood are kept as revisions")?;
            }
            Some(run_id) => writeln!(f, "run {run_id}")?,
            None => {}
        }
        for issue in &self.issues {
            writeln!(f, "{}: {}", issue.code, issue.message)?;
        }
        match &self.failure {
            Some(failure) => writeln!(f, "ended before the end: {failure}; the same command goes on"),
            None => Ok(()),
        }
    }
}
