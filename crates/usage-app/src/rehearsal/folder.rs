//! The folder of rehearsals: one record each, and what is written from them for people.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use usage_core::format_instant;

use super::record::{PassEntry, Rehearsal};
use super::summary;
use crate::error::AppError;
use crate::files::{AtomicFile, cannot_write};

/// The folder below that for evidence.
const NAME: &str = "cron-dry-run";

/// The folder, held by one process at a time.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Holds the lock for as long as it lives.
    _lock: Option<File>,
}

/// A rehearsal with its file.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) file: PathBuf,
    pub(super) rehearsal: Rehearsal,
}

impl Recorded {
    /// Writes the record, whole or not at all.
    pub(super) fn save(&self) -> Result<(), AppError> {
        let mut text = serde_json::to_string_pretty(&self.rehearsal).map_err(|error| AppError::Stream {
            what: "cannot write the record of the rehearsal",
            source: error.into(),
        })?;
        text.push('\n');
        write(&self.file, &text)
    }
}

impl Folder {
    /// Makes the folder if it is missing, and locks it: two processes that rehearse in one folder would overwrite each
    /// other's record.
    pub(super) fn open(audit: &Path) -> Result<Self, AppError> {
        let path = audit.join(NAME);
        fs::create_dir_all(&path).map_err(cannot_write(&path))?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The path of a file in it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Every rehearsal, oldest first.
    pub(super) fn rehearsals(&self) -> Result<Vec<Recorded>, AppError> {
        read_all(&self.path)
    }

    /// The file of a rehearsal that begins at this moment.
    pub(super) fn new_file(&self, begun_at: DateTime<Utc>) -> PathBuf {
        self.path.join(format!("rehearsal-{}.json", stamp(begun_at)))
    }

    /// A name for the notes of a pass that no other notes have, also none that could not be written yet: by its day, or by
    /// its moment if the day has notes.
    pub(super) fn notes_name(&self, rehearsal: &Rehearsal, due: DateTime<Utc>) -> String {
        let is_taken = |name: &str| {
            rehearsal.passes.iter().any(|entry| entry.notes == name)
                || fs::symlink_metadata(self.path.join(name)).is_ok()
        };
        let mut name = format!("notes-{}.md", due.format("%Y-%m-%d"));
        let mut number = 1;
        while is_taken(&name) {
            name = match number {
                1 => format!("notes-{}.md", stamp(due)),
                number => format!("notes-{}-{number}.md", stamp(due)),
            };
            number += 1;
        }
        name
    }

    /// Whether a file of this name lies in it and is not empty.
    pub(super) fn has(&self, name: &str) -> bool {
        is_there(&self.path.join(name))
    }

    /// The files that a rehearsal should have left and that are not there.
    pub(super) fn missing(&self, rehearsal: &Rehearsal) -> Vec<String> {
        let own = rehearsal.smoke.iter().map(|smoke| smoke.file.as_str());
        let notes = rehearsal.passes.iter().filter(|entry| entry.has_notes());
        let own = own
            .chain(notes.map(|entry| entry.notes.as_str()))
            .chain([summary::FILE]);
        let mut missing: Vec<String> = own
            .map(|name| self.path.join(name))
            .filter(|path| !is_there(path))
            .map(|path| path.display().to_string())
            .collect();
        for facts in rehearsal.passes.iter().filter_map(PassEntry::facts) {
            let parity = facts
                .parity
                .iter()
                .map(|(account, parity)| (account, "parity", &parity.report));
            let bills = facts.reconciliation.iter();
            let bills = bills.map(|(account, bill)| (account, "reconciliation", &bill.report));
            for (account, of_what, report) in parity.chain(bills) {
                match report {
                    Some(report) if is_there(Path::new(report)) => {}
                    Some(report) => missing.push(report.clone()),
                    None => missing.push(format!("a report of {of_what} of {account}")),
                }
            }
        }
        missing
    }

    /// Writes a file for people, whole or not at all.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), AppError> {
        write(&self.path.join(name), text)
    }
}

/// The clock's origin of the rehearsal that goes on below this folder for evidence at this scale, if there is one: the
/// process that goes on with it must show the same time.
///
/// # Errors
///
/// A record cannot be read.
pub fn unfinished_origin(audit: &Path, scale: u32) -> Result<Option<DateTime<Utc>>, AppError> {
    let all = read_all(&audit.join(NAME))?;
    let unfinished = all.into_iter().rev().map(|recorded| recorded.rehearsal);
    Ok(unfinished
        .filter(|rehearsal| rehearsal.verdict.is_none() && rehearsal.clock.scale == scale)
        .find_map(|rehearsal| rehearsal.clock.origin))
}

fn is_there(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
}

/// A moment as part of a file's name.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    format_instant(at).replace(':', "-")
}

/// A moment as part of the name of a smoke log, as operators know it.
pub(super) fn compact_stamp(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

fn read_all(folder: &Path) -> Result<Vec<Recorded>, AppError> {
    let cannot_read = |path: &Path, reason: String| AppError::RehearsalRecord {
        path: path.to_owned(),
        reason,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot_read(folder, error.to_string())),
    };
    let mut all = Vec::new();
    for entry in entries {
        let file = entry
            .map_err(|error| cannot_read(folder, error.to_string()))?
            .path();
        let is_record = file.extension().is_some_and(|extension| extension == "json")
            && file
                .file_stem()
                .is_some_and(|name| name.to_string_lossy().starts_with("rehearsal-"));
        if !is_record {
            continue;
        }
        let text = fs::read_to_string(&file).map_err(|error| cannot_read(&file, error.to_string()))?;
        let rehearsal = serde_json::from_str(&text).map_err(|error| cannot_read(&file, error.to_string()))?;
        all.push(Recorded { file, rehearsal });
    }
    all.sort_by_key(|recorded| recorded.rehearsal.begun_at);
    Ok(all)
}

fn write(path: &Path, text: &str) -> Result<(), AppError> {
    let mut file = AtomicFile::create(path)?;
    file.writer()
        .write_all(text.as_bytes())
        .map_err(cannot_write(path))?;
    file.commit()
}

/// A lock on the folder itself, so that none of its files is about locks.
#[cfg(unix)]
fn lock(folder: &Path) -> Result<Option<File>, AppError> {
    let file = File::open(folder).map_err(cannot_write(folder))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Err(AppError::RehearsalElsewhere(folder.to_owned())),
        Err(fs::TryLockError::Error(error)) => {
            // Some network file systems have no locks; two rehearsals in one folder are then the operator's to avoid.
            tracing::warn!("{} cannot be locked: {error}", folder.display());
            Ok(None)
        }
    }
}

/// Folders cannot be opened here.
#[cfg(not(unix))]
fn lock(_folder: &Path) -> Result<Option<File>, AppError> {
    Ok(None)
}
