//! Words and tables of the report for people, which usage and costs share.

use std::fmt::{self, Write as _};

use usage_core::{Endpoint, Width, Window, WindowRange, format_instant};

use crate::diff::{Coarsened, NotCovered, NotCoveredReason, Verdict};

/// How many of a list are shown; the JSON form has all.
pub(super) const SHOWN: usize = 10;

/// A verdict at the head of a report.
pub(super) const fn words_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Matched => "MATCHED",
        Verdict::MatchedCoarse => "MATCHED, BUT COARSE",
        Verdict::Different => "DIFFERENT",
        Verdict::NotCovered => "NOT COVERED",
        Verdict::NothingCompared => "NOTHING COMPARED",
        Verdict::NoLedger => "SUMMED UP, NOT COMPARED",
    }
}

/// Lines of four columns, or of the first so many, the numbers to the right.
pub(super) fn write_table(rows: &[[String; 4]], columns: usize, f: &mut String) -> fmt::Result {
    let header = ["", "export", "ledger", "difference"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&header]).map(|row| row[column].len());
        cells.max().unwrap_or(0)
    };
    for row in [&header].into_iter().chain(rows) {
        let mut line = format!("  {:<1$}", row[0], width(0));
        for (column, cell) in row.iter().enumerate().take(columns).skip(1) {
            write!(line, "  {cell:>0$}", width(column))?;
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// How many of what, leaving out what there is none of.
pub(super) fn write_counts<'a>(
    counts: impl IntoIterator<Item = (u64, &'a str)>,
    always: Option<&str>,
    f: &mut String,
) -> fmt::Result {
    for (number, words) in counts {
        if number > 0 || always == Some(words) {
            writeln!(f, "  {:>11}  {words}", grouped(number.into()))?;
        }
    }
    Ok(())
}

/// The windows between exports, and those that the ledger never read.
pub(super) fn write_gaps(
    between_exports: impl Iterator<Item = (Endpoint, WindowRange)>,
    not_covered: &[NotCovered],
    f: &mut String,
) -> fmt::Result {
    for (endpoint, windows) in between_exports {
        writeln!(
            f,
            "\nnot compared: {endpoint} {}, between the exports; --from and --to ask for it",
            days(&windows)
        )?;
    }
    if !not_covered.is_empty() {
        writeln!(f, "\nnever read completely:")?;
    }
    for found in not_covered.iter().take(SHOWN) {
        writeln!(
            f,
            "  {} {}: {}; {} in the export, {} in the ledger",
            found.endpoint,
            days(&found.windows),
            why_not_covered(found),
            count(found.csv_groups, "group"),
            grouped(found.db_groups.into()),
        )?;
        // No read tells costs apart by user, so another one would not help.
        let cannot_be_read = found.endpoint.is_costs() && found.reason == NotCoveredReason::ScopeNotGrouped;
        if !cannot_be_read {
            writeln!(f, "    {}", backfill_hint(found.endpoint, &found.windows))?;
        }
    }
    more(not_covered.len() as u64, SHOWN, f)
}

fn why_not_covered(found: &NotCovered) -> &'static str {
    match found.reason {
        NotCoveredReason::NeverRead => "no read on record",
        NotCoveredReason::ReadBeforeEnd => "read before the end, and not again",
        NotCoveredReason::ScopeNotGrouped if found.endpoint.is_costs() => {
            "costs are not told apart by user, or were read without projects; compare an export without that filter"
        }
        NotCoveredReason::ScopeNotGrouped => "read without the dimension of --project or --user",
    }
}

/// The names of the dimensions over which both sides were summed.
pub(super) fn coarse_dimensions(coarsened: &[Coarsened]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for coarsened in coarsened {
        if !names.contains(&coarsened.dimension.as_str()) {
            names.push(coarsened.dimension.as_str());
        }
    }
    names.join(", ")
}

/// A window as people say it: a day, or an instant.
pub(super) fn start_of(window: Window) -> String {
    match window.width() {
        Width::Day => window.start().date_naive().to_string(),
        _ => format_instant(window.start()),
    }
}

fn backfill_hint(endpoint: Endpoint, windows: &WindowRange) -> String {
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
pub(super) fn days(range: &WindowRange) -> String {
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

pub(super) fn never_read(windows: u64, groups: u64) -> String {
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

pub(super) fn more(all: u64, shown: usize, f: &mut String) -> fmt::Result {
    match all.saturating_sub(shown as u64) {
        0 => Ok(()),
        rest => writeln!(
            f,
            "  … and {} more; the JSON report has all",
            grouped(rest.into())
        ),
    }
}

pub(super) fn count(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", grouped(number.into()))
}

pub(super) fn are(number: u64, one: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", count(number, one))
}

/// A number with its sign, also that of a gain.
pub(super) fn signed(number: i128) -> String {
    let sign = if number > 0 { "+" } else { "" };
    format!("{sign}{}", signed_plain(number))
}

pub(super) fn signed_plain(number: i128) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

/// A number with commas between thousands.
pub(super) fn grouped(number: u128) -> String {
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
