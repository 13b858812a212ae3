//! The report for people.

use std::fmt::{self, Write as _};

use usage_core::{Dimension, Metric, Width, WindowRange, format_instant};

use super::ReportFacts;
use crate::diff::{Comparison, Difference, DifferenceKind, NotCoveredReason, Surface, Verdict};

/// How many of a list are shown; the JSON form has all.
const SHOWN: usize = 10;

impl Comparison {
    /// The report in words: the verdict, the totals side by side, what differs most and why.
    pub fn text(&self, facts: &ReportFacts) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_text(facts, &mut text);
        text
    }

    fn write_text(&self, facts: &ReportFacts, f: &mut String) -> fmt::Result {
        self.write_verdict(facts, f)?;
        for surface in &self.surfaces {
            self.write_surface(surface, f)?;
        }
        self.write_counts(f)?;
        self.write_gaps(f)?;
        self.write_differences(f)?;
        for file in &self.files {
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

    fn write_verdict(&self, facts: &ReportFacts, f: &mut String) -> fmt::Result {
        let counts = &self.counts;
        let equal = counts.matched + counts.matched_coarse;
        let windows = count(counts.windows_compared, "window");
        let account = match &facts.account {
            Some(account) => format!(" of {account}"),
            None => String::new(),
        };
        match self.verdict() {
            Verdict::Matched => writeln!(
                f,
                "MATCHED: {} in {windows} of the export and of the ledger{account} are equal{}",
                count(equal, "group"),
                within_tolerance(counts.matched_within_tolerance),
            ),
            Verdict::MatchedCoarse => {
                let dimensions = self.coarse_dimensions();
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
                let dimensions = self.coarse_dimensions();
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

    fn coarse_dimensions(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for coarsened in &self.coarsened {
            if !names.contains(&coarsened.dimension.as_str()) {
                names.push(coarsened.dimension.as_str());
            }
        }
        names.join(", ")
    }

    fn write_surface(&self, surface: &Surface, f: &mut String) -> fmt::Result {
        let range = surface
            .range
            .map_or_else(|| "no window".to_owned(), |range| days(&range));
        writeln!(f, "\n{}, {range}", surface.endpoint)?;
        let has_ledger = self.verdict() != Verdict::NoLedger;
        let rows: Vec<[String; 4]> = surface
            .metrics
            .iter()
            .filter_map(|metric| total_row(surface, *metric))
            .collect();
        let header = ["", "export", "ledger", "difference"].map(str::to_owned);
        let columns = if has_ledger { 4 } else { 2 };
        let width = |column: usize| {
            let cells = rows.iter().chain([&header]).map(|row| row[column].len());
            cells.max().unwrap_or(0)
        };
        for row in [&header].into_iter().chain(&rows) {
            let mut line = format!("  {:<1$}", row[0], width(0));
            for (column, cell) in row.iter().enumerate().take(columns).skip(1) {
                write!(line, "  {cell:>0$}", width(column))?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
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
        for (number, words) in [
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
        ] {
            if number > 0 || (words == "groups matched" && self.verdict() != Verdict::NoLedger) {
                writeln!(f, "  {:>11}  {words}", grouped(number.into()))?;
            }
        }
        Ok(())
    }

    fn write_gaps(&self, f: &mut String) -> fmt::Result {
        for (endpoint, windows) in &self.between_exports {
            writeln!(
                f,
                "\nnot compared: {endpoint} {}, between the exports; --from and --to ask for it",
                days(windows)
            )?;
        }
        if !self.not_covered.is_empty() {
            writeln!(f, "\nnever read completely:")?;
        }
        for found in self.not_covered.iter().take(SHOWN) {
            let why = match found.reason {
                NotCoveredReason::NeverRead => "no read on record",
                NotCoveredReason::ReadBeforeEnd => "read before the end, and not again",
                NotCoveredReason::ScopeNotGrouped => "read without the dimension of --project or --user",
            };
            writeln!(
                f,
                "  {} {}: {why}; {} in the export, {} in the ledger",
                found.endpoint,
                days(&found.windows),
                count(found.csv_groups, "group"),
                grouped(found.db_groups.into()),
            )?;
            writeln!(f, "    {}", backfill_hint(found.endpoint, &found.windows))?;
        }
        more(self.not_covered.len() as u64, SHOWN, f)
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
    let start = key.window.start();
    let window = match key.window.width() {
        Width::Day => start.date_naive().to_string(),
        _ => format_instant(start),
    };
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

fn backfill_hint(endpoint: usage_core::Endpoint, windows: &WindowRange) -> String {
    let last = windows.end() - chrono::TimeDelta::seconds(1);
    let width = match windows.width() {
        Width::Day => String::new(),
        width => format!(" --bucket-width {width}"),
    };
    format!(
        "usage backfill --endpoint {endpoint} --start {} --end {}{width}",
        windows.start().date_naive(),
        last.date_naive(),
    )
}

/// A range as people say it: days, both included, or instants.
fn days(range: &WindowRange) -> String {
    let last = range.end() - chrono::TimeDelta::seconds(1);
    match range.width() {
        Width::Day if range.len() == 1 => range.start().date_naive().to_string(),
        Width::Day => format!("{} to {}", range.start().date_naive(), last.date_naive()),
        width => format!(
            "{} to {} by {width}",
            format_instant(range.start()),
            format_instant(range.end())
        ),
    }
}

fn never_read(windows: u64, groups: u64) -> String {
    match (windows, groups) {
        (0, groups) => format!("{} of the export", count(groups, "group")),
        (windows, 0) => count(windows, "window"),
        (windows, groups) => format!(
            "{}, with {} of the export",
            count(windows, "window"),
            count(groups, "group")
        ),
    }
}

fn within_tolerance(groups: u64) -> String {
    match groups {
        0 => " to the integer".to_owned(),
        groups => format!(", {} of them only within the tolerance", grouped(groups.into())),
    }
}

fn more(all: u64, shown: usize, f: &mut String) -> fmt::Result {
    match all.saturating_sub(shown as u64) {
        0 => Ok(()),
        rest => writeln!(
            f,
            "  … and {} more; the JSON report has all",
            grouped(rest.into())
        ),
    }
}

fn count(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", grouped(number.into()))
}

fn are(number: u64, one: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", count(number, one))
}

/// A number with its sign, also that of a gain.
fn signed(number: i128) -> String {
    let sign = if number > 0 { "+" } else { "" };
    format!("{sign}{}", signed_plain(number))
}

fn signed_plain(number: i128) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

/// A number with commas between thousands.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
