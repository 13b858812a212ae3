//! What an import found and did.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use usage_core::{Account, Endpoint, Severity};
use usage_ingest::{Outcome, RunReport};
use usage_store::{OldRowKind, OldUsage, SettledRow};

use crate::text::{count, thousands};
use crate::wiring::Exit;

/// What no import can know or bring, said every time.
const NOTES: [&str; 3] = [
    "rows that the old system simulated bear no mark, so they cannot be told from others",
    "costs are not imported: the old system computed them with wrong prices",
    "imported windows count as never read: `usage backfill` replaces them by what the provider says",
];

/// What an import found and did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// The old system's database, without user and password.
    pub source: String,
    /// Whose usage it is said to be, as `provider/organization`.
    pub account: String,
    /// Which surface.
    pub endpoint: Endpoint,
    /// The old keys whose rows were read.
    pub keys: Vec<OldKeyReport>,
    /// The UTC day on which the first window begins.
    pub first_day: Option<NaiveDate>,
    /// The UTC day on which the last one begins.
    pub last_day: Option<NaiveDate>,
    /// Columns that the old table lacks; what they would hold is absent.
    pub missing_columns: Vec<&'static str>,
    /// What became of every row.
    pub rows: RowCounts,
    /// Windows into which rows were imported.
    pub windows_imported: u64,
    /// Windows left out since they were read from the provider.
    pub windows_read_already: u64,
    /// The rows that the ledger has now, by what they say about whose usage they are.
    pub kinds: KindReports,
    /// Models whose names are not spelt as the provider's, with their rows: the old system rewrote them.
    pub rewritten_models: BTreeMap<String, u64>,
    /// What no import can know or bring.
    pub notes: [&'static str; NOTES.len()],
    /// The run in the ledger; none if there was nothing to import.
    pub run: Option<RunReport>,
    /// How the command ends at best: users' names that were to be erased may still be in the database's file.
    #[serde(skip)]
    pub(super) names: Exit,
}

/// An old key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OldKeyReport {
    /// Its `key_id`.
    pub id: i64,
    /// How many rows it stored.
    pub rows: u64,
}

/// What became of every row that was read: the first count is the sum of those below, up to the derived ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowCounts {
    /// Rows read from the old table.
    pub read: u64,
    /// In the ledger since this import.
    pub inserted: u64,
    /// There already, with the same numbers.
    pub standing: u64,
    /// The same usage again, under another old key.
    pub duplicates: u64,
    /// Not imported: several of one identity that differ.
    pub conflicting: u64,
    /// Not imported: the ledger has other numbers from an earlier import.
    pub differing: u64,
    /// Not imported: deleted by an earlier cleanup.
    pub cleaned: u64,
    /// Not imported: their window was read from the provider.
    pub of_read_windows: u64,
    /// Not imported: their window or a count cannot be stored.
    pub refused: u64,
    /// Of all: the window is the UTC day of the row's time, since none was stored.
    pub derived_windows: u64,
    /// Of all: the window ends a day after its start, since no end was stored.
    pub derived_ends: u64,
}

/// The rows that the ledger has now, by what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindReports {
    /// With project, API key or user.
    pub detailed: KindReport,
    /// With none of them, but a model.
    pub blank: KindReport,
    /// Without even a model: the old system wrote `unknown`.
    pub unknown_model: KindReport,
}

/// Rows of one kind with their sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindReport {
    /// How many.
    pub rows: u64,
    /// Their input tokens; null if no row has a number.
    pub input_tokens: Option<i128>,
    /// Their output tokens; null if no row has a number.
    pub output_tokens: Option<i128>,
}

impl ImportReport {
    pub(super) fn new(source: &OldUsage, account: &Account, endpoint: Endpoint) -> Self {
        let day = |at: Option<DateTime<Utc>>| at.map(|at| at.date_naive());
        let keys = source.keys();
        Self {
            source: source.database().to_owned(),
            account: account.to_string(),
            endpoint,
            keys: keys
                .iter()
                .map(|key| OldKeyReport {
                    id: key.id,
                    rows: key.rows,
                })
                .collect(),
            first_day: day(keys.iter().filter_map(|key| key.first).min()),
            last_day: day(keys.iter().filter_map(|key| key.last).max()),
            missing_columns: source.missing_columns().to_vec(),
            rows: RowCounts::default(),
            windows_imported: 0,
            windows_read_already: 0,
            kinds: KindReports::default(),
            rewritten_models: BTreeMap::new(),
            notes: NOTES,
            names: Exit::Clean,
            run: None,
        }
    }

    /// How the command ends.
    pub fn exit(&self) -> Exit {
        let exit = match self.run.as_ref().map(|run| run.outcome) {
            None | Some(Outcome::Clean) => Exit::Clean,
            Some(Outcome::Incomplete) => Exit::Findings,
            Some(Outcome::Failed) => Exit::Failed,
        };
        exit.max(self.names)
    }

    /// Counts a row that the ledger has now.
    pub(super) fn count_row(&mut self, row: &SettledRow) {
        let kind = match row.kind {
            OldRowKind::Detailed => &mut self.kinds.detailed,
            OldRowKind::Blank => &mut self.kinds.blank,
            OldRowKind::UnknownModel => &mut self.kinds.unknown_model,
        };
        kind.rows += 1;
        let metrics = &row.row.metrics;
        for (sum, number) in [
            (&mut kind.input_tokens, metrics.input_tokens),
            (&mut kind.output_tokens, metrics.output_tokens),
        ] {
            if let Some(number) = number {
                *sum = Some(sum.unwrap_or_default() + i128::from(number));
            }
        }
        let model = row.row.dimensions.model.as_deref();
        if let Some(model) = model.filter(|model| looks_rewritten(model)) {
            *self.rewritten_models.entry(model.to_owned()).or_default() += 1;
        }
    }
}

/// Whether the old system must have changed the name: it wrote `-` for `.` and `:`, so that versions like 4.1 became two
/// parts of one digit each, and fine-tuned models lost their `ft:`. Other changes leave no trace.
fn looks_rewritten(model: &str) -> bool {
    let parts: Vec<&str> = model.split('-').collect();
    let digit = |part: &str| part.len() == 1 && part.starts_with(|first: char| first.is_ascii_digit());
    model.starts_with("ft-") || parts.windows(2).any(|pair| digit(pair[0]) && digit(pair[1]))
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(|key| key.id.to_string()).collect();
        write!(f, "{} to {} {}: ", self.source, self.account, self.endpoint)?;
        let Some(run) = &self.run else {
            return writeln!(f, "the old usage_events have no rows; there is nothing to import");
        };
        write!(
            f,
            "{} of old keys {}",
            count(self.rows.read, "row"),
            keys.join(", ")
        )?;
        if let (Some(first), Some(last)) = (self.first_day, self.last_day) {
            write!(f, ", {first} to {last}")?;
        }
        writeln!(f)?;
        if !self.missing_columns.is_empty() {
            writeln!(f, "the old table lacks {}", self.missing_columns.join(", "))?;
        }
        self.write_rows(f)?;
        for (kind, what) in [
            (self.kinds.detailed, "with project, API key or user"),
            (self.kinds.blank, "blank, with none of them"),
            (self.kinds.unknown_model, "without a model (`unknown`)"),
        ] {
            writeln!(f, "  {what}: {kind}")?;
        }
        if !self.rewritten_models.is_empty() {
            let names: Vec<&str> = self.rewritten_models.keys().map(String::as_str).collect();
            writeln!(
                f,
                "at least {} ({}) {} not spelt as the provider's, so a later read will not match: {}",
                count(names.len() as u64, "model name"),
                count(self.rewritten_models.values().sum::<u64>(), "row"),
                if names.len() == 1 { "is" } else { "are" },
                names.join(", "),
            )?;
        }
        for note in self.notes {
            writeln!(f, "note: {note}")?;
        }
        if self.kinds.blank.rows + self.kinds.unknown_model.rows > 0 {
            writeln!(f, "next: `usage cleanup blank-metadata` lists what counts twice")?;
        }
        let errors = run
            .issues
            .iter()
            .filter(|issue| issue.severity == Severity::Error);
        match errors.count() as u64 {
            0 => writeln!(f, "run {}: no errors", run.run_id),
            errors => writeln!(f, "run {}: {}", run.run_id, count(errors, "error")),
        }
    }
}

impl ImportReport {
    /// What became of the rows; what did not happen is left out.
    fn write_rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RowCounts {
            read: _,
            inserted,
            standing,
            duplicates,
            conflicting,
            differing,
            cleaned,
            of_read_windows,
            refused,
            derived_windows,
            derived_ends,
        } = self.rows;
        writeln!(
            f,
            "imported {} into {}",
            count(inserted, "row"),
            count(self.windows_imported, "window")
        )?;
        let read_already = format!(
            "left out, since the provider was read for their {}",
            count(self.windows_read_already, "window")
        );
        for (rows, what) in [
            (standing, "there already"),
            (duplicates, "the same usage again, under another old key"),
            (conflicting, "NOT imported: several of one identity that differ"),
            (
                differing,
                "NOT imported: the ledger has other numbers from an earlier import",
            ),
            (refused, "NOT imported: a window or a count that cannot be stored"),
            (cleaned, "left out, since a cleanup deleted them"),
            (of_read_windows, read_already.as_str()),
            (
                derived_windows,
                "of all had no window; it is the UTC day of their timestamp",
            ),
            (
                derived_ends,
                "of all had no window end; it is a day after the start",
            ),
        ] {
            if rows > 0 {
                writeln!(f, "  {}: {what}", count(rows, "row"))?;
            }
        }
        writeln!(f, "the ledger has of them")
    }
}

impl fmt::Display for KindReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<i128>| number.map_or_else(|| "unknown".to_owned(), thousands);
        write!(f, "{}", count(self.rows, "row"))?;
        if self.rows > 0 {
            write!(
                f,
                "; {} input tokens, {} output tokens",
                number(self.input_tokens),
                number(self.output_tokens)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::looks_rewritten;

    #[test]
    fn names_with_two_lone_digits_were_rewritten_and_dates_were_not() {
        for (model, rewritten) in [
            ("gpt-4-1-mini", true),
            ("gpt-3-5-turbo-0125", true),
            ("gpt-4-1-2025-04-14", true),
            ("ft-gpt-4o-mini-acme-abc", true),
            ("gpt-5-2025-08-07", false),
            ("gpt-4-0613", false),
            ("gpt-4.1-mini", false),
            ("text-embedding-3-small", false),
            ("o1", false),
        ] {
            assert_eq!(looks_rewritten(model), rewritten, "{model}");
        }
    }
}
