//! What a comparison found.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;
use usage_core::{
    Dimension, DimensionSet, Endpoint, Metric, Metrics, Width, Window, WindowRange, WindowState,
};

use super::cause::Cause;
use super::evidence::{Evidence, Verdict};
use super::record::{Deltas, GroupKey, GroupRecord};
use super::spool::Spool;
use crate::costs::CostComparison;

/// How many of the worst differences are kept for people to read; the report has all of them.
pub(crate) const WORST: usize = 20;

/// What became of comparing exports with a ledger, or with other exports.
///
/// Its lists live in temporary files once they are long, so that a ledger of which nothing fits does not fill memory.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Each endpoint and width that was compared.
    pub surfaces: Vec<Surface>,
    /// How many of what.
    pub counts: Counts,
    /// The files, in the order given.
    pub files: Vec<InspectedFile>,
    /// Windows that the ledger never read completely, joined where they touch.
    pub not_covered: Vec<NotCovered>,
    /// Windows that are not over.
    pub open: Vec<OpenWindow>,
    /// Windows between the exports, of which none of them speaks and which nobody asked for.
    pub between_exports: Vec<(Endpoint, WindowRange)>,
    /// Dimensions that the ledger lacks and the export has, over which both were summed.
    pub coarsened: Vec<Coarsened>,
    /// The worst differences, the worst first.
    pub worst: Vec<Difference>,
    /// The runs that the compared events and windows come from.
    pub runs: BTreeSet<i64>,
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
    /// Groups without project, key and user that carry usage.
    pub(crate) without_metadata: Spool,
    /// The comparison of costs, if there were exports of them.
    pub costs: Option<CostComparison>,
    /// Whether there was a ledger to compare with.
    pub(crate) has_ledger: bool,
}

/// One endpoint at one width.
#[derive(Clone, Debug)]
pub struct Surface {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// How wide its windows are.
    pub width: Width,
    /// From the first window looked at to the last; `None` if there was none.
    pub range: Option<WindowRange>,
    /// The metrics that are compared, in the endpoint's order.
    pub metrics: Vec<Metric>,
    /// Metrics of the endpoint that the export has no column for.
    pub not_exported: Vec<Metric>,
    /// Dimensions by which the ledger tells events apart and the export does not, so that the ledger was summed.
    pub summed_over: DimensionSet,
    /// Sums of the export over the windows compared.
    pub csv: Metrics,
    /// Sums of the ledger over the same windows.
    pub db: Metrics,
    /// Windows compared, by how far they had gone when the ledger read them.
    pub states: BTreeMap<WindowState, u64>,
    /// How many of what, of this endpoint and width alone.
    pub counts: SurfaceCounts,
}

/// How many windows of one endpoint and width were compared, and how many groups of them differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SurfaceCounts {
    /// Windows in which everything was compared.
    pub windows_compared: u64,
    /// Groups of the export that the ledger lacks.
    pub missing_in_db: u64,
    /// Groups of the ledger that the export lacks.
    pub missing_in_csv: u64,
    /// Groups of both sides with different numbers.
    pub mismatched: u64,
}

/// How many of what a comparison found. Groups are counted after summing equal ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Windows that the exports mention, idle ones included.
    pub windows_csv: u64,
    /// Groups of the exports.
    pub groups_csv: u64,
    /// Windows in which everything was compared.
    pub windows_compared: u64,
    /// Of these, how many had no usage on either side.
    pub windows_idle: u64,
    /// Windows that the ledger never read completely.
    pub windows_not_covered: u64,
    /// Windows that are not over.
    pub windows_open: u64,
    /// Windows between the exports, of which none of them speaks and which nobody asked for.
    pub windows_between_exports: u64,
    /// Rows of the exports with nothing but times.
    pub idle_rows: u64,
    /// Groups that are equal in every dimension and number.
    pub matched: u64,
    /// Groups that are equal only after summing over a dimension that the ledger lacks.
    pub matched_coarse: u64,
    /// Of all matched ones, how many differ by no more than the tolerance.
    pub matched_within_tolerance: u64,
    /// Groups of both sides with different numbers.
    pub mismatched: u64,
    /// Groups of the export that the ledger lacks.
    pub missing_in_db: u64,
    /// Groups of the ledger that the export lacks.
    pub missing_in_csv: u64,
    /// Groups in which the export has what the ledger had before a restatement.
    pub restated_since: u64,
    /// Groups of the export in windows, or of projects, that the ledger never read.
    pub groups_not_covered: u64,
    /// Groups of the export outside the projects and users named.
    pub out_of_scope_csv: u64,
    /// Groups of the ledger outside the projects and users named.
    pub out_of_scope_db: u64,
    /// Groups of the export without project, key and user that carry usage.
    pub without_metadata_csv: u64,
    /// Such groups of the ledger.
    pub without_metadata_db: u64,
}

impl Counts {
    /// What was counted since `before`, as far as it is told apart by surface.
    pub(super) const fn since(&self, before: &Self) -> SurfaceCounts {
        SurfaceCounts {
            windows_compared: self.windows_compared - before.windows_compared,
            missing_in_db: self.missing_in_db - before.missing_in_db,
            missing_in_csv: self.missing_in_csv - before.missing_in_csv,
            mismatched: self.mismatched - before.mismatched,
        }
    }
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedFile {
    /// Its name.
    pub path: String,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// The surface whose usage it holds.
    pub endpoint: Endpoint,
    /// How wide its windows are; none if it has no row.
    pub width: Option<Width>,
    /// Rows with usage.
    pub rows: u64,
    /// Rows with nothing but times.
    pub idle_rows: u64,
    /// Rows outside the range asked for, which were not looked at.
    pub rows_outside_range: u64,
    /// Whether its rows were not in time order.
    pub was_sorted: bool,
    /// Columns that this version does not know.
    pub unknown_columns: Vec<String>,
}

/// Why windows could not be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NotCoveredReason {
    /// No read of them is on record.
    NeverRead,
    /// They were read before their end and not again since.
    ReadBeforeEnd,
    /// They were read without the dimension to which the export was filtered.
    ScopeNotGrouped,
}

/// Windows that the ledger never read completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCovered {
    /// Which surface.
    pub endpoint: Endpoint,
    /// Which windows.
    pub windows: WindowRange,
    /// Why.
    pub reason: NotCoveredReason,
    /// Groups of the export in them.
    pub csv_groups: u64,
    /// Groups that the ledger has in them nevertheless: imported ones, or those of an early read.
    pub db_groups: u64,
}

/// A window that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWindow {
    /// Which surface.
    pub endpoint: Endpoint,
    /// The window.
    pub window: Window,
    /// Groups of the export in it.
    pub csv_groups: u64,
    /// Groups of the ledger in it.
    pub db_groups: u64,
}

/// A dimension over which both sides were summed, since the ledger does not tell it apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coarsened {
    /// Which surface.
    pub endpoint: Endpoint,
    /// Which dimension.
    pub dimension: Dimension,
    /// In how many windows.
    pub windows: u64,
    /// The first of them.
    pub first: Window,
    /// The last of them.
    pub last: Window,
}

/// One group that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// In which way.
    pub kind: DifferenceKind,
    /// The export's group, if it has one.
    pub csv: Option<GroupRecord>,
    /// The ledger's group, if it has one.
    pub db: Option<GroupRecord>,
    /// Why, where the numbers say so.
    pub cause: Option<Cause>,
}

/// In which way a group differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Both sides have it, with different numbers.
    Mismatched,
    /// The ledger lacks it.
    MissingInDb,
    /// The export lacks it.
    MissingInCsv,
    /// The export has what the ledger had before a restatement.
    RestatedSince,
}

impl Comparison {
    /// What it comes to, costs included.
    pub fn verdict(&self) -> Verdict {
        let usage = self.usage_verdict();
        match &self.costs {
            None => usage,
            Some(costs) => {
                let costs = costs.counts.evidence().verdict(self.has_ledger);
                if self.files.is_empty() {
                    costs
                } else {
                    usage.and(costs)
                }
            }
        }
    }

    /// What the comparison of usage alone comes to.
    pub fn usage_verdict(&self) -> Verdict {
        self.counts.evidence().verdict(self.has_ledger)
    }

    /// The same comparison with one of costs beside it: one report, one verdict.
    #[must_use]
    pub fn with_costs(mut self, costs: CostComparison) -> Self {
        self.runs.extend(&costs.runs);
        self.costs = Some(costs);
        self
    }

    /// Takes in a difference.
    pub(crate) fn differs(&mut self, difference: Difference) -> io::Result<()> {
        match difference.kind {
            DifferenceKind::Mismatched => {
                self.counts.mismatched += 1;
                self.mismatched.push(&DifferenceLine(&difference))?;
            }
            DifferenceKind::MissingInDb => {
                self.counts.missing_in_db += 1;
                self.missing_in_db.push(&MissingLine::of(&difference))?;
            }
            DifferenceKind::MissingInCsv => {
                self.counts.missing_in_csv += 1;
                self.missing_in_csv.push(&MissingLine::of(&difference))?;
            }
            DifferenceKind::RestatedSince => {
                self.counts.restated_since += 1;
                self.restated_since.push(&DifferenceLine(&difference))?;
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
    pub(crate) fn is_not_covered(&mut self, found: NotCovered) {
        self.counts.windows_not_covered += found.windows.len() as u64;
        self.counts.groups_not_covered += found.csv_groups;
        found.join(&mut self.not_covered);
    }

    /// Takes in that both sides of a window were summed over these dimensions.
    pub(crate) fn is_coarse(&mut self, endpoint: Endpoint, window: Window, dimensions: DimensionSet) {
        Coarsened::note(&mut self.coarsened, endpoint, window, dimensions);
    }
}

impl NotCovered {
    /// Adds it to the others, as one with the last where the two touch.
    pub(crate) fn join(self, others: &mut Vec<Self>) {
        if let Some(last) = others.last_mut()
            && last.endpoint == self.endpoint
            && last.reason == self.reason
            && last.windows.width() == self.windows.width()
            && last.windows.end() == self.windows.start()
            && let Ok(windows) =
                WindowRange::new(last.windows.start(), self.windows.end(), self.windows.width())
        {
            last.windows = windows;
            last.csv_groups += self.csv_groups;
            last.db_groups += self.db_groups;
            return;
        }
        others.push(self);
    }
}

impl Coarsened {
    /// Counts a window for each of the dimensions.
    pub(crate) fn note(list: &mut Vec<Self>, endpoint: Endpoint, window: Window, dimensions: DimensionSet) {
        for dimension in dimensions.iter() {
            let known = list.iter_mut().find(|known| {
                known.endpoint == endpoint
                    && known.dimension == dimension
                    && known.first.width() == window.width()
            });
            match known {
                Some(known) => {
                    known.windows += 1;
                    known.last = window;
                }
                None => list.push(Self {
                    endpoint,
                    dimension,
                    windows: 1,
                    first: window,
                    last: window,
                }),
            }
        }
    }
}

impl Counts {
    const fn evidence(&self) -> Evidence {
        Evidence {
            differences: self.differences(),
            not_covered: self.windows_not_covered + self.groups_not_covered,
            windows_compared: self.windows_compared,
            equal: self.matched + self.matched_coarse,
            coarse: self.matched_coarse,
            out_of_scope: self.out_of_scope_csv + self.out_of_scope_db,
        }
    }

    /// Groups that differ, for whatever reason.
    pub const fn differences(&self) -> u64 {
        self.mismatched + self.missing_in_db + self.missing_in_csv + self.restated_since
    }
}

impl Difference {
    /// What the group is.
    pub fn key(&self) -> Option<&GroupKey> {
        self.csv.as_ref().or(self.db.as_ref()).map(|record| &record.key)
    }

    /// The metrics that differ: export less ledger.
    pub fn deltas(&self) -> Vec<(Metric, i128)> {
        let none = Metrics::default();
        let metrics = |record: &Option<GroupRecord>| record.as_ref().map(|record| record.metrics);
        let compared = self.csv.as_ref().or(self.db.as_ref());
        let (csv, db) = (metrics(&self.csv), metrics(&self.db));
        Deltas(
            compared.map_or(&[][..], |record| &record.compared),
            csv.as_ref().unwrap_or(&none),
            db.as_ref().unwrap_or(&none),
        )
        .iter()
        .collect()
    }

    /// By how much tokens or units differ, of whichever metric differs most.
    fn weight(&self) -> u128 {
        self.deltas()
            .into_iter()
            .map(|(_, delta)| delta.unsigned_abs())
            .max()
            .unwrap_or(0)
    }
}

/// A difference with both sides, as the report has it.
struct DifferenceLine<'a>(&'a Difference);

impl Serialize for DifferenceLine<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Line<'a> {
            key: Option<&'a GroupKey>,
            deltas: BTreeMap<&'static str, i128>,
            csv: Option<&'a GroupRecord>,
            db: Option<&'a GroupRecord>,
            #[serde(skip_serializing_if = "Option::is_none")]
            probable_cause: Option<&'a Cause>,
        }
        let Self(difference) = self;
        Line {
            key: difference.key(),
            deltas: difference
                .deltas()
                .into_iter()
                .map(|(metric, delta)| (metric.as_str(), delta))
                .collect(),
            csv: difference.csv.as_ref(),
            db: difference.db.as_ref(),
            probable_cause: difference.cause.as_ref(),
        }
        .serialize(serializer)
    }
}

/// A group of one side, as the report has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MissingLine<'a> {
    #[serde(flatten)]
    record: Option<&'a GroupRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probable_cause: Option<&'a Cause>,
}

impl<'a> MissingLine<'a> {
    fn of(difference: &'a Difference) -> Self {
        Self {
            record: difference.csv.as_ref().or(difference.db.as_ref()),
            probable_cause: difference.cause.as_ref(),
        }
    }
}
