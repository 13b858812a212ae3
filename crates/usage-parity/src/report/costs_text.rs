//! The costs in the report for people.

use std::fmt::{self, Write as _};

use usage_core::Decimal;

use super::ReportFacts;
use super::words::{
    SHOWN, are, coarse_dimensions, count, days, grouped, more, never_read, start_of, words_of, write_counts,
    write_gaps, write_table,
};
use crate::costs::{CostComparison, CostDifference, CostRecord, CostSurface};
use crate::diff::{DifferenceKind, Verdict};

impl CostComparison {
    /// The verdict on costs, the sums side by side, what differs most and why.
    pub(super) fn write_text(&self, facts: &ReportFacts, f: &mut String) -> fmt::Result {
        self.write_verdict(facts, f)?;
        for surface in &self.surfaces {
            self.write_surface(surface, f)?;
        }
        self.write_counts(f)?;
        let between = self.between_exports.iter();
        write_gaps(
            between.map(|windows| (usage_core::Endpoint::Costs, *windows)),
            &self.not_covered,
            f,
        )?;
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
        write!(f, "{}: ", words_of(self.verdict()))?;
        match self.verdict() {
            Verdict::Matched => writeln!(
                f,
                "{} in {windows} of the export and of the ledger{account} are equal{}",
                count(equal, "cost"),
                self.within_tolerance(),
            ),
            Verdict::MatchedCoarse => {
                writeln!(
                    f,
                    "{} in {windows} are equal only when summed over {}, which the ledger{account} does not tell apart",
                    count(counts.matched_coarse, "cost"),
                    coarse_dimensions(&self.coarsened),
                )?;
                let advice = if facts.allow_coarse {
                    "This is allowed."
                } else {
                    "Backfill with it and compare again; --allow-coarse accepts the sums of days for which the \
                     provider does not have it."
                };
                writeln!(f, "{advice}")
            }
            Verdict::Different => {
                writeln!(
                    f,
                    "{} not the same in the export and in the ledger{account}; {} in {windows} are equal{}",
                    are(counts.differences(), "cost"),
                    grouped(equal.into()),
                    self.within_tolerance(),
                )?;
                if self.coarsened.is_empty() {
                    return Ok(());
                }
                writeln!(
                    f,
                    "The ledger does not tell {} apart: both sides were summed over it.",
                    coarse_dimensions(&self.coarsened)
                )
            }
            Verdict::NotCovered => writeln!(
                f,
                "the ledger{account} never read {}; {} in {windows} are equal",
                never_read(counts.windows_not_covered, counts.groups_not_covered),
                count(equal, "cost"),
            ),
            Verdict::NothingCompared => writeln!(f, "the costs export has no window that is over"),
            Verdict::NoLedger => writeln!(
                f,
                "{} in {} of the export",
                count(counts.groups_csv, "cost"),
                count(counts.windows_csv, "window"),
            ),
        }
    }

    fn within_tolerance(&self) -> String {
        match self.counts.matched_within_tolerance {
            0 => " to the last digit".to_owned(),
            costs => format!(
                ", {} of them only within {} a row",
                grouped(costs.into()),
                self.tolerance.0
            ),
        }
    }

    fn write_surface(&self, surface: &CostSurface, f: &mut String) -> fmt::Result {
        let range = surface
            .range
            .map_or_else(|| "no window".to_owned(), |range| days(&range));
        writeln!(f, "\ncosts, {range}")?;
        let cell = |amount: Option<&Decimal>| amount.map_or_else(String::new, ToString::to_string);
        let rows: Vec<[String; 4]> = surface
            .by_currency()
            .map(|(currency, csv, db)| {
                [
                    currency.unwrap_or("without currency").to_owned(),
                    cell(csv),
                    cell(db),
                    signed(&surface.difference(currency)),
                ]
            })
            .collect();
        let has_ledger = self.verdict() != Verdict::NoLedger;
        write_table(&rows, if has_ledger { 4 } else { 2 }, f)?;
        for (sums, side) in [(&surface.csv, "export"), (&surface.db, "ledger")] {
            if sums.rows_without_amount() > 0 {
                writeln!(
                    f,
                    "  {} of the {side} without an amount, which is unknown and not zero.",
                    count(sums.rows_without_amount(), "row")
                )?;
            }
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
        let lines = [
            (counts.matched, "costs matched"),
            (counts.matched_coarse, "costs matched only coarsely"),
            (
                counts.matched_within_tolerance,
                "of the matched costs only within the tolerance",
            ),
            (counts.mismatched, "costs with another amount or quantity"),
            (counts.missing_in_db, "costs missing in the ledger"),
            (counts.missing_in_csv, "costs missing in the export"),
            (counts.restated_since, "costs restated since the export"),
            (counts.zero_only, "costs of zero that only one side mentions"),
            (counts.quantities_compared, "quantities compared"),
            (
                counts.quantities_not_compared,
                "quantities not compared: one side lacks it, or units differ",
            ),
            (counts.windows_idle, "windows without costs on both sides"),
            (
                counts.idle_rows,
                "blank rows of windows without costs in the export",
            ),
            (counts.windows_open, "windows not over yet, not compared"),
            (
                counts.windows_between_exports,
                "windows between the exports, not compared",
            ),
            (counts.windows_not_covered, "windows that the ledger never read"),
            (
                counts.groups_not_covered,
                "costs of the export that the ledger never read",
            ),
            (counts.out_of_scope_csv, "costs of the export out of scope"),
            (counts.out_of_scope_db, "costs of the ledger out of scope"),
        ];
        let always = (self.verdict() != Verdict::NoLedger).then_some("costs matched");
        write_counts(lines, always, f)
    }

    fn write_differences(&self, f: &mut String) -> fmt::Result {
        if self.worst.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nthe largest differences of costs (export less ledger):")?;
        for difference in self.worst.iter().take(SHOWN) {
            write_difference(difference, f)?;
        }
        more(self.counts.differences(), SHOWN, f)
    }
}

fn write_difference(difference: &CostDifference, f: &mut String) -> fmt::Result {
    let Some(key) = difference.key() else {
        return Ok(());
    };
    write!(f, "  {}", start_of(key.window))?;
    let group = &key.group;
    for (name, value) in [
        ("project_id", group.project_id()),
        ("api_key_id", group.api_key_id()),
        ("line_item", group.line_item()),
    ] {
        if let Some(value) = value {
            write!(f, " {name}={}", quoted(value))?;
        }
    }
    let kind = match difference.kind {
        DifferenceKind::Mismatched if has_equal_amounts(difference) => "another quantity",
        DifferenceKind::Mismatched => "another amount",
        DifferenceKind::MissingInDb => "missing in the ledger",
        DifferenceKind::MissingInCsv => "missing in the export",
        DifferenceKind::RestatedSince => "restated since the export",
    };
    writeln!(f, ": {kind}")?;
    let currency = group.currency.as_deref().unwrap_or("without currency");
    writeln!(
        f,
        "    {} {currency} in the export, {} in the ledger: {}",
        amount(difference.csv.as_ref()),
        amount(difference.db.as_ref()),
        difference
            .amount_delta()
            .map_or_else(|| "unknown".to_owned(), |delta| signed(&delta)),
    )?;
    if let Some(delta) = difference.quantity_delta().filter(|delta| !delta.is_zero()) {
        let mut records = difference.csv.iter().chain(&difference.db);
        let unit = records.find_map(|record| record.quantity_unit.as_deref());
        writeln!(
            f,
            "    quantity {} {}",
            signed(&delta),
            unit.unwrap_or("without unit")
        )?;
    }
    match &difference.cause {
        Some(cause) => writeln!(f, "    probably: {cause}"),
        None => Ok(()),
    }
}

fn has_equal_amounts(difference: &CostDifference) -> bool {
    difference.amount_delta().is_some_and(|delta| delta.is_zero())
}

fn amount(record: Option<&CostRecord>) -> String {
    let Some(record) = record else {
        return "nothing".to_owned();
    };
    match (&record.amount, record.rows_without_amount) {
        (Some(amount), 0) => amount.to_string(),
        (Some(amount), rows) => format!("{amount} and {} of an unknown amount", count(rows.into(), "row")),
        (None, _) => "an unknown amount".to_owned(),
    }
}

/// Line items have commas and spaces in them.
fn quoted(value: &str) -> String {
    if value.contains([' ', ',', '"']) {
        format!("{value:?}")
    } else {
        value.to_owned()
    }
}

/// An amount with its sign, also that of a gain.
fn signed(amount: &Decimal) -> String {
    let sign = if amount.is_zero() || amount.is_negative() {
        ""
    } else {
        "+"
    };
    format!("{sign}{amount}")
}
