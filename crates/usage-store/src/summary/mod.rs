//! Sums of usage by account, surface, dimensions and time.

mod events;
mod kept;
mod rollups;
mod sums;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveTime, TimeDelta, Utc};
use usage_core::{Dimension, Endpoint};

use crate::connection::AnyConnection;
use crate::data_version::{self, DataVersion};
use crate::error::StoreError;
use crate::events::instant;
use crate::ledger::Ledger;
use crate::long::Waiting;
use crate::usage_filter::{self, UsageFilter};
pub(crate) use kept::KeptAnswers;
pub use sums::UsageSums;

/// How many sums an answer has at most: each takes about a kilobyte while it is made.
const MOST_SUMS: usize = 50_000;

/// What sums are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SummaryBy {
    /// By the account, as its number in the ledger.
    Account,
    /// By the surface.
    Endpoint,
    /// By the values of a dimension.
    Dimension(Dimension),
}

/// The stretches of time that sums are told apart by; all of them UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// Days.
    Day,
    /// ISO weeks, which begin on Monday.
    IsoWeek,
    /// Months of the calendar.
    Month,
}

/// What to sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryQuery {
    /// Which usage.
    pub filter: UsageFilter,
    /// Told apart by what; everything in one sum if nothing is named.
    pub by: Vec<SummaryBy>,
    /// Told apart by which stretches of time; by none if none is named.
    pub period: Option<Period>,
}

/// One sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    /// The start of the day, week or month, UTC, also where the filter begins later; `None` without a period.
    pub period_start: Option<DateTime<Utc>>,
    /// The account's number in the ledger; `None` unless asked for.
    pub account_id: Option<i64>,
    /// The surface; `None` unless asked for.
    pub endpoint: Option<Endpoint>,
    /// The value of each dimension asked for; `None` is usage without one.
    pub dimensions: BTreeMap<Dimension, Option<String>>,
    /// The sums.
    pub sums: UsageSums,
}

impl Ledger {
    /// The sums of the usage that the filter names, by period and then by values in the order of `by`; only what has usage
    /// is in them, so a ledger without usage has no row.
    ///
    /// Many who ask the same at once share one answer, and it is kept, within bounds, as long as
    /// [`Ledger::data_version`] is the same.
    ///
    /// Fails with [`StoreError::Unsupported`] for a dimension that usage does not have, for a sum beyond 64 bits, and for more
    /// than 50,000 sums.
    pub async fn usage_summary(&self, query: SummaryQuery) -> Result<Vec<SummaryRow>, StoreError> {
        self.usage_summary_within(query, MOST_SUMS).await
    }

    /// As [`Ledger::usage_summary`], of at most so many sums: no more are in memory while they are made.
    pub async fn usage_summary_within(
        &self,
        query: SummaryQuery,
        most: usize,
    ) -> Result<Vec<SummaryRow>, StoreError> {
        query.filter.check()?;
        for by in &query.by {
            if let SummaryBy::Dimension(dimension) = by {
                usage_filter::check(*dimension)?;
            }
        }
        let Some(kept) = &self.kept else {
            return Ok(self.answer(query, most).await?.1);
        };
        let scope = query.filter.scope.clone();
        let version = self.answer_version(scope).await?;
        // What somebody changed by hand has no version: such answers are neither kept nor taken.
        let Some(version) = version else {
            return Ok(self.answer(query, most).await?.1);
        };
        let turn = kept.turn(&query).await;
        if let Some(rows) = turn.answer(version) {
            if rows.len() > most {
                return Err(too_many(most));
            }
            return Ok((*rows).clone());
        }
        let (version, rows) = self.answer(query, most).await?;
        let Some(version) = version else {
            return Ok(rows);
        };
        let rows = Arc::new(rows);
        kept.keep(turn, version, &rows);
        Ok(Arc::unwrap_or_clone(rows))
    }

    /// The sums, with the version of the data that they were made from.
    async fn answer(
        &self,
        query: SummaryQuery,
        most: usize,
    ) -> Result<(Option<DataVersion>, Vec<SummaryRow>), StoreError> {
        self.read_long(move |connection, waiting| {
            let version = data_version::of_answers(connection, &query.filter.scope)?;
            Ok((version, summary(connection, &query, most, waiting)?))
        })
        .await
    }
}

fn summary(
    connection: &mut AnyConnection,
    query: &SummaryQuery,
    most: usize,
    waiting: &Waiting,
) -> Result<Vec<SummaryRow>, StoreError> {
    let parts = Parts::of(query);
    let mut groups = Groups::within(most);
    rollups::sum(connection, &query.filter, &parts, &mut groups, waiting)?;
    groups.into_rows(&parts)
}

fn too_many(most: usize) -> StoreError {
    StoreError::Unsupported(format!(
        "this has more than {most} sums, the most of one answer; ask for a shorter time, or by less"
    ))
}

/// What a query tells apart, each thing once.
struct Parts {
    period: Option<Period>,
    by: Vec<SummaryBy>,
}

impl Parts {
    fn of(query: &SummaryQuery) -> Self {
        let mut seen = BTreeSet::new();
        Self {
            period: query.period,
            by: query.by.iter().copied().filter(|by| seen.insert(*by)).collect(),
        }
    }

    fn has(&self, by: SummaryBy) -> bool {
        self.by.contains(&by)
    }
}

impl Period {
    /// The start of the period that a UTC day is in, in Unix seconds.
    fn start_of(self, day_start: i64) -> Result<i64, StoreError> {
        let day = instant(day_start)?.date_naive();
        let first = match self {
            Self::Day => Some(day),
            Self::IsoWeek => {
                day.checked_sub_signed(TimeDelta::days(day.weekday().num_days_from_monday().into()))
            }
            Self::Month => day.with_day(1),
        };
        first
            .map(|first| first.and_time(NaiveTime::MIN).and_utc().timestamp())
            .ok_or_else(|| StoreError::corrupt("day", day))
    }
}

/// One thing that sums are told apart by. Its order is that of the answer: what has no value comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Account(i64),
    Endpoint(Endpoint),
    Value(Option<String>),
}

/// Sums on the way: by the start of the period and the parts of the query.
struct Groups {
    most: usize,
    sums: BTreeMap<(Option<i64>, Vec<Part>), UsageSums>,
}

impl Groups {
    fn within(most: usize) -> Self {
        Self {
            most,
            sums: BTreeMap::new(),
        }
    }

    /// Fails if the sum would be one too many.
    fn add(
        &mut self,
        period_start: Option<i64>,
        parts: Vec<Part>,
        sums: &UsageSums,
    ) -> Result<(), StoreError> {
        let is_full = self.sums.len() >= self.most;
        match self.sums.entry((period_start, parts)) {
            std::collections::btree_map::Entry::Vacant(_) if is_full => return Err(too_many(self.most)),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(*sums);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => place.get_mut().add(sums)?,
        }
        Ok(())
    }

    fn into_rows(self, parts: &Parts) -> Result<Vec<SummaryRow>, StoreError> {
        self.sums
            .into_iter()
            .map(|((period_start, values), sums)| {
                let mut row = SummaryRow {
                    period_start: period_start.map(instant).transpose()?,
                    account_id: None,
                    endpoint: None,
                    dimensions: BTreeMap::new(),
                    sums,
                };
                for (by, value) in parts.by.iter().zip(values) {
                    match (by, value) {
                        (_, Part::Account(id)) => row.account_id = Some(id),
                        (_, Part::Endpoint(endpoint)) => row.endpoint = Some(endpoint),
                        (SummaryBy::Dimension(dimension), Part::Value(value)) => {
                            row.dimensions.insert(*dimension, value);
                        }
                        (_, Part::Value(_)) => {}
                    }
                }
                Ok(row)
            })
            .collect()
    }
}
