//! Dated evidence below an audit folder.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::error::AppError;
use crate::files::{AtomicFile, cannot_write, file_label};

/// More reports of one label in one second are a mistake.
const MOST_A_SECOND: u32 = 1_000;

/// Writes a report as a dated file of the folder, and as the latest one; returns the dated file.
///
/// Evidence is never replaced: further reports of one second are numbered.
pub(super) fn file_dated(
    folder: &Path,
    now: DateTime<Utc>,
    label: Option<&str>,
    mut save: impl FnMut(&Path) -> Result<AtomicFile, AppError>,
) -> Result<PathBuf, AppError> {
    fs::create_dir_all(folder).map_err(cannot_write(folder))?;
    let label = file_label(label);
    let time = now.format("%Y-%m-%dT%H-%M-%SZ");
    let name = |number: u32| match number {
        1 => folder.join(format!("{time}{label}.json")),
        number => folder.join(format!("{time}{label}-{number}.json")),
    };
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    let path = (1..=MOST_A_SECOND)
        .map(name)
        .find(is_free)
        .unwrap_or_else(|| name(1));
    save(&path)?.commit_new()?;
    save(&folder.join(format!("latest{label}.json")))?.commit()?;
    Ok(path)
}
