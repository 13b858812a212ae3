//! The database that is copied into: another one, and nobody else's meanwhile.

use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use super::catalogue::{Table, quoted};
use crate::connection::{AnyConnection, DatabaseKind, Manager};
use crate::error::{StoreError, one_line};

/// Fails if the target is the source. Nothing is made: a file that is missing stays missing.
pub(super) fn refuse_the_source(
    source: &mut AnyConnection,
    source_path: &str,
    target: &Manager,
) -> Result<(), StoreError> {
    let same = match source {
        AnyConnection::Sqlite(_) if target.kind() == DatabaseKind::Sqlite => {
            match (
                fs::canonicalize(source_path),
                fs::canonicalize(target.sqlite_path()),
            ) {
                (Ok(source), Ok(target)) => source == target,
                _ => false,
            }
        }
        AnyConnection::Postgres(source) if target.kind() == DatabaseKind::Postgres => match target.open()? {
            AnyConnection::Postgres(mut target) => identity(source)? == identity(&mut target)?,
            AnyConnection::Sqlite(_) => false,
        },
        AnyConnection::Sqlite(_) | AnyConnection::Postgres(_) => false,
    };
    if same {
        let reason = "it is the ledger itself; name another database".to_owned();
        return Err(StoreError::CopyTarget {
            database: target.name(),
            reason,
        });
    }
    Ok(())
}

/// Which database of which server, by whatever address it was reached: no two servers start in the same microsecond.
fn identity(connection: &mut PgConnection) -> Result<String, StoreError> {
    #[derive(QueryableByName)]
    struct Identity {
        #[diesel(sql_type = Text)]
        identity: String,
    }
    let found: Identity = sql_query(
        "SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), current_database(), current_schema()) \
         AS identity",
    )
    .get_result(connection)
    .map_err(StoreError::query("asking which database it is"))?;
    Ok(found.identity)
}

/// Makes the file of a new SQLite ledger, readable by its owner only: it will hold everything that the source holds.
pub(super) fn make_private(target: &Manager) -> Result<(), StoreError> {
    if target.kind() == DatabaseKind::Postgres {
        return Ok(());
    }
    let path = Path::new(target.sqlite_path());
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(StoreError::CopyTarget {
            database: target.name(),
            reason: format!(
                "{}; its folder must exist and be writable",
                one_line(&error.to_string())
            ),
        }),
        _ => Ok(()),
    }
}

/// Lets the transaction take as long as it takes, whatever the server's own limits are.
pub(super) fn be_patient(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let AnyConnection::Postgres(inner) = connection else {
        return Ok(());
    };
    inner
        .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
        .map_err(StoreError::query("beginning to copy"))
}

/// Keeps everybody else from writing to the tables until the transaction ends; on SQLite it does so by itself.
pub(super) fn lock(target: &mut AnyConnection, tables: &[Table]) -> Result<(), StoreError> {
    let AnyConnection::Postgres(inner) = target else {
        return Ok(());
    };
    let names: Vec<String> = tables.iter().map(|table| quoted(&table.name)).collect();
    inner
        .batch_execute(&format!(
            "SET LOCAL lock_timeout = '10s'; \
             LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE; SET LOCAL lock_timeout = 0",
            names.join(", ")
        ))
        .map_err(StoreError::query("locking the tables"))
}
