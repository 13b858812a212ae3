//! Which days have no sums that may be used.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::BEYOND;
use super::rebuild::DayOf;
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::statement::Statement;
use crate::usage_filter::UsageFilter;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    day_start: i64,
    #[diesel(sql_type = BigInt)]
    account_id: i64,
    #[diesel(sql_type = Text)]
    endpoint: String,
}

/// The days that this transaction changed. SQLite has one writer at a time, so there whatever was left is taken along.
pub(super) fn of_this_transaction(connection: &mut AnyConnection) -> Result<Vec<DayOf>, StoreError> {
    let condition = match connection {
        AnyConnection::Postgres(_) => "writer IN (txid_current() * 2, txid_current() * 2 + 1)",
        AnyConnection::Sqlite(_) => "writer IN (1, 2)",
    };
    load(connection, condition, i64::MAX)
}

/// Those days, of an account and endpoint, of which somebody may have changed events.
pub(super) fn with_other_events(
    connection: &mut AnyConnection,
    account_id: i64,
    endpoint: &str,
    first: i64,
    last: i64,
) -> Result<BTreeSet<i64>, StoreError> {
    let coverage = match connection {
        AnyConnection::Postgres(_) => "txid_current() * 2",
        AnyConnection::Sqlite(_) => "2",
    };
    let mut statement = Statement::new(format!(
        "SELECT DISTINCT day_start, account_id, endpoint FROM usage_stale_days \
         WHERE writer NOT IN ({coverage}, {BEYOND}) AND account_id = "
    ));
    statement
        .integer(account_id)
        .sql(" AND endpoint = ")
        .text(endpoint)
        .sql(" AND day_start >= ")
        .integer(first)
        .sql(" AND day_start <= ")
        .integer(last);
    let rows: Vec<Row> = statement
        .load(connection)
        .map_err(StoreError::query("looking for days without sums"))?;
    Ok(rows.into_iter().map(|row| row.day_start).collect())
}

/// Those days, of an account and endpoint, that another transaction changed while this one did. SQLite has one writer at a time.
pub(super) fn by_others(
    connection: &mut AnyConnection,
    account_id: i64,
    endpoint: &str,
    first: i64,
    last: i64,
) -> Result<BTreeSet<i64>, StoreError> {
    if matches!(connection, AnyConnection::Sqlite(_)) {
        return Ok(BTreeSet::new());
    }
    let mut statement = Statement::new(
        "SELECT DISTINCT day_start, account_id, endpoint FROM usage_stale_days \
         WHERE writer NOT IN (txid_current() * 2, txid_current() * 2 + 1) AND account_id = ",
    );
    statement
        .integer(account_id)
        .sql(" AND endpoint = ")
        .text(endpoint)
        .sql(" AND day_start >= ")
        .integer(first)
        .sql(" AND day_start <= ")
        .integer(last);
    let rows: Vec<Row> = statement
        .load(connection)
        .map_err(StoreError::query("looking for days without sums"))?;
    Ok(rows.into_iter().map(|row| row.day_start).collect())
}

/// Takes away this transaction's mark of a day of which only coverage changed.
pub(super) fn take_away_coverage(connection: &mut AnyConnection, day: &DayOf) -> Result<(), StoreError> {
    let coverage = match connection {
        AnyConnection::Postgres(_) => "txid_current() * 2",
        AnyConnection::Sqlite(_) => "2",
    };
    let mut statement = Statement::new(format!(
        "DELETE FROM usage_stale_days WHERE writer = {coverage} AND day_start = "
    ));
    statement
        .integer(day.day_start)
        .sql(" AND account_id = ")
        .integer(day.account_id)
        .sql(" AND endpoint = ")
        .text(&day.endpoint);
    statement
        .execute(connection)
        .map_err(StoreError::query("making sums of usage"))
        .map(drop)
}

/// Some days whose sums are to be made.
pub(super) fn some(connection: &mut AnyConnection, limit: i64) -> Result<Vec<DayOf>, StoreError> {
    load(connection, &format!("writer <> {BEYOND}"), limit)
}

/// Whether some day has no sums because its events were changed and nobody has made them since.
pub(crate) fn is_any(connection: &mut AnyConnection) -> Result<bool, StoreError> {
    Ok(!some(connection, 1)?.is_empty())
}

/// Every day whose sums nobody may use.
pub(super) fn all(connection: &mut AnyConnection) -> Result<Vec<DayOf>, StoreError> {
    load(connection, "1 = 1", i64::MAX)
}

fn load(connection: &mut AnyConnection, condition: &str, limit: i64) -> Result<Vec<DayOf>, StoreError> {
    let mut statement = Statement::new(format!(
        "SELECT DISTINCT day_start, account_id, endpoint FROM usage_stale_days WHERE {condition} \
         ORDER BY account_id, endpoint, day_start LIMIT "
    ));
    statement.integer(limit);
    let rows: Vec<Row> = statement
        .load(connection)
        .map_err(StoreError::query("looking for days without sums"))?;
    Ok(rows
        .into_iter()
        .map(|row| DayOf {
            account_id: row.account_id,
            endpoint: row.endpoint,
            day_start: row.day_start,
        })
        .collect())
}

/// The table of the widths of days: one for each account, surface and day.
pub(crate) const TABLE: &str = "usage_days";

/// Where the widths at which days are shown can be read, for the filter's days: the table of them, or the view if a day's
/// may have changed.
pub(crate) fn widths_for(
    connection: &mut AnyConnection,
    filter: &UsageFilter,
) -> Result<&'static str, StoreError> {
    let mut statement = Statement::new(format!(
        "SELECT min(s.day_start) AS first, max(s.day_start) AS last FROM usage_stale_days s WHERE s.writer <> {BEYOND}"
    ));
    filter.days(&mut statement, "s");
    Ok(match span(connection, &statement)? {
        Some(_) => "usage_best_width",
        None => TABLE,
    })
}

#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = Nullable<BigInt>)]
    first: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
}

/// The first and last day that a statement finds.
pub(crate) fn span(
    connection: &mut AnyConnection,
    statement: &Statement,
) -> Result<Option<(i64, i64)>, StoreError> {
    let found: Span = statement
        .clone()
        .get_result(connection)
        .map_err(StoreError::query("looking for days without sums"))?;
    Ok(found.first.zip(found.last))
}
