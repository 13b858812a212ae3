//! `usage migrate`

use std::fmt;

use usage_store::OpenMode;

use crate::error::AppError;
use crate::wiring::App;

/// What was done to the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateReport {
    database: String,
    versions: Vec<String>,
}

/// Brings the ledger's schema up to date.
pub async fn migrate(app: &App) -> Result<MigrateReport, AppError> {
    let ledger = app.open_ledger(OpenMode::Inspect).await?;
    let versions = ledger.migrate().await?;
    Ok(MigrateReport {
        database: ledger.name().to_owned(),
        versions,
    })
}

impl fmt::Display for MigrateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.versions.is_empty() {
            return writeln!(f, "{} is up to date", self.database);
        }
        writeln!(f, "{}: ran {}", self.database, self.versions.join(", "))
    }
}
