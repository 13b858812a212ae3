//! `usage migrate --read-only-role`

use std::fmt;

use usage_store::{DatabaseKind, PUBLIC_VIEWS, StoreError};

use crate::error::AppError;
use crate::wiring::App;

/// A role that may read the views and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleReport {
    role: String,
    made: bool,
}

/// Lets a PostgreSQL role, which is made if it is missing, read the views and nothing else. The schema must be up to
/// date.
pub async fn grant(app: &App, role: &str) -> Result<RoleReport, AppError> {
    let made = app.ledger().await?.grant_read_only(role).await?;
    Ok(RoleReport {
        role: role.to_owned(),
        made,
    })
}

/// Fails on SQLite, which has no roles, before anything is opened or made.
pub fn check(app: &App) -> Result<(), AppError> {
    match app.settings.database_url.value.sqlite_path() {
        Some(_) => Err(StoreError::Unsupported(format!(
            "{} has no roles; open the file read-only instead, as in `file:usage.db?mode=ro`",
            DatabaseKind::Sqlite
        ))
        .into()),
        None => Ok(()),
    }
}

impl fmt::Display for RoleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, made } = self;
        let made = if *made { " (made; it cannot log in)" } else { "" };
        writeln!(
            f,
            "role {role}{made} may read {} and nothing else",
            PUBLIC_VIEWS.join(", ")
        )
    }
}
