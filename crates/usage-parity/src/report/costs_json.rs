//! The costs in the report for scripts.

use std::io;

use serde::Serialize;
use usage_core::{Decimal, DimensionSet, Endpoint, Width, format_instant};

use super::json::{Object, coarsened, coverage};
use crate::costs::{CostComparison, CostSurface};
use crate::diff::Verdict;

impl CostComparison {
    /// Writes the fields of the object `costs`. Amounts are decimal texts.
    pub(super) fn write_json(&mut self, object: &mut Object<'_>) -> io::Result<()> {
        object.field("verdict", &self.verdict())?;
        object.field("tolerancePerRow", &self.tolerance.0)?;
        object.field("widths", &widths(self))?;
        object.field("summary", &self.counts)?;
        object.list("mismatched", &mut self.mismatched)?;
        object.list("missingInDb", &mut self.missing_in_db)?;
        object.list("missingInCsv", &mut self.missing_in_csv)?;
        object.list("restatedSince", &mut self.restated_since)?;
        object.list("notCoveredGroups", &mut self.not_covered_groups)?;
        object.field("coarsened", &coarsened(&self.coarsened))?;
        let states = self.surfaces.iter().flat_map(|surface| &surface.states);
        let between = self
            .between_exports
            .iter()
            .map(|windows| (Endpoint::Costs, *windows));
        object.field(
            "coverage",
            &coverage(states, between, &self.not_covered, &self.open),
        )
    }
}

/// What was compared of each width, with sums of each currency.
fn widths(comparison: &CostComparison) -> impl Serialize {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct OfWidth {
        width: Width,
        from: Option<String>,
        to: Option<String>,
        summed_over: DimensionSet,
        totals: Vec<OfCurrency>,
        csv_rows: u64,
        csv_rows_without_amount: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        db_rows: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        db_rows_without_amount: Option<u64>,
    }
    let has_ledger = comparison.verdict() != Verdict::NoLedger;
    let lines = comparison.surfaces.iter().map(|surface| OfWidth {
        width: surface.width,
        from: surface.range.map(|range| format_instant(range.start())),
        to: surface.range.map(|range| format_instant(range.end())),
        summed_over: surface.summed_over,
        totals: totals(surface, has_ledger),
        csv_rows: surface.csv.rows(),
        csv_rows_without_amount: surface.csv.rows_without_amount(),
        db_rows: has_ledger.then(|| surface.db.rows()),
        db_rows_without_amount: has_ledger.then(|| surface.db.rows_without_amount()),
    });
    lines.collect::<Vec<_>>()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfCurrency {
    currency: Option<String>,
    csv: Option<Decimal>,
    db: Option<Decimal>,
    difference: Option<Decimal>,
}

fn totals(surface: &CostSurface, has_ledger: bool) -> Vec<OfCurrency> {
    let lines = surface.by_currency().map(|(currency, csv, db)| OfCurrency {
        currency: currency.map(str::to_owned),
        difference: has_ledger.then(|| surface.difference(currency)),
        csv: csv.cloned(),
        db: db.cloned(),
    });
    lines.collect()
}
