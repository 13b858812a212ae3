//! The doors to the database: connections handed out one at a time, and what is done again when one was lost.
//!
//! A pool of our own, since what it is asked for is a few lines, and others open connections on threads of their own and
//! tell of a failure only as text and after a time-out: here the driver's error is told at once, and what was opened
//! before an outage is not handed out after it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::sql_types::Bool;
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use crate::connection::{self, AnyConnection, DatabaseKind, Ended, Manager};
use crate::error::{Retry, StoreError};
use crate::mark::{Found, Mark, Marks};
use crate::outage::{Outage, Patience};

/// SQLite has one writer and a few readers; PostgreSQL servers are shared with others.
const SIZE: usize = 4;
/// How long a caller waits for a connection that others have.
pub(crate) const LONGEST_TURN: Duration = Duration::from_secs(10);
/// What nobody needed for so long is closed: something on the way may have forgotten it.
const LONGEST_REST: Duration = Duration::from_mins(10);
/// How often a transaction is run when others are in the way.
const ATTEMPTS: usize = 4;

/// The connections of one ledger.
pub(crate) struct Pool {
    manager: Manager,
    state: Mutex<State>,
    returned: Condvar,
    outage: Outage,
    marks: Marks,
}

#[derive(Default)]
struct State {
    /// Those that nobody has at the moment, the last used last.
    idle: Vec<Idle>,
    /// How many somebody has.
    busy: usize,
    /// Grows with every loss: what is older may be as dead.
    generation: u64,
}

struct Idle {
    connection: AnyConnection,
    since: Instant,
}

impl Pool {
    /// A pool that opens connections as they are needed, and does again for so long what is lost with them.
    pub(crate) fn new(manager: Manager, retry: Duration) -> Self {
        Self {
            outage: Outage::new(manager.name(), retry),
            manager,
            state: Mutex::default(),
            returned: Condvar::new(),
            marks: Marks::default(),
        }
    }

    /// How long a server that went away is waited for.
    pub(crate) fn retry(&self) -> Duration {
        self.outage.retry()
    }

    /// Does something once, on one connection.
    pub(crate) fn once<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let turn = self.turn()?;
        let (generation, idle) = turn.begin();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.manager.open().inspect_err(|_| turn.lost())?,
        };
        let done = work(&mut connection).map_err(|error| judge(&mut connection, error));
        match &done {
            Err(error) if error.is_loss() => turn.lost(),
            _ if connection::is_broken(&mut connection) => {}
            _ => turn.give_back(connection, generation),
        }
        done
    }

    /// Does something that changes nothing, again on another connection while the server is away.
    pub(crate) fn read<T>(
        &self,
        mut work: impl FnMut(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut patience = self.outage.patience();
        loop {
            match self.once(&mut work) {
                Err(error) if error.is_loss() => patience.wait(error, false)?,
                done => {
                    patience.answered();
                    return done;
                }
            }
        }
    }

    /// Does something in one write transaction, which takes effect once: again if another transaction was in the way, and
    /// on another connection while the server is away. What the work returned in the transaction that took effect is
    /// returned, also if the answer to its COMMIT was lost.
    pub(crate) fn write<T>(
        &self,
        mut work: impl FnMut(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mark = match self.manager.kind() {
            DatabaseKind::Postgres => Some(Mark::new(&self.marks)?),
            DatabaseKind::Sqlite => None,
        };
        let mut patience = self.outage.patience();
        let mut in_doubt: Option<T> = None;
        loop {
            let known = in_doubt.is_none();
            let ended =
                self.once(|connection| attempt(connection, mark.as_ref(), known, &mut patience, &mut work));
            let error = match ended {
                Ok(Ended::Committed(Some(value))) => {
                    acknowledge(mark);
                    return Ok(value);
                }
                // The attempt before, whose answer was lost, did take effect.
                Ok(Ended::Committed(None)) => {
                    acknowledge(mark);
                    return in_doubt
                        .ok_or_else(|| StoreError::corrupt("mark", "of a write that was never made"));
                }
                Ok(Ended::InDoubt(value, error)) => {
                    in_doubt = value.or(in_doubt);
                    error
                }
                Err(error) if error.is_loss() => error,
                Err(error) => return Err(error),
            };
            patience.wait(error, in_doubt.is_some())?;
        }
    }

    /// Closes the connections that nobody needed for so long; how many those were.
    pub(crate) fn close_rested(&self, rested: Duration) -> usize {
        let too_long = |idle: &mut Idle| idle.since.elapsed() >= rested;
        // They are closed when the lock is free again: it may take the network's time.
        let closed: Vec<Idle> = self.state().idle.extract_if(.., too_long).collect();
        closed.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until fewer than [`SIZE`] connections are in use.
    fn turn(&self) -> Result<Turn<'_>, StoreError> {
        let (mut state, waited) = self
            .returned
            .wait_timeout_while(self.state(), LONGEST_TURN, |state| state.busy >= SIZE)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(StoreError::Busy(format!(
                "all {SIZE} connections were in use for {} s",
                LONGEST_TURN.as_secs()
            )));
        }
        state.busy += 1;
        drop(state);
        Ok(Turn { pool: self })
    }
}

fn acknowledge(mark: Option<Mark<'_>>) {
    if let Some(mark) = mark {
        mark.acknowledge();
    }
}

/// One attempt of a write, on one connection; `None` if the mark of an earlier one stands.
fn attempt<T>(
    connection: &mut AnyConnection,
    mark: Option<&Mark<'_>>,
    first: bool,
    patience: &mut Patience<'_>,
    work: &mut impl FnMut(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<Ended<Option<T>>, StoreError> {
    let mut attempts = 1;
    loop {
        let ended = connection::write_transaction(connection, |connection| {
            if let (Some(mark), AnyConnection::Postgres(inner)) = (mark, &mut *connection)
                && mark.leave(inner, first)? == Found::Standing
            {
                return Ok(None);
            }
            patience.answered();
            work(connection).map(Some)
        });
        match ended {
            Err(error) if error.may_retry() && attempts < ATTEMPTS => attempts += 1,
            ended => return ended,
        }
    }
}

/// What an error means that only the server can tell: that a session may not write is a loss if the server follows another,
/// as the former leader does after a failover, and for good if somebody set it so.
fn judge(connection: &mut AnyConnection, error: StoreError) -> StoreError {
    #[derive(QueryableByName)]
    struct Recovery {
        #[diesel(sql_type = Bool)]
        follows: bool,
    }
    match connection {
        AnyConnection::Postgres(inner) if error.is_read_only() => {
            let asked: Result<Recovery, _> =
                sql_query("SELECT pg_is_in_recovery() AS follows").get_result(inner);
            match asked {
                Ok(Recovery { follows: false }) => error,
                Ok(Recovery { follows: true }) | Err(_) => error.with_retry(Retry::Lost),
            }
        }
        AnyConnection::Postgres(_) | AnyConnection::Sqlite(_) => error,
    }
}

/// The right to one of the connections, given up when it is dropped.
struct Turn<'a> {
    pool: &'a Pool,
}

impl Turn<'_> {
    /// A connection that rests, if there is one that can be trusted, and which outages it has seen.
    fn begin(&self) -> (u64, Option<AnyConnection>) {
        let mut state = self.pool.state();
        state.idle.retain(|idle| idle.since.elapsed() < LONGEST_REST);
        (state.generation, state.idle.pop().map(|idle| idle.connection))
    }

    fn give_back(&self, connection: AnyConnection, generation: u64) {
        let mut state = self.pool.state();
        if state.generation == generation {
            let since = Instant::now();
            state.idle.push(Idle { connection, since });
        }
    }

    /// Nothing that was opened before is trusted any more.
    fn lost(&self) {
        let mut state = self.pool.state();
        state.generation += 1;
        state.idle.clear();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pool.state().busy -= 1;
        self.pool.returned.notify_one();
    }
}
