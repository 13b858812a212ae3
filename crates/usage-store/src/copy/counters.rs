//! The numbers that a database gives to rows: none is given out again, also not one of a row that was deleted.

use diesel::sql_types::{BigInt, Text};
use diesel::{OptionalExtension as _, QueryableByName, RunQueryDsl as _, sql_query};

use super::catalogue::{Table, quoted};
use crate::connection::AnyConnection;
use crate::error::StoreError;

#[derive(QueryableByName)]
struct Last {
    #[diesel(sql_type = BigInt)]
    last: i64,
}

const DOING: &str = "looking at the numbers of rows";

/// The last number that was given to a row, 0 if none was; nothing for a table whose rows have no such number.
pub(super) fn last_number(connection: &mut AnyConnection, table: &Table) -> Result<Option<i64>, StoreError> {
    let Some(column) = &table.numbered else {
        return Ok(None);
    };
    let last: Option<Last> = match connection {
        AnyConnection::Sqlite(inner) => sql_query("SELECT seq AS last FROM sqlite_sequence WHERE name = ?")
            .bind::<Text, _>(&table.name)
            .get_result(inner)
            .optional(),
        // A sequence that has not begun has no last value.
        AnyConnection::Postgres(inner) => sql_query(
            "SELECT COALESCE(pg_sequence_last_value(CAST(pg_get_serial_sequence($1, $2) AS REGCLASS)), 0) AS last",
        )
        .bind::<Text, _>(quoted(&table.name))
        .bind::<Text, _>(column)
        .get_result(inner)
        .optional(),
    }
    .map_err(StoreError::query(DOING))?;
    let given = last.map_or(0, |last| last.last);
    // Rows that were stored with numbers of their own do not count the sequence up.
    let greatest: Last = sql_query(format!(
        "SELECT COALESCE(max({}), 0) AS last FROM {}",
        quoted(column),
        quoted(&table.name)
    ))
    .get_result(connection)
    .map_err(StoreError::query(DOING))?;
    Ok(Some(given.max(greatest.last)))
}

/// Makes the next row get a number after this one.
pub(super) fn go_on_after(
    connection: &mut AnyConnection,
    table: &Table,
    last: i64,
) -> Result<(), StoreError> {
    let Some(column) = &table.numbered else {
        return Ok(());
    };
    match connection {
        AnyConnection::Sqlite(inner) => sql_query("DELETE FROM sqlite_sequence WHERE name = ?1")
            .bind::<Text, _>(&table.name)
            .execute(inner)
            .and_then(|_| {
                sql_query("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)")
                    .bind::<Text, _>(&table.name)
                    .bind::<BigInt, _>(last)
                    .execute(inner)
            }),
        // Called at 1, the sequence would begin with it again; it has not begun either way.
        AnyConnection::Postgres(inner) => sql_query(
            "SELECT setval(CAST(pg_get_serial_sequence($1, $2) AS REGCLASS), greatest($3, 1), $3 > 0) AS last",
        )
        .bind::<Text, _>(quoted(&table.name))
        .bind::<Text, _>(column)
        .bind::<BigInt, _>(last)
        .get_result::<Last>(inner)
        .map(|_| 1),
    }
    .map(drop)
    .map_err(StoreError::query(DOING))
}
