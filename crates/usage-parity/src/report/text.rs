//! The report for people.

use std::fmt::{self, Write as _};

use usage_core::{Dimension, Metric};

use super::ReportFacts;
use super::words::{
    SHOWN, are, coarse_dimensions, count, days, grouped, more, never_read, signed, signed_plain, start_of,
    words_of, write_counts, write_gaps, write_table,
};
use crate::diff::{Comparison, Difference, DifferenceKind, Surface, Verdict};

impl Comparison {
    /// The report in words: the verdict, the totals side by side, what differs most and why.
    pub fn text(&self, facts: &ReportFacts) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_text(facts, &mut text);
        text
    }

    fn write_text(&self, facts: &ReportFacts, f: &mut String) -> fmt::Result {
        let has_usage = !self.files.is_empty();
        match &self.costs {
            Some(costs) if has_usage => {
                writeln!(
                    f,
                    "{} (usage: {}; costs: {})\n",
                    words_of(self.verdict()),
                    words_of(self.usage_verdict()).to_lowercase(),
                    words_of(costs.verdict()).to_lowercase()
                )?;
                self.write_usage(facts, f)?;
                writeln!(f)?;
                costs.write_text(facts, f)?;
            }
            Some(costs) => costs.write_text(facts, f)?,
            None => self.write_usage(facts, f)?,
        }
        let costs_files = self.costs.iter().flat_map(|costs| &costs.files);
        for file in self.files.iter().chain(costs_files) {
            let rows = count(file.rows, "row");
            let idle = count(file.idle_rows, "idle row");
            write!(f, "\n{}: {}, {rows}, {idle}", file.path, file.endpoint)?;
            if file.rows_outside_range > 0 {
                write!(
                    f,
                    ", {} outside the range",
                    grouped(file.rows_outside_range.into())
                )?;
            }
            if !file.unknown_columns.is_empty() {
                write!(f, ", unknown columns {}", file.unknown_columns.join(", "))?;
            }
            write!(f, ", sha256 {}", file.sha256)?;
        }
        for (path, why) in &facts.skipped_files {
            write!(f, "\n{path}: passed over, {why}")?;
        }
        writeln!(f)
    }

    fn write_usage(&self, facts: &ReportFacts, f: &mut String) -> fmt::Result {
        self.write_verdict(facts, f)?;
        for surface in &self.surfaces {
            self.write_surface(surface, f)?;
        }
        self.write_counts(f)?;
        write_gaps(self.between_exports.iter().copied(), &self.not_covered, f)?;
        self.write_differences(f)
    }

    fn write_verdict(&self, facts: &ReportFacts, f: &mut String) -> fmt::Result {
        let counts = &self.counts;
        let equal = counts.matched + counts.matched_coarse;
        let windows = count(counts.windows_compared, "window");
        let account = match &facts.account {
            Some(account) => format!(" of {account}"),
            None => String::new(),
        };
        match self.usage_verdict() {
            Verdict::Matched => writeln!(
                f,
                "MATCHED: {} in {windows} of the export and of the ledger{account} are equal{}",
                count(equal, "group"),
                within_tolerance(counts.matched_within_tolerance),
            ),
            Verdict::MatchedCoarse => {
                let dimensions = coarse_dimensions(&self.coarsened);
                writeln!(
                    f,
                    "MATCHED, BUT COARSE: {} in {windows} are equal only when summed over {dimensions}, which the \
                     ledger{account} does not tell apart{}",
                    count(counts.matched_coarse, "group"),
                    if facts.allow_coarse {
                        " (allowed)"
                    } else {
                        ": backfill with it and compare again"
                    },
                )
            }
            Verdict::Different => {
                writeln!(
                    f,
                    "DIFFERENT: {} not the same in the export and in the ledger{account}; {} in {windows} are equal{}",
                    are(counts.differences(), "group"),
                    grouped(equal.into()),
                    within_tolerance(counts.matched_within_tolerance),
                )?;
                if self.coarsened.is_empty() {
                    return Ok(());
                }
                let dimensions = coarse_dimensions(&self.coarsened);
                writeln!(
                    f,
                    "The ledger does not tell {dimensions} apart: both sides were summed over it."
                )
            }
            Verdict::NotCovered => writeln!(
                f,
                "NOT COVERED: the ledger{account} never read {}; {} in {windows} are equal",
                never_read(counts.windows_not_covered, counts.groups_not_covered),
                count(equal, "group"),
            ),
            Verdict::NothingCompared => {
                writeln!(f, "NOTHING COMPARED: the export has no window that is over")
            }
            Verdict::NoLedger => writeln!(
                f,
                "SUMMED UP, NOT COMPARED: {} in {} of the export",
                count(counts.groups_csv, "group"),
                count(counts.windows_csv, "window"),
            ),
        }
    }

    fn write_surface(&self, surface: &Surface, f: &mut String) -> fmt::Result {
        let range = surface
            .range
            .map_or_else(|| "no window".to_owned(), |range| days(&range));
        writeln!(f, "\n{}, {range}", surface.endpoint)?;
        let rows: Vec<[String; 4]> = surface
            .metrics
            .iter()
            .filter_map(|metric| total_row(surface, *metric))
            .collect();
        let columns = if self.usage_verdict() == Verdict::NoLedger {
            2
        } else {
            4
        };
        write_table(&rows, columns, f)?;
        if !surface.not_exported.is_empty() {
            let names: Vec<&str> = surface
                .not_exported
                .iter()
                .map(|metric| metric.as_str())
                .collect();
            writeln!(f, "  Not in the export, so not compared: {}.", names.join(", "))?;
        }
        if !surface.summed_over.is_empty() {
            writeln!(
                f,
                "  The export has no column for {}: the ledger was summed over it.",
                surface.summed_over
            )?;
        }
        Ok(())
    }

    fn write_counts(&self, f: &mut String) -> fmt::Result {
        let counts = &self.counts;
        writeln!(f)?;
        let counts = [
            (counts.matched, "groups matched"),
            (counts.matched_coarse, "groups matched only coarsely"),
            (counts.mismatched, "groups with other numbers"),
            (counts.missing_in_db, "groups missing in the ledger"),
            (counts.missing_in_csv, "groups missing in the export"),
            (counts.restated_since, "groups restated since the export"),
            (counts.windows_idle, "windows idle on both sides"),
            (counts.idle_rows, "blank rows of idle windows in the export"),
            (counts.windows_open, "windows not over yet, not compared"),
            (
                counts.windows_between_exports,
                "windows between the exports, not compared",
            ),
            (counts.windows_not_covered, "windows that the ledger never read"),
            (
                counts.groups_not_covered,
                "groups of the export that the ledger never read",
            ),
            (counts.out_of_scope_csv, "groups of the export out of scope"),
            (counts.out_of_scope_db, "groups of the ledger out of scope"),
            (
                counts.without_metadata_csv,
                "groups of the export without project, key and user",
            ),
            (
                counts.without_metadata_db,
                "groups of the ledger without project, key and user",
            ),
        ];
        let always = (self.usage_verdict() != Verdict::NoLedger).then_some("groups matched");
        write_counts(counts, always, f)
    }

    fn write_differences(&self, f: &mut String) -> fmt::Result {
        if self.worst.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nthe largest differences (export less ledger):")?;
        for difference in self.worst.iter().take(SHOWN) {
            write_difference(difference, f)?;
        }
        more(self.counts.differences(), SHOWN, f)
    }
}

fn write_difference(difference: &Difference, f: &mut String) -> fmt::Result {
    let Some(key) = difference.key() else {
        return Ok(());
    };
    let kind = match difference.kind {
        DifferenceKind::Mismatched => "other numbers",
        DifferenceKind::MissingInDb => "missing in the ledger",
        DifferenceKind::MissingInCsv => "missing in the export",
        DifferenceKind::RestatedSince => "restated since the export",
    };
    let window = start_of(key.window);
    write!(f, "  {window} {}", key.endpoint)?;
    for dimension in Dimension::USAGE {
        if let Some(value) = key.dimensions.get(dimension) {
            write!(f, " {dimension}={value}")?;
        }
    }
    writeln!(f, ": {kind}")?;
    let deltas: Vec<String> = difference
        .deltas()
        .into_iter()
        .map(|(metric, delta)| format!("{metric} {}", signed(delta)))
        .collect();
    if !deltas.is_empty() {
        writeln!(f, "    {}", deltas.join(", "))?;
    }
    match &difference.cause {
        Some(cause) => writeln!(f, "    probably: {cause}"),
        None => Ok(()),
    }
}

/// A line of the totals, unless neither side reports the metric.
fn total_row(surface: &Surface, metric: Metric) -> Option<[String; 4]> {
    let (csv, db) = (surface.csv.get(metric), surface.db.get(metric));
    if csv.unwrap_or(0) == 0 && db.unwrap_or(0) == 0 {
        return None;
    }
    let cell = |value: Option<i64>| value.map_or_else(String::new, |value| signed_plain(value.into()));
    let delta = i128::from(csv.unwrap_or(0)) - i128::from(db.unwrap_or(0));
    Some([metric.to_string(), cell(csv), cell(db), signed(delta)])
}

fn within_tolerance(groups: u64) -> String {
    match groups {
        0 => " to the integer".to_owned(),
        groups => format!(", {} of them only within the tolerance", grouped(groups.into())),
    }
}
