//! The rows of a table, from one side to the other.

use diesel::pg::PgConnection;
use diesel::query_builder::BoxedSqlQuery;
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};
use diesel::{RunQueryDsl as _, SqliteConnection, sql_query};

use super::catalogue::{Kind, Table, quoted};
use super::cells::{Cell, Cells};
use super::{CopyProgress, CopyStep, Failure, read};
use crate::connection::AnyConnection;
use crate::error::{StoreError, one_line};
use crate::outage;
use crate::sql::InsertRows;

/// Rows that are written at once, unless they are large.
const ROWS_A_BATCH: usize = 2_000;
/// Bytes of rows after which a batch ends.
const BYTES_A_BATCH: usize = 8 * 1024 * 1024;
/// Rows a multi-row statement holds; more gains nothing on SQLite.
const ROWS_A_STATEMENT: usize = 50;

/// Copies every row; returns how many there were.
pub(super) fn rows(
    source: &mut AnyConnection,
    target: &mut AnyConnection,
    table: &Table,
    progress: &CopyProgress,
) -> Result<u64, Failure> {
    let mut copied = 0;
    let (mut batch, mut bytes) = (Vec::with_capacity(ROWS_A_BATCH), 0);
    let mut flush = |batch: &mut Vec<Cells>| {
        write(target, table, batch).map_err(|error| {
            if outage::is_loss(&error) {
                return Failure::Store(StoreError::query("writing rows")(error));
            }
            let reason = one_line(&error.to_string());
            Failure::Target(format!(
                "its {} does not take the source's rows: {reason}",
                table.name
            ))
        })?;
        let rows = batch.len() as u64;
        copied += rows;
        batch.clear();
        progress(CopyStep::Rows { rows });
        Ok::<_, Failure>(())
    };
    for row in read::rows(source, table)? {
        let row = row?;
        bytes += row.size();
        batch.push(row);
        if batch.len() == ROWS_A_BATCH || bytes >= BYTES_A_BATCH {
            flush(&mut batch)?;
            bytes = 0;
        }
    }
    flush(&mut batch)?;
    Ok(copied)
}

fn write(target: &mut AnyConnection, table: &Table, rows: &[Cells]) -> QueryResult<()> {
    match target {
        _ if rows.is_empty() => Ok(()),
        AnyConnection::Sqlite(inner) => write_statements(inner, table, rows),
        AnyConnection::Postgres(inner) => write_arrays(inner, table, rows),
    }
}

fn write_statements(target: &mut SqliteConnection, table: &Table, rows: &[Cells]) -> QueryResult<()> {
    let head = format!(
        "INSERT INTO {} ({}) VALUES ",
        quoted(&table.name),
        table.column_list()
    );
    for rows in rows.chunks(ROWS_A_STATEMENT) {
        let head = &head;
        InsertRows { head, rows, tail: "" }.execute(target)?;
    }
    Ok(())
}

/// One array for each column: diesel's COPY takes only tables that are known when the program is built, and this is as
/// binary and needs no more round trips.
fn write_arrays(target: &mut PgConnection, table: &Table, rows: &[Cells]) -> QueryResult<()> {
    let arrays: Vec<String> = table
        .columns
        .iter()
        .zip(1..)
        .map(|(column, number)| {
            let name = match column.kind {
                Kind::Integer => "BIGINT",
                Kind::Flag => "BOOLEAN",
                Kind::Text => "TEXT",
                Kind::Bytes => "BYTEA",
            };
            format!("CAST(${number} AS {name}[])")
        })
        .collect();
    let statement = format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest({})",
        quoted(&table.name),
        table.column_list(),
        arrays.join(", ")
    );
    let mut query = sql_query(statement).into_boxed();
    for (index, column) in table.columns.iter().enumerate() {
        query = bind(query, column.kind, rows.iter().map(|row| &row.0[index]));
    }
    query.execute(target).map(drop)
}

type Query<'a> = BoxedSqlQuery<'a, diesel::pg::Pg, diesel::query_builder::SqlQuery>;

fn bind<'a>(query: Query<'a>, kind: Kind, cells: impl Iterator<Item = &'a Cell>) -> Query<'a> {
    let integer = |cell: &Cell| match cell {
        Cell::Integer(number) => Some(*number),
        _ => None,
    };
    match kind {
        Kind::Integer => {
            query.bind::<Array<Nullable<BigInt>>, Vec<Option<i64>>>(cells.map(integer).collect())
        }
        Kind::Flag => query.bind::<Array<Nullable<Bool>>, Vec<Option<bool>>>(
            cells
                .map(|cell| integer(cell).map(|number| number != 0))
                .collect(),
        ),
        Kind::Text => query.bind::<Array<Nullable<Text>>, Vec<Option<&'a str>>>(
            cells
                .map(|cell| match cell {
                    Cell::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
        ),
        Kind::Bytes => query.bind::<Array<Nullable<Binary>>, Vec<Option<&'a [u8]>>>(
            cells
                .map(|cell| match cell {
                    Cell::Bytes(bytes) => Some(bytes.as_slice()),
                    _ => None,
                })
                .collect(),
        ),
    }
}
