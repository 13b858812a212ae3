//! Writing the difference.

use std::io::{self, Write};
use std::sync::LazyLock;

use diesel::pg::{CopyFormat, PgConnection};
use diesel::prelude::*;
use diesel::result::QueryResult;
use usage_core::{DedupeKey, Dimension, Metric};

use super::Batch;
use super::compare::Change;
use super::prepare::{PreparedRow, PricedRow, Stamp, StampedRow};
use crate::connection::AnyConnection;
use crate::error::{Retry, StoreError};
use crate::events::RevisionKind;
use crate::pricing::PriceColumns;
use crate::schema::usage_events;
use crate::sql::{InsertRows, Row, Value};

/// Rows a multi-row statement holds. More gains nothing on SQLite; PostgreSQL takes COPY for more.
const ROWS_A_STATEMENT: usize = 50;
/// From this many new rows on, COPY is worth its own round trip.
const COPY_FROM: usize = 200;
/// Keys a DELETE or a revision statement names.
pub(super) const KEYS_A_STATEMENT: usize = 500;

/// The columns of an event in the order of the table, of [`StampedRow`] and of COPY.
static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let before = [
        "account_id",
        "endpoint",
        "window_start",
        "window_end",
        "dedupe_key",
    ];
    let dimensions = Dimension::USAGE.into_iter().map(Dimension::as_str);
    let after = [
        "content_hash",
        "revision",
        "first_stored_at",
        "changed_at",
        "run_id",
        "cost_nano_usd",
        "price_ref",
    ];
    let metrics = Metric::ALL.into_iter().map(Metric::as_str);
    before
        .into_iter()
        .chain(dimensions)
        .chain(metrics)
        .chain(after)
        .collect::<Vec<_>>()
        .join(", ")
});

static HEAD: LazyLock<String> =
    LazyLock::new(|| format!("INSERT INTO usage_events AS t ({}) VALUES ", *COLUMNS));

/// The constraint upsert: `usage_admin_bucket_idx` is the only conflict target, the content hash tells changed from
/// unchanged, and the returned revision tells inserted (1) from updated.
static TAIL: LazyLock<String> = LazyLock::new(|| {
    let set: Vec<String> = Metric::ALL
        .into_iter()
        .map(Metric::as_str)
        .chain([
            "content_hash",
            "changed_at",
            "run_id",
            "cost_nano_usd",
            "price_ref",
        ])
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    format!(
        " ON CONFLICT (window_start, dedupe_key) DO UPDATE SET {}, revision = t.revision + 1 \
         WHERE t.content_hash <> excluded.content_hash RETURNING revision",
        set.join(", ")
    )
});

/// Stands for the INSERT of [`ROWS_A_STATEMENT`] new rows.
struct FullInsert;

/// Inserts rows that the comparison found to be new.
///
/// They go straight into the table, many at once through COPY on PostgreSQL: the lease excludes every writer who follows
/// the rules, and one who does not trips over the unique index, upon which the whole transaction runs again and finds
/// the row standing.
pub(crate) fn insert(
    connection: &mut AnyConnection,
    stamp: Stamp,
    rows: &[PricedRow<'_>],
) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Postgres(inner) if rows.len() >= COPY_FROM => copy(inner, stamp, rows),
        _ => insert_through_statements(connection, stamp, rows),
    }
}

fn insert_through_statements(
    connection: &mut AnyConnection,
    stamp: Stamp,
    rows: &[PricedRow<'_>],
) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_A_STATEMENT) {
        insert_stamped(connection, &stamped(stamp, rows))?;
    }
    Ok(())
}

/// Inserts rows with the history that they carry.
pub(super) fn insert_stamped(
    connection: &mut AnyConnection,
    rows: &[StampedRow<'_>],
) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_A_STATEMENT) {
        let insert = InsertRows {
            head: &HEAD,
            rows,
            tail: "",
        };
        let inserted = if rows.len() == ROWS_A_STATEMENT {
            insert.execute_as::<FullInsert>(connection)
        } else {
            insert.execute(connection)
        };
        inserted.map_err(StoreError::query("storing usage events"))?;
    }
    Ok(())
}

/// Updates rows that the comparison found to have changed, through the unique index, and fails if the index says
/// otherwise than the comparison did: then somebody wrote without the lease, and the transaction runs again.
pub(super) fn update(
    connection: &mut AnyConnection,
    stamp: Stamp,
    rows: &[PricedRow<'_>],
) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_A_STATEMENT) {
        let rows = stamped(stamp, rows);
        let revisions: Vec<i64> = InsertRows {
            head: &HEAD,
            rows: &rows,
            tail: &TAIL,
        }
        .load(connection)
        .map_err(StoreError::query("storing usage events"))?;
        if revisions.len() != rows.len() || !revisions.into_iter().all(|revision| revision > 1) {
            return Err(intruder());
        }
    }
    Ok(())
}

/// The table is not what the comparison saw: the transaction runs again and compares anew.
pub(super) fn intruder() -> StoreError {
    StoreError::Query {
        doing: "storing usage events",
        reason: "somebody writes usage events without the account's lease".to_owned(),
        retry: Retry::Again,
    }
}

fn stamped<'a>(stamp: Stamp, rows: &[PricedRow<'a>]) -> Vec<StampedRow<'a>> {
    rows.iter().map(|row| StampedRow::new(row, stamp)).collect()
}

/// Deletes the rows of a window that the read no longer contained.
pub(super) fn retract(connection: &mut AnyConnection, change: &Change<'_>) -> Result<(), StoreError> {
    let keys: Vec<DedupeKey> = change.retracted.iter().map(|row| row.key).collect();
    delete(connection, change.window.window.start_unix(), &keys).map(drop)
}

/// Deletes the rows with these keys; returns how many.
pub(crate) fn delete(
    connection: &mut AnyConnection,
    window_start: i64,
    keys: &[DedupeKey],
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for keys in keys.chunks(KEYS_A_STATEMENT) {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
        deleted += diesel::delete(
            usage_events::table
                .filter(usage_events::window_start.eq(window_start))
                .filter(usage_events::dedupe_key.eq_any(keys)),
        )
        .execute(connection)
        .map_err(StoreError::query("deleting usage events"))? as u64;
    }
    Ok(deleted)
}

/// Copies the rows with these keys into the revisions as they stand; returns how many.
pub(crate) fn keep(
    connection: &mut AnyConnection,
    kind: RevisionKind,
    stamp: Stamp,
    window_start: i64,
    keys: &[DedupeKey],
) -> Result<u64, StoreError> {
    let mut kept = 0;
    for keys in keys.chunks(KEYS_A_STATEMENT) {
        kept += CopyRevisions {
            kind: kind.as_str(),
            now: stamp.now,
            run_id: stamp.run_id,
            start: window_start,
            keys,
        }
        .execute(connection)
        .map_err(StoreError::query("keeping revisions"))? as u64;
    }
    Ok(kept)
}

/// Keeps what a restatement is about to replace; returns how many revisions it wrote.
///
/// Growth of a window that was only ever read before its end is no restatement and leaves none. What no read returned, as
/// imported rows, is kept too: the first read is what replaces it.
pub(super) fn revisions(
    connection: &mut AnyConnection,
    batch: &Batch,
    change: &Change<'_>,
) -> Result<u64, StoreError> {
    let start = change.window.window.start_unix();
    let is_kept = |project_id: Option<&str>| change.restates(project_id) || !change.was_read(project_id);
    let changed = change
        .updated
        .iter()
        .filter(|updated| is_kept(updated.row.dimensions.project_id.as_deref()))
        .map(|updated| updated.row.key);
    let retracted = change
        .retracted
        .iter()
        .filter(|row| is_kept(row.project_id.as_deref()))
        .map(|row| row.key);
    let added = change
        .inserted
        .iter()
        .filter(|row| change.restates(row.dimensions.project_id.as_deref()));

    let mut written = 0;
    for (kind, keys) in [
        (RevisionKind::Changed, changed.collect::<Vec<_>>()),
        (RevisionKind::Retracted, retracted.collect()),
    ] {
        let mut keys = keys;
        keys.dedup();
        written += keep(connection, kind, batch.read.stamp(), start, &keys)?;
    }
    let added: Vec<AddedRow<'_>> = added.map(|row| AddedRow::new(row, batch)).collect();
    for rows in added.chunks(ROWS_A_STATEMENT) {
        let head = format!(
            "INSERT INTO usage_revisions (kind, replaced_at, replaced_by_run, {}) VALUES ",
            *COLUMNS
        );
        let marked = InsertRows {
            head: &head,
            rows,
            tail: "",
        }
        .execute(connection)
        .map_err(StoreError::query("keeping revisions"))?;
        written += marked as u64;
    }
    Ok(written)
}

mod revision {
    use diesel::backend::Backend;
    use diesel::query_builder::{AstPass, QueryFragment, QueryId};
    use diesel::result::QueryResult;
    use diesel::serialize::ToSql;
    use diesel::sql_types::{BigInt, Binary, HasSqlType, Text};
    use usage_core::DedupeKey;

    use super::COLUMNS;

    /// Copies rows as they stand into the revisions, without a round trip through the program.
    pub(super) struct CopyRevisions<'a> {
        pub(super) kind: &'a str,
        pub(super) now: i64,
        pub(super) run_id: i64,
        pub(super) start: i64,
        pub(super) keys: &'a [DedupeKey],
    }

    impl<DB> QueryFragment<DB> for CopyRevisions<'_>
    where
        DB: Backend + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Binary>,
        i64: ToSql<BigInt, DB>,
        str: ToSql<Text, DB>,
        [u8]: ToSql<Binary, DB>,
    {
        fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
            out.push_sql("INSERT INTO usage_revisions (kind, replaced_at, replaced_by_run, ");
            out.push_sql(&COLUMNS);
            out.push_sql(") SELECT ");
            // PostgreSQL cannot tell the type of a parameter in a select list.
            out.push_sql("CAST(");
            out.push_bind_param::<Text, str>(self.kind)?;
            out.push_sql(" AS TEXT), CAST(");
            out.push_bind_param::<BigInt, i64>(&self.now)?;
            out.push_sql(" AS BIGINT), CAST(");
            out.push_bind_param::<BigInt, i64>(&self.run_id)?;
            out.push_sql(" AS BIGINT), ");
            out.push_sql(&COLUMNS);
            out.push_sql(" FROM usage_events WHERE window_start = ");
            out.push_bind_param::<BigInt, i64>(&self.start)?;
            out.push_sql(" AND dedupe_key IN (");
            for (index, key) in self.keys.iter().enumerate() {
                if index > 0 {
                    out.push_sql(", ");
                }
                out.push_bind_param::<Binary, [u8]>(key.as_bytes().as_slice())?;
            }
            out.push_sql(")");
            Ok(())
        }
    }

    impl QueryId for CopyRevisions<'_> {
        type QueryId = ();
        const HAS_STATIC_QUERY_ID: bool = false;
    }

    impl<C> diesel::RunQueryDsl<C> for CopyRevisions<'_> {}
}
use revision::CopyRevisions;

/// The mark of a row that a restatement added: its identity, with no numbers and revision 0, for there were none.
struct AddedRow<'a> {
    stamped: StampedRow<'a>,
}

impl<'a> AddedRow<'a> {
    fn new(row: &'a PreparedRow, batch: &Batch) -> Self {
        let row = PricedRow {
            row,
            price: PriceColumns::default(),
        };
        let stamped = StampedRow::new(&row, batch.read.stamp());
        Self {
            stamped: StampedRow {
                metrics: [None; super::prepare::METRICS],
                revision: 0,
                ..stamped
            },
        }
    }
}

impl Row for AddedRow<'_> {
    fn visit<'a>(&'a self, each: &mut dyn FnMut(Value<'a>) -> QueryResult<()>) -> QueryResult<()> {
        each(Value::Text(RevisionKind::Added.as_str()))?;
        each(Value::Integer(&self.stamped.now))?;
        each(Value::Integer(&self.stamped.run_id))?;
        self.stamped.visit(each)
    }
}

fn copy(connection: &mut PgConnection, stamp: Stamp, rows: &[PricedRow<'_>]) -> Result<(), StoreError> {
    diesel::copy_from(usage_events::table)
        .from_raw_data(
            usage_events::table,
            |out: &mut dyn Write| -> Result<(), CopyError> {
                let mut out = io::BufWriter::with_capacity(64 * 1024, out);
                write_binary(&mut out, stamp, rows)?;
                out.flush()?;
                Ok(())
            },
        )
        .with_format(CopyFormat::Binary)
        .execute(connection)
        .map(|_| ())
        .map_err(|error: CopyError| match error {
            CopyError::Database(error) => error,
            CopyError::Write(error) => diesel::result::Error::SerializationError(Box::new(error)),
        })
        .map_err(StoreError::query("copying usage events"))
}

/// What can go wrong with a COPY: diesel wants one type for the callback's errors and its own.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Write(#[from] io::Error),
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
}

/// PostgreSQL's binary COPY format: a signature, then for each row the number of fields and each with its length.
fn write_binary(out: &mut impl Write, stamp: Stamp, rows: &[PricedRow<'_>]) -> io::Result<()> {
    const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
    out.write_all(SIGNATURE)?;
    out.write_all(&[0; 8])?; // No flags, no header extension.
    let mut line = Vec::with_capacity(512);
    for row in rows {
        let stamped = StampedRow::new(row, stamp);
        let mut fields: i16 = 0;
        line.clear();
        let visited = stamped.visit(&mut |value| {
            fields += 1;
            put(&mut line, &value);
            Ok(())
        });
        visited.map_err(io::Error::other)?;
        out.write_all(&fields.to_be_bytes())?;
        out.write_all(&line)?;
    }
    out.write_all(&(-1_i16).to_be_bytes())
}

fn put(line: &mut Vec<u8>, value: &Value<'_>) {
    let mut field = |bytes: &[u8]| {
        // A field is an id, a name or a number; one of 2 GiB cannot pass the body limit.
        line.extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
        line.extend_from_slice(bytes);
    };
    match value {
        Value::Integer(number) => field(&number.to_be_bytes()),
        Value::OptionalInteger(Some(number)) => field(&number.to_be_bytes()),
        Value::Text(text) => field(text.as_bytes()),
        Value::OptionalText(Some(text)) => field(text.as_bytes()),
        Value::Bytes(bytes) => field(bytes),
        Value::OptionalBool(Some(flag)) => field(&[u8::from(*flag)]),
        Value::OptionalInteger(None) | Value::OptionalText(None) | Value::OptionalBool(None) => {
            line.extend_from_slice(&(-1_i32).to_be_bytes());
        }
    }
}
