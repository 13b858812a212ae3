//! At which width a day is shown, for a few days: the view `usage_best_width` asked in a way that reads no other day.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::DAY;
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::statement::Statement;

#[derive(QueryableByName)]
struct Shown {
    #[diesel(sql_type = BigInt)]
    day_start: i64,
    #[diesel(sql_type = BigInt)]
    width_seconds: i64,
}

/// The width of each day from `first` to `last`, both inclusive, that is shown at all, in order.
///
/// The text is that of the view: neither database takes a condition on a day into the view's parts, so it would read
/// the whole ledger. A test holds the two against each other.
pub(super) fn shown(
    connection: &mut AnyConnection,
    account_id: i64,
    endpoint: &str,
    first: i64,
    last: i64,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let place = |statement: &mut Statement, table: &str| {
        statement
            .sql(format!(" {table}.account_id = "))
            .integer(account_id)
            .sql(format!(" AND {table}.endpoint = "))
            .text(endpoint)
            .sql(format!(" AND {table}.window_start >= "))
            .integer(first)
            .sql(format!(" AND {table}.window_start < "))
            .integer(last.saturating_add(DAY));
    };
    let mut statement = Statement::new(
        "SELECT day_start, width_seconds FROM (SELECT day_start, width_seconds, row_number() OVER (\
         PARTITION BY day_start ORDER BY every_project DESC, sum(covered_seconds) DESC, width_seconds DESC) AS place \
         FROM (SELECT c.window_start - c.window_start % 86400 AS day_start, c.width_seconds AS width_seconds, \
         CASE WHEN c.project_filter = '' THEN 1 ELSE 0 END AS every_project, \
         max(CASE WHEN c.read_started_at < c.window_start + c.width_seconds \
         THEN c.read_started_at - c.window_start ELSE c.width_seconds END) AS covered_seconds \
         FROM usage_coverage c WHERE",
    );
    place(&mut statement, "c");
    statement.sql(
        " GROUP BY c.window_start, c.width_seconds, CASE WHEN c.project_filter = '' THEN 1 ELSE 0 END \
         UNION ALL SELECT DISTINCT e.window_start - e.window_start % 86400, e.window_end - e.window_start, -1, 0 \
         FROM usage_events e WHERE EXISTS (SELECT 1 FROM runs r WHERE r.kind = 'import') AND",
    );
    place(&mut statement, "e");
    statement.sql(
        " AND NOT EXISTS (SELECT 1 FROM usage_coverage c WHERE c.account_id = e.account_id \
         AND c.endpoint = e.endpoint AND c.width_seconds = e.window_end - e.window_start \
         AND c.window_start = e.window_start)) AS windows \
         GROUP BY day_start, width_seconds, every_project) AS ranked WHERE place = 1 ORDER BY day_start",
    );
    let rows: Vec<Shown> = statement
        .load(connection)
        .map_err(StoreError::query("looking which width a day is shown at"))?;
    Ok(rows
        .into_iter()
        .map(|row| (row.day_start, row.width_seconds))
        .collect())
}
