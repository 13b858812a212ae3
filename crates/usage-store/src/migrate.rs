//! The schema: set up once, migrated on request, refused when it is not ours.

use diesel::connection::SimpleConnection as _;
use diesel::migration::MigrationSource;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::{AnyConnection, Ended, write_transaction};
use crate::error::{Retry, StoreError, one_line};

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Any number that no other program locks in this database.
const MIGRATION_LOCK: i64 = 0x7573_6167_6501;

/// How the database's schema relates to this program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// No table at all.
    Empty,
    /// What this program expects.
    Current,
    /// Behind by this many migrations.
    Older(usize),
    /// Holds a migration that this program does not know.
    Newer(String),
    /// Holds tables, but no ledger.
    Foreign,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Looks, and changes nothing.
pub(crate) fn state(connection: &mut AnyConnection) -> Result<SchemaState, StoreError> {
    let doing = "looking at the schema";
    let (tables, ledger) = match connection {
        AnyConnection::Postgres(_) => (
            "SELECT count(*) AS count FROM pg_tables WHERE schemaname = current_schema()",
            "SELECT count(*) AS count FROM pg_tables WHERE schemaname = current_schema() \
             AND tablename IN ('__diesel_schema_migrations', 'usage_events', 'usage_coverage')",
        ),
        AnyConnection::Sqlite(_) => (
            "SELECT count(*) AS count FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            "SELECT count(*) AS count FROM sqlite_master WHERE type = 'table' \
             AND name IN ('__diesel_schema_migrations', 'usage_events', 'usage_coverage')",
        ),
    };
    let mut count = |sql: &str| -> Result<i64, StoreError> {
        let row: Count = sql_query(sql)
            .get_result(connection)
            .map_err(StoreError::query(doing))?;
        Ok(row.count)
    };
    match (count(tables)?, count(ledger)?) {
        (0, _) => return Ok(SchemaState::Empty),
        (_, 3) => {}
        // A migrations table alone, still empty, is what a set-up leaves behind that was killed at its first step.
        (1, 1)
            if sql_query("SELECT count(*) AS count FROM __diesel_schema_migrations")
                .get_result(connection)
                .is_ok_and(|migrations: Count| migrations.count == 0) =>
        {
            return Ok(SchemaState::Empty);
        }
        _ => return Ok(SchemaState::Foreign),
    }

    let known = versions(connection)?;
    let applied: Vec<Version> = sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version")
        .load(connection)
        .map_err(StoreError::query(doing))?;
    if let Some(unknown) = applied.iter().find(|applied| !known.contains(&applied.version)) {
        return Ok(SchemaState::Newer(unknown.version.clone()));
    }
    match known.len() - applied.len() {
        0 => Ok(SchemaState::Current),
        pending => Ok(SchemaState::Older(pending)),
    }
}

/// Runs what is pending; each migration is a transaction of its own. Returns the versions that were run.
///
/// Two processes that find a database empty at once take turns, and the second finds nothing left to run: on
/// PostgreSQL by an advisory lock, on SQLite by one write transaction around all of them.
pub(crate) fn run(connection: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    let doing = "migrating the schema";
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| StoreError::Query {
        doing,
        reason: one_line(&error.to_string()),
        retry: Retry::Never,
    };
    let versions = match connection {
        AnyConnection::Postgres(_) => {
            let lock = |function: &str| format!("SELECT {function}({MIGRATION_LOCK})");
            connection
                .batch_execute(&lock("pg_advisory_lock"))
                .map_err(StoreError::query(doing))?;
            let run = connection
                .run_pending_migrations(POSTGRES)
                .map(|versions| versions.iter().map(ToString::to_string).collect());
            // The lock goes with the connection in any case.
            let _ = connection.batch_execute(&lock("pg_advisory_unlock"));
            run
        }
        AnyConnection::Sqlite(_) => {
            return write_transaction(connection, |connection| {
                connection
                    .run_pending_migrations(SQLITE)
                    .map(|versions| versions.iter().map(ToString::to_string).collect())
                    .map_err(failed)
            })
            .and_then(Ended::certain);
        }
    };
    versions.map_err(failed)
}

/// Waits until nobody migrates the database: on SQLite a migration is one transaction, which nobody sees half done.
pub(crate) fn wait_for_migration(connection: &mut AnyConnection) -> Result<(), StoreError> {
    if let AnyConnection::Postgres(_) = connection {
        for function in ["pg_advisory_lock", "pg_advisory_unlock"] {
            connection
                .batch_execute(&format!("SELECT {function}({MIGRATION_LOCK})"))
                .map_err(StoreError::query("waiting for a migration"))?;
        }
    }
    Ok(())
}

/// The versions this program knows, as the migrations table spells them.
fn versions(connection: &AnyConnection) -> Result<Vec<String>, StoreError> {
    let names = match connection {
        AnyConnection::Postgres(_) => MigrationSource::<diesel::pg::Pg>::migrations(&POSTGRES).map(|found| {
            found
                .iter()
                .map(|migration| migration.name().version().to_string())
                .collect()
        }),
        AnyConnection::Sqlite(_) => {
            MigrationSource::<diesel::sqlite::Sqlite>::migrations(&SQLITE).map(|found| {
                found
                    .iter()
                    .map(|migration| migration.name().version().to_string())
                    .collect()
            })
        }
    };
    names.map_err(|error| StoreError::Query {
        doing: "reading the embedded migrations",
        reason: one_line(&error.to_string()),
        retry: Retry::Never,
    })
}

#[cfg(test)]
mod tests {
    use diesel::pg::Pg;
    use diesel::sqlite::Sqlite;

    use super::*;

    #[test]
    fn both_databases_have_the_same_versions() {
        let sqlite = MigrationSource::<Sqlite>::migrations(&SQLITE).unwrap();
        let postgres = MigrationSource::<Pg>::migrations(&POSTGRES).unwrap();
        let mut sqlite: Vec<String> = sqlite
            .iter()
            .map(|migration| migration.name().to_string())
            .collect();
        let mut postgres: Vec<String> = postgres
            .iter()
            .map(|migration| migration.name().to_string())
            .collect();
        sqlite.sort();
        postgres.sort();
        assert_eq!(sqlite, postgres);
        assert!(!sqlite.is_empty());
    }
}
