//! `usage status`

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use usage_core::{
    Account, DimensionSet, Endpoint, ProjectFilter, Width, Window, WindowRange, WindowState, format_instant,
};
use usage_ingest::ProcessIdentity;
use usage_store::{AccountScope, Coverage, CoverageQuery, EventQuery, Run, RunStatus, StoredAccount};

use super::imported::ImportedStatus;
use super::totals::TotalsReport;
use crate::error::AppError;
use crate::text::{count, days, instant, thousands};
use crate::wiring::App;

/// Runs that the report shows.
const RUNS: u32 = 5;

/// What the ledger covers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// The database, without its password.
    pub database: String,
    /// The sums of each account's events of an endpoint, whichever key read them.
    pub totals: Vec<AccountTotals>,
    /// Each account, endpoint and project filter that was read.
    pub coverage: Vec<ScopeStatus>,
    /// Imported events of windows that nobody read: they are in the sums, and nothing vouches for them.
    pub imported: Vec<ImportedStatus>,
    /// The latest runs, newest first.
    pub runs: Vec<RunLine>,
}

/// The sums of one account's events of one endpoint.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountTotals {
    /// Whose, as `provider/organization`.
    pub account: String,
    /// How wide the events' windows are: events of two widths are never in one sum.
    pub width: Width,
    /// The sums.
    #[serde(flatten)]
    pub totals: TotalsReport,
}

/// What the ledger covers of one scope.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeStatus {
    /// Whose, as `provider/organization`.
    pub account: String,
    /// Which surface.
    pub endpoint: Endpoint,
    /// How wide the windows are.
    pub width: Width,
    /// The projects it was asked for; none for every project.
    pub projects: Vec<String>,
    /// The first UTC day covered.
    pub first_day: NaiveDate,
    /// The last UTC day covered.
    pub last_day: NaiveDate,
    /// Windows covered.
    pub windows: usize,
    /// Windows by state.
    pub states: BTreeMap<WindowState, usize>,
    /// Dimensions that some window lacks since the provider refused to group by them.
    pub refused_dimensions: DimensionSet,
    /// Dimensions that were asked for and null in every row of some read.
    pub empty_dimensions: DimensionSet,
    /// Windows between the first one covered and the present one that were never read, neither for these projects nor
    /// for more.
    pub gaps: Vec<Gap>,
}

/// Windows that were never read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The UTC day of the first of them.
    pub start: NaiveDate,
    /// The UTC day of the last of them.
    pub end: NaiveDate,
    /// How many they are.
    pub windows: usize,
}

/// A run in the report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunLine {
    id: i64,
    kind: String,
    label: Option<String>,
    status: &'static str,
    started_at: String,
    finished_at: Option<String>,
    telemetry: Option<Box<RawValue>>,
    /// What went otherwise than planned, as `usage backfill --format json` has it.
    issues: Option<Box<RawValue>>,
    #[serde(skip)]
    issues_by_code: BTreeMap<String, u64>,
    #[serde(skip)]
    started: DateTime<Utc>,
}

/// Looks at coverage and runs.
pub async fn status(
    app: &App,
    accounts: &[Account],
    endpoints: &[Endpoint],
) -> Result<StatusReport, AppError> {
    let ledger = app.ledger().await?;
    let known = ledger.accounts(AccountScope::All).await?;
    let chosen: Vec<&StoredAccount> = known
        .iter()
        .filter(|known| accounts.is_empty() || accounts.contains(&known.account))
        .collect();
    if let Some(missing) = accounts
        .iter()
        .find(|wanted| !chosen.iter().any(|known| known.account == **wanted))
    {
        return Err(AppError::UnknownAccount(missing.clone()));
    }
    let mut report = StatusReport {
        database: ledger.name().to_owned(),
        totals: Vec::new(),
        coverage: Vec::new(),
        imported: Vec::new(),
        runs: Vec::new(),
    };
    for account in chosen {
        let unread = ledger.unread_events(AccountScope::one(account)).await?;
        for endpoint in endpoints.iter().copied() {
            let scope = AccountScope::one(account);
            let query = CoverageQuery {
                scope: scope.clone(),
                endpoint: Some(endpoint),
                windows: None,
            };
            let mut by_width: BTreeMap<Reverse<Width>, ByFilter> = BTreeMap::new();
            for window in ledger.coverage(query).await? {
                let by_filter = by_width.entry(Reverse(window.window.width())).or_default();
                by_filter.entry(window.filter.clone()).or_default().push(window);
            }
            for imported in unread.iter().filter(|unread| unread.endpoint == endpoint) {
                report
                    .imported
                    .push(ImportedStatus::new(&account.account, imported));
                by_width.entry(Reverse(imported.first.width())).or_default();
            }
            for (Reverse(width), by_filter) in by_width {
                let account = account.account.to_string();
                for filter in by_filter.keys() {
                    let scope = ScopeStatus::new(&account, endpoint, filter, &by_filter, app.clock.now())?;
                    report.coverage.extend(scope);
                }
                let query = EventQuery {
                    width,
                    ..EventQuery::daily(scope.clone())
                };
                let totals = TotalsReport::read(&ledger, endpoint, query).await?;
                report.totals.push(AccountTotals {
                    account,
                    width,
                    totals,
                });
            }
        }
    }
    report.runs = ledger.runs(RUNS).await?.into_iter().map(RunLine::new).collect();
    Ok(report)
}

/// The coverage of one account, endpoint and width.
type ByFilter = BTreeMap<ProjectFilter, Vec<Coverage>>;

impl ScopeStatus {
    fn new(
        account: &str,
        endpoint: Endpoint,
        filter: &ProjectFilter,
        by_filter: &ByFilter,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, AppError> {
        let windows = by_filter.get(filter).map_or(&[][..], Vec::as_slice);
        let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
            return Ok(None);
        };
        let mut states = BTreeMap::new();
        for window in windows {
            *states.entry(window.state).or_default() += 1;
        }
        let width = first.window.width();
        let present = Window::containing(now, width);
        let end = last.window.end().max(present.end());
        let range = WindowRange::new(first.window.start(), end, width)?;
        // A window that was read for every project was read for these.
        let covered: BTreeSet<Window> = by_filter
            .iter()
            .filter(|(other, _)| other.includes(filter))
            .flat_map(|(_, windows)| windows.iter().map(|window| window.window))
            .collect();
        let missing = range.windows().filter(|window| !covered.contains(window));
        let gaps = WindowRange::join(missing).into_iter().map(|range| {
            let (start, end) = days(range);
            Gap {
                start,
                end,
                windows: range.len(),
            }
        });
        Ok(Some(Self {
            account: account.to_owned(),
            endpoint,
            width,
            projects: filter.ids().map(str::to_owned).collect(),
            first_day: first.window.utc_day(),
            last_day: last.window.utc_day(),
            windows: windows.len(),
            states,
            refused_dimensions: all(windows, |window| window.refused),
            empty_dimensions: all(windows, |window| window.empty),
            gaps: gaps.collect(),
        }))
    }
}

/// The dimensions that any of the windows has.
fn all(windows: &[Coverage], of: impl Fn(&Coverage) -> DimensionSet) -> DimensionSet {
    windows.iter().flat_map(|window| of(window).iter()).collect()
}

impl RunLine {
    /// A run whose process is seen to be dead is shown as interrupted; the next run will record it.
    fn new(run: Run) -> Self {
        let process = run.holder.parse::<ProcessIdentity>();
        let dead = process.is_ok_and(|process| process.is_dead(&ProcessIdentity::current()));
        let status = if run.status == RunStatus::Running && dead {
            RunStatus::Interrupted
        } else {
            run.status
        };
        Self {
            id: run.id,
            kind: run.kind,
            label: run.label,
            status: status.as_str(),
            started_at: format_instant(run.started_at),
            finished_at: run.finished_at.map(format_instant),
            telemetry: RawValue::from_string(run.telemetry).ok(),
            issues_by_code: count_codes(&run.issues),
            issues: RawValue::from_string(run.issues).ok(),
            started: run.started_at,
        }
    }
}

/// How often each code is among the issues of a run.
fn count_codes(issues: &str) -> BTreeMap<String, u64> {
    #[derive(Deserialize)]
    struct Coded {
        code: String,
    }
    let issues: Vec<Coded> = serde_json::from_str(issues).unwrap_or_default();
    let mut counts = BTreeMap::new();
    for Coded { code } in issues {
        *counts.entry(code).or_default() += 1;
    }
    counts
}

impl fmt::Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ledger: {}", self.database)?;
        if self.coverage.is_empty() && self.imported.is_empty() {
            writeln!(f, "nothing was read yet; `usage backfill` reads the last 30 days")?;
        }
        for (heading, scopes) in self.paragraphs() {
            writeln!(f, "{heading}")?;
            f.write_str(&scopes)?;
        }
        for run in &self.runs {
            write!(
                f,
                "run {}: {} {}, {}",
                run.id,
                run.kind,
                run.status,
                instant(run.started)
            )?;
            if let Some(label) = &run.label {
                write!(f, ", \"{label}\"")?;
            }
            for (place, (code, number)) in run.issues_by_code.iter().enumerate() {
                let separator = if place == 0 { ": " } else { ", " };
                write!(f, "{separator}{code} {}", thousands(*number))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl StatusReport {
    /// What was used, and below it what is covered. Endpoints without usage that are covered alike share a paragraph.
    fn paragraphs(&self) -> Vec<(String, String)> {
        let mut paragraphs: Vec<(String, String)> = Vec::new();
        let mut quiet: Vec<Quiet<'_>> = Vec::new();
        for totals in &self.totals {
            let mut scopes: String = self
                .coverage
                .iter()
                .filter(|scope| scope.account == totals.account)
                .filter(|scope| scope.endpoint == totals.totals.endpoint && scope.width == totals.width)
                .map(ToString::to_string)
                .collect();
            let imported = self
                .imported
                .iter()
                .filter(|imported| imported.account == totals.account)
                .filter(|imported| {
                    imported.endpoint == totals.totals.endpoint && imported.width == totals.width
                });
            scopes.extend(imported.map(ToString::to_string));
            let by_width = match totals.width {
                Width::Day => String::new(),
                width => format!(" by {}", noun(width)),
            };
            let place = format!("{}{by_width}", totals.account);
            if !totals.totals.is_empty() {
                paragraphs.push((format!("{place} {}", totals.totals), scopes));
                continue;
            }
            let endpoint = totals.totals.endpoint.as_str();
            match quiet
                .iter_mut()
                .find(|quiet| quiet.place == place && quiet.scopes == scopes)
            {
                Some(quiet) => quiet.endpoints.push(endpoint),
                None => quiet.push(Quiet {
                    place,
                    scopes,
                    endpoints: vec![endpoint],
                }),
            }
        }
        paragraphs.extend(quiet.into_iter().map(|quiet| {
            let heading = format!("{} no usage: {}", quiet.place, quiet.endpoints.join(", "));
            (heading, quiet.scopes)
        }));
        paragraphs
    }
}

/// Endpoints without usage that are covered alike.
struct Quiet<'a> {
    place: String,
    scopes: String,
    endpoints: Vec<&'a str>,
}

/// What a window of the width is called.
pub(super) fn noun(width: Width) -> &'static str {
    match width {
        Width::Minute => "minute",
        Width::Hour => "hour",
        Width::Day => "day",
    }
}

/// Below the totals of its account and endpoint.
impl fmt::Display for ScopeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states: Vec<String> = self
            .states
            .iter()
            .map(|(state, windows)| format!("{} {state}", thousands(*windows as u64)))
            .collect();
        let projects = if self.projects.is_empty() {
            String::new()
        } else {
            format!("only {}: ", self.projects.join(", "))
        };
        writeln!(
            f,
            "  {projects}{} covered, {} to {} ({})",
            count(self.windows as u64, noun(self.width)),
            self.first_day,
            self.last_day,
            states.join(", ")
        )?;
        if !self.refused_dimensions.is_empty() {
            writeln!(
                f,
                "    the provider refuses to group by {}",
                self.refused_dimensions
            )?;
        }
        if !self.empty_dimensions.is_empty() {
            writeln!(f, "    the provider sends no {}", self.empty_dimensions)?;
        }
        for gap in &self.gaps {
            writeln!(
                f,
                "    never read: {} to {} ({})",
                gap.start,
                gap.end,
                count(gap.windows as u64, noun(self.width))
            )?;
        }
        Ok(())
    }
}
