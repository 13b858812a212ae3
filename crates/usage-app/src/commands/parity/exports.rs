//! Finding and opening the exports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use usage_parity::costs::CostExport;
use usage_parity::{Export, ExportError, ExportFile, ExportProblem, UsageExport};

use super::ParityOptions;
use crate::error::AppError;

/// What there is to compare.
pub(super) struct Opened {
    pub(super) usage: Vec<UsageExport>,
    pub(super) costs: Vec<CostExport>,
    /// Files of the folder that are something else, and what.
    pub(super) skipped: BTreeMap<String, String>,
}

pub(super) fn open(options: &ParityOptions) -> Result<Opened, AppError> {
    let mut opened = Opened {
        usage: Vec::new(),
        costs: Vec::new(),
        skipped: BTreeMap::new(),
    };
    for path in &options.files {
        let export = one(path, options).map_err(|error| AppError::Parity(error.to_string()))?;
        opened.add(export);
    }
    if let Some(folder) = &options.folder {
        for path in csv_files(folder)? {
            match one(&path, options) {
                Ok(export) => opened.add(export),
                Err(ExportError {
                    file,
                    problem: problem @ ExportProblem::OtherEndpoint(_),
                    ..
                }) => {
                    opened.skipped.insert(file, problem.to_string());
                }
                Err(error) => return Err(AppError::Parity(error.to_string())),
            }
        }
    }
    if opened.usage.is_empty() && opened.costs.is_empty() {
        let places = options.folder.iter().map(|folder| folder.display().to_string());
        let places = places.collect::<Vec<_>>().join(", ");
        return Err(AppError::Parity(format!(
            "there is no export of usage or costs in {places}"
        )));
    }
    Ok(opened)
}

impl Opened {
    fn add(&mut self, export: Export) {
        match export {
            Export::Usage(export) => self.usage.push(export),
            Export::Costs(export) => self.costs.push(export),
        }
    }
}

fn one(path: &Path, options: &ParityOptions) -> Result<Export, ExportError> {
    let file = ExportFile::new(path).map_err(|error| ExportError {
        file: path.display().to_string(),
        line: None,
        problem: error.into(),
    })?;
    Export::open(Box::new(file), options.endpoint)
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
