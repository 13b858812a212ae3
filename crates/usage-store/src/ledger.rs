//! The ledger: a pool of connections and the one place where blocking database work meets async code.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use usage_core::Clock;

use crate::bucket_index::{self, WritePath};
use crate::connection::{self, AnyConnection, DatabaseKind, Manager};
use crate::error::StoreError;
use crate::long::LongReads;
use crate::migrate::{self, SchemaState};
use crate::outage::{self, DATABASE_RETRY, Outage};
use crate::pool::Pool;
use crate::pricing::RowPricer;
use crate::summary::KeptAnswers;

/// A ledger in SQLite or PostgreSQL. Cloning is cheap and shares the connections.
///
/// Every time it stamps comes from its [`Clock`], except for leases, which use the database's own.
#[derive(Clone)]
pub struct Ledger {
    pool: Arc<Pool>,
    clock: Arc<dyn Clock>,
    kind: DatabaseKind,
    name: Arc<str>,
    pub(crate) pricer: Option<Arc<dyn RowPricer>>,
    pub(crate) kept: Option<Arc<KeptAnswers>>,
    pub(crate) long: LongReads,
}

/// What opening may do to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Sets up the schema of an empty database; refuses an older one.
    SetUpIfEmpty,
    /// Changes nothing and accepts any schema: for `usage doctor` and `usage migrate`.
    Inspect,
}

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The versions that were run, oldest first.
    pub versions: Vec<String>,
    /// Whether `usage_admin_bucket_idx` was missing and stands again.
    pub index_made: bool,
}

impl Ledger {
    /// Opens `sqlite:PATH` or `postgres://…`, and waits for a PostgreSQL server that goes away for [`DATABASE_RETRY`].
    ///
    /// Fails with one line when the database cannot be reached, is no ledger, or has a schema of another version.
    pub async fn open(url: &str, clock: Arc<dyn Clock>, mode: OpenMode) -> Result<Self, StoreError> {
        Self::open_retrying(url, clock, mode, DATABASE_RETRY).await
    }

    /// As [`Ledger::open`], and waits so long for a PostgreSQL server that goes away; zero is not at all.
    ///
    /// A server that cannot be reached when the ledger is opened is an error at once, unless it says itself that it is
    /// starting, or none of several leads yet.
    pub async fn open_retrying(
        url: &str,
        clock: Arc<dyn Clock>,
        mode: OpenMode,
        retry: Duration,
    ) -> Result<Self, StoreError> {
        let manager = Manager::new(url)?;
        let (kind, name) = (manager.kind(), Arc::from(manager.name()));
        let opened = blocking(move || {
            let outage = Outage::new(manager.name(), retry);
            let mut patience = outage.patience();
            loop {
                match manager.open() {
                    Ok(mut connection) => {
                        if mode == OpenMode::SetUpIfEmpty {
                            set_up(&mut connection, &manager.name())?;
                        }
                        return Ok(manager);
                    }
                    Err(error) if outage::is_coming(&error) => patience.wait(error, false)?,
                    Err(error) => return Err(error),
                }
            }
        });
        Ok(Self {
            pool: Arc::new(Pool::new(opened.await?, retry)),
            clock,
            kind,
            name,
            pricer: None,
            kept: Some(Arc::default()),
            long: LongReads::default(),
        })
    }

    /// The same ledger for somebody who asks each thing once, as to measure how long that takes: no answer is kept, and none
    /// that was kept is taken.
    #[must_use]
    pub fn keeping_no_answers(mut self) -> Self {
        self.kept = None;
        self
    }

    /// The same ledger for somebody who serves, and whose clients wait no longer: PostgreSQL gives up a statement of a read that
    /// takes as long.
    #[must_use]
    pub fn answering_within(mut self, longest: Duration) -> Self {
        self.long = self.long.within(longest);
        self
    }

    /// Which kind of database it is.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The database in messages: a file, or a URL without its password.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the schema relates to this program's.
    pub async fn schema_state(&self) -> Result<SchemaState, StoreError> {
        self.run(migrate::state).await
    }

    /// Brings the schema up to date, makes the unique index if it is missing, and the sums of days that have none.
    ///
    /// Fails with [`StoreError::DuplicateEvents`] if the index cannot be made.
    pub async fn migrate(&self) -> Result<Migrated, StoreError> {
        let name = self.name.to_string();
        let migrated = self
            .once(move |connection| match migrate::state(connection)? {
                SchemaState::Newer(version) => Err(StoreError::NewerSchema { version }),
                SchemaState::Foreign => Err(foreign(name)),
                SchemaState::Empty | SchemaState::Current | SchemaState::Older(_) => Ok(Migrated {
                    versions: migrate::run(connection)?,
                    index_made: bucket_index::repair(connection)?,
                }),
            })
            .await?;
        self.make_sums().await?;
        Ok(migrated)
    }

    /// Whether writes go through `usage_admin_bucket_idx` or, where it is missing, take the manual path.
    pub async fn write_path(&self) -> Result<WritePath, StoreError> {
        self.run(bucket_index::write_path).await
    }

    /// What time it is by the ledger's clock, UTC.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn now_unix(&self) -> i64 {
        self.clock.now().timestamp()
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Closes connections that nobody needed for `rested`, and tells how many; they are opened again when they are needed.
    /// Connections are otherwise closed only when another is asked for, so that a process that rests would keep SQLite's
    /// caches, or sessions that a PostgreSQL server counts.
    pub async fn close_rested(&self, rested: Duration) -> Result<usize, StoreError> {
        let pool = self.pool.clone();
        blocking(move || Ok(pool.close_rested(rested))).await
    }

    /// The connections, for work that needs two ledgers at once; never on an async thread.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Reads, off the async threads; again, from the start, when the connection was lost.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&mut AnyConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.clone();
        blocking(move || pool.read(work)).await
    }

    /// Does something in a write transaction that takes effect once, off the async threads: the work is run again when
    /// another transaction was in the way or the connection was lost.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut AnyConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.clone();
        blocking(move || pool.write(work)).await
    }

    /// Does once what is no single transaction, off the async threads.
    pub(crate) async fn once<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.clone();
        blocking(move || pool.once(work)).await
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn set_up(connection: &mut AnyConnection, name: &str) -> Result<(), StoreError> {
    let mut state = migrate::state(connection)?;
    if matches!(state, SchemaState::Older(_) | SchemaState::Foreign) {
        // It may be that another process is about to set it up, migration by migration.
        migrate::wait_for_migration(connection)?;
        state = migrate::state(connection)?;
    }
    if matches!(state, SchemaState::Current | SchemaState::Empty) {
        connection::use_write_ahead_log(connection)?;
    }
    match state {
        SchemaState::Current => Ok(()),
        SchemaState::Older(pending) => Err(StoreError::OlderSchema { pending }),
        SchemaState::Newer(version) => Err(StoreError::NewerSchema { version }),
        SchemaState::Foreign => Err(foreign(name.to_owned())),
        // Two processes may find it empty at once; the one that comes second finds the tables there.
        SchemaState::Empty => {
            migrate::run(connection)
                .map(|_| ())
                .or_else(|error| match migrate::state(connection)? {
                    SchemaState::Current => Ok(()),
                    _ => Err(error),
                })
        }
    }
}

fn foreign(database: String) -> StoreError {
    StoreError::NotALedger {
        database,
        reason: "it holds other tables; give the ledger a database of its own".to_owned(),
    }
}

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // A bug in here must stay a panic, not turn into an error that someone retries.
        Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
        Err(_) => Err(StoreError::Unreachable {
            database: String::new(),
            reason: "the program is shutting down".to_owned(),
        }),
    }
}
