//! `usage migrate`

use std::fmt;

use usage_store::{Migrated, OpenMode};

use super::names;
use crate::error::AppError;
use crate::wiring::{App, Exit};

/// What was done to the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateReport {
    database: String,
    migrated: Migrated,
    names: Exit,
}

/// Brings the ledger's schema up to date, and erases users' names if none are to be stored.
pub async fn migrate(app: &App) -> Result<MigrateReport, AppError> {
    let ledger = app.open_ledger(OpenMode::Inspect).await?;
    let migrated = ledger.migrate().await?;
    Ok(MigrateReport {
        database: ledger.name().to_owned(),
        migrated,
        names: names::enforce(app, &ledger).await?,
    })
}

impl MigrateReport {
    /// 1 when names were erased and the database's file may still hold them.
    pub fn exit(&self) -> Exit {
        self.names
    }
}

impl fmt::Display for MigrateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Migrated { versions, index_made } = &self.migrated;
        if !versions.is_empty() {
            writeln!(f, "{}: ran {}", self.database, versions.join(", "))?;
        }
        if *index_made {
            writeln!(
                f,
                "{}: made usage_admin_bucket_idx, which was missing",
                self.database
            )?;
        }
        if versions.is_empty() && !index_made {
            writeln!(f, "{} is up to date", self.database)?;
        }
        Ok(())
    }
}
