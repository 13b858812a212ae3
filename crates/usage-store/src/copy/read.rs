//! The rows of a table in an order that both databases agree on.

use std::vec::IntoIter;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::{RunQueryDsl as _, sql_query};

use super::catalogue::{Column, Kind, Table, quoted};
use super::cells::Cells;
use crate::connection::AnyConnection;
use crate::error::StoreError;

/// Rows that are fetched from PostgreSQL at once.
const ROWS_A_FETCH: usize = 500;

/// Rows, one after the other; only a few of them are in memory.
pub(super) type Rows<'a> = Box<dyn Iterator<Item = Result<Cells, StoreError>> + 'a>;

/// Begins to read a table. Only one may be read on a connection at a time.
pub(super) fn rows<'a>(connection: &'a mut AnyConnection, table: &Table) -> Result<Rows<'a>, StoreError> {
    let statement = statement(connection, table);
    let failed = StoreError::query("reading rows");
    match connection {
        AnyConnection::Sqlite(inner) => {
            let rows = sql_query(statement)
                .load_iter::<Cells, diesel::connection::DefaultLoadingMode>(inner)
                .map_err(failed)?;
            Ok(Box::new(
                rows.map(|row| row.map_err(StoreError::query("reading rows"))),
            ))
        }
        AnyConnection::Postgres(inner) => {
            // The one of an earlier attempt, whose other side was lost, may still be open.
            inner
                .batch_execute(&format!(
                    "CLOSE ALL; DECLARE copied_rows NO SCROLL CURSOR FOR {statement}"
                ))
                .map_err(failed)?;
            Ok(Box::new(Fetched {
                connection: inner,
                ready: Vec::new().into_iter(),
                ended: false,
            }))
        }
    }
}

/// Ordered by every column, those of an index first: then no two different rows are ever in another order on the other side,
/// whether or not the index is unique. Text is ordered by its bytes and NULL comes first, as on SQLite.
fn statement(connection: &AnyConnection, table: &Table) -> String {
    let first = table
        .order
        .iter()
        .filter_map(|name| table.columns.iter().find(|column| column.name == *name));
    let rest = table
        .columns
        .iter()
        .filter(|column| !table.order.contains(&column.name));
    let by: Vec<String> = first
        .chain(rest)
        .map(|column| order(connection, column))
        .collect();
    format!(
        "SELECT {} FROM {} ORDER BY {}",
        table.column_list(),
        quoted(&table.name),
        by.join(", ")
    )
}

fn order(connection: &AnyConnection, column: &Column) -> String {
    let name = quoted(&column.name);
    let AnyConnection::Postgres(_) = connection else {
        return name;
    };
    let collation = match column.kind {
        Kind::Text => " COLLATE \"C\"",
        Kind::Integer | Kind::Flag | Kind::Bytes => "",
    };
    // Asked for where there are no nulls, it would keep the index from being used.
    let nulls = if column.nullable { " NULLS FIRST" } else { "" };
    format!("{name}{collation}{nulls}")
}

/// Rows of a cursor on the server.
struct Fetched<'a> {
    connection: &'a mut PgConnection,
    ready: IntoIter<Cells>,
    ended: bool,
}

impl Fetched<'_> {
    fn fetch(&mut self) -> Result<(), StoreError> {
        let failed = StoreError::query("reading rows");
        let rows: Vec<Cells> = sql_query(format!("FETCH FORWARD {ROWS_A_FETCH} FROM copied_rows"))
            .load(self.connection)
            .map_err(failed)?;
        if rows.is_empty() {
            self.ended = true;
            self.connection
                .batch_execute("CLOSE copied_rows")
                .map_err(StoreError::query("reading rows"))?;
        }
        self.ready = rows.into_iter();
        Ok(())
    }
}

impl Iterator for Fetched<'_> {
    type Item = Result<Cells, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.len() == 0
            && !self.ended
            && let Err(error) = self.fetch()
        {
            self.ended = true;
            return Some(Err(error));
        }
        self.ready.next().map(Ok)
    }
}
