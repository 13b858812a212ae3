//! Reading the `usage_events` of `CogniTrack`, the system before this one, from its PostgreSQL database.
//!
//! Nothing is written there: one read-only transaction sees one moment of the table, and a cursor on the server hands it
//! out in the order of the windows, so that only the windows of one batch are in memory.

mod columns;
mod row;
mod settle;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Nullable};
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use usage_core::Window;

use crate::connection::{AnyConnection, DatabaseKind, Manager};
use crate::error::StoreError;
use crate::events::instant;
use crate::ledger::blocking;
use chrono::{DateTime, Utc};
use columns::Columns;
use row::{OldRow, RawRow};

pub use row::{OldRowKind, RefusedRow};
pub use settle::{Conflict, OldWindow, SettledRow};

/// Rows that are fetched at once.
const ROWS_A_FETCH: usize = 2_000;
/// Rows after which a batch ends with its window.
const ROWS_A_BATCH: u64 = 20_000;

/// The old system's usage, read from its database. Dropping it closes the connection.
pub struct OldUsage {
    reader: Option<Reader>,
    database: String,
    missing: Vec<&'static str>,
    keys: Vec<OldKey>,
}

/// A provider key of the old system, by what it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldKey {
    /// Its `key_id`.
    pub id: i64,
    /// Rows that it stored.
    pub rows: u64,
    /// When the first window of these rows that has a finite time begins, UTC.
    pub first: Option<DateTime<Utc>>,
    /// When the last one begins, UTC.
    pub last: Option<DateTime<Utc>>,
}

/// Whole windows, in time order, and what could not be put into one.
#[derive(Clone, Debug, Default)]
pub struct OldBatch {
    /// The windows.
    pub windows: Vec<OldWindow>,
    /// Rows that cannot be stored.
    pub refused: Vec<RefusedRow>,
    /// Rows that were read, those that cannot be stored among them.
    pub read: u64,
    /// Rows without `window_start`, which the day of their `timestamp` stands in for.
    pub derived_windows: u64,
    /// Rows without `window_end`, which is a day after their `window_start`.
    pub derived_ends: u64,
}

impl OldUsage {
    /// Begins to read `postgres://…`, only what these keys stored if any are named.
    ///
    /// Fails in one line if there is no usable `usage_events`, or if it has no rows of a key that is named.
    pub async fn open(url: &str, only: &[i64]) -> Result<Self, StoreError> {
        let manager = Manager::new(url)?;
        let only = only.to_vec();
        blocking(move || {
            if manager.kind() != DatabaseKind::Postgres {
                return Err(StoreError::Unsupported(
                    "CogniTrack kept its usage in PostgreSQL; name its database by a postgres:// URL"
                        .to_owned(),
                ));
            }
            let AnyConnection::Postgres(connection) = manager.open()? else {
                return Err(StoreError::UnsupportedUrl(String::new()));
            };
            Self::begin(connection, manager.name(), &only)
        })
        .await
    }

    fn begin(mut connection: PgConnection, database: String, only: &[i64]) -> Result<Self, StoreError> {
        let doing = "beginning to read the old usage_events";
        connection
            .batch_execute(
                "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = 'UTC'; \
                 SET LOCAL idle_in_transaction_session_timeout = 0",
            )
            .map_err(StoreError::query(doing))?;
        let columns = Columns::look(&mut connection, &database)?;
        let keys = keys(&mut connection, &columns)?;
        if let Some(unknown) = only.iter().find(|id| !keys.iter().any(|key| key.id == **id)) {
            let known: Vec<String> = keys.iter().map(|key| key.id.to_string()).collect();
            return Err(StoreError::Unsupported(format!(
                "the usage_events of {database} have no row of key {unknown}; they have rows of {}",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            )));
        }
        let keys: Vec<OldKey> = keys
            .into_iter()
            .filter(|key| only.is_empty() || only.contains(&key.id))
            .collect();
        connection
            .batch_execute(&columns.cursor(only))
            .map_err(StoreError::query(doing))?;
        Ok(Self {
            reader: Some(Reader {
                connection,
                pending: Vec::new(),
                ended: false,
            }),
            database,
            missing: columns.missing(),
            keys,
        })
    }

    /// The database in messages, without user and password.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Columns that this table lacks, as older ones do; what they would hold is unknown.
    pub fn missing_columns(&self) -> &[&'static str] {
        &self.missing
    }

    /// The keys whose rows are read, by id.
    pub fn keys(&self) -> &[OldKey] {
        &self.keys
    }

    /// The next whole windows; `None` when there are no more.
    pub async fn next_batch(&mut self) -> Result<Option<OldBatch>, StoreError> {
        let Some(mut reader) = self.reader.take() else {
            return Ok(None);
        };
        let (reader, batch) = blocking(move || {
            let batch = reader.next_batch()?;
            Ok((reader, batch))
        })
        .await?;
        self.reader = Some(reader);
        Ok(batch)
    }
}

/// The connection, and the rows whose window may have more.
struct Reader {
    connection: PgConnection,
    pending: Vec<OldRow>,
    ended: bool,
}

impl Reader {
    fn next_batch(&mut self) -> Result<Option<OldBatch>, StoreError> {
        let mut batch = OldBatch::default();
        while !self.ended && batch.read < ROWS_A_BATCH {
            let rows: Vec<RawRow> = sql_query(format!("FETCH FORWARD {ROWS_A_FETCH} FROM old_usage"))
                .load(&mut self.connection)
                .map_err(StoreError::query("reading the old usage_events"))?;
            self.ended = rows.is_empty();
            for raw in rows {
                self.take(raw, &mut batch);
            }
        }
        if self.ended {
            batch.close(std::mem::take(&mut self.pending));
        }
        Ok((batch.read > 0 || !batch.windows.is_empty()).then_some(batch))
    }

    fn take(&mut self, raw: RawRow, batch: &mut OldBatch) {
        batch.read += 1;
        let row = match OldRow::new(raw) {
            Ok(row) => row,
            Err(refused) => return batch.refused.push(refused),
        };
        batch.derived_windows += u64::from(row.derived_window);
        batch.derived_ends += u64::from(row.derived_end);
        let start = |row: &OldRow| row.window.start_unix();
        if self
            .pending
            .first()
            .is_some_and(|first| start(first) != start(&row))
        {
            batch.close(std::mem::take(&mut self.pending));
        }
        self.pending.push(row);
    }
}

impl OldBatch {
    /// Adds the windows that begin at one time, now that no more rows of theirs will come.
    fn close(&mut self, rows: Vec<OldRow>) {
        let mut by_window: std::collections::BTreeMap<Window, Vec<OldRow>> =
            std::collections::BTreeMap::new();
        for row in rows {
            by_window.entry(row.window).or_default().push(row);
        }
        let settled = by_window
            .into_iter()
            .map(|(window, rows)| OldWindow::settle(window, rows));
        self.windows.extend(settled);
    }
}

fn keys(connection: &mut PgConnection, columns: &Columns) -> Result<Vec<OldKey>, StoreError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        key_id: i64,
        #[diesel(sql_type = BigInt)]
        rows: i64,
        #[diesel(sql_type = Nullable<BigInt>)]
        first: Option<i64>,
        #[diesel(sql_type = Nullable<BigInt>)]
        last: Option<i64>,
    }
    let found: Vec<Found> = sql_query(columns.keys())
        .load(connection)
        .map_err(StoreError::query("counting the old usage_events"))?;
    found
        .into_iter()
        .map(|key| {
            Ok(OldKey {
                id: key.key_id,
                rows: u64::try_from(key.rows).unwrap_or_default(),
                first: key.first.map(instant).transpose()?,
                last: key.last.map(instant).transpose()?,
            })
        })
        .collect()
}
