//! The verdict on one window of costs.

use usage_core::{Dimension, DimensionSet, Endpoint, Width, Window, WindowRange, WindowState};

use super::groups::{CostGroups, CostKey, CostSum, Likeness, PROJECT, currency_of};
use super::history::History;
use super::outcome::{CostComparison, CostDifference, CostSurface};
use super::partners::Partners;
use super::record::record_of;
use super::windows::CostWindow;
use crate::costs::{CostChange, CostSums};
use crate::diff::{
    Cause, Coarsened, CompareOptions, Covered, DifferenceKind, NotCovered, OpenWindow, ParityError, covered,
    told_apart,
};
use crate::groups::{Symbol, Symbols};
use crate::ledger::LedgerCoverage;

/// Compares the windows of one width.
pub(super) struct Judge<'a> {
    symbols: &'a Symbols,
    options: &'a CompareOptions,
    projects: Vec<Symbol>,
    result: &'a mut CostComparison,
    surface: CostSurface,
}

/// One window, brought to the dimensions that both sides have.
struct Pair<'a> {
    window: Window,
    source: &'a str,
    csv: CostGroups,
    db: CostGroups,
    kept: DimensionSet,
    is_coarse: bool,
    state: WindowState,
}

/// Where a group stands in the export's groups and in the ledger's.
type Places = (Option<usize>, Option<usize>);

impl<'a> Judge<'a> {
    pub(super) fn new(
        width: Width,
        options: &'a CompareOptions,
        symbols: &'a Symbols,
        result: &'a mut CostComparison,
    ) -> Self {
        Self {
            symbols,
            options,
            projects: options.scope.projects.iter().map(|id| symbols.of(id)).collect(),
            result,
            surface: CostSurface {
                width,
                range: None,
                summed_over: DimensionSet::EMPTY,
                csv: CostSums::default(),
                db: CostSums::default(),
                states: std::collections::BTreeMap::new(),
            },
        }
    }

    /// Compares one window. `csv` is `None` where the export goes on without mentioning it.
    pub(super) fn window<E>(
        &mut self,
        window: Window,
        csv: Option<CostWindow<'_>>,
        db: CostGroups,
        coverage: &[LedgerCoverage],
        changes: impl FnOnce() -> Result<Vec<CostChange>, E>,
    ) -> Result<(), ParityError<E>> {
        self.looks_at(window);
        let (source, csv, export_dimensions) = match csv {
            Some(csv) => {
                self.count_window(&csv);
                (csv.export.name(), csv.groups, csv.export.dimensions())
            }
            None => ("", CostGroups::new(window), Endpoint::Costs.dimensions()),
        };
        let csv = self.in_scope_of_csv(csv, export_dimensions);
        let (db, others) = db.retain(|key| self.admits(key));
        self.result.counts.out_of_scope_db += others as u64;
        if window.end() > self.options.now {
            self.result.counts.windows_open += 1;
            self.result.open.push(OpenWindow {
                endpoint: Endpoint::Costs,
                window,
                csv_groups: csv.len() as u64,
                db_groups: db.len() as u64,
            });
            return Ok(());
        }
        let (covered, state) = match covered(Endpoint::Costs, coverage, self.filtered_by(), self.symbols) {
            Ok(covered) => covered,
            Err(reason) => {
                self.result.is_not_covered(NotCovered {
                    endpoint: Endpoint::Costs,
                    windows: WindowRange::of(window),
                    reason,
                    csv_groups: csv.len() as u64,
                    db_groups: db.len() as u64,
                });
                return Ok(());
            }
        };
        let csv = self.without_unread(csv, &covered, source)?;
        // A dimension that the export leaves blank in the whole window is no loss on the ledger's side.
        let coarse = csv.used().difference(told_apart(Endpoint::Costs, coverage));
        let kept = export_dimensions.difference(coarse);
        let summed_over = db.used().difference(export_dimensions);
        self.surface.summed_over = self.surface.summed_over.union(summed_over);
        Coarsened::note(&mut self.result.coarsened, Endpoint::Costs, window, coarse);
        let pair = Pair {
            window,
            source,
            csv: csv.summed_over_others(kept),
            db: db.summed_over_others(kept),
            kept,
            is_coarse: !coarse.is_empty(),
            state,
        };
        self.compare(&pair, changes)
    }

    /// Notes windows between two exports that neither speaks of.
    pub(super) fn passes_over(&mut self, windows: WindowRange) {
        self.result.counts.windows_between_exports += windows.len() as u64;
        self.result.between_exports.push(windows);
    }

    /// Sums up one window of an export that is compared with nothing.
    pub(super) fn count(&mut self, csv: CostWindow<'_>) {
        self.looks_at(csv.groups.window());
        self.count_window(&csv);
        let dimensions = csv.export.dimensions();
        let groups = self.in_scope_of_csv(csv.groups, dimensions);
        for group in groups.iter() {
            add(&mut self.surface.csv, group, self.symbols);
        }
    }

    /// What was found of this width.
    pub(super) fn finish(self) {
        self.result.surfaces.push(self.surface);
    }

    fn looks_at(&mut self, window: Window) {
        let from = self.surface.range.map_or(window.start(), WindowRange::start);
        self.surface.range = WindowRange::covering(from, window.end(), window.width()).ok();
    }

    fn count_window(&mut self, csv: &CostWindow<'_>) {
        let counts = &mut self.result.counts;
        counts.idle_rows += csv.idle_rows;
        counts.out_of_scope_csv += csv.rows_of_others;
        counts.windows_csv += 1;
        counts.groups_csv += csv.groups.len() as u64;
    }

    /// The export's groups of the projects named. An export without a column for projects has nothing outside.
    fn in_scope_of_csv(&mut self, csv: CostGroups, dimensions: DimensionSet) -> CostGroups {
        if !dimensions.contains(Dimension::ProjectId) {
            return csv;
        }
        let (csv, others) = csv.retain(|key| self.admits(key));
        self.result.counts.out_of_scope_csv += others as u64;
        csv
    }

    fn admits(&self, key: &CostKey) -> bool {
        self.projects.is_empty() || self.projects.contains(&key[PROJECT])
    }

    /// The dimensions to which the export was filtered. No ledger tells costs apart by user.
    fn filtered_by(&self) -> DimensionSet {
        let scope = &self.options.scope;
        [
            (Dimension::ProjectId, scope.projects.is_empty()),
            (Dimension::UserId, scope.users.is_empty()),
        ]
        .into_iter()
        .filter(|(_, is_everything)| !is_everything)
        .map(|(dimension, _)| dimension)
        .collect()
    }

    /// The export's groups without those of projects that no read of the window asked for, which are noted.
    fn without_unread<E>(
        &mut self,
        csv: CostGroups,
        covered: &Covered,
        source: &str,
    ) -> Result<CostGroups, ParityError<E>> {
        let Covered::Projects(projects) = covered else {
            return Ok(csv);
        };
        let is_read = |key: &CostKey| projects.contains(&key[PROJECT]);
        for group in csv.iter().filter(|(key, _)| !is_read(key)) {
            let record = record_of(csv.window(), group, Some(source), self.symbols);
            self.result.not_covered_groups.push(&record)?;
            self.result.counts.groups_not_covered += 1;
        }
        Ok(csv.retain(is_read).0)
    }

    fn compare<E>(
        &mut self,
        pair: &Pair<'_>,
        changes: impl FnOnce() -> Result<Vec<CostChange>, E>,
    ) -> Result<(), ParityError<E>> {
        self.result.counts.windows_compared += 1;
        *self.surface.states.entry(pair.state).or_default() += 1;
        if pair.csv.is_empty() && pair.db.is_empty() {
            self.result.counts.windows_idle += 1;
            return Ok(());
        }
        let differing = self.differing(pair);
        if differing.is_empty() {
            return Ok(());
        }
        let changes = changes().map_err(ParityError::Ledger)?;
        let tolerance = self.result.tolerance.0;
        let history = History::new(changes, pair.kept, tolerance, self.symbols);
        let of_csv_only = differing.iter().filter_map(|sides| match *sides {
            (Some(csv), None) => Some(pair.csv.group(csv)),
            _ => None,
        });
        let of_db_only = differing.iter().filter_map(|sides| match *sides {
            (None, Some(db)) => Some(pair.db.group(db)),
            _ => None,
        });
        let partners = Partners::of(of_csv_only, of_db_only, pair.kept, self.symbols);
        for (csv, db) in &differing {
            let csv = csv.map(|place| pair.csv.group(place));
            let db = db.map(|place| pair.db.group(place));
            self.differs(pair, csv, db, &history, &partners)?;
        }
        Ok(())
    }

    /// Sums up both sides, counts what is equal, and returns the places of what is not.
    fn differing(&mut self, pair: &Pair<'_>) -> Vec<Places> {
        let mut is_met = vec![false; pair.db.len()];
        let mut differing = Vec::new();
        for (place, (key, csv)) in pair.csv.iter().enumerate() {
            add(&mut self.surface.csv, (key, csv), self.symbols);
            let Some(found) = pair.db.find(key) else {
                self.has_no_partner(csv, (Some(place), None), &mut differing);
                continue;
            };
            is_met[found] = true;
            if !self.is_matched(pair, csv, pair.db.group(found).1) {
                differing.push((Some(place), Some(found)));
            }
        }
        for (place, (key, db)) in pair.db.iter().enumerate() {
            add(&mut self.surface.db, (key, db), self.symbols);
            if !is_met[place] {
                self.has_no_partner(db, (None, Some(place)), &mut differing);
            }
        }
        differing
    }

    /// A charge of zero that the other side does not mention is no difference in what was charged.
    fn has_no_partner(&mut self, sum: &CostSum, places: Places, differing: &mut Vec<Places>) {
        if sum.is_zero() {
            self.result.counts.zero_only += 1;
        } else {
            differing.push(places);
        }
    }

    fn is_matched(&mut self, pair: &Pair<'_>, csv: &CostSum, db: &CostSum) -> bool {
        let counts = &mut self.result.counts;
        let quantity = csv.quantity_equals(db);
        match quantity {
            Some(_) => counts.quantities_compared += 1,
            None if csv.has_quantity() || db.has_quantity() => counts.quantities_not_compared += 1,
            None => {}
        }
        let likeness = csv.amount_like(db, self.result.tolerance.0);
        if likeness == Likeness::Different || quantity == Some(false) {
            return false;
        }
        if pair.is_coarse {
            counts.matched_coarse += 1;
        } else {
            counts.matched += 1;
        }
        counts.matched_within_tolerance += u64::from(likeness == Likeness::WithinTolerance);
        true
    }

    fn differs<E>(
        &mut self,
        pair: &Pair<'_>,
        csv: Option<(&CostKey, &CostSum)>,
        db: Option<(&CostKey, &CostSum)>,
        history: &History<'_>,
        partners: &Partners<'_>,
    ) -> Result<(), ParityError<E>> {
        let Some((key, _)) = csv.or(db) else {
            return Ok(());
        };
        let restated = history.restatement(key, csv.map(|(_, sum)| sum), db.map(|(_, sum)| sum));
        let kind = match (csv, db) {
            _ if restated.is_some() => DifferenceKind::RestatedSince,
            (Some(_), Some(_)) => DifferenceKind::Mismatched,
            (Some(_), None) => DifferenceKind::MissingInDb,
            (None, _) => DifferenceKind::MissingInCsv,
        };
        let cause = restated
            .or_else(|| match (csv, db) {
                (Some((_, csv)), Some((_, db))) => csv.is_half_of(db).then_some(Cause::CountedTwice),
                (Some(csv), None) => partners.of_csv(csv),
                (None, Some(db)) => partners.of_db(db),
                (None, None) => None,
            })
            .or_else(|| (pair.state == WindowState::Provisional).then_some(Cause::Provisional));
        let record = |group, source| record_of(pair.window, group, source, self.symbols);
        self.result.differs(CostDifference {
            kind,
            csv: csv.map(|csv| record(csv, Some(pair.source))),
            db: db.map(|db| record(db, None)),
            cause,
        })?;
        Ok(())
    }
}

fn add(sums: &mut CostSums, (key, sum): (&CostKey, &CostSum), symbols: &Symbols) {
    sums.add_group(
        currency_of(key, symbols).as_deref(),
        sum.amount().as_ref(),
        sum.rows(),
        sum.rows_without_amount(),
    );
}
