//! `usage reconcile`: priced usage against what the provider says it charged.

mod days;
mod lines;
mod report;

use std::path::PathBuf;

use chrono::NaiveDate;
use usage_core::{Account, Decimal, Endpoint, Width, WindowRange};
use usage_parity::reconcile::{Day, InvoiceComparison, ReconcileError, ReconcileFacts, Reconciler};
use usage_store::{AccountScope, CoverageQuery, Ledger, StoredAccount};

use self::days::{Covered, DayPlan};
use self::lines::Lines;
pub use self::report::ReconcileReport;
use super::choice::{chosen_account, existing_ledger};
use crate::error::AppError;
use crate::wiring::App;

/// What to reconcile, and where the report goes.
#[derive(Clone, Debug)]
pub struct ReconcileOptions {
    /// The first UTC day.
    pub first_day: NaiveDate,
    /// The last UTC day, included.
    pub last_day: NaiveDate,
    /// The total of the invoice for these days, in USD.
    pub invoice: Option<Decimal>,
    /// Whose ledger; needed if it has several accounts.
    pub account: Option<Account>,
    /// How large the variance may be, in percent.
    pub max_variance: Decimal,
    /// A name to know the report by.
    pub label: Option<String>,
    /// Where the report is written; a dated file below `audit_dir` and the latest one beside it unless set.
    pub output: Option<PathBuf>,
    /// The folder for evidence.
    pub audit_dir: PathBuf,
}

/// Reconciles, writes the report, and returns it.
///
/// # Errors
///
/// The ledger cannot be read, or no day of the range could be reconciled. Then nothing is written.
pub async fn reconcile(app: &App, options: ReconcileOptions) -> Result<ReconcileReport, AppError> {
    let range = WindowRange::days(options.first_day, options.last_day)?;
    let ledger = existing_ledger(app).await?;
    let account = chosen_account(&ledger, options.account.as_ref()).await?;
    let covered = Covered::new(
        ledger
            .coverage(CoverageQuery {
                scope: AccountScope::one(&account),
                endpoint: None,
                windows: Some(range),
            })
            .await?,
    );
    let other_widths = other_widths(&ledger, &account, range, &covered).await?;
    check_read(&covered, &other_widths, &options)?;
    let mut reconciler = Reconciler::new(app.catalogue()?, account.account.provider());
    let mut work = Work {
        lines: Lines::new(&ledger).await?,
        ledger: &ledger,
        account: &account,
    };
    let mut facts = facts(app, &ledger, &account, &options);
    facts.never_read = never_read(&covered, &other_widths);
    facts.other_widths = other_widths;
    let mut compared = 0_usize;
    for window in range.windows() {
        let day = window.utc_day();
        match covered.plan(window, facts.now) {
            DayPlan::LeftOut(why) => reconciler.leave_out(day, why),
            DayPlan::Compare(scope) => {
                let mut lines = Day::new(day, scope.is_provisional).with_read(covered.surfaces_of_usage());
                facts.out_of_scope += work.read(window, &scope, &mut lines).await?;
                reconciler.compare(lines).map_err(|error| failed(&error))?;
                facts.limit_to(scope.projects.as_ref());
                compared += 1;
            }
        }
    }
    if compared == 0 {
        return Err(nothing(&options));
    }
    let found = reconciler.finish().map_err(|error| failed(&error))?;
    let projects = facts.projects.as_deref();
    facts.invoice = options
        .invoice
        .map(|total| InvoiceComparison::new(&found, projects, total));
    let report = ReconcileReport::new(found, facts);
    match &options.output {
        Some(path) => report.written(path),
        None => report.filed(&options.audit_dir),
    }
}

/// The ledger that days are read from.
struct Work<'a> {
    ledger: &'a Ledger,
    account: &'a StoredAccount,
    lines: Lines,
}

fn facts(app: &App, ledger: &Ledger, account: &StoredAccount, options: &ReconcileOptions) -> ReconcileFacts {
    ReconcileFacts {
        program: concat!("usage ", env!("CARGO_PKG_VERSION")).to_owned(),
        now: app.clock.now(),
        account: account.account.clone(),
        database: ledger.name().to_owned(),
        label: options.label.clone(),
        first_day: options.first_day,
        last_day: options.last_day,
        max_variance: options.max_variance.clone(),
        never_read: Vec::new(),
        other_widths: Vec::new(),
        projects: None,
        out_of_scope: 0,
        invoice: None,
    }
}

/// The surfaces of usage without a read by the day, with each other width by which they were read.
async fn other_widths(
    ledger: &Ledger,
    account: &StoredAccount,
    range: WindowRange,
    covered: &Covered,
) -> Result<Vec<(Endpoint, Width)>, AppError> {
    let mut found = Vec::new();
    for endpoint in Endpoint::USAGE {
        if covered.was_read(endpoint) || !ledger.has_coverage(account, endpoint).await? {
            continue;
        }
        for width in Width::ALL.into_iter().filter(|width| *width != range.width()) {
            let query = CoverageQuery {
                scope: AccountScope::one(account),
                endpoint: Some(endpoint),
                windows: Some(WindowRange::new(range.start(), range.end(), width)?),
            };
            if Covered::new(ledger.coverage(query).await?).was_read(endpoint) {
                found.push((endpoint, width));
            }
        }
    }
    Ok(found)
}

fn never_read(covered: &Covered, other_widths: &[(Endpoint, Width)]) -> Vec<Endpoint> {
    let by_other_width = |endpoint: &Endpoint| other_widths.iter().any(|(of, _)| of == endpoint);
    Endpoint::USAGE
        .into_iter()
        .filter(|endpoint| !covered.was_read(*endpoint) && !by_other_width(endpoint))
        .collect()
}

/// Both sides must have been read at all: a ledger without costs differs in everything and says nothing.
fn check_read(
    covered: &Covered,
    other_widths: &[(Endpoint, Width)],
    options: &ReconcileOptions,
) -> Result<(), AppError> {
    let (first, last) = (options.first_day, options.last_day);
    if !covered.was_read(Endpoint::Costs) {
        return Err(AppError::Reconcile(format!(
            "no costs were read completely from {first} to {last}; read them with `usage backfill --start {first} \
             --end {last} --endpoint costs`"
        )));
    }
    if !Endpoint::USAGE
        .into_iter()
        .any(|endpoint| covered.was_read(endpoint))
    {
        let otherwise: Vec<String> = other_widths
            .iter()
            .map(|(endpoint, width)| format!(", only {endpoint} by {width}"))
            .collect();
        return Err(AppError::Reconcile(format!(
            "no usage by {} was read completely from {first} to {last}{}; read it with `usage backfill --start {first} \
             --end {last}`",
            Width::Day,
            otherwise.concat()
        )));
    }
    Ok(())
}

fn nothing(options: &ReconcileOptions) -> AppError {
    let (first, last) = (options.first_day, options.last_day);
    AppError::Reconcile(format!(
        "nothing could be reconciled: no day from {first} to {last} is over and read completely on both sides; read \
         them with `usage backfill --start {first} --end {last}`"
    ))
}

fn failed(error: &ReconcileError) -> AppError {
    AppError::Reconcile(error.to_string())
}
