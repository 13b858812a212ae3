//! What a cleanup found and did.

use std::fmt;
use std::path::PathBuf;

use chrono::NaiveDate;
use serde::Serialize;
use usage_core::{Dimensions, Endpoint, Metrics, Width, format_instant};
use usage_store::{
    BlankOrigin, BlankRows, CleanupSums, DoubledWindow, EventTotals, StayReason, StayingRows, StoredEvent,
};

use super::super::totals::TotalsReport;
use crate::text::{count, thousands};
use crate::wiring::Exit;

/// What a cleanup found and did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanupReport {
    /// The ledger, without its password.
    pub database: String,
    /// How many rows count usage twice.
    pub rows: u64,
    /// Their windows.
    pub doubled: Vec<DoubledReport>,
    /// Rows without project, API key and user that stay, and why.
    pub staying: Vec<StayingReport>,
    /// The sums before and after, of every account, endpoint and width in which something is doubled.
    pub sums: Vec<SumsReport>,
    /// How many rows were deleted; null if they were only listed.
    pub deleted: Option<u64>,
    /// Revisions that keep them.
    pub revisions: u64,
    /// Windows that count as never read now, since what an ungrouped read returned is gone.
    pub uncovered_windows: u64,
    /// The run in the ledger; none if nothing was deleted.
    pub run_id: Option<i64>,
    /// The record of the deletion.
    pub record: Option<PathBuf>,
    /// Why the record still says that the deletion is only intended, if it could not be replaced.
    pub record_problem: Option<String>,
    /// How the command ends at best: users' names that were to be erased may still be in the database's file.
    #[serde(skip)]
    pub(super) names: Exit,
}

/// A window in which usage counts twice.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoubledReport {
    /// Whose, as `provider/organization`.
    pub account: String,
    /// Which surface.
    pub endpoint: Endpoint,
    /// When the window begins, RFC 3339 in UTC.
    pub window_start: String,
    /// How wide it is.
    pub width: Width,
    /// `neverRead` if the rows were imported, `readUngrouped` if a read returned them that was grouped by none of the three.
    pub origin: &'static str,
    /// The rows without project, API key and user.
    pub rows: Vec<RowReport>,
    /// How many rows of the window name all three.
    pub detailed_rows: u64,
    /// The sums of those.
    pub detailed: Metrics,
    /// Whether a blank row holds more tokens than those together: then look before you delete.
    pub holds_more: bool,
    #[serde(skip)]
    day: NaiveDate,
}

/// A row, with all that is needed to write it again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowReport {
    /// Its identity, in hexadecimal.
    pub dedupe_key: String,
    /// Its dimensions.
    #[serde(flatten)]
    pub dimensions: Dimensions,
    /// Its numbers.
    pub metrics: Metrics,
    /// Its revision.
    pub revision: i64,
    /// When it was first stored, RFC 3339 in UTC.
    pub first_stored_at: String,
    /// The run that last changed it.
    pub run_id: i64,
}

/// Rows that stay.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StayingReport {
    /// Whose, as `provider/organization`.
    pub account: String,
    /// Which surface.
    pub endpoint: Endpoint,
    /// How wide their windows are.
    pub width: Width,
    /// Why: `groupedRead`, `nothingElse` or `onlyPartly`.
    #[serde(serialize_with = "reason_name")]
    pub reason: StayReason,
    /// How many rows.
    pub rows: u64,
    /// In how many windows.
    pub windows: u64,
    /// The first UTC day.
    pub first_day: NaiveDate,
    /// The last UTC day.
    pub last_day: NaiveDate,
}

/// Sums with and without what is doubled.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SumsReport {
    /// Whose, as `provider/organization`.
    pub account: String,
    /// Of which windows.
    pub width: Width,
    /// With it.
    pub before: TotalsReport,
    /// Without it.
    pub after: TotalsReport,
}

impl CleanupReport {
    /// What was found, before anything is deleted.
    pub(super) fn new(database: &str, blank: &BlankRows) -> Self {
        Self {
            database: database.to_owned(),
            rows: blank.doubled.iter().map(|window| window.rows.len() as u64).sum(),
            doubled: blank.doubled.iter().map(DoubledReport::new).collect(),
            staying: blank.staying.iter().map(StayingReport::new).collect(),
            sums: blank.sums.iter().map(SumsReport::new).collect(),
            deleted: None,
            revisions: 0,
            uncovered_windows: 0,
            run_id: None,
            record: None,
            record_problem: None,
            names: Exit::Clean,
        }
    }

    /// 1 when the record of a deletion is not what it should be.
    pub fn exit(&self) -> Exit {
        if self.record_problem.is_some() {
            Exit::Findings
        } else {
            self.names
        }
    }
}

impl DoubledReport {
    fn new(doubled: &DoubledWindow) -> Self {
        Self {
            account: doubled.account.account.to_string(),
            endpoint: doubled.endpoint,
            window_start: format_instant(doubled.window.start()),
            width: doubled.window.width(),
            origin: match doubled.origin {
                BlankOrigin::NeverRead => "neverRead",
                BlankOrigin::ReadUngrouped => "readUngrouped",
            },
            rows: doubled.rows.iter().map(RowReport::new).collect(),
            detailed_rows: doubled.detailed_rows,
            detailed: doubled.detailed,
            holds_more: doubled.holds_more(),
            day: doubled.window.utc_day(),
        }
    }
}

impl RowReport {
    fn new(row: &StoredEvent) -> Self {
        Self {
            dedupe_key: row.event.key().to_string(),
            dimensions: row.event.dimensions.clone(),
            metrics: row.event.metrics,
            revision: row.revision,
            first_stored_at: format_instant(row.first_stored_at),
            run_id: row.run_id,
        }
    }
}

impl StayingReport {
    fn new(staying: &StayingRows) -> Self {
        Self {
            account: staying.account.to_string(),
            endpoint: staying.endpoint,
            width: staying.width,
            reason: staying.reason,
            rows: staying.rows,
            windows: staying.windows,
            first_day: staying.first.utc_day(),
            last_day: staying.last.utc_day(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn reason_name<S: serde::Serializer>(reason: &StayReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match reason {
        StayReason::GroupedRead => "groupedRead",
        StayReason::NothingElse => "nothingElse",
        StayReason::OnlyPartly => "onlyPartly",
    })
}

impl SumsReport {
    fn new(sums: &CleanupSums) -> Self {
        let totals = |totals: &EventTotals| TotalsReport::new(sums.endpoint, totals);
        Self {
            account: sums.account.account.to_string(),
            width: sums.width,
            before: totals(&sums.before),
            after: totals(&sums.after),
        }
    }
}

impl fmt::Display for CleanupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows = count(self.doubled.len() as u64, "window");
        let rows = count(self.rows, "row");
        match (self.rows, self.deleted) {
            (0, _) => writeln!(
                f,
                "nothing to do: no row without project, API key and user counts usage twice"
            )?,
            (_, None) => writeln!(
                f,
                "{rows} in {windows} would be deleted: they lack project, API key and user, no grouped read returned \
                 them, and beside them stand rows with all three"
            )?,
            (_, Some(deleted)) => writeln!(f, "{} deleted in {windows}", count(deleted, "row"))?,
        }
        for doubled in &self.doubled {
            writeln!(f, "  {doubled}")?;
        }
        let more = self.doubled.iter().filter(|doubled| doubled.holds_more).count() as u64;
        if more > 0 {
            writeln!(
                f,
                "warning: in {} a row without project, API key and user holds more than those beside it together; read \
                 such windows from the provider before you delete",
                count(more, "window")
            )?;
        }
        if !self.staying.is_empty() {
            writeln!(f, "rows without project, API key and user that stay")?;
            for staying in &self.staying {
                writeln!(f, "  {staying}")?;
            }
        }
        for sums in &self.sums {
            let width = sums.width;
            writeln!(f, "before: {} {} ({width})", sums.account, sums.before)?;
            writeln!(f, "after:  {} {} ({width})", sums.account, sums.after)?;
        }
        self.write_end(f)
    }
}

impl CleanupReport {
    fn write_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.deleted.is_none() {
            return if self.rows == 0 {
                Ok(())
            } else {
                writeln!(f, "nothing was deleted; --apply deletes them")
            };
        }
        if self.uncovered_windows > 0 {
            writeln!(
                f,
                "{} read without grouping count as never read now; `usage backfill` reads them again",
                count(self.uncovered_windows, "window")
            )?;
        }
        let run = self.run_id.unwrap_or_default();
        writeln!(f, "run {run}: {} kept", count(self.revisions, "revision"))?;
        if let Some(record) = &self.record {
            writeln!(f, "record: {}", record.display())?;
        }
        if let Some(problem) = &self.record_problem {
            writeln!(
                f,
                "INCOMPLETE: the rows are deleted, but the record still says intended: {problem}"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for DoubledReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.width {
            Width::Day => self.day.to_string(),
            Width::Hour | Width::Minute => format!("{} ({})", self.window_start, self.width),
        };
        write!(f, "{when} {} {}: ", self.account, self.endpoint)?;
        for (index, row) in self.rows.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let model = row.dimensions.model.as_deref().unwrap_or("no model");
            write!(f, "{separator}{model} {}", tokens(&row.metrics))?;
        }
        write!(
            f,
            "; beside {} with {}",
            count(self.detailed_rows, "row"),
            tokens(&self.detailed)
        )?;
        if self.holds_more {
            write!(f, " (MORE than those)")?;
        }
        Ok(())
    }
}

/// Input and output tokens.
fn tokens(metrics: &Metrics) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| "unknown".to_owned(), thousands);
    format!(
        "{} + {} tokens",
        number(metrics.input_tokens),
        number(metrics.output_tokens)
    )
}

impl fmt::Display for StayingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            StayReason::GroupedRead => "a grouped read returned them, so they are usage that belongs to none",
            StayReason::NothingElse => "nothing else in their window says whose the usage is",
            StayReason::OnlyPartly => {
                "the other rows of their window name some of project, API key and user, none all three"
            }
        };
        write!(
            f,
            "{} {}: {} in {}, {} to {}: {reason}",
            self.account,
            self.endpoint,
            count(self.rows, "row"),
            count(self.windows, "window"),
            self.first_day,
            self.last_day
        )
    }
}
