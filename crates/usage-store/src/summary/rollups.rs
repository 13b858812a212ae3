//! Sums put together from the sums of days; what these do not answer comes from the events.

use std::fmt::Write as _;

use chrono::DateTime;
use diesel::QueryableByName;
use diesel::RunQueryDsl as _;
use diesel::sql_types::{BigInt, Binary, Text};
use hashbrown::HashMap;
use usage_core::{Dimension, DimensionSet, Metric, NanoUsd};

use super::sums::beyond;
use super::{Groups, Part, Parts, SummaryBy, UsageSums, events, too_many};
use crate::connection::AnyConnection;
use crate::coverage::parse_endpoint;
use crate::error::StoreError;
use crate::long::Waiting;
use crate::rollups::packed::{Packed, PackedDimension};
use crate::rollups::{self, Beyond, Counters, DAY, stale};
use crate::statement::Statement;
use crate::usage_filter::{self, UsageFilter};

/// How many days of sums are in memory at once.
const DAYS_AT_ONCE: i64 = 64;

/// Adds the sums of the usage that the filter names. What is read must be one moment of the ledger.
pub(super) fn sum(
    connection: &mut AnyConnection,
    filter: &UsageFilter,
    parts: &Parts,
    groups: &mut Groups,
    waiting: &Waiting,
) -> Result<(), StoreError> {
    // Days that the filter cuts are summed up from their events.
    let start = filter.start.map(usage_filter::ceiling);
    let end = filter.end.map(usage_filter::ceiling);
    let first = start.map(|start| start.saturating_add(DAY - 1).div_euclid(DAY).saturating_mul(DAY));
    let last = end.map(|end| end.div_euclid(DAY).saturating_mul(DAY));
    if first.zip(last).is_some_and(|(first, last)| first >= last) {
        return events::sum(connection, filter, parts, groups, &events::Which::All);
    }
    let at = |seconds: Option<i64>| seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    if start < first {
        let head = UsageFilter {
            end: at(first),
            ..filter.clone()
        };
        events::sum(connection, &head, parts, groups, &events::Which::All)?;
    }
    if last < end {
        let tail = UsageFilter {
            start: at(last),
            ..filter.clone()
        };
        events::sum(connection, &tail, parts, groups, &events::Which::All)?;
    }
    let whole = UsageFilter {
        start: at(first).or(filter.start),
        end: at(last).or(filter.end),
        ..filter.clone()
    };
    Days::new(&whole, parts).sum(connection, groups, waiting)
}

/// The question of whole days.
struct Days<'a> {
    filter: &'a UsageFilter,
    parts: &'a Parts,
    /// The dimensions that are told apart, in the order of the query.
    by: Vec<Dimension>,
    /// The cuboids that answer it, the one with the fewest cells first.
    cuboids: Vec<i64>,
}

impl<'a> Days<'a> {
    fn new(filter: &'a UsageFilter, parts: &'a Parts) -> Self {
        let by: Vec<Dimension> = parts
            .by
            .iter()
            .filter_map(|by| match by {
                SummaryBy::Dimension(dimension) => Some(*dimension),
                SummaryBy::Account | SummaryBy::Endpoint => None,
            })
            .collect();
        let needed = by
            .iter()
            .copied()
            .chain(filter.narrowing().map(|(dimension, _)| dimension))
            .fold(DimensionSet::EMPTY, DimensionSet::with);
        Self {
            filter,
            parts,
            by,
            cuboids: rollups::cuboids_for(needed),
        }
    }

    fn sum(
        &self,
        connection: &mut AnyConnection,
        groups: &mut Groups,
        waiting: &Waiting,
    ) -> Result<(), StoreError> {
        if let Some((mut first, last)) = self.without_sums(connection)? {
            while first <= last {
                waiting.check()?;
                let next = first.saturating_add(DAYS_AT_ONCE * DAY);
                let which = events::Which::WithoutSums {
                    first,
                    last: last.min(next - DAY),
                    cuboids: &self.cuboids,
                };
                events::sum(connection, self.filter, self.parts, groups, &which)?;
                first = next;
            }
        }
        let mut statement = Statement::new(
            "SELECT min(d.day_start) AS first, max(d.day_start) AS last FROM usage_days d WHERE 1 = 1",
        );
        self.filter.days(&mut statement, "d");
        let Some((mut from, last)) = stale::span(connection, &statement)? else {
            return Ok(());
        };
        let mut found = Found {
            most: groups.most,
            ..Found::default()
        };
        while from <= last {
            waiting.check()?;
            let to = from.saturating_add(DAYS_AT_ONCE * DAY);
            for row in self.rows(connection, from, to)? {
                found.add(self, &row)?;
            }
            from = to;
        }
        found.into_groups(groups)
    }

    /// The first and last day that has no sums that answer the question: those with stale ones, and large days if no cuboid of
    /// theirs tells its dimensions apart.
    fn without_sums(&self, connection: &mut AnyConnection) -> Result<Option<(i64, i64)>, StoreError> {
        let mut statement = Statement::new(
            "SELECT min(s.day_start) AS first, max(s.day_start) AS last FROM usage_stale_days s WHERE 1 = 1",
        );
        self.filter.days(&mut statement, "s");
        let stale = stale::span(connection, &statement)?;
        if self.cuboids.len() > 1 {
            return Ok(stale);
        }
        let mut statement = Statement::new(
            "SELECT min(d.day_start) AS first, max(d.day_start) AS last FROM usage_days d WHERE d.events > 0 \
             AND (d.cuboids & 1) = 0",
        );
        self.filter.days(&mut statement, "d");
        let large = stale::span(connection, &statement)?;
        Ok(match (stale, large) {
            (Some(stale), Some(large)) => Some((stale.0.min(large.0), stale.1.max(large.1))),
            (stale, large) => stale.or(large),
        })
    }

    fn rows(&self, connection: &mut AnyConnection, from: i64, to: i64) -> Result<Vec<Row>, StoreError> {
        let mut choice = String::new();
        for number in &self.cuboids {
            let bit = rollups::bits([*number]);
            let _ = write!(choice, " WHEN (d.cuboids & {bit}) <> 0 THEN {number}");
        }
        let mut statement = Statement::new(format!(
            "SELECT d.day_start, d.account_id, d.endpoint, r.cells FROM usage_days d JOIN usage_rollups r \
             ON r.cuboid = CASE{choice} END AND r.day_start = d.day_start AND r.account_id = d.account_id \
             AND r.endpoint = d.endpoint WHERE d.day_start >= "
        ));
        statement.integer(from).sql(" AND d.day_start < ").integer(to);
        self.filter.days(&mut statement, "d");
        statement.sql(
            " AND NOT EXISTS (SELECT 1 FROM usage_stale_days s WHERE s.day_start = d.day_start \
             AND s.account_id = d.account_id AND s.endpoint = d.endpoint)",
        );
        statement
            .load(connection)
            .map_err(StoreError::query("reading sums of usage"))
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    day_start: i64,
    #[diesel(sql_type = BigInt)]
    account_id: i64,
    #[diesel(sql_type = Text)]
    endpoint: String,
    #[diesel(sql_type = Binary)]
    cells: Vec<u8>,
}

/// How many dimensions a query can tell apart.
const MOST: usize = Dimension::USAGE.len();

/// A group: what stands before its dimensions, and the number of each dimension's text among those found; 0 is none.
type Key = (u32, [u32; MOST]);

/// Groups on the way, by number rather than by text.
#[derive(Default)]
struct Found {
    /// How many groups there may be.
    most: usize,
    /// The start of the period and the parts of each group, those of dimensions still empty.
    heads: Vec<(Option<i64>, Vec<Part>)>,
    head_numbers: HashMap<(Option<i64>, i64, String), u32>,
    texts: [Vec<String>; MOST],
    text_numbers: [HashMap<String, u32>; MOST],
    places: HashMap<Key, usize>,
    keys: Vec<Key>,
    sums: Vec<Counters>,
    /// Where in the parts the dimensions are.
    dimension_parts: Vec<usize>,
}

impl Found {
    fn add(&mut self, days: &Days<'_>, row: &Row) -> Result<(), StoreError> {
        let packed = Packed::open(&row.cells)?;
        let head = self.head(days, row)?;
        let wanted = days
            .filter
            .narrowing()
            .map(|(dimension, values)| {
                let column = column(&packed, dimension)?;
                let mut wanted = vec![values.contains(&None)];
                wanted.extend(column.texts.iter().map(|text| values.contains(&Some(*text))));
                Ok((column, wanted))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let mut told = Vec::with_capacity(days.by.len());
        for (index, dimension) in days.by.iter().enumerate() {
            let column = column(&packed, *dimension)?;
            let mut numbers = vec![0];
            for text in &column.texts {
                numbers.push(self.text(index, text));
            }
            told.push((column, numbers));
        }
        // Few groups have many cells: each is looked up once if a table of all that there may be is small.
        let most = told
            .iter()
            .try_fold(1_usize, |most, (_, numbers)| most.checked_mul(numbers.len()));
        let mut known = vec![None; most.filter(|most| *most <= packed.cells).unwrap_or(0)];
        let mut cells = Vec::with_capacity(packed.cells);
        for cell in 0..packed.cells {
            if !wanted.iter().all(|(column, wanted)| wanted[column.number(cell)]) {
                continue;
            }
            let mut index = 0;
            if !known.is_empty() {
                for (column, numbers) in &told {
                    index = index * numbers.len() + column.number(cell);
                }
                if let Some(place) = known[index] {
                    cells.push((cell, place));
                    continue;
                }
            }
            let mut key = (head, [0; MOST]);
            for (number, (column, numbers)) in key.1.iter_mut().zip(&told) {
                *number = numbers[column.number(cell)];
            }
            if self.keys.len() >= self.most && !self.places.contains_key(&key) {
                return Err(too_many(self.most));
            }
            let place = *self.places.entry(key).or_insert_with(|| {
                self.keys.push(key);
                self.sums.push(Counters::default());
                self.sums.len() - 1
            });
            if let Some(known) = known.get_mut(index) {
                *known = Some(place);
            }
            cells.push((cell, place));
        }
        packed
            .add_to(&mut self.sums, &cells)
            .map_err(|Beyond(place)| beyond(name(place)))
    }

    fn head(&mut self, days: &Days<'_>, row: &Row) -> Result<u32, StoreError> {
        let parts = days.parts;
        let period = parts
            .period
            .map(|period| period.start_of(row.day_start))
            .transpose()?;
        let account = if parts.has(SummaryBy::Account) {
            row.account_id
        } else {
            0
        };
        let endpoint = if parts.has(SummaryBy::Endpoint) {
            &*row.endpoint
        } else {
            ""
        };
        let key = (period, account, endpoint.to_owned());
        if let Some(number) = self.head_numbers.get(&key) {
            return Ok(*number);
        }
        let mut values = Vec::with_capacity(parts.by.len());
        self.dimension_parts.clear();
        for (place, by) in parts.by.iter().enumerate() {
            values.push(match by {
                SummaryBy::Account => Part::Account(account),
                SummaryBy::Endpoint => Part::Endpoint(parse_endpoint(endpoint)?),
                SummaryBy::Dimension(_) => {
                    self.dimension_parts.push(place);
                    Part::Value(None)
                }
            });
        }
        let number = number(self.heads.len());
        self.heads.push((period, values));
        self.head_numbers.insert(key, number);
        Ok(number)
    }

    fn text(&mut self, index: usize, text: &str) -> u32 {
        if let Some(number) = self.text_numbers[index].get(text) {
            return *number;
        }
        self.texts[index].push(text.to_owned());
        let number = number(self.texts[index].len());
        self.text_numbers[index].insert(text.to_owned(), number);
        number
    }

    fn into_groups(self, groups: &mut Groups) -> Result<(), StoreError> {
        for ((head, numbers), counters) in self.keys.iter().zip(&self.sums) {
            let (period, mut values) = self.heads[*head as usize].clone();
            for (index, place) in self.dimension_parts.iter().enumerate() {
                let text = (numbers[index] as usize)
                    .checked_sub(1)
                    .map(|number| self.texts[index][number].clone());
                values[*place] = Part::Value(text);
            }
            let sums = UsageSums::new(
                counters.get(0).unwrap_or(0).unsigned_abs(),
                counters.get(1).unwrap_or(0).unsigned_abs(),
                NanoUsd::new(counters.get(2).unwrap_or(0)),
                &counters.metrics(),
                counters.derived(),
            );
            groups.add(period, values, &sums)?;
        }
        Ok(())
    }
}

/// Groups and texts are fewer than 4 billion: they are in memory.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn column<'p, 'a>(
    packed: &'p Packed<'a>,
    dimension: Dimension,
) -> Result<&'p PackedDimension<'a>, StoreError> {
    packed
        .dimensions
        .iter()
        .find(|column| column.dimension == dimension)
        .ok_or_else(|| StoreError::corrupt("rollup", format!("without {dimension}")))
}

/// What is summed up at a place of the counters.
fn name(place: usize) -> &'static str {
    match place {
        0 | 1 => "events",
        2 => "costs",
        _ => Metric::ALL
            .get(place - 3)
            .map_or("tokens", |metric| metric.as_str()),
    }
}
