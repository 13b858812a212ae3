//! Marks of writes, by which one whose COMMIT was not answered is found to have taken effect or not.
//!
//! Every write transaction leaves a random token. Doing it again leaves the same one: if the first took effect, it stands,
//! and if the server is still busy with the first, the second waits for it, since of one token there is one row. The
//! confirmation is a write too, so that it waits for a synchronous standby as the first write did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{Array, BigInt, Binary};
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query};

use crate::error::{Retry, StoreError};

/// How long one who does a write again waits for the server to be done with the first; then it asks again.
const LOCK_TIMEOUT_MS: u32 = 5_000;
/// No write is done again after so long, in milliseconds of the database's clock: its mark may go.
const KEPT_MS: i64 = 86_400_000;
/// Unix milliseconds of the database's clock.
const NOW_MS: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";

type Token = [u8; 16];

/// What a process knows of its marks.
#[derive(Default)]
pub(crate) struct Marks {
    /// Those of writes that are known to have taken effect.
    done: Mutex<Vec<Token>>,
    /// Whether this process has looked for those that others left.
    swept: AtomicBool,
}

impl Marks {
    fn done(&self) -> MutexGuard<'_, Vec<Token>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a mark stood before it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The write is to be done.
    Nothing,
    /// The write was done.
    Standing,
}

/// The mark of one write, however often it is tried.
pub(crate) struct Mark<'a> {
    token: Token,
    marks: &'a Marks,
    /// Marks that this write takes away with it.
    done: Vec<Token>,
}

impl<'a> Mark<'a> {
    pub(crate) fn new(marks: &'a Marks) -> Result<Self, StoreError> {
        let mut token = Token::default();
        getrandom::fill(&mut token).map_err(|error| StoreError::Query {
            doing: "marking a write",
            reason: format!("no random numbers from the system: {error}"),
            retry: Retry::Never,
        })?;
        let done = std::mem::take(&mut *marks.done());
        Ok(Self { token, marks, done })
    }

    /// Leaves the mark, as the first thing of a transaction; `first` unless an earlier transaction is in doubt.
    pub(crate) fn leave(&self, connection: &mut PgConnection, first: bool) -> Result<Found, StoreError> {
        #[derive(QueryableByName)]
        struct Mark {
            #[diesel(sql_type = BigInt)]
            confirmations: i64,
        }
        let failed = || StoreError::query("marking a write");
        if first && !self.marks.swept.swap(true, Ordering::Relaxed) {
            sql_query(format!(
                "DELETE FROM write_marks WHERE token IN (SELECT token FROM write_marks \
                 WHERE marked_at_ms < {NOW_MS} - {KEPT_MS} FOR UPDATE SKIP LOCKED)"
            ))
            .execute(connection)
            .map_err(failed())?;
        }
        if !first {
            connection
                .batch_execute(&format!("SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
                .map_err(failed())?;
        }
        let done: Vec<&[u8]> = self.done.iter().map(Token::as_slice).collect();
        let mark: Mark = sql_query(format!(
            "WITH done AS (DELETE FROM write_marks WHERE token = ANY($1)) \
             INSERT INTO write_marks AS m (token, marked_at_ms) VALUES ($2, {NOW_MS}) \
             ON CONFLICT (token) DO UPDATE SET confirmations = m.confirmations + 1 RETURNING confirmations"
        ))
        .bind::<Array<Binary>, _>(done)
        .bind::<Binary, _>(self.token.as_slice())
        .get_result(connection)
        .map_err(failed())
        .map_err(|error| {
            // The server is not done with the first: as good as away.
            if error.is_locked() {
                error.with_retry(Retry::Lost)
            } else {
                error
            }
        })?;
        if !first {
            connection
                .batch_execute("SET LOCAL lock_timeout TO DEFAULT")
                .map_err(failed())?;
        }
        Ok(match mark.confirmations {
            0 => Found::Nothing,
            _ => Found::Standing,
        })
    }

    /// Notes that the write took effect, and that nobody needs its mark any more.
    pub(crate) fn acknowledge(mut self) {
        self.done.clear();
        self.marks.done().push(self.token);
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        // A write that failed took no mark away.
        self.marks.done().append(&mut self.done);
    }
}
