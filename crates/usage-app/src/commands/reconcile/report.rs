//! The report of a reconciliation, and where it is kept.

use std::fmt;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use usage_parity::reconcile::{ReconcileFacts, Reconciliation};

use crate::commands::evidence::file_dated;
use crate::error::AppError;
use crate::files::{AtomicFile, cannot_write};
use crate::wiring::Exit;

/// What a reconciliation found, in its three forms.
pub struct ReconcileReport {
    found: Reconciliation,
    facts: ReconcileFacts,
    file: Option<PathBuf>,
}

impl ReconcileReport {
    pub(super) const fn new(found: Reconciliation, facts: ReconcileFacts) -> Self {
        Self {
            found,
            facts,
            file: None,
        }
    }

    /// 0 if nothing has to be looked at, else 1.
    pub fn exit(&self) -> Exit {
        if self.found.is_clean(&self.facts) {
            Exit::Clean
        } else {
            Exit::Findings
        }
    }

    /// The sums and the classes.
    pub const fn found(&self) -> &Reconciliation {
        &self.found
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
        self.found.write_json(&self.facts, out).map_err(stream)
    }

    /// Writes the CSV form: a line for each compared group.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn write_csv(&mut self, out: &mut dyn Write) -> Result<(), AppError> {
        self.found.write_csv(out).map_err(stream)
    }

    /// Writes the JSON form to exactly this file.
    pub(super) fn written(mut self, path: &Path) -> Result<Self, AppError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(cannot_write(folder))?;
        }
        self.save(path)?.commit()?;
        self.file = Some(path.to_owned());
        Ok(self)
    }

    /// Writes the JSON form as a dated file below the folder for evidence, and as the latest one.
    pub(crate) fn filed(mut self, audit: &Path) -> Result<Self, AppError> {
        let folder = audit.join("reconciliation");
        let (now, label) = (self.facts.now, self.facts.label.clone());
        let path = file_dated(&folder, now, label.as_deref(), |path| self.save(path))?;
        self.file = Some(path);
        Ok(self)
    }

    fn save(&mut self, path: &Path) -> Result<AtomicFile, AppError> {
        let mut file = AtomicFile::create(path)?;
        let mut out = BufWriter::new(file.writer());
        let written = self.found.write_json(&self.facts, &mut out);
        written.and_then(|()| out.flush()).map_err(cannot_write(path))?;
        drop(out);
        Ok(file)
    }
}

impl fmt::Display for ReconcileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found.text(&self.facts))?;
        match &self.file {
            Some(file) => writeln!(f, "\nreport: {}", file.display()),
            None => Ok(()),
        }
    }
}

fn stream(source: io::Error) -> AppError {
    AppError::Stream {
        what: "cannot write the report",
        source,
    }
}
