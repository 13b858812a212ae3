//! Holding a read that would take most of a day away.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use diesel::prelude::*;
use usage_core::{Metrics, Width, Window};

use super::compare::Change;
use super::{Batch, WindowOutcome, read};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::usage_events;

/// Tokens and other units, each judged on its own.
#[derive(Clone, Copy, Default)]
struct Volume {
    tokens: i128,
    units: i128,
}

impl Volume {
    fn add(&mut self, metrics: &Metrics) {
        self.tokens += metrics.tokens();
        self.units += metrics.units();
    }

    /// Whether more than half of `day` is lost on the way from `before` to `after`.
    fn loses_most(before: Self, after: Self, day: Self) -> bool {
        let most = |before: i128, after: i128, day: i128| (before - after) * 2 > day;
        most(before.tokens, after.tokens, day.tokens) || most(before.units, after.units, day.units)
    }
}

/// Takes the windows out of `changes` that would empty a settled window, or cost the account more than half of a UTC
/// day, net of what the same read adds; each becomes an outcome with `MASS_RETRACTION`.
pub(super) fn hold_mass_retractions(
    connection: &mut AnyConnection,
    batch: &Batch,
    changes: &mut Vec<Change<'_>>,
    outcomes: &mut Vec<WindowOutcome>,
) -> Result<(), StoreError> {
    if batch.read.accept_retractions {
        return Ok(());
    }
    let mut losing_days = BTreeMap::new();
    for change in changes.iter() {
        // Only a day in which something is taken or changed can lose anything.
        if !change.retracted.is_empty() || !change.updated.is_empty() {
            losing_days.entry(change.window.window.utc_day()).or_insert(false);
        }
    }
    for (day, held) in &mut losing_days {
        *held = loses_most_of_day(connection, batch, *day, changes)?;
    }

    let mut kept = Vec::with_capacity(changes.len());
    for change in changes.drain(..) {
        let window = change.window.window;
        let emptied = empties_settled(&change);
        let lost = losing_days.get(&window.utc_day()).is_some_and(|held| *held);
        if !emptied && !lost {
            kept.push(change);
            continue;
        }
        let what = if emptied {
            "empty a settled window"
        } else {
            "take more than half of the day"
        };
        let (retracted, changed) = (change.retracted.len(), change.updated.len());
        outcomes.push(WindowOutcome::refused(
            window,
            batch.read.mass_retraction(window, what, retracted, changed),
        ));
    }
    *changes = kept;
    Ok(())
}

fn empties_settled(change: &Change<'_>) -> bool {
    read::was_settled(change.overlapping) && change.window.rows.is_empty() && !change.retracted.is_empty()
}

fn loses_most_of_day(
    connection: &mut AnyConnection,
    batch: &Batch,
    day: NaiveDate,
    changes: &[Change<'_>],
) -> Result<bool, StoreError> {
    let of_day: Vec<&Change<'_>> = changes
        .iter()
        .filter(|change| change.window.window.utc_day() == day)
        .collect();
    let read: BTreeMap<i64, &Change<'_>> = of_day
        .iter()
        .map(|change| (change.window.window.start_unix(), *change))
        .collect();
    let whole_day = Window::day(day);
    let mut rows: Vec<VolumeRow> = usage_events::table
        .filter(usage_events::window_start.ge(whole_day.start_unix()))
        .filter(usage_events::window_start.lt(whole_day.end_unix()))
        .filter(usage_events::account_id.eq(batch.read.lease.account_id))
        .filter(usage_events::endpoint.eq(batch.read.scope.endpoint.as_str()))
        .filter(usage_events::window_end.eq(usage_events::window_start + width_of(&of_day).seconds()))
        .select(VolumeRow::as_select())
        .order((usage_events::window_start, usage_events::dedupe_key))
        .load(connection)
        .map_err(StoreError::query("summing a day"))?;

    // Where the unique index is missing, an identity that stands twice is not twice the usage.
    rows.dedup_by(|next, row| next.window_start == row.window_start && next.dedupe_key == row.dedupe_key);

    let (mut total, mut before, mut after) = (Volume::default(), Volume::default(), Volume::default());
    for row in &rows {
        let metrics = row.metrics();
        let project_id = row.project_id.as_deref();
        match read.get(&row.window_start) {
            Some(change) if batch.read.scope.filter.admits(project_id) => {
                // What was imported was never the provider's word, so the first read takes nothing back.
                if change.was_read(project_id) {
                    before.add(&metrics);
                    total.add(&metrics);
                }
            }
            _ => total.add(&metrics),
        }
    }
    for row in of_day.iter().flat_map(|change| &change.window.rows) {
        after.add(&row.metrics);
    }
    Ok(Volume::loses_most(before, after, total))
}

fn width_of(changes: &[&Change<'_>]) -> Width {
    changes
        .first()
        .map_or(Width::Day, |change| change.window.window.width())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = usage_events)]
struct VolumeRow {
    window_start: i64,
    dedupe_key: Vec<u8>,
    project_id: Option<String>,
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
    input_cached_tokens: Option<i64>,
    input_uncached_tokens: Option<i64>,
    input_cache_write_tokens: Option<i64>,
    images: Option<i64>,
    characters: Option<i64>,
    seconds: Option<i64>,
    usage_bytes: Option<i64>,
    num_sessions: Option<i64>,
    num_requests: Option<i64>,
}

impl VolumeRow {
    fn metrics(&self) -> Metrics {
        Metrics {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            input_cached_tokens: self.input_cached_tokens,
            input_uncached_tokens: self.input_uncached_tokens,
            input_cache_write_tokens: self.input_cache_write_tokens,
            images: self.images,
            characters: self.characters,
            seconds: self.seconds,
            usage_bytes: self.usage_bytes,
            num_sessions: self.num_sessions,
            num_requests: self.num_requests,
            ..Metrics::default()
        }
    }
}
