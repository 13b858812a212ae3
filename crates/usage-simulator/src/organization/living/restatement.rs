//! What becomes of a day that is over.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate};
use usage_core::{Dimensions, Endpoint, Metric, Metrics, UsageRow, Window};

use super::RESTATEMENT_STREAM;
use crate::organization::generate::{Generate, MINUTES_PER_DAY, Population, Random};
use crate::organization::generate_others::usage;
use crate::organization::usage_log::scale_metrics;
use crate::organization::{Organization, UsageLog};

/// Of so few groups none vanishes: three times the smallest of more is less than half of a day.
const LEAST_GROUPS_TO_LOSE_ONE: usize = 8;

/// How many that are not known so far are tried for late usage.
const MOST_UNKNOWN: u64 = 100;

/// Counts of which there is never less than one, however small a share is left.
const COUNTS: [Metric; 7] = [
    Metric::NumModelRequests,
    Metric::NumRequests,
    Metric::NumSessions,
    Metric::Images,
    Metric::Characters,
    Metric::Seconds,
    Metric::UsageBytes,
];

/// One of the restatements of a day, by its number from 1.
pub(super) struct Restatement<'a> {
    pub(super) options: &'a Generate,
    pub(super) day: NaiveDate,
    pub(super) number: u32,
    /// The API key that is deleted by that day, which no late usage is of.
    pub(super) stopped_key: Option<&'a String>,
}

impl Restatement<'_> {
    /// Restates the day at every endpoint that was used on it.
    pub(super) fn apply(&self, organization: &mut Organization, population: &Population) {
        let window = Window::day(self.day);
        for (index, endpoint) in (0..).zip(Endpoint::USAGE) {
            let stream = RESTATEMENT_STREAM + 100 * i64::from(self.number) + index;
            let mut random = Random::new(self.options.seed, window.start_unix() + stream);
            let log = organization.usage_mut(endpoint);
            let rows = log.rows(window);
            if rows.is_empty() {
                continue;
            }
            change_some(log, window, &rows, &mut random);
            if rows.len() >= LEAST_GROUPS_TO_LOSE_ONE
                && let Some(smallest) = rows.iter().min_by_key(|row| size(&row.metrics))
            {
                log.remove(window, |dimensions| *dimensions == smallest.dimensions);
            }
            let late = match endpoint {
                Endpoint::Completions => self.late_completions(population, &rows, &mut random),
                _ => Some(usage(endpoint, population, self.options, &mut random)),
            };
            let minute = random.below(MINUTES_PER_DAY).cast_signed() * 60;
            if let Some((dimensions, metrics)) = late.filter(|(dimensions, _)| self.is_possible(dimensions))
                && let Some(at) = DateTime::from_timestamp(window.start_unix() + minute, 0)
            {
                log.add(at, &dimensions, &metrics);
            }
        }
    }

    /// A group that the day does not have yet, if there is one.
    fn late_completions(
        &self,
        population: &Population,
        rows: &[UsageRow],
        random: &mut Random,
    ) -> Option<(Dimensions, Metrics)> {
        let present: HashSet<Dimensions> = rows.iter().map(|row| as_asked(&row.dimensions)).collect();
        let first = random.below(population.size);
        let known = (0..population.size).map(|step| (first + step) % population.size);
        // Where all of them are there or gone, somebody new.
        let unknown = population.size..population.size + MOST_UNKNOWN;
        let members = known.chain(unknown).map(|member| population.member(member));
        let (dimensions, modality) = members
            .filter(|(dimensions, _)| self.is_possible(dimensions))
            .find(|(dimensions, _)| !present.contains(dimensions))?;
        Some((dimensions, random.metrics(modality, self.options.cache_writes)))
    }

    fn is_possible(&self, dimensions: &Dimensions) -> bool {
        self.stopped_key
            .is_none_or(|key| dimensions.api_key_id.as_ref() != Some(key))
    }
}

/// Lets a quarter of the groups grow and another shrink.
fn change_some(log: &mut UsageLog, window: Window, rows: &[UsageRow], random: &mut Random) {
    let mut percents = HashMap::new();
    for row in rows {
        let (choice, by) = (random.below(4), random.below(15));
        let percent = match choice {
            0 => 105 + by,
            1 => 95 - by,
            _ => continue,
        };
        percents.insert(&row.dimensions, u32::try_from(percent).unwrap_or(100));
    }
    log.edit(window, |dimensions, metrics| {
        if let Some(percent) = percents.get(dimensions) {
            let before = *metrics;
            scale_metrics(metrics, *percent);
            for count in COUNTS {
                if before.get(count) > Some(0) && metrics.get(count) == Some(0) {
                    *metrics.get_mut(count) = Some(1);
                }
            }
        }
    });
}

/// A group as it was added: what no special API made is told apart only once it is filed.
fn as_asked(dimensions: &Dimensions) -> Dimensions {
    Dimensions {
        api_source: None,
        ..dimensions.clone()
    }
}

/// What a group is measured by: tokens where there are some, else whatever is counted.
fn size(metrics: &Metrics) -> i64 {
    let numbers = Metric::ALL.into_iter().filter_map(|metric| metrics.get(metric));
    numbers.max().unwrap_or_default()
}
