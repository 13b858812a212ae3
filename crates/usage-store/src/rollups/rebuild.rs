//! Making the sums of days, from their events.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Text};
use usage_core::{Dimensions, Metrics};

use super::{BEYOND, Cells, DAY, bits, stale, width};
use crate::connection::AnyConnection;
use crate::data_version;
use crate::error::StoreError;
use crate::events::EventRow;
use crate::lease::mark;
use crate::ledger::Ledger;
use crate::schema::{usage_days, usage_events, usage_rollups, usage_stale_days};
use crate::statement::Statement;

/// How many days are made in one transaction when many are missing.
const DAYS_A_TRANSACTION: i64 = 64;
/// How many days a statement names.
const DAYS_A_STATEMENT: usize = 500;

/// A UTC day of an account and endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DayOf {
    pub(crate) account_id: i64,
    pub(crate) endpoint: String,
    pub(crate) day_start: i64,
}

/// What is kept of a day.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) width_seconds: i64,
    pub(super) events: i64,
    /// By cuboid; `None` if a sum is beyond 64 bits.
    pub(super) cuboids: Option<Vec<(i64, Vec<u8>)>>,
}

impl Sums {
    fn of(width_seconds: i64, cells: &Cells) -> Self {
        Self {
            width_seconds,
            events: cells.events(),
            cuboids: cells.pack(),
        }
    }

    /// Which cuboids stand, as `usage_days` has it.
    pub(super) fn cuboid_bits(&self) -> i64 {
        bits(self.cuboids.iter().flatten().map(|(number, _)| *number))
    }
}

/// An event that this transaction stored, and found no other under its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inserted<'a> {
    pub(crate) account_id: i64,
    pub(crate) endpoint: &'a str,
    pub(crate) window_start: i64,
    pub(crate) window_end: i64,
    pub(crate) dimensions: &'a Dimensions,
    pub(crate) metrics: &'a Metrics,
    /// nano-USD.
    pub(crate) cost: Option<i64>,
}

impl Inserted<'_> {
    fn day(&self) -> (i64, &str, i64) {
        (
            self.account_id,
            self.endpoint,
            self.window_start - self.window_start.rem_euclid(DAY),
        )
    }
}

/// Makes the sums of every day that this transaction changed, after its last change of events and coverage.
pub(crate) fn settle(connection: &mut AnyConnection) -> Result<(), StoreError> {
    settle_inserted(connection, Vec::new())
}

/// As [`settle`], for whoever still has events that it inserted: a day that has no others need not be read back.
pub(crate) fn settle_inserted(
    connection: &mut AnyConnection,
    mut inserted: Vec<Inserted<'_>>,
) -> Result<(), StoreError> {
    let days = stale::of_this_transaction(connection)?;
    inserted.sort_by(|left, right| left.day().cmp(&right.day()));
    rebuild(connection, &days, &inserted)
}

impl Ledger {
    /// Makes the sums of the days that have none, because the ledger is older than sums or somebody else changed it.
    /// Until then such days are summed up from their events.
    pub(crate) async fn make_sums(&self) -> Result<(), StoreError> {
        let made = |connection: &mut AnyConnection| {
            let days = stale::some(connection, DAYS_A_TRANSACTION)?;
            rebuild(connection, &days, &[])?;
            Ok(days.len())
        };
        while self.write(made).await? > 0 {}
        Ok(())
    }
}

/// Makes the sums of days; they and the events that were inserted come by account, endpoint and day.
fn rebuild(
    connection: &mut AnyConnection,
    days: &[DayOf],
    inserted: &[Inserted<'_>],
) -> Result<(), StoreError> {
    let accounts: BTreeSet<i64> = days.iter().map(|day| day.account_id).collect();
    let mut locked = None;
    for days in
        days.chunk_by(|left, right| (left.account_id, &left.endpoint) == (right.account_id, &right.endpoint))
    {
        let [first, .., last] = days else {
            let [day] = days else { continue };
            lock(connection, day.account_id, &mut locked)?;
            group(connection, days, (day, day), inserted)?;
            continue;
        };
        lock(connection, first.account_id, &mut locked)?;
        group(connection, days, (first, last), inserted)?;
    }
    // Some of the days may have been changed by somebody who gave the data no other version.
    accounts
        .into_iter()
        .try_for_each(|account| data_version::bump(connection, account))
}

/// Of two who make the sums of a day at once, the second must see what the first committed, and none may write older sums
/// over newer ones: they take turns until the end of the transaction. SQLite has one writer anyhow.
fn lock(connection: &mut AnyConnection, account_id: i64, locked: &mut Option<i64>) -> Result<(), StoreError> {
    if matches!(connection, AnyConnection::Sqlite(_)) || *locked == Some(account_id) {
        return Ok(());
    }
    *locked = Some(account_id);
    sql_query(format!(
        "SELECT pg_advisory_xact_lock({ROLLUP_LOCK}, CAST({account_id} % 2147483648 AS INTEGER))"
    ))
    .execute(connection)
    .map_err(StoreError::query("waiting for another's sums"))
    .map(drop)
}

/// Any number that no other program locks in this database.
const ROLLUP_LOCK: i32 = 0x7573_6167;

fn group(
    connection: &mut AnyConnection,
    days: &[DayOf],
    (first, last): (&DayOf, &DayOf),
    inserted: &[Inserted<'_>],
) -> Result<(), StoreError> {
    // Most reads find what stands, and leave no more than coverage.
    let (account_id, endpoint) = (first.account_id, &*first.endpoint);
    let (first, last) = (first.day_start, last.day_start);
    let other = stale::with_other_events(connection, account_id, endpoint, first, last)?;
    // Who stored under a key before this transaction did has left a mark by now, and who does so later cannot.
    let others = if inserted.is_empty() {
        BTreeSet::new()
    } else {
        stale::by_others(connection, account_id, endpoint, first, last)?
    };
    let standing: BTreeMap<i64, (i64, i64)> = usage_days::table
        .filter(usage_days::day_start.between(first, last))
        .filter(usage_days::account_id.eq(account_id))
        .filter(usage_days::endpoint.eq(endpoint))
        .select((
            usage_days::day_start,
            usage_days::width_seconds,
            usage_days::events,
        ))
        .load::<(i64, i64, i64)>(connection)
        .map_err(StoreError::query("making sums of usage"))?
        .into_iter()
        .map(|(day_start, width, events)| (day_start, (width, events)))
        .collect();
    let shown: BTreeMap<i64, i64> = width::shown(connection, account_id, endpoint, first, last)?
        .into_iter()
        .collect();
    let mut changed = Vec::with_capacity(days.len());
    for day in days {
        let stands = standing.get(&day.day_start).map(|(width, _)| width);
        if !other.contains(&day.day_start) && stands.is_some() && stands == shown.get(&day.day_start) {
            stale::take_away_coverage(connection, day)?;
        } else {
            changed.push(day);
        }
    }
    // Before anything is read: what somebody commits after this leaves a mark of its own.
    for days in changed.chunks(DAYS_A_STATEMENT) {
        diesel::delete(
            usage_stale_days::table
                .filter(usage_stale_days::day_start.eq_any(days.iter().map(|day| day.day_start)))
                .filter(usage_stale_days::account_id.eq(account_id))
                .filter(usage_stale_days::endpoint.eq(endpoint)),
        )
        .execute(connection)
        .map_err(StoreError::query("making sums of usage"))?;
        // The cuboids are named, since the index begins with them.
        diesel::delete(
            usage_rollups::table
                .filter(usage_rollups::cuboid.eq_any(super::numbers()))
                .filter(usage_rollups::day_start.eq_any(days.iter().map(|day| day.day_start)))
                .filter(usage_rollups::account_id.eq(account_id))
                .filter(usage_rollups::endpoint.eq(endpoint)),
        )
        .execute(connection)
        .map_err(StoreError::query("making sums of usage"))?;
    }
    let shown: BTreeMap<i64, i64> = if changed.is_empty() || matches!(connection, AnyConnection::Sqlite(_)) {
        shown
    } else {
        width::shown(connection, account_id, endpoint, first, last)?
            .into_iter()
            .collect()
    };
    for day in changed {
        let had_events = standing
            .get(&day.day_start)
            .is_some_and(|(_, events)| *events > 0);
        let known = if had_events || others.contains(&day.day_start) {
            &[]
        } else {
            of_day(inserted, day)
        };
        let sums = match shown.get(&day.day_start) {
            Some(width_seconds) => Some(sums_of(connection, day, *width_seconds, known)?),
            None => None,
        };
        store(connection, day, sums)?;
    }
    Ok(())
}

/// The events that were inserted of a day.
fn of_day<'a, 'b>(inserted: &'a [Inserted<'b>], day: &DayOf) -> &'a [Inserted<'b>] {
    let sought = (day.account_id, &*day.endpoint, day.day_start);
    let start = inserted.partition_point(|event| event.day() < sought);
    let end = inserted.partition_point(|event| event.day() <= sought);
    &inserted[start..end]
}

/// What is to be kept of a day that is shown at this width, and of which these events were inserted.
pub(super) fn sums_of(
    connection: &mut AnyConnection,
    day: &DayOf,
    width_seconds: i64,
    inserted: &[Inserted<'_>],
) -> Result<Sums, StoreError> {
    let mut cells = Cells::default();
    if !inserted.is_empty() {
        let inserted = inserted
            .iter()
            .filter(|event| event.window_end - event.window_start == width_seconds);
        // They are among the day's events: if those are as many, they are all.
        if i64::try_from(inserted.clone().count()) == Ok(events_of(connection, day, width_seconds)?) {
            for event in inserted {
                cells.add(event.dimensions, event.metrics, event.cost);
            }
            return Ok(Sums::of(width_seconds, &cells));
        }
    }
    let rows: Vec<EventRow> = usage_events::table
        .filter(usage_events::window_start.ge(day.day_start))
        .filter(usage_events::window_start.lt(day.day_start.saturating_add(DAY)))
        .filter(usage_events::account_id.eq(day.account_id))
        .filter(usage_events::endpoint.eq(&day.endpoint))
        .filter((usage_events::window_end - usage_events::window_start).eq(width_seconds))
        .select(EventRow::as_select())
        .load(connection)
        .map_err(StoreError::query("making sums of usage"))?;
    for row in rows {
        let (dimensions, metrics, cost) = row.into_numbers();
        cells.add(&dimensions, &metrics, cost);
    }
    Ok(Sums::of(width_seconds, &cells))
}

fn events_of(connection: &mut AnyConnection, day: &DayOf, width_seconds: i64) -> Result<i64, StoreError> {
    usage_events::table
        .filter(usage_events::window_start.ge(day.day_start))
        .filter(usage_events::window_start.lt(day.day_start.saturating_add(DAY)))
        .filter(usage_events::account_id.eq(day.account_id))
        .filter(usage_events::endpoint.eq(&day.endpoint))
        .filter((usage_events::window_end - usage_events::window_start).eq(width_seconds))
        .count()
        .get_result(connection)
        .map_err(StoreError::query("making sums of usage"))
}

/// Keeps the sums of a day whose cuboids are taken away.
fn store(connection: &mut AnyConnection, day: &DayOf, sums: Option<Sums>) -> Result<(), StoreError> {
    let failed = || StoreError::query("keeping sums of usage");
    let Some(sums) = sums else {
        diesel::delete(
            usage_days::table
                .filter(usage_days::day_start.eq(day.day_start))
                .filter(usage_days::account_id.eq(day.account_id))
                .filter(usage_days::endpoint.eq(&day.endpoint)),
        )
        .execute(connection)
        .map_err(failed())?;
        return Ok(());
    };
    let marks: Vec<String> = (1..=6).map(|number| mark(connection, number)).collect();
    sql_query(format!(
        "INSERT INTO usage_days (day_start, account_id, endpoint, width_seconds, events, cuboids) VALUES ({}) \
         ON CONFLICT (day_start, account_id, endpoint) DO UPDATE SET width_seconds = excluded.width_seconds, \
         events = excluded.events, cuboids = excluded.cuboids",
        marks.join(", ")
    ))
    .bind::<BigInt, _>(day.day_start)
    .bind::<BigInt, _>(day.account_id)
    .bind::<Text, _>(&day.endpoint)
    .bind::<BigInt, _>(sums.width_seconds)
    .bind::<BigInt, _>(sums.events)
    .bind::<BigInt, _>(sums.cuboid_bits())
    .execute(connection)
    .map_err(failed())?;
    let Some(cuboids) = sums.cuboids else {
        let mut statement =
            Statement::new("INSERT INTO usage_stale_days (day_start, account_id, endpoint, writer) VALUES (");
        statement
            .integer(day.day_start)
            .sql(", ")
            .integer(day.account_id)
            .sql(", ")
            .text(&day.endpoint)
            .sql(format!(", {BEYOND}) ON CONFLICT DO NOTHING"));
        return statement.execute(connection).map_err(failed()).map(drop);
    };
    for (cuboid, cells) in cuboids {
        sql_query(format!(
            "INSERT INTO usage_rollups (cuboid, day_start, account_id, endpoint, cells) VALUES ({})",
            marks[..5].join(", ")
        ))
        .bind::<BigInt, _>(cuboid)
        .bind::<BigInt, _>(day.day_start)
        .bind::<BigInt, _>(day.account_id)
        .bind::<Text, _>(&day.endpoint)
        .bind::<Binary, _>(cells)
        .execute(connection)
        .map_err(failed())?;
    }
    Ok(())
}
