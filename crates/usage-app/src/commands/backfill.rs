//! `usage backfill`

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use tokio::sync::watch;
use usage_core::{Account, DimensionSet, Endpoint, Severity, WindowRange, WindowState, format_instant};
use usage_ingest::{Backfill, Outcome, PlanRequest, PlanSummary, Progress, RunReport};
use usage_store::{AccountScope, CoverageQuery, EventQuery, Ledger};

use super::artifact::{Artifact, ArtifactPlace, Scope, WindowRecord};
use super::names;
use super::totals::{TotalsReport, write_totals};
use crate::error::AppError;
use crate::text::{count, days, thousands};
use crate::wiring::{App, Exit};

/// What to read.
#[derive(Clone, Debug)]
pub struct BackfillOptions {
    /// The windows asked for.
    pub windows: WindowRange,
    /// The surfaces.
    pub endpoints: Vec<Endpoint>,
    /// The accounts; every one that has a key if none is named.
    pub accounts: Vec<Account>,
    /// Windows a chunk has at most.
    pub chunk_windows: Option<usize>,
    /// The operator's name for the run.
    pub label: Option<String>,
    /// Whether to stop after the plan.
    pub plan_only: bool,
    /// Whether to read settled windows again.
    pub force: bool,
    /// Whether a read may take most of a day away.
    pub accept_retractions: bool,
    /// The audit folder, if a record of the run is to be written below it.
    pub artifact: Option<PathBuf>,
    /// Dimensions to group by; all unless set.
    pub group_by: Option<DimensionSet>,
}

/// What a backfill planned and did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackfillReport {
    /// The operator's name for the run.
    pub label: Option<String>,
    /// First instant asked for, RFC 3339 in UTC.
    pub from: String,
    /// First instant after the range.
    pub to: String,
    /// What it was going to ask.
    pub plan: PlanSummary,
    /// What it did; nothing if only the plan was wanted.
    pub run: Option<RunReport>,
    /// Windows of the range in the ledger now, by state.
    pub coverage: BTreeMap<WindowState, usize>,
    /// The sums of the range in the ledger now.
    pub totals: Vec<TotalsReport>,
    /// The record that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<PathBuf>,
    #[serde(skip)]
    range: WindowRange,
    #[serde(skip)]
    names: Exit,
}

/// Plans, reads and stores a range.
pub async fn backfill(
    app: &App,
    options: BackfillOptions,
    progress: &dyn Progress,
    stop: watch::Receiver<bool>,
) -> Result<BackfillReport, AppError> {
    let began_at = app.clock.now();
    let ledger = app.ledger().await?;
    let names = if options.plan_only {
        Exit::Clean
    } else {
        names::enforce(app, &ledger).await?
    };
    let readers = app.readers(&ledger, &options.accounts).await?;
    let scopes: Vec<Scope> = readers
        .iter()
        .map(|reader| Scope {
            account: reader.account.clone(),
            filter: reader.filter.clone(),
        })
        .collect();
    let request = PlanRequest {
        windows: options.windows,
        endpoints: options.endpoints.clone(),
        chunk_windows: options.chunk_windows,
        group_by: options.group_by,
        force: options.force,
        fresh_since: None,
        now: began_at,
    };
    let plan = usage_ingest::plan(&ledger, readers, &request).await?;
    // A run whose record cannot be written must not have happened.
    let place = match &options.artifact {
        Some(audit) if !options.plan_only => {
            Some(ArtifactPlace::find(audit, began_at, options.label.as_deref())?)
        }
        _ => None,
    };
    let run = if options.plan_only {
        None
    } else {
        let backfill = Backfill {
            ledger: &ledger,
            kind: "backfill",
            label: options.label.clone(),
            range_start: options.windows.start(),
            range_end: options.windows.end(),
            accept_retractions: options.accept_retractions,
            progress,
            stop,
            notes: serde_json::Map::new(),
        };
        Some(usage_ingest::run(backfill, &plan).await?)
    };
    let mut report = BackfillReport {
        label: options.label,
        from: format_instant(options.windows.start()),
        to: format_instant(options.windows.end()),
        plan: plan.summary(),
        run,
        coverage: BTreeMap::new(),
        totals: Vec::new(),
        artifact: None,
        range: options.windows,
        names,
    };
    report
        .look_at_ledger(&ledger, &scopes, &options.endpoints)
        .await?;
    if let Some(place) = place {
        let windows = report.every_window(&ledger, &scopes, &options.endpoints).await?;
        let artifact = Artifact::new(app, &scopes, &report, windows);
        report.artifact = Some(place.write(&artifact)?);
    }
    Ok(report)
}

impl BackfillReport {
    /// How the command ends.
    pub fn exit(&self) -> Exit {
        let exit = match self.run.as_ref().map(|run| run.outcome) {
            None | Some(Outcome::Clean) => Exit::Clean,
            Some(Outcome::Incomplete) => Exit::Findings,
            Some(Outcome::Failed) => Exit::Failed,
        };
        exit.max(self.names)
    }

    async fn look_at_ledger(
        &mut self,
        ledger: &Ledger,
        scopes: &[Scope],
        endpoints: &[Endpoint],
    ) -> Result<(), AppError> {
        let scope = AccountScope::Only(scopes.iter().map(|scope| scope.account.id).collect());
        for endpoint in endpoints.iter().copied() {
            let query = CoverageQuery {
                scope: scope.clone(),
                endpoint: Some(endpoint),
                windows: Some(self.range),
            };
            let covered = ledger.coverage(query).await?;
            for window in &covered {
                *self.coverage.entry(window.state).or_default() += 1;
            }
            let query = EventQuery {
                scope: scope.clone(),
                endpoint: Some(endpoint),
                windows: Some(self.range),
                width: self.range.width(),
            };
            self.totals
                .push(TotalsReport::read(ledger, endpoint, query).await?);
        }
        Ok(())
    }

    /// What the ledger has of every window of the range, one by one, which only the artefact shows.
    async fn every_window(
        &self,
        ledger: &Ledger,
        scopes: &[Scope],
        endpoints: &[Endpoint],
    ) -> Result<Vec<WindowRecord>, AppError> {
        let mut records = Vec::new();
        let scope = AccountScope::Only(scopes.iter().map(|scope| scope.account.id).collect());
        for endpoint in endpoints.iter().copied() {
            let query = CoverageQuery {
                scope: scope.clone(),
                endpoint: Some(endpoint),
                windows: Some(self.range),
            };
            let covered = ledger.coverage(query).await?;
            records.extend(WindowRecord::all(scopes, endpoint, self.range, &covered));
        }
        Ok(records)
    }
}

impl fmt::Display for BackfillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = days(self.range);
        write!(f, "{first} to {last}: ")?;
        let PlanSummary {
            requests,
            windows,
            settled,
            fresh: _,
            not_begun,
            refusals,
            chunks,
        } = &self.plan;
        let pages: usize = chunks.iter().map(|chunk| chunk.pages).sum();
        write!(f, "planned {}", count(*requests as u64, "request"))?;
        if *requests > 0 {
            write!(
                f,
                " ({} and {}",
                count(pages as u64, "page"),
                count((requests - refusals - pages) as u64, "control total"),
            )?;
            if *refusals > 0 {
                write!(f, ", {} that may be refused again", thousands(*refusals as u64))?;
            }
            write!(f, ")")?;
        }
        write!(f, " for {}", count(*windows as u64, "window"))?;
        if *settled > 0 {
            write!(f, "; {} settled and skipped", thousands(*settled as u64))?;
        }
        if *not_begun > 0 {
            write!(f, "; {} not begun yet", thousands(*not_begun as u64))?;
        }
        writeln!(f)?;
        if let Some(run) = &self.run {
            let telemetry = &run.telemetry;
            write!(
                f,
                "run {}: {} made, {} retried; {} stored, {} failed",
                run.run_id,
                count(telemetry.requests, "request"),
                thousands(telemetry.retries),
                count(telemetry.windows_processed, "window"),
                thousands(telemetry.windows_failed),
            )?;
            if telemetry.windows_settled_meanwhile > 0 {
                write!(
                    f,
                    ", {} settled by another run meanwhile",
                    thousands(telemetry.windows_settled_meanwhile)
                )?;
            }
            writeln!(f)?;
            writeln!(
                f,
                "events: {} inserted, {} updated, {} unchanged, {} retracted; {} kept",
                thousands(telemetry.stored_events),
                thousands(telemetry.updated_events),
                thousands(telemetry.unchanged_events),
                thousands(telemetry.retracted_events),
                count(telemetry.revisions, "revision"),
            )?;
        }
        let covered: usize = self.coverage.values().sum();
        let states: Vec<String> = self
            .coverage
            .iter()
            .map(|(state, windows)| format!("{} {state}", thousands(*windows as u64)))
            .collect();
        write!(f, "ledger: {} covered", count(covered as u64, "window"))?;
        if !states.is_empty() {
            write!(f, " ({})", states.join(", "))?;
        }
        writeln!(f)?;
        write_totals(f, &self.totals)?;
        if let Some(run) = &self.run {
            write_issue_counts(f, run)?;
        }
        if let Some(path) = &self.artifact {
            writeln!(f, "record: {}", path.display())?;
        }
        Ok(())
    }
}

fn write_issue_counts(f: &mut fmt::Formatter<'_>, run: &RunReport) -> fmt::Result {
    let of = |severity| {
        run.issues
            .iter()
            .filter(|issue| issue.severity == severity)
            .count() as u64
    };
    match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => writeln!(f, "no issues"),
        (errors, warnings) => {
            let codes: Vec<String> = run
                .telemetry
                .issues_by_code
                .iter()
                .map(|(code, number)| format!("{code} {}", thousands(*number)))
                .collect();
            writeln!(
                f,
                "{}, {}: {}",
                count(errors, "error"),
                count(warnings, "warning"),
                codes.join(", ")
            )
        }
    }
}
