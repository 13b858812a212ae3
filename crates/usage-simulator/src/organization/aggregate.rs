//! Grouping: rows are sums of events with the same values of the dimensions asked for.

use std::collections::HashMap;

use usage_core::{Dimension, DimensionSet, Dimensions, Window, WindowRange};

use super::numbers::Sum;
use super::tuples::TupleKey;
use super::usage_log::UsageLog;

/// Which events count and what they are grouped by.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// Dimensions that rows keep; the others become null.
    pub(crate) group_by: DimensionSet,
    /// Every filter must match.
    pub(crate) filters: Vec<Filter>,
    /// Events of later minutes have not happened yet; Unix seconds.
    pub(crate) now: i64,
}

/// Lets pass the usage whose dimension has one of the values.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) dimension: Dimension,
    pub(crate) any_of: Vec<String>,
}

impl Selection {
    /// All usage, past and future, grouped by everything.
    pub(crate) fn everything() -> Self {
        Self {
            group_by: UsageLog::every_dimension(),
            filters: Vec::new(),
            now: i64::MAX,
        }
    }
}

/// The groups of a range, numbered in the order of rows, so that each window only has to add up and sort numbers.
pub(crate) struct Aggregation<'a> {
    log: &'a UsageLog,
    end: i64,
    /// The group of each tuple; `None` for tuples that the range lacks or the filters hold back.
    group_of_tuple: Vec<Option<u32>>,
    groups: Vec<Dimensions>,
    sums: Vec<Option<Sum>>,
}

impl<'a> Aggregation<'a> {
    pub(crate) fn new(log: &'a UsageLog, selection: &Selection, range: WindowRange) -> Self {
        let start = range.start().timestamp();
        let end = range.end().timestamp().min(selection.now.saturating_add(1));
        let tuples = &log.tuples;
        let filters: Vec<(Dimension, Vec<u32>)> = selection
            .filters
            .iter()
            .map(|filter| {
                let known = filter.any_of.iter().filter_map(|text| tuples.find_text(text));
                (filter.dimension, known.collect())
            })
            .collect();

        let mut seen = vec![false; tuples.len()];
        let mut keys: HashMap<TupleKey, Vec<u32>> = HashMap::new();
        for (_, event) in log.events(start, end) {
            let place = &mut seen[event.tuple as usize];
            if std::mem::replace(place, true) {
                continue;
            }
            let passes =
                |(dimension, any_of): &(Dimension, Vec<u32>)| tuples.matches(event.tuple, *dimension, any_of);
            if filters.iter().all(passes) {
                let key = tuples.project(event.tuple, selection.group_by);
                keys.entry(key).or_default().push(event.tuple);
            }
        }

        let mut sorted: Vec<(TupleKey, Vec<u32>)> = keys.into_iter().collect();
        sorted.sort_by_cached_key(|(key, _)| tuples.sort_key(*key));
        let mut group_of_tuple = vec![None; tuples.len()];
        for (group, (_, members)) in (0..).zip(&sorted) {
            for tuple in members {
                group_of_tuple[*tuple as usize] = Some(group);
            }
        }
        let groups: Vec<Dimensions> = sorted.iter().map(|(key, _)| tuples.spell(*key)).collect();
        Self {
            log,
            end,
            group_of_tuple,
            sums: vec![None; groups.len()],
            groups,
        }
    }

    /// Every group of the range, in the order of rows.
    pub(crate) fn groups(&self) -> &[Dimensions] {
        &self.groups
    }

    /// The rows of one window of the range, as a number into [`Self::groups`] and a sum.
    pub(crate) fn numbered_rows(&mut self, window: Window) -> Vec<(usize, Sum)> {
        let mut touched = Vec::new();
        let end = window.end_unix().min(self.end);
        for (_, event) in self.log.events(window.start_unix(), end) {
            if let Some(group) = self.group_of_tuple[event.tuple as usize] {
                let group = group as usize;
                let sum = self.sums[group].get_or_insert_with(|| {
                    touched.push(group);
                    Sum::default()
                });
                sum.add(&event.numbers);
            }
        }
        touched.sort_unstable();
        touched
            .into_iter()
            .filter_map(|group| self.sums[group].take().map(|sum| (group, sum)))
            .collect()
    }

    /// The rows of one window of the range.
    pub(crate) fn rows(&mut self, window: Window) -> Vec<(&Dimensions, Sum)> {
        let rows = self.numbered_rows(window);
        rows.into_iter()
            .map(|(group, sum)| (&self.groups[group], sum))
            .collect()
    }
}
