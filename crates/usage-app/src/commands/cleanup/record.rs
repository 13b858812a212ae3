//! The record of a cleanup: `audit/cleanup/<UTC time>-blank-metadata.json`.
//!
//! It is there before anything is deleted, so no deletion goes unrecorded, and says `intended`; once the deletion is
//! certain it is replaced as a whole and says `deleted`.

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;
use usage_core::format_instant;

use super::report::CleanupReport;
use crate::error::AppError;
use crate::files::{AtomicFile, cannot_write, sync_folder};

/// The file of one cleanup.
pub(super) struct Record {
    path: PathBuf,
    began_at: DateTime<Utc>,
}

/// How far the cleanup had come when the file was written.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Intended,
    Deleted,
}

impl Record {
    /// Writes what is going to be deleted, whole or not at all, and never over another file.
    pub(super) fn intend(
        audit: &Path,
        began_at: DateTime<Utc>,
        report: &CleanupReport,
    ) -> Result<Self, AppError> {
        let folder = audit.join("cleanup");
        fs::create_dir_all(&folder).map_err(cannot_write(&folder))?;
        let name = format!("{}-blank-metadata.json", began_at.format("%Y-%m-%dT%H-%M-%SZ"));
        let record = Self {
            path: folder.join(name),
            began_at,
        };
        record.write(State::Intended, began_at, report)?.commit_new()?;
        // Its name must outlast a power cut that the deletion outlasts.
        sync_folder(&folder).map_err(cannot_write(&folder))?;
        Ok(record)
    }

    /// Replaces it by what was deleted.
    pub(super) fn conclude(&self, now: DateTime<Utc>, report: &CleanupReport) -> Result<(), AppError> {
        self.write(State::Deleted, now, report)?.commit()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn write(
        &self,
        state: State,
        generated_at: DateTime<Utc>,
        report: &CleanupReport,
    ) -> Result<AtomicFile, AppError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Content<'a> {
            version: u32,
            program: &'a str,
            state: State,
            began_at: String,
            generated_at: String,
            #[serde(flatten)]
            report: &'a CleanupReport,
        }
        let content = Content {
            version: 1,
            program: concat!("usage ", env!("CARGO_PKG_VERSION")),
            state,
            began_at: format_instant(self.began_at),
            generated_at: format_instant(generated_at),
            report,
        };
        let mut file = AtomicFile::create(&self.path)?;
        let mut out = BufWriter::new(file.writer());
        serde_json::to_writer_pretty(&mut out, &content)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
            .and_then(|()| out.flush())
            .map_err(cannot_write(&self.path))?;
        drop(out);
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use usage_core::parse_instant;
    use usage_store::BlankRows;

    use super::*;

    #[test]
    fn says_intended_until_it_says_deleted_and_replaces_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let at = parse_instant("2025-10-20T12:00:00Z").unwrap();
        let report = CleanupReport::new("ledger.db", &BlankRows::default());
        let record = Record::intend(folder.path(), at, &report).unwrap();
        let state = || {
            let content: serde_json::Value =
                serde_json::from_slice(&fs::read(record.path()).unwrap()).unwrap();
            content["state"].as_str().unwrap().to_owned()
        };
        assert_eq!(state(), "intended");
        assert!(Record::intend(folder.path(), at, &report).is_err());
        record.conclude(at, &report).unwrap();
        assert_eq!(state(), "deleted");
        assert_eq!(fs::read_dir(folder.path().join("cleanup")).unwrap().count(), 1);

        fs::remove_dir_all(folder.path().join("cleanup")).unwrap();
        let error = record.conclude(at, &report).unwrap_err().to_string();
        assert!(error.starts_with("cannot write "), "{error}");
    }
}
