//! What a comparison of costs found.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;
use usage_core::{CostGroup, Decimal, DimensionSet, NanoUsd, Width, Window, WindowRange, WindowState};

use super::record::{CostDifferenceLine, MissingCostLine};
use crate::costs::CostSums;
use crate::diff::{
    Cause, Coarsened, DifferenceKind, Evidence, InspectedFile, NotCovered, OpenWindow, Spool, Verdict, WORST,
};

/// What became of comparing costs exports with a ledger. [`crate::Comparison::with_costs`] puts it beside a comparison of
/// usage.
///
/// Its lists live in temporary files once they are long.
#[derive(Debug, Default)]
pub struct CostComparison {
    /// What was compared, by the width of windows: widths are never added.
    pub surfaces: Vec<CostSurface>,
    /// How many of what.
    pub counts: CostCounts,
    /// The files, in the order given.
    pub files: Vec<InspectedFile>,
    /// Windows that the ledger never read completely, joined where they touch.
    pub not_covered: Vec<NotCovered>,
    /// Windows that are not over.
    pub open: Vec<OpenWindow>,
    /// Windows between the exports, of which none of them speaks and which nobody asked for.
    pub between_exports: Vec<WindowRange>,
    /// Dimensions that the ledger lacks and the export has, over which both were summed.
    pub coarsened: Vec<Coarsened>,
    /// The worst differences, the largest first.
    pub worst: Vec<CostDifference>,
    /// The runs that the compared costs and windows come from.
    pub runs: BTreeSet<i64>,
    /// By how much amounts could differ and still count as equal.
    pub tolerance: CostTolerance,
    /// Groups of both sides that differ.
    pub(crate) mismatched: Spool,
    /// Groups of the export that the ledger lacks.
    pub(crate) missing_in_db: Spool,
    /// Groups of the ledger that the export lacks.
    pub(crate) missing_in_csv: Spool,
    /// Differences that a restatement explains.
    pub(crate) restated_since: Spool,
    /// Groups of projects that no read of their window asked for.
    pub(crate) not_covered_groups: Spool,
    /// Whether there was a ledger to compare with.
    pub(crate) has_ledger: bool,
}

/// By how much the amounts of a group may differ, for each row that was summed into it, and still count as equal.
///
/// The default is one nano-dollar (one billionth of whichever currency), as for control totals. The provider computes with
/// up to 39 decimals, and its exports print 30 digits: the same cost is not the same text everywhere, and one rounding
/// is made for each row. A billionth is far above any such rounding and far below the smallest price of a token. What
/// differs within it is counted ([`CostCounts::matched_within_tolerance`]), never hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostTolerance(pub NanoUsd);

impl CostTolerance {
    /// No difference at all.
    pub const EXACT: Self = Self(NanoUsd::ZERO);
}

impl Default for CostTolerance {
    fn default() -> Self {
        Self(NanoUsd::new(1))
    }
}

/// The costs of one width.
#[derive(Clone, Debug)]
pub struct CostSurface {
    /// How wide its windows are.
    pub width: Width,
    /// From the first window looked at to the last; `None` if there was none.
    pub range: Option<WindowRange>,
    /// Dimensions by which the ledger tells costs apart and the export does not, so that the ledger was summed.
    pub summed_over: DimensionSet,
    /// Sums of the export over the windows compared, currency by currency.
    pub csv: CostSums,
    /// Sums of the ledger over the same windows.
    pub db: CostSums,
    /// Windows compared, by how far they had gone when the ledger read them.
    pub states: BTreeMap<WindowState, u64>,
}

/// How many of what a comparison of costs found. Groups are counted after summing equal ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostCounts {
    /// Windows that the exports mention, idle ones included.
    pub windows_csv: u64,
    /// Groups of the exports.
    pub groups_csv: u64,
    /// Windows in which everything was compared.
    pub windows_compared: u64,
    /// Of these, how many had no cost on either side.
    pub windows_idle: u64,
    /// Windows that the ledger never read completely.
    pub windows_not_covered: u64,
    /// Windows that are not over.
    pub windows_open: u64,
    /// Windows between the exports, of which none of them speaks and which nobody asked for.
    pub windows_between_exports: u64,
    /// Rows of the exports that say no more than that nothing was charged.
    pub idle_rows: u64,
    /// Groups that are equal in every dimension and in the amount.
    pub matched: u64,
    /// Groups that are equal only after summing over a dimension that the ledger lacks.
    pub matched_coarse: u64,
    /// Of all matched ones, how many have amounts that differ by no more than the tolerance.
    pub matched_within_tolerance: u64,
    /// Groups of both sides with another amount or another quantity.
    pub mismatched: u64,
    /// Groups of the export that the ledger lacks.
    pub missing_in_db: u64,
    /// Groups of the ledger that the export lacks.
    pub missing_in_csv: u64,
    /// Groups in which the export has what the ledger had before a restatement.
    pub restated_since: u64,
    /// Groups with an amount of zero that one side has and the other does not mention: no difference.
    pub zero_only: u64,
    /// Groups of both sides whose quantities were compared.
    pub quantities_compared: u64,
    /// Groups of both sides with quantities that could not be compared: a row lacks one, or the units differ.
    pub quantities_not_compared: u64,
    /// Groups of the export in windows, or of projects, that the ledger never read.
    pub groups_not_covered: u64,
    /// Groups of the export outside the projects named, and rows of it outside the users named.
    pub out_of_scope_csv: u64,
    /// Groups of the ledger outside the projects named.
    pub out_of_scope_db: u64,
}

/// What a group of costs is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostGroupKey {
    /// Which window.
    pub window: Window,
    /// Who and what it was charged for; the currency in lower case.
    pub group: CostGroup,
}

/// A group of costs of one side.
#[derive(Clone, Debug)]
pub struct CostRecord {
    /// What it is.
    pub key: CostGroupKey,
    /// The sum of the amounts that are there; `None` if none is.
    pub amount: Option<Decimal>,
    /// How many rows have no amount. Where it is not zero, the amount is not the whole of it.
    pub rows_without_amount: u32,
    /// The sum of the quantities, if they are of one unit.
    pub quantity: Option<Decimal>,
    /// The unit of the quantity.
    pub quantity_unit: Option<String>,
    /// The file that it stands in; none for a group of the ledger.
    pub csv_source: Option<String>,
    /// How many rows were summed.
    pub record_count: u32,
}

/// One group of costs that differs.
#[derive(Clone, Debug)]
pub struct CostDifference {
    /// In which way.
    pub kind: DifferenceKind,
    /// The export's group, if it has one.
    pub csv: Option<CostRecord>,
    /// The ledger's group, if it has one.
    pub db: Option<CostRecord>,
    /// Why, where the numbers say so.
    pub cause: Option<Cause>,
}

impl CostSurface {
    /// Each currency of either side in lower case, the amounts without one first, with the sums of the export and of the
    /// ledger.
    pub fn by_currency(&self) -> impl Iterator<Item = (Option<&str>, Option<&Decimal>, Option<&Decimal>)> {
        let currencies: BTreeSet<Option<&str>> = self
            .csv
            .iter()
            .chain(self.db.iter())
            .map(|(currency, _)| currency)
            .collect();
        currencies
            .into_iter()
            .map(|currency| (currency, self.csv.get(currency), self.db.get(currency)))
    }

    /// The export's sum of a currency less the ledger's.
    pub fn difference(&self, currency: Option<&str>) -> Decimal {
        let sum = |sums: &CostSums| sums.get(currency).cloned().unwrap_or_default();
        &sum(&self.csv) - &sum(&self.db)
    }
}

impl CostComparison {
    /// What it comes to.
    pub const fn verdict(&self) -> Verdict {
        self.counts.evidence().verdict(self.has_ledger)
    }

    /// Takes in a difference.
    pub(super) fn differs(&mut self, difference: CostDifference) -> io::Result<()> {
        let line = CostDifferenceLine(&difference);
        match difference.kind {
            DifferenceKind::Mismatched => {
                self.counts.mismatched += 1;
                self.mismatched.push(&line)?;
            }
            DifferenceKind::MissingInDb => {
                self.counts.missing_in_db += 1;
                self.missing_in_db.push(&MissingCostLine::of(&difference))?;
            }
            DifferenceKind::MissingInCsv => {
                self.counts.missing_in_csv += 1;
                self.missing_in_csv.push(&MissingCostLine::of(&difference))?;
            }
            DifferenceKind::RestatedSince => {
                self.counts.restated_since += 1;
                self.restated_since.push(&line)?;
            }
        }
        let weight = difference.weight();
        let place = self.worst.partition_point(|other| other.weight() >= weight);
        if place < WORST {
            self.worst.insert(place, difference);
            self.worst.truncate(WORST);
        }
        Ok(())
    }

    /// Takes in a window that the ledger never read completely.
    pub(super) fn is_not_covered(&mut self, found: NotCovered) {
        self.counts.windows_not_covered += found.windows.len() as u64;
        self.counts.groups_not_covered += found.csv_groups;
        found.join(&mut self.not_covered);
    }
}

impl CostCounts {
    /// Groups that differ, for whatever reason.
    pub const fn differences(&self) -> u64 {
        self.mismatched + self.missing_in_db + self.missing_in_csv + self.restated_since
    }

    pub(crate) const fn evidence(&self) -> Evidence {
        Evidence {
            differences: self.differences(),
            not_covered: self.windows_not_covered + self.groups_not_covered,
            windows_compared: self.windows_compared,
            equal: self.matched + self.matched_coarse + self.zero_only,
            coarse: self.matched_coarse,
            out_of_scope: self.out_of_scope_csv + self.out_of_scope_db,
        }
    }
}

impl CostDifference {
    /// What the group is.
    pub fn key(&self) -> Option<&CostGroupKey> {
        self.csv.as_ref().or(self.db.as_ref()).map(|record| &record.key)
    }

    /// The export's amount less the ledger's, a side without the group counting as nothing; `None` where an amount is
    /// unknown.
    pub fn amount_delta(&self) -> Option<Decimal> {
        let amount = |record: &Option<CostRecord>| match record {
            None => Some(Decimal::default()),
            Some(record) if record.rows_without_amount > 0 => None,
            Some(record) => record.amount.clone(),
        };
        Some(&amount(&self.csv)? - &amount(&self.db)?)
    }

    /// The export's quantity less the ledger's, a side without the group counting as nothing; `None` where there is none
    /// or the units differ.
    pub fn quantity_delta(&self) -> Option<Decimal> {
        let (csv, db) = (self.csv.as_ref(), self.db.as_ref());
        if let (Some(csv), Some(db)) = (csv, db)
            && csv.quantity_unit != db.quantity_unit
        {
            return None;
        }
        let quantity = |record: Option<&CostRecord>| match record {
            None => Some(Decimal::default()),
            Some(record) => record.quantity.clone(),
        };
        Some(&quantity(csv)? - &quantity(db)?)
    }

    /// By how much the amounts differ. Currencies are compared only to put the list in some order.
    fn weight(&self) -> Decimal {
        self.amount_delta().unwrap_or_default().abs()
    }
}
