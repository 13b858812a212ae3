//! `usage copy`

use std::fmt;

use serde::Serialize;
use usage_ingest::ProcessIdentity;
use usage_store::{AccountScope, Ledger, LedgerCopy, NamesLeft, OpenMode, SchemaState};

pub use usage_store::{CopyProgress, CopyStep};

use crate::error::AppError;
use crate::settings::DatabaseUrl;
use crate::text::{count, thousands};
use crate::wiring::App;

/// A ledger that was copied into another database and found equal there.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyReport {
    /// The database that was read, without its password.
    pub source: String,
    /// The database that was written, without its password.
    pub target: String,
    /// Every table that was copied.
    pub tables: Vec<TableReport>,
    /// Rows of all tables together.
    pub rows: u64,
    /// Tables that were not copied.
    pub not_copied: Vec<NotCopied>,
    /// Whether somebody began to write the source meanwhile: what was stored after the copy began is not in it.
    pub source_was_written: bool,
    #[serde(skip)]
    keys: u64,
}

/// A table that was copied.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    /// Its name.
    pub table: String,
    /// How many rows it has on both sides.
    pub rows: u64,
    /// What came out of reading both again: always `equal`, since another result is no copy.
    pub result: &'static str,
}

/// A table that was not copied.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotCopied {
    /// Its name.
    pub table: String,
    /// Why.
    pub reason: String,
}

/// Copies the whole ledger into an empty database of either kind, and compares every row before it counts.
///
/// It is refused while a living process writes the ledger: what that one stores next would be missing, and whoever copies
/// means to go on with the copy.
pub async fn copy(app: &App, target: &DatabaseUrl, progress: CopyProgress) -> Result<CopyReport, AppError> {
    if let Some(file) = app.settings.database_url.value.sqlite_path()
        && !file.exists()
    {
        // Opening a SQLite ledger would make it.
        return Err(AppError::NothingToBackUp(file.to_owned()));
    }
    let source = app.open_ledger(OpenMode::Inspect).await?;
    if source.schema_state().await? == SchemaState::Current {
        if let Some((account_id, holder)) = living_writer(&source).await? {
            let account = name_of(&source, account_id).await?;
            return Err(AppError::LedgerIsWritten { account, holder });
        }
        if app.settings.no_names.value && source.names_left().await? == NamesLeft::Names {
            return Err(AppError::NamesWouldBeCopied);
        }
    }
    let mut copied = source.copy_into(&target.with_password(), progress).await?;
    // Whoever took a lease between the first look and the moment that was copied may hold it still.
    copied.source_was_written |= living_writer(&source).await?.is_some();
    Ok(CopyReport::new(copied))
}

/// Who holds a lease and is not known to be dead: the account's number and the process.
async fn living_writer(source: &Ledger) -> Result<Option<(i64, String)>, AppError> {
    let us = ProcessIdentity::current();
    let is_dead = |holder: &str| {
        holder
            .parse::<ProcessIdentity>()
            .is_ok_and(|process| process.is_dead(&us))
    };
    let holders = source.lease_holders().await?;
    Ok(holders.into_iter().find(|(_, holder)| !is_dead(holder)))
}

async fn name_of(source: &Ledger, account_id: i64) -> Result<String, AppError> {
    let accounts = source.accounts(AccountScope::All).await?;
    let account = accounts.into_iter().find(|account| account.id == account_id);
    Ok(account.map_or_else(
        || format!("account {account_id}"),
        |account| account.account.to_string(),
    ))
}

impl CopyReport {
    fn new(copied: LedgerCopy) -> Self {
        let keys = copied.rows_of("provider_keys");
        let tables: Vec<TableReport> = copied
            .tables
            .into_iter()
            .map(|table| TableReport {
                table: table.name,
                rows: table.rows,
                result: "equal",
            })
            .collect();
        Self {
            source: copied.source,
            target: copied.target,
            rows: tables.iter().map(|table| table.rows).sum(),
            tables,
            not_copied: copied
                .left_out
                .into_iter()
                .map(|(table, reason)| NotCopied { table, reason })
                .collect(),
            source_was_written: copied.source_was_written,
            keys,
        }
    }

    /// What whoever goes on with the copy must know.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.source_was_written {
            warnings.push(format!(
                "somebody wrote {} meanwhile; what was stored after the copy began is not in it",
                self.source
            ));
        }
        if self.keys > 0 {
            warnings.push(format!(
                "{} copied as sealed; only the master key of {} opens them, so use the same one with {}",
                count(self.keys, "provider key"),
                self.source,
                self.target
            ));
        }
        warnings
    }
}

impl fmt::Display for CopyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<(&str, String)> = self
            .tables
            .iter()
            .map(|table| (table.table.as_str(), thousands(table.rows)))
            .collect();
        let names = tables
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or_default();
        let numbers = tables
            .iter()
            .map(|(_, rows)| rows.len())
            .max()
            .unwrap_or_default();
        for (name, rows) in &tables {
            writeln!(f, "{name:names$}  {rows:>numbers$}  equal")?;
        }
        for NotCopied { table, reason } in &self.not_copied {
            writeln!(f, "{table}: not copied, {reason}")?;
        }
        writeln!(
            f,
            "{} -> {}: {} of {}, every field read again and equal",
            self.source,
            self.target,
            count(self.rows, "row"),
            count(self.tables.len() as u64, "table"),
        )
    }
}
