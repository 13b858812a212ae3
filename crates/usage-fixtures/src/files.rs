//! Fixtures as files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::FixtureError;

/// The fixtures that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixtureFiles {
    /// The file itself, or every `.json` file of the folder, sorted by name. At least one.
    pub fixtures: Vec<PathBuf>,
    /// What else lies in the folder, sorted by name: it is left out, and whoever reads a report should know.
    pub left_out: Vec<PathBuf>,
}

impl FixtureFiles {
    /// Looks at a file or folder. Folders below it are left out.
    pub fn find(path: &Path) -> Result<Self, FixtureError> {
        let is_folder = fs::metadata(path)
            .map_err(|error| cannot_read(path, &error))?
            .is_dir();
        if !is_folder {
            return Ok(Self {
                fixtures: vec![path.to_owned()],
                left_out: Vec::new(),
            });
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| cannot_read(path, &error))? {
            entries.push(entry.map_err(|error| cannot_read(path, &error))?.path());
        }
        entries.sort();
        let (fixtures, left_out): (Vec<PathBuf>, Vec<PathBuf>) =
            entries.into_iter().partition(|entry| is_fixture(entry));
        if fixtures.is_empty() {
            return Err(FixtureError::new(
                path,
                "the folder has no fixture; a fixture is a .json file with pages of usage",
            ));
        }
        Ok(Self { fixtures, left_out })
    }
}

/// Reads a file as text, without the byte order mark that some editors put in front.
pub fn read_text(path: &Path) -> Result<String, FixtureError> {
    let bytes = fs::read(path).map_err(|error| cannot_read(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        FixtureError::at(path, line_at(before, before.len()), "not JSON: not UTF-8 text")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The line of the byte at this place, from 1.
pub(crate) fn line_at(text: &[u8], place: usize) -> usize {
    1 + text.iter().take(place).filter(|byte| **byte == b'\n').count()
}

fn is_fixture(path: &Path) -> bool {
    let is_json = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    is_json && !path.is_dir()
}

fn cannot_read(path: &Path, error: &io::Error) -> FixtureError {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        _ => format!("cannot read: {error}"),
    };
    FixtureError::new(path, reason)
}
