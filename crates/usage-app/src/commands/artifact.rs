//! The record of a backfill that `--artifact` leaves: `audit/backfill-rehearsal/<UTC time>[-label].json`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;
use usage_core::{Endpoint, ProjectFilter, Provider, Window, WindowRange, WindowState, format_instant};
use usage_store::{Coverage, StoredAccount};

use super::backfill::BackfillReport;
use crate::error::AppError;
use crate::files::{AtomicFile, cannot_write, file_label};
use crate::wiring::App;

/// What a key reads.
pub(super) struct Scope {
    pub(super) account: StoredAccount,
    pub(super) filter: ProjectFilter,
}

/// The file of a run that has not begun.
pub(super) struct ArtifactPlace {
    path: PathBuf,
    began_at: DateTime<Utc>,
}

/// What was read, from where, and what the ledger has of it now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact<'a> {
    /// Base URLs by provider: a simulator is visible as such.
    providers: BTreeMap<&'static str, String>,
    /// Every window of the range, in time order within an account and endpoint.
    windows: Vec<WindowRecord>,
    #[serde(flatten)]
    report: &'a BackfillReport,
    #[serde(skip)]
    written_at: DateTime<Utc>,
}

/// What the ledger has of a window after the run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WindowRecord {
    account: String,
    endpoint: Endpoint,
    start: String,
    /// `None` if it was never read; the next three are then `None` as well.
    state: Option<WindowState>,
    event_count: Option<i64>,
    read_started_at: Option<String>,
    run_id: Option<i64>,
    /// The projects that were asked for; none for every project.
    projects: Vec<String>,
}

impl ArtifactPlace {
    /// Makes the folder and fails if the file is there already.
    pub(super) fn find(audit: &Path, began_at: DateTime<Utc>, label: Option<&str>) -> Result<Self, AppError> {
        let folder = audit.join("backfill-rehearsal");
        fs::create_dir_all(&folder).map_err(cannot_write(&folder))?;
        let label = file_label(label);
        let path = folder.join(format!("{}{label}.json", began_at.format("%Y-%m-%dT%H-%M-%SZ")));
        if fs::symlink_metadata(&path).is_ok() {
            return Err(cannot_write(&path)(io::ErrorKind::AlreadyExists.into()));
        }
        Ok(Self { path, began_at })
    }

    /// Writes the file, whole or not at all, and never over another.
    pub(super) fn write(self, artifact: &Artifact<'_>) -> Result<PathBuf, AppError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct File<'a> {
            version: u32,
            program: &'a str,
            began_at: String,
            generated_at: String,
            #[serde(flatten)]
            artifact: &'a Artifact<'a>,
        }
        let Self { path, began_at } = self;
        let content = File {
            version: 1,
            program: concat!("usage ", env!("CARGO_PKG_VERSION")),
            began_at: format_instant(began_at),
            generated_at: format_instant(artifact.written_at),
            artifact,
        };
        let mut file = AtomicFile::create(&path)?;
        let mut out = BufWriter::new(file.writer());
        serde_json::to_writer_pretty(&mut out, &content)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
            .and_then(|()| out.flush())
            .map_err(cannot_write(&path))?;
        drop(out);
        file.commit_new()?;
        Ok(path)
    }
}

impl<'a> Artifact<'a> {
    pub(super) fn new(
        app: &App,
        scopes: &[Scope],
        report: &'a BackfillReport,
        windows: Vec<WindowRecord>,
    ) -> Self {
        let providers = scopes
            .iter()
            .map(|scope| scope.account.account.provider())
            .filter_map(|provider| match provider {
                Provider::OpenAi => Some((provider.as_str(), app.settings.openai_base_url.value.to_string())),
                // Provider is open to more; each comes with its setting.
                _ => None,
            })
            .collect();
        Self {
            providers,
            windows,
            report,
            written_at: app.clock.now(),
        }
    }
}

impl WindowRecord {
    /// A record of every window of the range for each scope, given what is covered of the endpoint.
    pub(super) fn all(
        scopes: &[Scope],
        endpoint: Endpoint,
        range: WindowRange,
        covered: &[Coverage],
    ) -> Vec<Self> {
        let mut records = Vec::with_capacity(scopes.len() * range.len());
        for scope in scopes {
            let mut best: BTreeMap<Window, &Coverage> = BTreeMap::new();
            for coverage in covered {
                let fits = coverage.account_id == scope.account.id && coverage.filter.includes(&scope.filter);
                // What was read with this very filter says more than what was read with a wider one.
                if fits && (coverage.filter == scope.filter || !best.contains_key(&coverage.window)) {
                    best.insert(coverage.window, coverage);
                }
            }
            records.extend(range.windows().map(|window| {
                let coverage = best.get(&window).copied();
                let filter = coverage.map_or(&scope.filter, |coverage| &coverage.filter);
                Self {
                    account: scope.account.account.to_string(),
                    endpoint,
                    start: format_instant(window.start()),
                    state: coverage.map(|coverage| coverage.state),
                    event_count: coverage.map(|coverage| coverage.event_count),
                    read_started_at: coverage.map(|coverage| format_instant(coverage.read_started_at)),
                    run_id: coverage.map(|coverage| coverage.run_id),
                    projects: filter.ids().map(str::to_owned).collect(),
                }
            }));
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_refused_before_the_run() {
        let audit = tempfile::tempdir().unwrap();
        let began_at = DateTime::UNIX_EPOCH;
        let find = |label| ArtifactPlace::find(audit.path(), began_at, label);
        let place = find(Some("first month")).unwrap();
        let name = place.path.file_name().unwrap();
        assert_eq!(name, "1970-01-01T00-00-00Z-first-month.json");
        fs::write(&place.path, "").unwrap();
        let error = find(Some("first/month")).err().unwrap().to_string();
        assert!(
            error.starts_with("cannot write ") && error.contains("already exists"),
            "{error}"
        );
        assert!(find(None).is_ok());
    }
}
