//! The fastest that a database takes the same rows into the same indexed table: in the order of the index, identities
//! and hashes computed before the clock starts, nothing looked up, compared or checked.

use std::io::{self, Write};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::pg::CopyFormat;
use diesel::prelude::*;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::child::{Measurement, Sample};
use crate::rows::{self, Cell};
use crate::schema::usage_events;
use crate::{Outcome, old_way};

/// As many as a transaction of the ledger aims at.
const ROWS_A_TRANSACTION: usize = 20_000;
/// More gains nothing on SQLite.
const ROWS_A_STATEMENT: usize = 50;

/// Loads the rows through COPY or multi-row INSERT.
pub(crate) fn load(url: &str, rows: usize, window: usize) -> Outcome<Sample> {
    old_way::set_up(url)?;
    match url.strip_prefix("sqlite:") {
        Some(path) => insert(path, &rows::stored(rows, window)?),
        None => copy(url, rows, window),
    }
}

/// A connection set up as the ledger sets up its own.
pub(crate) fn open_sqlite(path: &str) -> Outcome<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON;",
    )?;
    Ok(connection)
}

/// Takes away the ledger's unique index.
pub(crate) fn drop_index(url: &str) -> Outcome<()> {
    const DROP: &str = "DROP INDEX usage_admin_bucket_idx";
    match url.strip_prefix("sqlite:") {
        Some(path) => open_sqlite(path)?.execute_batch(DROP)?,
        None => PgConnection::establish(url)?.batch_execute(DROP)?,
    }
    Ok(())
}

/// `INSERT INTO usage_events (…) VALUES (?, …), …` with so many rows.
pub(crate) fn insert_statement(rows: usize) -> String {
    let columns = rows::columns();
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    format!(
        "INSERT INTO usage_events ({}) VALUES {}",
        columns.join(", "),
        vec![row; rows].join(", ")
    )
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(None) | Self::Text(None) | Self::Flag(None) => ValueRef::Null,
            Self::Integer(Some(number)) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::Flag(Some(flag)) => ValueRef::Integer((*flag).into()),
        }))
    }
}

fn insert(path: &str, rows: &[Vec<Cell>]) -> Outcome<Sample> {
    let connection = open_sqlite(path)?;
    let measurement = Measurement::start()?;
    for transaction in rows.chunks(ROWS_A_TRANSACTION) {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for statement in transaction.chunks(ROWS_A_STATEMENT) {
            connection
                .prepare_cached(&insert_statement(statement.len()))?
                .execute(rusqlite::params_from_iter(statement.iter().flatten()))?;
        }
        connection.execute_batch("COMMIT")?;
    }
    measurement.finish(rows.len())
}

fn copy(url: &str, rows: usize, window: usize) -> Outcome<Sample> {
    let transactions: Vec<Vec<u8>> = rows::stored(rows, window)?
        .chunks(ROWS_A_TRANSACTION)
        .map(binary)
        .collect::<Outcome<_>>()?;
    let mut connection = PgConnection::establish(url)?;
    let measurement = Measurement::start()?;
    for bytes in &transactions {
        AnsiTransactionManager::begin_transaction(&mut connection)?;
        diesel::copy_from(usage_events::table)
            .from_raw_data(usage_events::table, |out: &mut dyn Write| {
                out.write_all(bytes).map_err(CopyError::from)
            })
            .with_format(CopyFormat::Binary)
            .execute(&mut connection)?;
        AnsiTransactionManager::commit_transaction(&mut connection)?;
    }
    measurement.finish(rows)
}

/// Diesel wants one type for the callback's errors and its own.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Write(#[from] io::Error),
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
}

/// PostgreSQL's binary COPY format.
fn binary(rows: &[Vec<Cell>]) -> Outcome<Vec<u8>> {
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for row in rows {
        bytes.extend(i16::try_from(row.len())?.to_be_bytes());
        for cell in row {
            let mut field = |value: &[u8]| -> Outcome<()> {
                bytes.extend(i32::try_from(value.len())?.to_be_bytes());
                bytes.extend(value);
                Ok(())
            };
            match cell {
                Cell::Integer(Some(number)) => field(&number.to_be_bytes())?,
                Cell::Text(Some(text)) => field(text.as_bytes())?,
                Cell::Bytes(value) => field(value)?,
                Cell::Flag(Some(flag)) => field(&[u8::from(*flag)])?,
                Cell::Integer(None) | Cell::Text(None) | Cell::Flag(None) => {
                    bytes.extend((-1_i32).to_be_bytes());
                }
            }
        }
    }
    bytes.extend((-1_i16).to_be_bytes());
    Ok(bytes)
}
