//! The report of a comparison, and where it is kept.

use std::fmt;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use usage_parity::{CompareOptions, Comparison, ReportFacts, Verdict};

use crate::commands::evidence::file_dated;
use crate::error::AppError;
use crate::files::{AtomicFile, cannot_write};
use crate::wiring::Exit;

/// What a comparison found, in both forms.
pub struct ParityReport {
    comparison: Comparison,
    facts: ReportFacts,
    options: CompareOptions,
    file: Option<PathBuf>,
}

impl ParityReport {
    pub(super) fn new(comparison: Comparison, facts: ReportFacts, options: CompareOptions) -> Self {
        Self {
            comparison,
            facts,
            options,
            file: None,
        }
    }

    /// 0 if everything compared is equal and nothing that the export has was never read, else 1.
    pub fn exit(&self) -> Exit {
        match self.comparison.verdict() {
            Verdict::Matched | Verdict::NoLedger => Exit::Clean,
            Verdict::MatchedCoarse if self.facts.allow_coarse => Exit::Clean,
            Verdict::NothingCompared => Exit::Failed,
            _ => Exit::Findings,
        }
    }

    /// The verdict and the counts.
    pub fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    /// Where the JSON form was written.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Writes the JSON form.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn write_json(&mut self, out: &mut dyn Write) -> Result<(), AppError> {
        let written = self.comparison.write_json(&self.facts, &self.options, out);
        written.map_err(|source| AppError::Stream {
            what: "cannot write the report",
            source,
        })
    }

    /// Writes the JSON form to exactly this file, if one is named.
    pub(super) fn written(mut self, path: Option<&Path>) -> Result<Self, AppError> {
        if let Some(path) = path {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                fs::create_dir_all(folder).map_err(cannot_write(folder))?;
            }
            self.save(path)?.commit()?;
            self.file = Some(path.to_owned());
        }
        Ok(self)
    }

    /// Writes the JSON form as a dated file below the folder for evidence, and as the latest one.
    pub(crate) fn filed(mut self, audit: &Path) -> Result<Self, AppError> {
        let folder = audit.join("telemetry-audit");
        let (now, label) = (self.options.now, self.facts.label.clone());
        let path = file_dated(&folder, now, label.as_deref(), |path| self.save(path))?;
        self.file = Some(path);
        Ok(self)
    }

    fn save(&mut self, path: &Path) -> Result<AtomicFile, AppError> {
        let mut file = AtomicFile::create(path)?;
        let mut out = BufWriter::new(file.writer());
        let written = self.comparison.write_json(&self.facts, &self.options, &mut out);
        written.and_then(|()| out.flush()).map_err(cannot_write(path))?;
        drop(out);
        Ok(file)
    }
}

impl fmt::Display for ParityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.comparison.text(&self.facts))?;
        match &self.file {
            Some(file) => writeln!(f, "\nreport: {}", file.display()),
            None => Ok(()),
        }
    }
}
