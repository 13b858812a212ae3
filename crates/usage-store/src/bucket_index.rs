//! The unique index that is the identity of usage events, and what is done where it is missing.

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl, sql_query};

use crate::connection::{AnyConnection, Ended, write_transaction};
use crate::error::{MOST_DUPLICATES, StoreError};
use crate::events::instant;

/// How writes find the row that they replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePath {
    /// Through `usage_admin_bucket_idx`.
    Constraint,
    /// By look-up, in a transaction that excludes other writers, since the index is missing or is not what its name
    /// says.
    Manual,
}

const CREATE: &str = "CREATE UNIQUE INDEX usage_admin_bucket_idx ON usage_events (window_start, dedupe_key)";

/// Which way writes must take, judged by the index's definition: one of the same name on other columns, not unique,
/// partial or half-built does not count.
pub(crate) fn write_path(connection: &mut AnyConnection) -> Result<WritePath, StoreError> {
    let statement = match connection {
        AnyConnection::Postgres(_) => {
            "SELECT count(*) AS count FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             WHERE i.indrelid = to_regclass('usage_events') AND c.relname = 'usage_admin_bucket_idx' \
             AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 2 \
             AND pg_get_indexdef(i.indexrelid, 1, true) = 'window_start' \
             AND pg_get_indexdef(i.indexrelid, 2, true) = 'dedupe_key'"
        }
        AnyConnection::Sqlite(_) => {
            "SELECT count(*) AS count FROM pragma_index_list('usage_events') l \
             WHERE l.name = 'usage_admin_bucket_idx' AND l.\"unique\" = 1 AND l.partial = 0 \
             AND (SELECT group_concat(i.name, ',') FROM pragma_index_info(l.name) i) = 'window_start,dedupe_key'"
        }
    };
    let found: Count = sql_query(statement)
        .get_result(connection)
        .map_err(StoreError::query("looking for the index"))?;
    Ok(if found.count == 1 {
        WritePath::Constraint
    } else {
        WritePath::Manual
    })
}

/// Excludes every other writer of usage events until the transaction ends, whether or not it holds a lease. SQLite's
/// write transaction does so as it is.
pub(crate) fn exclude_writers(connection: &mut AnyConnection) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Postgres(_) => connection
            .batch_execute("LOCK TABLE usage_events IN SHARE ROW EXCLUSIVE MODE")
            .map_err(StoreError::query("locking the usage events")),
        AnyConnection::Sqlite(_) => Ok(()),
    }
}

/// Makes the index if it is missing; returns whether it did.
///
/// Fails with [`StoreError::DuplicateEvents`] while an identity stands more than once.
pub(crate) fn repair(connection: &mut AnyConnection) -> Result<bool, StoreError> {
    if write_path(connection)? == WritePath::Constraint {
        return Ok(false);
    }
    write_transaction(connection, |connection| {
        exclude_writers(connection)?;
        // Another process may have made it while this one waited.
        if write_path(connection)? == WritePath::Constraint {
            return Ok(false);
        }
        refuse_duplicates(connection)?;
        connection
            .batch_execute(&format!("DROP INDEX IF EXISTS usage_admin_bucket_idx; {CREATE}"))
            .map_err(StoreError::query("making the index"))?;
        Ok(true)
    })
    .and_then(Ended::certain)
}

fn refuse_duplicates(connection: &mut AnyConnection) -> Result<(), StoreError> {
    match duplicates(connection)? {
        None => Ok(()),
        Some(Twice {
            identities,
            window_start,
            key,
        }) => Err(StoreError::DuplicateEvents {
            identities,
            window_start,
            key,
        }),
    }
}

/// Identities that stand more than once.
pub(crate) struct Twice {
    /// How many, counted up to [`MOST_DUPLICATES`].
    pub(crate) identities: u64,
    /// The first window with one.
    pub(crate) window_start: DateTime<Utc>,
    /// The key of one, in hexadecimal.
    pub(crate) key: String,
}

pub(crate) fn duplicates(connection: &mut AnyConnection) -> Result<Option<Twice>, StoreError> {
    let statement = format!(
        "SELECT count(*) AS count, min(window_start) AS window_start, min(dedupe_key) AS dedupe_key FROM \
         (SELECT window_start, {} AS dedupe_key FROM usage_events GROUP BY window_start, usage_events.dedupe_key \
         HAVING count(*) > 1 ORDER BY window_start LIMIT {MOST_DUPLICATES}) AS twice",
        match connection {
            // PostgreSQL 15 has no min() of bytes, and any example will do.
            AnyConnection::Postgres(_) => "encode(usage_events.dedupe_key, 'hex')",
            AnyConnection::Sqlite(_) => "hex(usage_events.dedupe_key)",
        }
    );
    let found: Duplicates = sql_query(statement)
        .get_result(connection)
        .map_err(StoreError::query("looking for duplicates"))?;
    let (Some(window_start), Some(key)) = (found.window_start, found.dedupe_key) else {
        return Ok(None);
    };
    Ok(Some(Twice {
        identities: u64::try_from(found.count).unwrap_or_default(),
        window_start: instant(window_start)?,
        key: key.to_lowercase(),
    }))
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Duplicates {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    window_start: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    dedupe_key: Option<String>,
}
