//! What the latest reports of parity and reconciliation came to. Of a report, which may list millions of groups, only what is
//! needed is read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use usage_core::{Decimal, parse_day, parse_instant};

use super::report;
use crate::dashboard::pages::Standing;
use crate::operations::OperationFailed;

/// How many gaps of a report are kept for the next page: reports of exports full of holes are read again instead.
const KEPT_GAPS: usize = 10_000;

/// What the latest reports came to, until there are others: whoever opens the overview would read all of them.
#[derive(Default)]
pub(crate) struct KeptFacts {
    pub(super) parities: Kept<ParityFacts>,
    pub(super) bills: Kept<BillFacts>,
}

/// What the latest report of each account came to, with its mark.
pub(super) struct Kept<T>(Mutex<BTreeMap<i64, (String, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// What is read of a report.
pub(super) trait Facts: Sized {
    fn read(text: &str) -> Result<Self, String>;

    /// How much of it has no bound.
    fn gaps(&self) -> usize;
}

/// The latest report of an account.
pub(super) enum Latest<T> {
    /// There is none.
    Missing,
    /// There is one, and nobody knows what it says; the log knows why.
    Unreadable,
    /// This is what it says.
    Read(Arc<T>),
}

/// What was found of a report, or of its mark.
type Found = Result<Option<String>, OperationFailed>;

impl<T: Facts> Kept<T> {
    /// What is kept of an account, if its report still has that mark, and else what the report says.
    pub(super) async fn latest(
        &self,
        account: i64,
        mark: Found,
        report: impl Future<Output = Found>,
    ) -> Latest<T> {
        // Taken before the report is read: if that is another by then, it is read again the next time.
        let mark = mark.unwrap_or_default();
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = &mark
            && let Some((known, facts)) = kept().get(&account)
            && known == mark
        {
            return Latest::Read(Arc::clone(facts));
        }
        let latest: Latest<T> = Latest::of(report.await);
        match (mark, &latest) {
            (Some(mark), Latest::Read(facts)) if facts.gaps() <= KEPT_GAPS => {
                kept().insert(account, (mark, Arc::clone(facts)));
            }
            _ => {
                kept().remove(&account);
            }
        }
        latest
    }
}

impl<T: Facts> Latest<T> {
    /// Makes facts of what was found.
    pub(super) fn of(found: Found) -> Self {
        let read = match found {
            Ok(None) => return Self::Missing,
            Ok(Some(text)) => T::read(&text),
            Err(failed) => Err(failed.to_string()),
        };
        match read {
            Ok(facts) => Self::Read(Arc::new(facts)),
            Err(why) => {
                tracing::warn!("the latest report cannot be read: {why}");
                Self::Unreadable
            }
        }
    }
}

/// What a report of parity came to.
#[derive(Debug)]
pub(super) struct ParityFacts {
    pub(super) at: DateTime<Utc>,
    pub(super) verdict: String,
    /// Each surface of usage that was compared, by name.
    pub(super) usage: BTreeMap<String, Looked>,
    /// What was compared of costs, if they were.
    pub(super) costs: Option<Looked>,
    /// Groups of usage and costs that differ or are on one side only.
    pub(super) differences: u64,
    /// Whether only some projects were compared.
    pub(super) has_projects: bool,
    /// Whether only some users were compared.
    pub(super) has_users: bool,
    /// Groups that are equal only since differences up to a tolerance were allowed.
    pub(super) tolerated: u64,
}

impl Facts for ParityFacts {
    fn read(text: &str) -> Result<Self, String> {
        let report: ParityJson = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut usage: BTreeMap<String, Looked> = BTreeMap::new();
        for surface in report.scope.endpoints {
            let looked = usage.entry(surface.endpoint).or_default();
            looked.spans.extend(surface.range.span()?);
        }
        for gap in report.coverage.gaps() {
            if let Some(looked) = usage.get_mut(&gap.endpoint) {
                looked.gaps.push(gap.span()?);
            }
        }
        let mut differences = report.summary.differences();
        let mut tolerated = report.summary.matched_within_tolerance;
        let costs = report.costs.map(|costs| {
            differences = differences.saturating_add(costs.summary.differences());
            // A nano-dollar a row is how finely the ledger rounds.
            if costs.tolerance_per_row > Decimal::from(usage_core::NanoUsd::new(1)) {
                tolerated = tolerated.saturating_add(costs.summary.matched_within_tolerance);
            }
            let mut looked = Looked::default();
            for width in &costs.widths {
                looked.spans.extend(width.span()?);
            }
            for gap in costs.coverage.gaps() {
                looked.gaps.push(gap.span()?);
            }
            Ok::<_, String>(looked)
        });
        let costs = costs.transpose()?;
        Ok(Self {
            at: instant(&report.generated_at)?,
            verdict: report.verdict,
            usage,
            costs,
            differences,
            has_projects: !report.scope.projects.is_empty(),
            has_users: !report.scope.users.is_empty(),
            tolerated,
        })
    }

    fn gaps(&self) -> usize {
        self.looked().map(|looked| looked.gaps.len()).sum()
    }
}

impl ParityFacts {
    pub(super) fn standing(&self) -> Standing {
        report::parity_standing(&self.verdict)
    }

    /// Everything that was compared.
    pub(super) fn looked(&self) -> impl Iterator<Item = &Looked> {
        self.usage.values().chain(&self.costs)
    }
}

/// Which windows of a surface were looked at.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// From the first window to the last, of each width.
    spans: Vec<Span>,
    /// What was not compared of it, whatever the width.
    gaps: Vec<Span>,
}

/// From one moment to another.
type Span = (DateTime<Utc>, DateTime<Utc>);

impl Looked {
    /// Whether the whole of a day was compared.
    pub(super) fn has(&self, day: NaiveDate) -> bool {
        let start = day.and_time(NaiveTime::MIN).and_utc();
        let Some(end) = start.checked_add_days(Days::new(1)) else {
            return false;
        };
        let is_within = self.spans.iter().any(|(from, to)| *from <= start && end <= *to);
        is_within && !self.gaps.iter().any(|(from, to)| *from < end && start < *to)
    }

    /// The first and the last day that were looked at; `None` if none was.
    pub(super) fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let first = self.spans.iter().map(|(from, _)| from).min()?;
        let end = self.spans.iter().map(|(_, to)| to).max()?;
        let last = end.checked_sub_signed(chrono::TimeDelta::seconds(1))?;
        Some((first.date_naive(), last.date_naive()))
    }
}

/// What a report of reconciliation came to.
#[derive(Debug)]
pub(super) struct BillFacts {
    pub(super) is_reconciled: bool,
    /// Why it is not, the first reason first.
    pub(super) complaints: Vec<String>,
    /// How far charges and prices of the same usage are apart, summed group by group.
    pub(super) apart: Decimal,
    /// The same in per cent, if there is anything to be apart.
    pub(super) percent: Option<Decimal>,
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    /// Days of them that are in no sum.
    left_out: Vec<NaiveDate>,
    /// Whether only some projects were compared.
    pub(super) has_projects: bool,
    /// Surfaces whose usage was not read by the day, so that it is not compared.
    pub(super) other_widths: Vec<String>,
}

impl Facts for BillFacts {
    fn read(text: &str) -> Result<Self, String> {
        let report: BillJson = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let day = |text: &str| parse_day(text).map_err(|error| error.to_string());
        let days = report.days;
        let left_out = days.without_costs.iter().chain(&days.open);
        let left_out = left_out.chain(days.not_covered.iter().map(|lacking| &lacking.day));
        let left_out = left_out.map(|text| day(text)).collect::<Result<_, _>>()?;
        let mut other_widths: Vec<String> = report
            .scope
            .other_widths
            .into_iter()
            .map(|at| at.endpoint)
            .collect();
        other_widths.dedup();
        Ok(Self {
            is_reconciled: report.verdict == "reconciled",
            complaints: report::complaints(&json!({
                "complaints": report.complaints,
                "invoice": report.invoice,
            })),
            apart: report.variance.absolute_difference,
            percent: report.variance.percent,
            first: day(&report.scope.start)?,
            last: day(&report.scope.end)?,
            left_out,
            has_projects: report.scope.projects.is_some(),
            other_widths,
        })
    }

    fn gaps(&self) -> usize {
        self.left_out.len()
    }
}

impl BillFacts {
    /// Whether a day is in the sums.
    pub(super) fn has(&self, day: NaiveDate) -> bool {
        (self.first..=self.last).contains(&day) && !self.left_out.contains(&day)
    }
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    parse_instant(text).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParityJson {
    generated_at: String,
    verdict: String,
    #[serde(default)]
    scope: ParityScope,
    #[serde(default)]
    summary: Counts,
    #[serde(default)]
    coverage: Gaps,
    costs: Option<CostsJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ParityScope {
    projects: Vec<String>,
    users: Vec<String>,
    endpoints: Vec<SurfaceJson>,
}

#[derive(Deserialize)]
struct SurfaceJson {
    endpoint: String,
    #[serde(flatten)]
    range: RangeJson,
}

#[derive(Deserialize)]
struct RangeJson {
    from: Option<String>,
    to: Option<String>,
}

impl RangeJson {
    /// None if no window was looked at.
    fn span(&self) -> Result<Option<Span>, String> {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => Ok(Some((instant(from)?, instant(to)?))),
            _ => Ok(None),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counts {
    mismatched: u64,
    missing_in_db: u64,
    missing_in_csv: u64,
    matched_within_tolerance: u64,
}

impl Counts {
    fn differences(&self) -> u64 {
        let missing = self.missing_in_db.saturating_add(self.missing_in_csv);
        missing.saturating_add(self.mismatched)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Gaps {
    not_covered: Vec<Gap>,
    open: Vec<Gap>,
    between_exports: Vec<Gap>,
}

impl Gaps {
    fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.not_covered
            .iter()
            .chain(&self.open)
            .chain(&self.between_exports)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Gap {
    endpoint: String,
    window_start_iso: String,
    window_end_iso: String,
}

impl Gap {
    fn span(&self) -> Result<Span, String> {
        Ok((instant(&self.window_start_iso)?, instant(&self.window_end_iso)?))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CostsJson {
    #[serde(default)]
    tolerance_per_row: Decimal,
    #[serde(default)]
    widths: Vec<RangeJson>,
    #[serde(default)]
    summary: Counts,
    #[serde(default)]
    coverage: Gaps,
}

#[derive(Deserialize)]
struct BillJson {
    verdict: String,
    scope: BillScope,
    variance: Variance,
    #[serde(default)]
    days: BillDays,
    #[serde(default)]
    complaints: Value,
    #[serde(default)]
    invoice: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BillScope {
    start: String,
    end: String,
    projects: Option<Vec<String>>,
    #[serde(default)]
    other_widths: Vec<OtherWidth>,
}

#[derive(Deserialize)]
struct OtherWidth {
    endpoint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variance {
    absolute_difference: Decimal,
    percent: Option<Decimal>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BillDays {
    without_costs: Vec<String>,
    open: Vec<String>,
    not_covered: Vec<Lacking>,
}

#[derive(Deserialize)]
struct Lacking {
    day: String,
}
