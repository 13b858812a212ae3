//! `usage backup`

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use usage_store::{BackupCounts, OpenMode, StoreError};

use crate::error::AppError;
use crate::files::{cannot_write, sync_folder};
use crate::text::count;
use crate::wiring::App;

/// A copy of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    file: PathBuf,
    counts: BackupCounts,
}

/// Copies a SQLite ledger into a new file, readable by its owner only, while others go on writing. The file appears when
/// it is whole and checked; one that exists is never replaced.
pub async fn backup(app: &App, file: &Path) -> Result<BackupReport, AppError> {
    let Some(ledger_file) = app.settings.database_url.value.sqlite_path() else {
        return Err(StoreError::Unsupported(format!(
            "a PostgreSQL ledger is backed up by its server's own tools, as in `pg_dump --format=custom --file={} …`",
            file.display()
        ))
        .into());
    };
    // A link that leads nowhere counts as there: whoever made it wants something else in that place.
    if fs::symlink_metadata(file).is_ok() {
        return Err(exists(file));
    }
    // Opening a SQLite ledger would make it; a copy of nothing is no backup.
    if !ledger_file.exists() {
        return Err(AppError::NothingToBackUp(ledger_file.to_owned()));
    }
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let missing = format!("there is no folder {}", folder.display());
        return Err(cannot_write(file)(io::Error::other(missing)));
    }
    // One of an older schema is accepted: before a migration is when a copy is wanted most.
    let ledger = app.open_ledger(OpenMode::Inspect).await?;
    // A temporary file has mode 0600 from the start, and goes away if the copy fails.
    let copy = tempfile::Builder::new()
        .prefix(".usage-backup-")
        .suffix(".partial")
        .tempfile_in(folder)
        .map_err(cannot_write(file))?;
    let counts = ledger.copy_to(copy.path()).await?;
    copy.as_file().sync_all().map_err(cannot_write(file))?;
    copy.persist_noclobber(file)
        .map_err(|failed| match failed.error.kind() {
            io::ErrorKind::AlreadyExists => exists(file),
            _ => cannot_write(file)(failed.error),
        })?;
    sync_folder(folder).map_err(cannot_write(file))?;
    Ok(BackupReport {
        file: file.to_owned(),
        counts,
    })
}

fn exists(file: &Path) -> AppError {
    let advice = "it exists already; a backup replaces nothing, so name another file";
    cannot_write(file)(io::Error::new(io::ErrorKind::AlreadyExists, advice))
}

impl fmt::Display for BackupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BackupCounts {
            events,
            windows,
            keys,
        } = self.counts;
        writeln!(
            f,
            "{}: {}, {}, {}; checked",
            self.file.display(),
            count(events, "event"),
            count(windows, "covered window"),
            count(keys, "sealed key"),
        )?;
        writeln!(f, "the master key is not in it; keep a copy of that elsewhere")
    }
}
