//! The verdict on one window.

use std::io;

use usage_core::{Dimension, DimensionSet, Endpoint, Metric, Metrics, Window, WindowRange, WindowState};

use super::cause::Cause;
use super::comparison::{
    Comparison, Counts, Difference, DifferenceKind, NotCovered, NotCoveredReason, OpenWindow, Surface,
};
use super::coverage::{Covered, covered, told_apart};
use super::driver::{CompareOptions, ParityError};
use super::history::History;
use super::partners::Partners;
use super::record::{GroupKey, GroupRecord, metrics_of};
use crate::export::ExportWindow;
use crate::groups::{ABSENT, Group, Key, Symbol, Symbols, WindowGroups};
use crate::ledger::{LedgerChange, LedgerCoverage};

/// Compares the windows of one endpoint and width.
pub(super) struct Judge<'a> {
    endpoint: Endpoint,
    symbols: &'a Symbols,
    options: &'a CompareOptions,
    scope: ScopeSymbols,
    result: &'a mut Comparison,
    surface: Surface,
    /// What was counted before, of other surfaces.
    before: Counts,
    csv_totals: Totals,
    db_totals: Totals,
}

/// What stands on the other side of the export.
pub(super) enum Other<'a> {
    /// A ledger, with what it covers of the window.
    Ledger(&'a [LedgerCoverage]),
    /// Another export, which has what it has.
    Export { dimensions: DimensionSet, metrics: u32 },
}

/// The projects and users to which the export was filtered.
struct ScopeSymbols {
    projects: Vec<Symbol>,
    users: Vec<Symbol>,
}

/// One window, brought to the dimensions that both sides have.
struct Pair<'a> {
    window: Window,
    source: &'a str,
    csv: WindowGroups,
    db: WindowGroups,
    /// A bit for each metric that is compared.
    metrics: u32,
    kept: DimensionSet,
    is_coarse: bool,
    state: WindowState,
}

/// Exact sums over many windows.
struct Totals {
    sums: Vec<i64>,
    present: u32,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        endpoint: Endpoint,
        surface: Surface,
        options: &'a CompareOptions,
        symbols: &'a Symbols,
        result: &'a mut Comparison,
    ) -> Self {
        let symbols_of = |ids: &[String]| ids.iter().map(|id| symbols.of(id)).collect();
        Self {
            endpoint,
            symbols,
            options,
            scope: ScopeSymbols {
                projects: symbols_of(&options.scope.projects),
                users: symbols_of(&options.scope.users),
            },
            before: result.counts,
            result,
            surface,
            csv_totals: Totals::new(endpoint),
            db_totals: Totals::new(endpoint),
        }
    }

    /// Compares one window. `csv` is `None` where the export goes on without mentioning it.
    pub(super) fn window<E>(
        &mut self,
        window: Window,
        csv: Option<ExportWindow>,
        db: WindowGroups,
        other: &Other<'_>,
        changes: impl FnOnce() -> Result<Vec<LedgerChange>, E>,
    ) -> Result<(), ParityError<E>> {
        self.surface.range = WindowRange::covering(
            self.surface.range.map_or(window.start(), WindowRange::start),
            window.end(),
            window.width(),
        )
        .ok();
        let (source, csv, export_dimensions, export_metrics) = match csv {
            Some(csv) => {
                let counts = &mut self.result.counts;
                counts.idle_rows += csv.idle_rows;
                counts.windows_csv += 1;
                counts.groups_csv += csv.groups.len() as u64;
                (csv.source, csv.groups, csv.dimensions, csv.metrics)
            }
            None => (
                String::new(),
                WindowGroups::new(window, self.endpoint),
                self.endpoint.dimensions(),
                u32::MAX,
            ),
        };
        // An export without a column for what it was filtered to has nothing outside.
        let scope_of_csv = self.scope.limited_to(export_dimensions);
        let (csv, others_csv) = csv.retain(self.endpoint, |key| scope_of_csv.admits(key));
        let (db, others_db) = db.retain(self.endpoint, |key| self.scope.admits(key));
        self.result.counts.out_of_scope_csv += others_csv as u64;
        self.result.counts.out_of_scope_db += others_db as u64;
        if window.end() > self.options.now {
            self.result.counts.windows_open += 1;
            self.result.open.push(OpenWindow {
                endpoint: self.endpoint,
                window,
                csv_groups: csv.len() as u64,
                db_groups: db.len() as u64,
            });
            return Ok(());
        }
        let (covered, state) = match self.covered(window, other) {
            Ok(covered) => covered,
            Err(reason) => {
                self.result.is_not_covered(NotCovered {
                    endpoint: self.endpoint,
                    windows: WindowRange::of(window),
                    reason,
                    csv_groups: csv.len() as u64,
                    db_groups: db.len() as u64,
                });
                return Ok(());
            }
        };
        let csv = self.without_unread(window, csv, &covered, &source, export_metrics)?;
        let (other_dimensions, other_metrics) = match other {
            Other::Ledger(coverage) => (told_apart(self.endpoint, coverage), u32::MAX),
            Other::Export { dimensions, metrics } => (*dimensions, *metrics),
        };
        // A dimension that the export leaves blank in the whole window is no loss on the ledger's side.
        let coarse = csv.used().difference(other_dimensions);
        let kept = export_dimensions.difference(coarse);
        let summed_over = db.used().difference(export_dimensions);
        self.surface.summed_over = self.surface.summed_over.union(summed_over);
        let too_large = |metric| ParityError::Sum { window, metric };
        let pair = Pair {
            window,
            source: &source,
            csv: csv.summed_over_others(kept, self.endpoint).map_err(too_large)?,
            db: db.summed_over_others(kept, self.endpoint).map_err(too_large)?,
            metrics: export_metrics & other_metrics,
            kept,
            is_coarse: !coarse.is_empty(),
            state,
        };
        if pair.is_coarse {
            self.result.is_coarse(self.endpoint, window, coarse);
        }
        self.compare(&pair, changes)
    }

    /// Notes windows between two exports that neither speaks of.
    pub(super) fn passes_over(&mut self, windows: WindowRange) {
        self.result.counts.windows_between_exports += windows.len() as u64;
        self.result.between_exports.push((self.endpoint, windows));
    }

    /// Sums up one window of an export that is compared with nothing.
    pub(super) fn count<E>(&mut self, csv: ExportWindow) -> Result<(), ParityError<E>> {
        let window = csv.groups.window();
        let from = self.surface.range.map_or(window.start(), WindowRange::start);
        self.surface.range = WindowRange::covering(from, window.end(), window.width()).ok();
        let (groups, others) = csv.groups.retain(self.endpoint, |key| self.scope.admits(key));
        let counts = &mut self.result.counts;
        counts.out_of_scope_csv += others as u64;
        counts.idle_rows += csv.idle_rows;
        counts.groups_csv += groups.len() as u64;
        counts.windows_csv += 1;
        for group in groups.iter() {
            let added = self.csv_totals.add(self.endpoint, group);
            added.map_err(|metric| ParityError::Sum { window, metric })?;
        }
        Ok(())
    }

    /// What was found of this endpoint.
    pub(super) fn finish(mut self) -> Surface {
        self.surface.csv = self.csv_totals.metrics(self.endpoint);
        self.surface.db = self.db_totals.metrics(self.endpoint);
        self.surface.counts = self.result.counts.since(&self.before);
        self.surface
    }

    /// What of the window the ledger has read completely, and how far the window had gone.
    fn covered(&self, window: Window, other: &Other<'_>) -> Result<(Covered, WindowState), NotCoveredReason> {
        let Other::Ledger(coverage) = other else {
            return Ok((Covered::Everything, WindowState::Settled));
        };
        debug_assert!(coverage.iter().all(|covered| covered.window == window));
        covered(self.endpoint, coverage, self.scope.dimensions(), self.symbols)
    }

    /// The export's groups without those of projects that no read of the window asked for, which are noted.
    fn without_unread<E>(
        &mut self,
        window: Window,
        csv: WindowGroups,
        covered: &Covered,
        source: &str,
        metrics: u32,
    ) -> Result<WindowGroups, ParityError<E>> {
        let Covered::Projects(projects) = covered else {
            return Ok(csv);
        };
        let is_read = |key: &Key| projects.contains(&key[Dimension::ProjectId as usize]);
        for group in csv.iter().filter(|group| !is_read(group.key)) {
            let record = self.record(window, group, metrics, Some(source));
            self.result.not_covered_groups.push(&record)?;
            self.result.counts.groups_not_covered += 1;
        }
        Ok(csv.retain(self.endpoint, is_read).0)
    }

    fn compare<E>(
        &mut self,
        pair: &Pair<'_>,
        changes: impl FnOnce() -> Result<Vec<LedgerChange>, E>,
    ) -> Result<(), ParityError<E>> {
        self.result.counts.windows_compared += 1;
        *self.surface.states.entry(pair.state).or_default() += 1;
        if pair.csv.is_empty() && pair.db.is_empty() {
            self.result.counts.windows_idle += 1;
            return Ok(());
        }
        let too_large = |metric| ParityError::Sum {
            window: pair.window,
            metric,
        };
        let mut is_matched = vec![false; pair.db.len()];
        let mut differing: Vec<(Option<usize>, Option<usize>)> = Vec::new();
        for (place, csv) in pair.csv.iter().enumerate() {
            self.csv_totals.add(self.endpoint, csv).map_err(too_large)?;
            let found = pair.db.find(csv.key);
            if let Some(found) = found {
                is_matched[found] = true;
            }
            match found.map(|found| difference(csv, pair.db.group(found), pair.metrics)) {
                Some(0) => self.matched(pair, false),
                Some(most) if most <= u128::from(self.options.tolerance) => self.matched(pair, true),
                _ => differing.push((Some(place), found)),
            }
        }
        for (place, db) in pair.db.iter().enumerate() {
            self.db_totals.add(self.endpoint, db).map_err(too_large)?;
            if !is_matched[place] {
                differing.push((None, Some(place)));
            }
        }
        self.note_those_without_metadata(pair)?;
        if differing.is_empty() {
            return Ok(());
        }
        let history = changes().map_err(ParityError::Ledger)?;
        let history = History::new(history, pair.kept, self.symbols);
        let alone = |sides: &(Option<usize>, Option<usize>)| match *sides {
            (Some(csv), None) => Some((Some(pair.csv.group(csv)), None)),
            (None, Some(db)) => Some((None, Some(pair.db.group(db)))),
            _ => None,
        };
        let partners = Partners::of(differing.iter().filter_map(alone), pair.kept, pair.metrics);
        for (csv, db) in differing {
            let csv = csv.map(|place| pair.csv.group(place));
            let db = db.map(|place| pair.db.group(place));
            self.differs(pair, csv, db, &history, &partners)?;
        }
        Ok(())
    }

    fn matched(&mut self, pair: &Pair<'_>, within_tolerance: bool) {
        let counts = &mut self.result.counts;
        if pair.is_coarse {
            counts.matched_coarse += 1;
        } else {
            counts.matched += 1;
        }
        counts.matched_within_tolerance += u64::from(within_tolerance);
    }

    fn differs<E>(
        &mut self,
        pair: &Pair<'_>,
        csv: Option<Group<'_>>,
        db: Option<Group<'_>>,
        history: &History,
        partners: &Partners<'_>,
    ) -> Result<(), ParityError<E>> {
        let Some(key) = csv.or(db).map(|group| group.key) else {
            return Ok(());
        };
        let restated = history.restatement(self.endpoint, key, csv, db, pair.metrics);
        let kind = match (csv, db) {
            _ if restated.is_some() => DifferenceKind::RestatedSince,
            (Some(_), Some(_)) => DifferenceKind::Mismatched,
            (Some(_), None) => DifferenceKind::MissingInDb,
            (None, _) => DifferenceKind::MissingInCsv,
        };
        let cause = restated
            .or_else(|| match (csv, db) {
                (Some(csv), Some(db)) => self.counted_twice(csv, db, pair.metrics),
                (Some(csv), None) => partners.of_csv(csv, self.symbols),
                (None, Some(db)) => partners.of_db(db, self.symbols),
                (None, None) => None,
            })
            .or_else(|| (pair.state == WindowState::Provisional).then_some(Cause::Provisional));
        let csv = csv.map(|csv| self.record(pair.window, csv, pair.metrics, Some(pair.source)));
        let db = db.map(|db| self.record(pair.window, db, pair.metrics, None));
        let difference = Difference { kind, csv, db, cause };
        self.result.differs(difference)?;
        Ok(())
    }

    fn counted_twice(&self, csv: Group<'_>, db: Group<'_>, metrics: u32) -> Option<Cause> {
        let names = self.endpoint.metrics();
        let place = |metric: Metric| names.iter().position(|name| *name == metric);
        let value = |group: Group<'_>, metric| place(metric).map_or(0, |place| i128::from(group.sums[place]));
        let cached = value(csv, Metric::InputCachedTokens);
        let input = value(csv, Metric::InputTokens);
        if cached > 0 && value(db, Metric::InputTokens) == input + cached {
            return Some(Cause::CachedCountedTwice);
        }
        let is_double = (0..names.len())
            .filter(|place| metrics & (1 << place) != 0)
            .all(|place| i128::from(db.sums[place]) == 2 * i128::from(csv.sums[place]));
        is_double.then_some(Cause::CountedTwice)
    }

    fn note_those_without_metadata(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let metadata: DimensionSet = [Dimension::ProjectId, Dimension::ApiKeyId, Dimension::UserId]
            .into_iter()
            .collect();
        let can_be_told = |groups: &WindowGroups| !groups.is_empty() && metadata.is_subset(pair.kept);
        for (is_csv, groups) in [(true, &pair.csv), (false, &pair.db)] {
            if !can_be_told(groups) {
                continue;
            }
            for group in groups.iter() {
                let has_metadata = metadata.iter().any(|dimension| group.symbol(dimension) != ABSENT);
                if has_metadata || group.sums.iter().all(|sum| *sum == 0) {
                    continue;
                }
                if is_csv {
                    self.result.counts.without_metadata_csv += 1;
                } else {
                    self.result.counts.without_metadata_db += 1;
                }
                let source = is_csv.then_some(pair.source);
                let record = self.record(pair.window, group, pair.metrics, source);
                self.result.without_metadata.push(&record)?;
            }
        }
        Ok(())
    }

    fn record(&self, window: Window, group: Group<'_>, metrics: u32, source: Option<&str>) -> GroupRecord {
        GroupRecord {
            key: GroupKey::new(self.endpoint, window, group, self.symbols),
            metrics: metrics_of(self.endpoint, group),
            compared: chosen(self.endpoint, metrics),
            csv_source: source.map(str::to_owned),
            record_count: group.rows,
        }
    }
}

/// The largest difference of a metric that is compared; absent counts as zero.
fn difference(csv: Group<'_>, db: Group<'_>, metrics: u32) -> u128 {
    if csv.sums == db.sums {
        return 0;
    }
    csv.sums
        .iter()
        .zip(db.sums)
        .enumerate()
        .filter(|(place, _)| metrics & (1 << place) != 0)
        .map(|(_, (csv, db))| (i128::from(*csv) - i128::from(*db)).unsigned_abs())
        .max()
        .unwrap_or(0)
}

/// The metrics with a bit.
pub(super) fn chosen(endpoint: Endpoint, bits: u32) -> Vec<Metric> {
    let metrics = endpoint.metrics().iter().enumerate();
    metrics
        .filter(|(place, _)| bits & (1 << place) != 0)
        .map(|(_, metric)| *metric)
        .collect()
}

impl ScopeSymbols {
    /// The dimensions to which the export was filtered.
    fn dimensions(&self) -> DimensionSet {
        [
            (Dimension::ProjectId, &self.projects),
            (Dimension::UserId, &self.users),
        ]
        .into_iter()
        .filter(|(_, wanted)| !wanted.is_empty())
        .map(|(dimension, _)| dimension)
        .collect()
    }

    /// The part of the scope that these dimensions can tell.
    fn limited_to(&self, dimensions: DimensionSet) -> Self {
        let wanted = |of, wanted: &[Symbol]| {
            if dimensions.contains(of) {
                wanted.to_vec()
            } else {
                Vec::new()
            }
        };
        Self {
            projects: wanted(Dimension::ProjectId, &self.projects),
            users: wanted(Dimension::UserId, &self.users),
        }
    }

    fn admits(&self, key: &Key) -> bool {
        let has = |wanted: &[Symbol], dimension: Dimension| {
            wanted.is_empty() || wanted.contains(&key[dimension as usize])
        };
        has(&self.projects, Dimension::ProjectId) && has(&self.users, Dimension::UserId)
    }
}

impl Totals {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            sums: vec![0; endpoint.metrics().len()],
            present: 0,
        }
    }

    fn add(&mut self, endpoint: Endpoint, group: Group<'_>) -> Result<(), Metric> {
        for ((sum, value), metric) in self.sums.iter_mut().zip(group.sums).zip(endpoint.metrics()) {
            *sum = sum.checked_add(*value).ok_or(*metric)?;
        }
        self.present |= group.present;
        Ok(())
    }

    fn metrics(&self, endpoint: Endpoint) -> Metrics {
        let mut metrics = Metrics::default();
        for (place, metric) in endpoint.metrics().iter().enumerate() {
            if self.present & (1 << place) != 0 {
                *metrics.get_mut(*metric) = Some(self.sums[place]);
            }
        }
        metrics
    }
}
