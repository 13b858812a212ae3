//! Which state the ledger's data are in, for answers that somebody keeps.

use std::fmt;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;

use crate::accounts::AccountScope;
use crate::connection::{self, AnyConnection};
use crate::error::StoreError;
use crate::lease::mark;
use crate::ledger::Ledger;
use crate::rollups::stale;
use crate::schema::{accounts, data_versions};

/// Names a state of what the ledger shows of some accounts: equal as long as nothing of it changed. Opaque; as text it is 32
/// hexadecimal digits, fit for an `ETag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DataVersion([u8; 16]);

impl fmt::Display for DataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Ledger {
    /// The state of the scope's data. It changes with every committed change of events, revisions, coverage, costs, prices
    /// and names by this program, and comes back only with the very data, as when a backup is put in place. Runs, keys,
    /// tokens and incidents are not part of it.
    ///
    /// Costs one look at a row for each account.
    pub async fn data_version(&self, scope: AccountScope) -> Result<DataVersion, StoreError> {
        self.run(move |connection| load(connection, &scope)).await
    }

    /// The state that an answer may be kept for; `None` while events stand that somebody changed by hand, who gives them no
    /// version. The next pass, or `usage migrate`, gives them one.
    pub async fn answer_version(&self, scope: AccountScope) -> Result<Option<DataVersion>, StoreError> {
        self.run(move |connection| {
            connection::read_transaction(connection, |connection| of_answers(connection, &scope))
        })
        .await
    }
}

/// As [`Ledger::answer_version`], within a transaction.
pub(crate) fn of_answers(
    connection: &mut AnyConnection,
    scope: &AccountScope,
) -> Result<Option<DataVersion>, StoreError> {
    if stale::is_any(connection)? {
        return Ok(None);
    }
    load(connection, scope).map(Some)
}

fn load(connection: &mut AnyConnection, scope: &AccountScope) -> Result<DataVersion, StoreError> {
    let mut query = data_versions::table
        .select((data_versions::account_id, data_versions::version))
        .order(data_versions::account_id.asc())
        .into_boxed();
    if let AccountScope::Only(ids) = scope {
        query = query.filter(data_versions::account_id.eq_any(ids.clone()));
    }
    let versions: Vec<(i64, i64)> = query
        .load(connection)
        .map_err(StoreError::query("reading the version of the data"))?;
    let mut hasher = blake3::Hasher::new();
    for (account, version) in versions {
        hasher.update(&account.to_be_bytes());
        hasher.update(&version.to_be_bytes());
    }
    let mut head = [0_u8; 16];
    head.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Ok(DataVersion(head))
}

/// Gives the account's data another version, in the transaction that changes them and as its last statement: writers of
/// other accounts do not wait for it, and those of the same one wait no longer than for the COMMIT.
///
/// The number is random and no counter, so that a counter that was put back with a backup cannot come to name other data.
pub(crate) fn bump(connection: &mut AnyConnection, account_id: i64) -> Result<(), StoreError> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Unsupported(format!("the system gives no random bytes: {error}")))?;
    let statement = format!(
        "INSERT INTO data_versions (account_id, version) VALUES ({}, {}) \
         ON CONFLICT (account_id) DO UPDATE SET version = excluded.version",
        mark(connection, 1),
        mark(connection, 2)
    );
    sql_query(statement)
        .bind::<BigInt, _>(account_id)
        .bind::<BigInt, _>(i64::from_be_bytes(bytes))
        .execute(connection)
        .map_err(StoreError::query("giving the data another version"))
        .map(drop)
}

/// Gives the data of every account another version, as [`bump`] does.
pub(crate) fn bump_all(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let ids: Vec<i64> = accounts::table
        .select(accounts::id)
        .load(connection)
        .map_err(StoreError::query("reading the accounts"))?;
    ids.into_iter().try_for_each(|id| bump(connection, id))
}
