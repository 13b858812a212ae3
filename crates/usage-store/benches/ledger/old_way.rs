//! What the ledger replaces: for each row a SELECT by its dimensions, then, since the row is new, an INSERT, each
//! committed on its own. The table gets an index over the dimensions, without which each SELECT would read all of it.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use usage_core::SystemClock;
use usage_store::{Ledger, OpenMode};

use crate::Outcome;
use crate::child::{Measurement, Sample};
use crate::limit::{insert_statement, open_sqlite};
use crate::rows::{self, Cell};

/// What the old system told rows apart by.
const IDENTITY: [&str; 7] = [
    "window_start",
    "project_id",
    "api_key_id",
    "user_id",
    "model",
    "service_tier",
    "batch",
];

/// Sets up the ledger's schema.
pub(crate) fn set_up(url: &str) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(Ledger::open(url, Arc::new(SystemClock), OpenMode::SetUpIfEmpty))?;
    Ok(())
}

/// Stores new rows, one at a time.
pub(crate) fn load(url: &str, rows: usize, window: usize) -> Outcome<Sample> {
    set_up(url)?;
    let stored = rows::stored(rows, window)?;
    match url.strip_prefix("sqlite:") {
        Some(path) => sqlite(path, &stored),
        None => postgres(url, &stored),
    }
}

fn sqlite(path: &str, rows: &[Vec<Cell>]) -> Outcome<Sample> {
    let connection = open_sqlite(path)?;
    connection.execute_batch(&index())?;
    let (find, insert) = (find_statement(), insert_statement(1));
    let measurement = Measurement::start()?;
    for row in rows {
        if connection
            .prepare_cached(&find)?
            .exists(rusqlite::params_from_iter(identity(row)))?
        {
            return Err("the rows are not new".into());
        }
        connection
            .prepare_cached(&insert)?
            .execute(rusqlite::params_from_iter(row))?;
    }
    measurement.finish(rows.len())
}

fn postgres(url: &str, rows: &[Vec<Cell>]) -> Outcome<Sample> {
    let mut connection = PgConnection::establish(url)?;
    connection.batch_execute(&index())?;
    let (find, insert) = (find_statement(), insert_statement(1));
    let measurement = Measurement::start()?;
    for row in rows {
        let find = Statement {
            text: &find,
            cells: identity(row).collect(),
        };
        if find.get_result::<i64>(&mut connection).optional()?.is_some() {
            return Err("the rows are not new".into());
        }
        let insert = Statement {
            text: &insert,
            cells: row.iter().collect(),
        };
        insert.execute(&mut connection)?;
    }
    measurement.finish(rows.len())
}

fn index() -> String {
    format!(
        "CREATE INDEX old_identity ON usage_events ({})",
        IDENTITY.join(", ")
    )
}

fn find_statement() -> String {
    let conditions = IDENTITY.map(|column| format!("{column} = ?"));
    format!(
        "SELECT revision FROM usage_events WHERE {}",
        conditions.join(" AND ")
    )
}

fn identity(row: &[Cell]) -> impl Iterator<Item = &Cell> {
    rows::columns()
        .into_iter()
        .zip(row)
        .filter(|(column, _)| IDENTITY.contains(column))
        .map(|(_, cell)| cell)
}

/// A statement with `?` for each of its values; prepared once, as the old system's client does.
struct Statement<'a> {
    text: &'a str,
    cells: Vec<&'a Cell>,
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut parts = self.text.split('?');
        for (part, cell) in parts.by_ref().zip(&self.cells) {
            out.push_sql(part);
            match cell {
                Cell::Integer(value) => out.push_bind_param::<Nullable<BigInt>, _>(value)?,
                Cell::Text(value) => out.push_bind_param::<Nullable<Text>, _>(value)?,
                Cell::Bytes(value) => out.push_bind_param::<Binary, _>(value)?,
                Cell::Flag(value) => out.push_bind_param::<Nullable<Bool>, _>(value)?,
            }
        }
        out.push_sql(self.text.rsplit('?').next().unwrap_or_default());
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = BigInt;
}

impl RunQueryDsl<PgConnection> for Statement<'_> {}
