//! What usage cost by the price list, day by day at one width.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use usage_core::NanoUsd;

use crate::accounts::AccountScope;
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::lease::mark;
use crate::ledger::Ledger;

/// Which usage to sum up.
#[derive(Clone, Debug)]
pub struct SpendingQuery {
    /// Whose.
    pub scope: AccountScope,
    /// Of which project; of every one, and of usage without one, if none is named.
    pub project_id: Option<String>,
    /// The start of the first UTC day.
    pub start: DateTime<Utc>,
    /// The end of the last UTC day.
    pub end: DateTime<Utc>,
}

/// What usage cost, and what is not known about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// What the events with a price cost.
    pub cost: NanoUsd,
    /// How many events.
    pub events: u64,
    /// How many of them have no price.
    pub unpriced: u64,
    /// On how many days some account of the scope had nothing read, or no account was ever read.
    pub unread_days: u64,
}

impl Ledger {
    /// What the query's usage cost. Each account, endpoint and day is summed at one width, that of the view
    /// `usage_daily`.
    pub async fn spending(&self, query: SpendingQuery) -> Result<Spending, StoreError> {
        self.run(move |connection| {
            let sums = sums(connection, &query)?;
            let counted = |number| u64::try_from(number).unwrap_or(0);
            Ok(Spending {
                cost: NanoUsd::new(sums.cost.unwrap_or(0)),
                events: counted(sums.events),
                unpriced: counted(sums.unpriced),
                unread_days: unread_days(connection, &query)?,
            })
        })
        .await
    }
}

const DAY: i64 = 86_400;

#[derive(QueryableByName)]
struct Sums {
    #[diesel(sql_type = BigInt)]
    events: i64,
    #[diesel(sql_type = BigInt)]
    unpriced: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    cost: Option<i64>,
}

fn sums(connection: &mut AnyConnection, query: &SpendingQuery) -> Result<Sums, StoreError> {
    let project = match &query.project_id {
        Some(_) => format!(" AND e.project_id = {}", mark(connection, 1)),
        None => String::new(),
    };
    // The database refuses a sum beyond 64 bits.
    let statement = format!(
        "SELECT count(*) AS events, count(*) - count(e.cost_nano_usd) AS unpriced, \
         CAST(sum(e.cost_nano_usd) AS BIGINT) AS cost \
         FROM usage_events e JOIN usage_best_width best \
         ON best.account_id = e.account_id AND best.endpoint = e.endpoint \
         AND best.day_start = e.window_start - e.window_start % {DAY} \
         AND best.width_seconds = e.window_end - e.window_start \
         WHERE e.window_start >= {start} AND e.window_start < {end} \
         AND best.day_start >= {start} AND best.day_start < {end}{accounts}{project}",
        start = query.start.timestamp(),
        end = query.end.timestamp(),
        accounts = accounts("e.account_id", &query.scope),
    );
    let summed = match &query.project_id {
        Some(project) => sql_query(statement)
            .bind::<Text, _>(project)
            .get_result(connection),
        None => sql_query(statement).get_result(connection),
    };
    summed.map_err(StoreError::query("summing up what usage cost"))
}

/// Which accounts a statement is about; numbers of ours, which need no quotes.
fn accounts(column: &str, scope: &AccountScope) -> String {
    match scope {
        AccountScope::All => String::new(),
        AccountScope::Only(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            // No database takes an empty list.
            let ids = if ids.is_empty() {
                "NULL".to_owned()
            } else {
                ids.join(", ")
            };
            format!(" AND {column} IN ({ids})")
        }
    }
}

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = BigInt)]
    account_id: i64,
}

#[derive(QueryableByName)]
struct ReadDay {
    #[diesel(sql_type = BigInt)]
    account_id: i64,
    #[diesel(sql_type = BigInt)]
    day_start: i64,
}

fn unread_days(connection: &mut AnyConnection, query: &SpendingQuery) -> Result<u64, StoreError> {
    let (start, end) = (query.start.timestamp(), query.end.timestamp());
    let owners: Vec<Owner> = sql_query(format!(
        "SELECT DISTINCT account_id FROM usage_coverage WHERE endpoint <> 'costs'{}",
        accounts("account_id", &query.scope)
    ))
    .load(connection)
    .map_err(StoreError::query("looking whose usage was read"))?;
    let read: Vec<ReadDay> = sql_query(format!(
        "SELECT DISTINCT account_id, day_start FROM usage_best_width \
         WHERE endpoint <> 'costs' AND day_start >= {start} AND day_start < {end}{}",
        accounts("account_id", &query.scope)
    ))
    .load(connection)
    .map_err(StoreError::query("looking which days were read"))?;
    let read: BTreeSet<(i64, i64)> = read
        .into_iter()
        .map(|read| (read.account_id, read.day_start))
        .collect();
    let mut unread = 0;
    let mut day = start;
    while day < end {
        let complete = owners.iter().all(|owner| read.contains(&(owner.account_id, day)));
        unread += u64::from(owners.is_empty() || !complete);
        day += DAY;
    }
    Ok(unread)
}
