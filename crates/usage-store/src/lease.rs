//! Leases: one writer an account, told apart by a fencing number.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::ledger::Ledger;

/// The right to write an account. Every write transaction checks it.
///
/// Its expiry decides when another may take it; its fencing number decides who may write. So one that expired while the
/// database was away, and that nobody took, is still its holder's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The account's number in the ledger.
    pub account_id: i64,
    /// Who holds it.
    pub holder: String,
    /// Grows with every holder, so that a former one is recognised.
    pub fencing: i64,
    /// For how long it holds from each renewal.
    pub duration: Duration,
}

/// What became of an attempt to take a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseAttempt {
    /// It is ours.
    Acquired(Lease),
    /// Somebody else has it.
    Held {
        /// Who.
        holder: String,
        /// Its fencing number; see [`Ledger::acquire_lease`].
        fencing: i64,
        /// For how long yet, unless it is renewed.
        remaining: Duration,
    },
}

#[derive(QueryableByName)]
struct LeaseRow {
    #[diesel(sql_type = Text)]
    holder: String,
    #[diesel(sql_type = BigInt)]
    fencing: i64,
    #[diesel(sql_type = BigInt)]
    expires_at_ms: i64,
    #[diesel(sql_type = BigInt)]
    remaining_ms: i64,
}

impl Ledger {
    /// Takes the account's lease for `duration` of real time, unless somebody else holds it.
    ///
    /// `dead` is the fencing number of a holder that is known to be dead, which may be replaced before it expires.
    pub async fn acquire_lease(
        &self,
        account_id: i64,
        holder: &str,
        duration: Duration,
        dead: Option<i64>,
    ) -> Result<LeaseAttempt, StoreError> {
        let holder = holder.to_owned();
        let taken = self
            .write(move |connection| take(connection, account_id, &holder, duration, dead))
            .await;
        match taken {
            // The holder is in the middle of writing, or was paused there: the lease is held, whatever its expiry says.
            Err(error) if error.is_locked() => self.run(move |connection| held(connection, account_id)).await,
            taken => taken,
        }
    }

    /// Extends a lease that nobody else has taken since, also one that expired; [`StoreError::LeaseLost`] otherwise.
    pub async fn renew_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |connection| {
            check(connection, &lease)?;
            extend(connection, &lease)
        })
        .await
    }

    /// Gives the lease back, if it is still ours. The row stays, so that fencing numbers keep growing.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |connection| {
            let statement = format!(
                "UPDATE leases SET expires_at_ms = {GIVEN_BACK} WHERE account_id = {} AND fencing = {}",
                mark(connection, 1),
                mark(connection, 2),
            );
            sql_query(statement)
                .bind::<BigInt, _>(lease.account_id)
                .bind::<BigInt, _>(lease.fencing)
                .execute(connection)
                .map_err(StoreError::query("releasing a lease"))
                .map(|_| ())
        })
        .await
    }

    /// Who holds an unexpired lease: account number and holder.
    pub async fn lease_holders(&self) -> Result<Vec<(i64, String)>, StoreError> {
        self.run(holders).await
    }
}

/// The expiry of a lease that its holder gave back, and with it the right to write.
const GIVEN_BACK: i64 = 0;
/// How long an attempt waits for a holder who is writing; whoever wants the lease asks again anyway.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

fn take(
    connection: &mut AnyConnection,
    account_id: i64,
    holder: &str,
    duration: Duration,
    dead: Option<i64>,
) -> Result<LeaseAttempt, StoreError> {
    if let AnyConnection::Postgres(_) = connection {
        connection
            .batch_execute(&format!("SET LOCAL lock_timeout = {}", LOCK_TIMEOUT.as_millis()))
            .map_err(StoreError::query("taking a lease"))?;
    }
    let now = clock(connection);
    // Fencing numbers start at 1, so 0 names no holder.
    let statement = format!(
        "INSERT INTO leases AS l (account_id, holder, fencing, expires_at_ms) VALUES ({}, {}, 1, {now} + {}) \
         ON CONFLICT (account_id) DO UPDATE SET holder = excluded.holder, fencing = l.fencing + 1, \
         expires_at_ms = excluded.expires_at_ms WHERE l.expires_at_ms <= {now} OR l.fencing = {}",
        mark(connection, 1),
        mark(connection, 2),
        mark(connection, 3),
        mark(connection, 4),
    );
    let taken = sql_query(statement)
        .bind::<BigInt, _>(account_id)
        .bind::<Text, _>(holder)
        .bind::<BigInt, _>(milliseconds(duration))
        .bind::<BigInt, _>(dead.unwrap_or(0))
        .execute(connection)
        .map_err(StoreError::query("taking a lease"))?;
    if taken == 0 {
        return held(connection, account_id);
    }
    let row = standing(connection, account_id)?;
    Ok(LeaseAttempt::Acquired(Lease {
        account_id,
        holder: row.holder,
        fencing: row.fencing,
        duration,
    }))
}

fn held(connection: &mut AnyConnection, account_id: i64) -> Result<LeaseAttempt, StoreError> {
    // Whoever keeps us from looking may be about to take the account's first lease.
    let row = look(connection, account_id, "")?.unwrap_or(LeaseRow {
        holder: "unknown".to_owned(),
        fencing: 0,
        expires_at_ms: GIVEN_BACK,
        remaining_ms: 0,
    });
    Ok(LeaseAttempt::Held {
        holder: row.holder,
        fencing: row.fencing,
        remaining: Duration::from_millis(u64::try_from(row.remaining_ms).unwrap_or(0)),
    })
}

fn standing(connection: &mut AnyConnection, account_id: i64) -> Result<LeaseRow, StoreError> {
    look(connection, account_id, "")?.ok_or_else(|| StoreError::corrupt("lease of account", account_id))
}

/// Extends a lease that this transaction has checked: while it writes, nobody else can have taken it, however long it
/// took.
pub(crate) fn extend(connection: &mut AnyConnection, lease: &Lease) -> Result<(), StoreError> {
    let now = clock(connection);
    let statement = format!(
        "UPDATE leases SET expires_at_ms = {now} + {} WHERE account_id = {}",
        mark(connection, 1),
        mark(connection, 2),
    );
    sql_query(statement)
        .bind::<BigInt, _>(milliseconds(lease.duration))
        .bind::<BigInt, _>(lease.account_id)
        .execute(connection)
        .map_err(StoreError::query("renewing a lease"))
        .map(drop)
}

/// Fails if somebody else took the lease or it was given back, and on PostgreSQL keeps it from being taken until the transaction ends. SQLite's
/// write transaction excludes every other writer as it is.
pub(crate) fn check(connection: &mut AnyConnection, lease: &Lease) -> Result<(), StoreError> {
    let lock = match connection {
        AnyConnection::Postgres(_) => " FOR UPDATE",
        AnyConnection::Sqlite(_) => "",
    };
    let held = look(connection, lease.account_id, lock)?.is_some_and(|row| {
        row.fencing == lease.fencing && row.holder == lease.holder && row.expires_at_ms != GIVEN_BACK
    });
    if held {
        Ok(())
    } else {
        Err(StoreError::LeaseLost {
            account_id: lease.account_id,
        })
    }
}

pub(crate) fn holders(connection: &mut AnyConnection) -> Result<Vec<(i64, String)>, StoreError> {
    #[derive(QueryableByName)]
    struct Holder {
        #[diesel(sql_type = BigInt)]
        account_id: i64,
        #[diesel(sql_type = Text)]
        holder: String,
    }
    let now = clock(connection);
    let rows: Vec<Holder> = sql_query(format!(
        "SELECT account_id, holder FROM leases WHERE expires_at_ms > {now} ORDER BY account_id"
    ))
    .load(connection)
    .map_err(StoreError::query("reading the leases"))?;
    Ok(rows.into_iter().map(|row| (row.account_id, row.holder)).collect())
}

fn look(connection: &mut AnyConnection, account_id: i64, lock: &str) -> Result<Option<LeaseRow>, StoreError> {
    let now = clock(connection);
    let statement = format!(
        "SELECT holder, fencing, expires_at_ms, expires_at_ms - {now} AS remaining_ms FROM leases WHERE account_id = {}{lock}",
        mark(connection, 1)
    );
    sql_query(statement)
        .bind::<BigInt, _>(account_id)
        .get_result(connection)
        .optional()
        .map_err(StoreError::query("reading a lease"))
}

/// The database's clock in Unix milliseconds. `clock_timestamp` moves within a transaction, `now` would not.
pub(crate) fn clock(connection: &AnyConnection) -> &'static str {
    match connection {
        AnyConnection::Postgres(_) => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        AnyConnection::Sqlite(_) => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    }
}

/// How the dialect writes the n-th parameter.
pub(crate) fn mark(connection: &AnyConnection, number: usize) -> String {
    match connection {
        AnyConnection::Postgres(_) => format!("${number}"),
        AnyConnection::Sqlite(_) => format!("?{number}"),
    }
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
