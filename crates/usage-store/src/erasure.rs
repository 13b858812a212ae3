//! Erasing what names a person: users' names and e-mail addresses. Their ids, and so every sum, stay.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::{exists, select};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Integer;
use usage_core::{Account, DirectoryKind};

use crate::accounts::{self, AccountScope};
use crate::connection::AnyConnection;
use crate::data_version;
use crate::error::StoreError;
use crate::events::instant;
use crate::ledger::Ledger;
use crate::schema::{directory_names, erased_names, erasure_traces, usage_events, usage_revisions};

/// What was erased of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedUser {
    /// In which accounts, and what of it; by account.
    pub accounts: Vec<ErasedIn>,
    /// Whether the database file was cleaned of it too.
    pub traces: Traces,
}

/// What was erased of a user in one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedIn {
    /// The account.
    pub account: Account,
    /// Whether the ledger had a name.
    pub name: bool,
    /// Whether it had an e-mail address.
    pub email: bool,
    /// When the user was erased before, if so, UTC.
    pub erased_before: Option<DateTime<Utc>>,
}

/// Whether erased text is gone from the database's own file too, where deleted rows stand until they are overwritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traces {
    /// It is: the file was written anew.
    Gone,
    /// The rows are erased, but the file could not be written anew; with the reason. Erasing again tries again.
    MayRemain(String),
}

/// What a ledger still has of users' names that it may not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamesLeft {
    /// Nothing.
    None,
    /// What an erasure may have left in the database's own file, see [`Traces::MayRemain`].
    Traces,
    /// Names or e-mail addresses.
    Names,
}

impl Ledger {
    /// Erases the name and e-mail address of a user in every account that knows the id, and remembers that, so that no
    /// later read of the directory brings them back. Usage keeps the id, and every sum stays as it is.
    ///
    /// Fails with [`StoreError::NotFound`] if no account knows the user, by name or by usage.
    pub async fn erase_user(&self, user_id: &str) -> Result<ErasedUser, StoreError> {
        let (user_id, now) = (user_id.to_owned(), self.now_unix());
        self.run(overwrite_deleted).await?;
        let accounts = self
            .write(move |connection| erase(connection, &user_id, now))
            .await?;
        let traces = self.run(clean).await?;
        Ok(ErasedUser { accounts, traces })
    }

    /// What the ledger has of users' names: a look that costs next to nothing.
    pub async fn names_left(&self) -> Result<NamesLeft, StoreError> {
        self.run(|connection| {
            let named: bool = select(exists(named_users()))
                .get_result(connection)
                .map_err(StoreError::query("looking for users' names"))?;
            Ok(if named {
                NamesLeft::Names
            } else if traces(connection)?.is_empty() {
                NamesLeft::None
            } else {
                NamesLeft::Traces
            })
        })
        .await
    }

    /// Erases the names and e-mail addresses of all users, for a ledger that may hold none; returns of how many. A later
    /// read of the directory stores them again unless it leaves them out.
    ///
    /// The database's file is written anew if there were any, or if an earlier erasure could not do it.
    pub async fn erase_user_names(&self) -> Result<(usize, Traces), StoreError> {
        self.run(overwrite_deleted).await?;
        let now = self.now_unix();
        let erased = self
            .write(move |connection| {
                exclude_savers(connection)?;
                let erased = diesel::update(named_users())
                    .set((
                        directory_names::name.eq(None::<String>),
                        directory_names::email.eq(None::<String>),
                    ))
                    .execute(connection)
                    .map_err(StoreError::query("erasing names"))?;
                if erased > 0 {
                    remember_traces(connection, now)?;
                    let mut owners = accounts::load(connection, &AccountScope::All)?;
                    owners.sort_by_key(|owner| owner.id);
                    for owner in owners {
                        data_version::bump(connection, owner.id)?;
                    }
                }
                Ok(erased)
            })
            .await?;
        let traces = self
            .run(|connection| match traces(connection)?.as_slice() {
                [] => Ok(Traces::Gone),
                _ => clean(connection),
            })
            .await?;
        Ok((erased, traces))
    }
}

/// The users with a name or an e-mail address.
#[diesel::dsl::auto_type]
fn named_users() -> _ {
    let kind: &'static str = DirectoryKind::User.as_str();
    directory_names::table
        .filter(directory_names::kind.eq(kind))
        .filter(
            directory_names::name
                .is_not_null()
                .or(directory_names::email.is_not_null()),
        )
}

/// Keeps those who save names from doing so until the transaction ends, so that none comes back that was read before.
/// SQLite's write transaction does so as it is.
pub(crate) fn exclude_savers(connection: &mut AnyConnection) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Postgres(_) => connection
            .batch_execute("LOCK TABLE erased_names IN SHARE ROW EXCLUSIVE MODE")
            .map_err(StoreError::query("locking the erased names")),
        AnyConnection::Sqlite(_) => Ok(()),
    }
}

/// The ids of an account whose names were erased, with their kind.
pub(crate) fn erased_in(
    connection: &mut AnyConnection,
    account_id: i64,
) -> Result<BTreeSet<(String, String)>, StoreError> {
    let rows: Vec<(String, String)> = erased_names::table
        .filter(erased_names::account_id.eq(account_id))
        .select((erased_names::kind, erased_names::id))
        .load(connection)
        .map_err(StoreError::query("reading the erased names"))?;
    Ok(rows.into_iter().collect())
}

fn erase(connection: &mut AnyConnection, user_id: &str, now: i64) -> Result<Vec<ErasedIn>, StoreError> {
    let kind = DirectoryKind::User.as_str();
    exclude_savers(connection)?;
    let named: Vec<(i64, bool, bool)> = directory_names::table
        .filter(directory_names::kind.eq(kind))
        .filter(directory_names::id.eq(user_id))
        .select((
            directory_names::account_id,
            directory_names::name.is_not_null(),
            directory_names::email.is_not_null(),
        ))
        .load(connection)
        .map_err(StoreError::query("looking for a user"))?;
    let erased: Vec<(i64, i64)> = erased_names::table
        .filter(erased_names::kind.eq(kind))
        .filter(erased_names::id.eq(user_id))
        .select((erased_names::account_id, erased_names::erased_at))
        .load(connection)
        .map_err(StoreError::query("looking for a user"))?;
    let used: Vec<i64> = usage_events::table
        .filter(usage_events::user_id.eq(user_id))
        .select(usage_events::account_id)
        .distinct()
        .load(connection)
        .map_err(StoreError::query("looking for a user"))?;
    let revised: Vec<i64> = usage_revisions::table
        .filter(usage_revisions::user_id.eq(user_id))
        .select(usage_revisions::account_id)
        .distinct()
        .load(connection)
        .map_err(StoreError::query("looking for a user"))?;

    let named: BTreeMap<i64, (bool, bool)> = named
        .into_iter()
        .map(|(account, name, email)| (account, (name, email)))
        .collect();
    let erased: BTreeMap<i64, i64> = erased.into_iter().collect();
    let known: BTreeSet<i64> = named
        .keys()
        .chain(erased.keys())
        .chain(&used)
        .chain(&revised)
        .copied()
        .collect();
    if known.is_empty() {
        return Err(StoreError::NotFound {
            what: "user",
            id: user_id.to_owned(),
        });
    }
    diesel::update(
        directory_names::table
            .filter(directory_names::kind.eq(kind))
            .filter(directory_names::id.eq(user_id)),
    )
    .set((
        directory_names::name.eq(None::<String>),
        directory_names::email.eq(None::<String>),
    ))
    .execute(connection)
    .map_err(StoreError::query("erasing a user's name"))?;
    remember_traces(connection, now)?;
    for account in known.iter().filter(|account| !erased.contains_key(account)) {
        diesel::insert_into(erased_names::table)
            .values((
                erased_names::account_id.eq(account),
                erased_names::kind.eq(kind),
                erased_names::id.eq(user_id),
                erased_names::erased_at.eq(now),
            ))
            .execute(connection)
            .map_err(StoreError::query("remembering an erasure"))?;
    }
    for account in &known {
        data_version::bump(connection, *account)?;
    }
    accounts::load(connection, &AccountScope::Only(known.into_iter().collect()))?
        .into_iter()
        .map(|stored| {
            let (name, email) = named.get(&stored.id).copied().unwrap_or_default();
            Ok(ErasedIn {
                account: stored.account,
                name,
                email,
                erased_before: erased.get(&stored.id).copied().map(instant).transpose()?,
            })
        })
        .collect()
}

/// SQLite leaves the text of deleted rows in its file unless told to overwrite it.
fn overwrite_deleted(connection: &mut AnyConnection) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Postgres(_) => Ok(()),
        AnyConnection::Sqlite(_) => connection
            .batch_execute("PRAGMA secure_delete = ON")
            .map_err(StoreError::query("erasing names")),
    }
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// Remembers, in the transaction that erases, that the file is to be written anew: whoever is ended before that is done,
/// or cannot do it, leaves it to the next.
fn remember_traces(connection: &mut AnyConnection, now: i64) -> Result<(), StoreError> {
    diesel::insert_into(erasure_traces::table)
        .values(erasure_traces::erased_at.eq(now))
        .execute(connection)
        .map_err(StoreError::query("remembering an erasure"))
        .map(drop)
}

/// The erasures that may have left traces.
fn traces(connection: &mut AnyConnection) -> Result<Vec<i64>, StoreError> {
    erasure_traces::table
        .select(erasure_traces::id)
        .load(connection)
        .map_err(StoreError::query("looking for unfinished erasures"))
}

/// Writes anew what may still hold the text: copies that earlier changes of a row left behind are in no row to overwrite.
fn clean(connection: &mut AnyConnection) -> Result<Traces, StoreError> {
    match write_anew(connection).map_err(StoreError::query("writing the names anew")) {
        Ok(true) => Ok(Traces::Gone),
        Ok(false) => Ok(Traces::MayRemain(
            "another process is reading the file".to_owned(),
        )),
        Err(error) if error.is_loss() || error.is_read_only() => Err(error),
        Err(StoreError::Query { reason, .. }) => Ok(Traces::MayRemain(reason)),
        Err(error) => Err(error),
    }
}

/// Returns whether nobody was in the way.
fn write_anew(connection: &mut AnyConnection) -> QueryResult<bool> {
    // Those of this moment: what is erased while the file is written is not done with by that.
    let done: Vec<i64> = erasure_traces::table
        .select(erasure_traces::id)
        .load(connection)?;
    match connection {
        AnyConnection::Postgres(_) => connection.batch_execute("VACUUM FULL directory_names")?,
        AnyConnection::Sqlite(_) => {
            connection.batch_execute("VACUUM")?;
            let checkpoint: Checkpoint =
                sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(connection)?;
            if checkpoint.busy != 0 {
                return Ok(false);
            }
        }
    }
    diesel::delete(erasure_traces::table.filter(erasure_traces::id.eq_any(done))).execute(connection)?;
    Ok(true)
}
