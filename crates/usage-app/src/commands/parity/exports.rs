//! Finding and opening the exports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use usage_parity::{ExportError, ExportFile, ExportProblem, UsageExport};

use super::ParityOptions;
use crate::error::AppError;

/// What there is to compare.
pub(super) struct Opened {
    pub(super) exports: Vec<UsageExport>,
    /// Files of the folder that are something else, and what.
    pub(super) skipped: BTreeMap<String, String>,
}

pub(super) fn open(options: &ParityOptions) -> Result<Opened, AppError> {
    let mut opened = Opened {
        exports: Vec::new(),
        skipped: BTreeMap::new(),
    };
    for path in &options.files {
        let export = one(path, options).map_err(|error| AppError::Parity(error.to_string()))?;
        opened.exports.push(export);
    }
    if let Some(folder) = &options.folder {
        for path in csv_files(folder)? {
            match one(&path, options) {
                Ok(export) => opened.exports.push(export),
                Err(ExportError {
                    file,
                    problem: problem @ (ExportProblem::Costs | ExportProblem::OtherEndpoint(_)),
                    ..
                }) => {
                    opened.skipped.insert(file, problem.to_string());
                }
                Err(error) => return Err(AppError::Parity(error.to_string())),
            }
        }
    }
    if opened.exports.is_empty() {
        let places = options.folder.iter().map(|folder| folder.display().to_string());
        let places = places.collect::<Vec<_>>().join(", ");
        return Err(AppError::Parity(format!("there is no usage export in {places}")));
    }
    Ok(opened)
}

fn one(path: &Path, options: &ParityOptions) -> Result<UsageExport, ExportError> {
    let file = ExportFile::new(path).map_err(|error| ExportError {
        file: path.display().to_string(),
        line: None,
        problem: error.into(),
    })?;
    UsageExport::open(Box::new(file), options.endpoint)
}

/// Every `*.csv` directly in the folder, by name.
fn csv_files(folder: &Path) -> Result<Vec<PathBuf>, AppError> {
    let cannot = |error: std::io::Error| {
        AppError::Parity(format!("the folder {} cannot be read: {error}", folder.display()))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let is_csv = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        if is_csv && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
