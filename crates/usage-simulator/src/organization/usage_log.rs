//! The truth of one endpoint: what was used, minute by minute.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use usage_core::{
    Dimension, DimensionSet, Dimensions, Endpoint, Metric, Metrics, UsageRow, Width, Window, WindowRange,
};

use super::aggregate::{Aggregation, Selection};
use super::numbers::{Numbers, Sum};
use super::tuples::Tuples;

/// What an organisation used at one endpoint, as events of one minute each, in UTC.
///
/// A window of any width is a sum of the same events, so minutes, hours and days of it always agree. Nothing is
/// ever rounded or dropped.
#[derive(Clone, Debug)]
pub struct UsageLog {
    pub(super) tuples: Tuples,
    /// By the start of the minute in Unix seconds.
    pub(super) minutes: BTreeMap<i64, Vec<Event>>,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) tuple: u32,
    pub(super) numbers: Numbers,
}

/// The sums of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Windows in the range.
    pub windows: usize,
    /// Windows with usage.
    pub active_windows: usize,
    /// Rows, as a read grouped by every dimension returns them.
    pub rows: usize,
    /// The sums of all rows.
    pub metrics: Metrics,
}

impl UsageLog {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            tuples: Tuples::new(endpoint.dimensions().contains(Dimension::ApiSource)),
            minutes: BTreeMap::new(),
        }
    }

    /// Adds usage in the minute that holds `at`.
    ///
    /// Absent metrics stay absent; a blank text counts as absent; at endpoints that tell API sources, usage without
    /// one is `unlabeled`, as the provider has it. What the endpoint does not report is kept and never served.
    pub fn add(&mut self, at: DateTime<Utc>, dimensions: &Dimensions, metrics: &Metrics) {
        let tuple = self.tuples.intern(dimensions, 0);
        let minute = Window::containing(at, Width::Minute).start_unix();
        self.push(minute, tuple, metrics);
    }

    /// Changes the numbers of every event of a window, for example to restate it. Returns how many events it has.
    ///
    /// ```
    /// # use usage_core::{Dimensions, Endpoint, Metrics, Window, parse_day};
    /// # use usage_simulator::Organization;
    /// let day = Window::day(parse_day("2025-09-02")?);
    /// let mut organization = Organization::new("org-demo");
    /// let log = organization.usage_mut(Endpoint::Completions);
    /// log.add(day.start(), &Dimensions::default(), &Metrics { num_model_requests: Some(8), ..Metrics::default() });
    ///
    /// log.edit(day, |_, metrics| metrics.num_model_requests = Some(9));
    /// assert_eq!(log.rows(day)[0].metrics.num_model_requests, Some(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit(&mut self, window: Window, mut change: impl FnMut(&Dimensions, &mut Metrics)) -> usize {
        let mut seen = 0;
        for event in self
            .minutes
            .range_mut(window.start_unix()..window.end_unix())
            .flat_map(|(_, events)| events)
        {
            let mut metrics = event.numbers.to_metrics();
            change(self.tuples.dimensions(event.tuple), &mut metrics);
            event.numbers = Numbers::from(&metrics);
            seen += 1;
        }
        seen
    }

    /// Restates a window: every number becomes so many per cent of what it was, rounded down, and the provider's
    /// identities (input is cached plus cache writes plus uncached, and so on) hold as before. Returns how many
    /// events the window has.
    pub fn scale(&mut self, window: Window, percent: u32) -> usize {
        self.edit(window, |_, metrics| scale_metrics(metrics, percent))
    }

    /// Restates everything, as [`UsageLog::scale`] does one window.
    pub(crate) fn scale_all(&mut self, percent: u32) {
        for event in self.minutes.values_mut().flatten() {
            let mut metrics = event.numbers.to_metrics();
            scale_metrics(&mut metrics, percent);
            event.numbers = Numbers::from(&metrics);
        }
    }

    /// Removes the events of a window whose dimensions are chosen, so that their rows vanish. Returns how many
    /// events went.
    pub fn remove(&mut self, window: Window, mut is_chosen: impl FnMut(&Dimensions) -> bool) -> usize {
        let mut removed = 0;
        let mut empty = Vec::new();
        for (minute, events) in self.minutes.range_mut(window.start_unix()..window.end_unix()) {
            let before = events.len();
            events.retain(|event| !is_chosen(self.tuples.dimensions(event.tuple)));
            removed += before - events.len();
            if events.is_empty() {
                empty.push(*minute);
            }
        }
        for minute in empty {
            self.minutes.remove(&minute);
        }
        removed
    }

    /// The rows of one window, grouped by every dimension, in the order in which the server sends them.
    pub fn rows(&self, window: Window) -> Vec<UsageRow> {
        let mut aggregation = Aggregation::new(self, &Selection::everything(), WindowRange::of(window));
        aggregation
            .rows(window)
            .into_iter()
            .map(|(dimensions, sum)| UsageRow {
                dimensions: dimensions.clone(),
                metrics: sum.to_metrics(),
            })
            .collect()
    }

    /// The sums of a range, whatever the clock says.
    pub fn totals(&self, range: WindowRange) -> Totals {
        let mut total = Sum::default();
        for (_, event) in self.events(range.start().timestamp(), range.end().timestamp()) {
            total.add(&event.numbers);
        }
        let mut totals = Totals {
            windows: range.len(),
            metrics: total.to_metrics(),
            ..Totals::default()
        };
        let mut aggregation = Aggregation::new(self, &Selection::everything(), range);
        for window in range.windows() {
            let rows = aggregation.rows(window).len();
            totals.rows += rows;
            totals.active_windows += usize::from(rows > 0);
        }
        totals
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.minutes.values().map(Vec::len).sum()
    }

    /// Whether nothing was ever used.
    pub fn is_empty(&self) -> bool {
        self.minutes.is_empty()
    }

    /// The first and the last minute with usage, as their starts.
    pub fn span(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let (first, _) = self.minutes.first_key_value()?;
        let (last, _) = self.minutes.last_key_value()?;
        DateTime::from_timestamp(*first, 0).zip(DateTime::from_timestamp(*last, 0))
    }

    pub(super) fn push(&mut self, minute: i64, tuple: u32, metrics: &Metrics) {
        self.minutes.entry(minute).or_default().push(Event {
            tuple,
            numbers: Numbers::from(metrics),
        });
    }

    /// The events of `[start, end)` in Unix seconds, in time order.
    pub(super) fn events(&self, start: i64, end: i64) -> impl Iterator<Item = (i64, &Event)> {
        self.minutes
            .range(start..end.max(start))
            .flat_map(|(minute, events)| events.iter().map(move |event| (*minute, event)))
    }

    /// What the provider groups by when it is asked for everything.
    pub(super) fn every_dimension() -> DimensionSet {
        Dimension::USAGE.into_iter().collect()
    }
}

/// Totals and the parts they are made of, inner ones first.
const IDENTITIES: [(Metric, &[Metric]); 5] = [
    (
        Metric::InputUncachedTokens,
        &[
            Metric::InputTextTokens,
            Metric::InputAudioTokens,
            Metric::InputImageTokens,
        ],
    ),
    (
        Metric::InputCachedTokens,
        &[
            Metric::InputCachedTextTokens,
            Metric::InputCachedAudioTokens,
            Metric::InputCachedImageTokens,
        ],
    ),
    (
        Metric::InputCacheWriteTokens,
        &[Metric::InputCacheWrite30mTokens, Metric::InputCacheWrite12hTokens],
    ),
    (
        Metric::OutputTokens,
        &[
            Metric::OutputTextTokens,
            Metric::OutputAudioTokens,
            Metric::OutputImageTokens,
        ],
    ),
    (
        Metric::InputTokens,
        &[
            Metric::InputCachedTokens,
            Metric::InputCacheWriteTokens,
            Metric::InputUncachedTokens,
        ],
    ),
];

pub(super) fn scale_metrics(metrics: &mut Metrics, percent: u32) {
    let before = *metrics;
    for metric in Metric::ALL {
        if let Some(value) = metrics.get_mut(metric) {
            let scaled = i128::from(*value) * i128::from(percent) / 100;
            *value = i64::try_from(scaled).unwrap_or(i64::MAX);
        }
    }
    for (total, parts) in IDENTITIES {
        let known = before.get(total);
        if known.is_some() && known == sum_of(&before, parts) {
            *metrics.get_mut(total) = sum_of(metrics, parts);
        }
    }
}

fn sum_of(metrics: &Metrics, parts: &[Metric]) -> Option<i64> {
    parts
        .iter()
        .filter_map(|part| metrics.get(*part))
        .reduce(i64::saturating_add)
}
