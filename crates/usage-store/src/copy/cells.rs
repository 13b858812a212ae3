//! A row of any table, as its database returns it.

use diesel::deserialize::{self, QueryableByName};
use diesel::pg::{Pg, PgValue};
use diesel::result::QueryResult;
use diesel::row::{Field as _, NamedRow};
use diesel::sqlite::{Sqlite, SqliteType};

use crate::sql::{Row, Value};

/// A row; its cells are in the order in which they were selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cells(pub(super) Vec<Cell>);

/// One value. A boolean is the integer 0 or 1, as SQLite has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cells {
    /// About how much memory the row takes, in bytes.
    pub(super) fn size(&self) -> usize {
        let cells = self.0.iter();
        cells
            .map(|cell| {
                size_of::<Cell>()
                    + match cell {
                        Cell::Null | Cell::Integer(_) => 0,
                        Cell::Text(text) => text.len(),
                        Cell::Bytes(bytes) => bytes.len(),
                    }
            })
            .sum()
    }
}

impl QueryableByName<Sqlite> for Cells {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        let mut cells = Vec::with_capacity(row.field_count());
        for index in 0..row.field_count() {
            let field = diesel::row::Row::get(row, index).ok_or("a column is missing")?;
            let Some(mut value) = field.value() else {
                cells.push(Cell::Null);
                continue;
            };
            cells.push(match value.value_type() {
                None => Cell::Null,
                Some(SqliteType::Long | SqliteType::Integer | SqliteType::SmallInt) => {
                    Cell::Integer(value.read_long())
                }
                // Read as bytes, since reading as text replaces what is not UTF-8.
                Some(SqliteType::Text) => Cell::Text(std::str::from_utf8(value.read_blob())?.to_owned()),
                Some(SqliteType::Binary) => Cell::Bytes(value.read_blob().to_owned()),
                Some(_) => return Err("a number is no integer".into()),
            });
        }
        Ok(Self(cells))
    }
}

impl QueryableByName<Pg> for Cells {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let mut cells = Vec::with_capacity(row.field_count());
        for index in 0..row.field_count() {
            let field = diesel::row::Row::get(row, index).ok_or("a column is missing")?;
            cells.push(
                field
                    .value()
                    .map_or(Ok(Cell::Null), |value| from_postgres(&value))?,
            );
        }
        Ok(Self(cells))
    }
}

/// By the type's number in PostgreSQL's `pg_type`, which is the same everywhere.
fn from_postgres(value: &PgValue<'_>) -> deserialize::Result<Cell> {
    const BOOL: u32 = 16;
    const BYTEA: u32 = 17;
    const INT8: u32 = 20;
    const TEXT: u32 = 25;
    let bytes = value.as_bytes();
    Ok(match value.get_oid().get() {
        BOOL => Cell::Integer(i64::from(bytes != [0])),
        BYTEA => Cell::Bytes(bytes.to_owned()),
        INT8 => Cell::Integer(i64::from_be_bytes(bytes.try_into()?)),
        TEXT => Cell::Text(std::str::from_utf8(bytes)?.to_owned()),
        other => return Err(format!("a value has the type {other}").into()),
    })
}

impl Row for Cells {
    fn visit<'a>(&'a self, each: &mut dyn FnMut(Value<'a>) -> QueryResult<()>) -> QueryResult<()> {
        self.0.iter().try_for_each(|cell| {
            each(match cell {
                Cell::Null => Value::OptionalInteger(&None),
                Cell::Integer(number) => Value::Integer(number),
                Cell::Text(text) => Value::Text(text),
                Cell::Bytes(bytes) => Value::Bytes(bytes),
            })
        })
    }
}
