//! `usage migrate`

use std::fmt;

use usage_store::{Migrated, OpenMode};

use crate::error::AppError;
use crate::wiring::App;

/// What was done to the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateReport {
    database: String,
    migrated: Migrated,
}

/// Brings the ledger's schema up to date.
pub async fn migrate(app: &App) -> Result<MigrateReport, AppError> {
    let ledger = app.open_ledger(OpenMode::Inspect).await?;
    let migrated = ledger.migrate().await?;
    Ok(MigrateReport {
        database: ledger.name().to_owned(),
        migrated,
    })
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
