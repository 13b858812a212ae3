//! The latest reports of parity and reconciliation, as the commands and passes left them.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Deserialize;
use usage_core::Account;

/// A report is held in memory as a whole, so there is a size, in bytes, beyond which it is not read.
const LARGEST: u64 = 64 << 20;

/// A kind of report, by the folder below that for evidence in which it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of `usage parity`.
    Parity,
    /// Of `usage reconcile`.
    Reconciliation,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Parity => "telemetry-audit",
            Self::Reconciliation => "reconciliation",
        }
    }
}

/// Where reports lie, and what is known of those that were looked at before.
#[derive(Debug)]
pub(super) struct Reports {
    audit_dir: PathBuf,
    /// Whose each file is, until it is another file: on every page somebody asks for the latest.
    heads: Mutex<HashMap<PathBuf, (Stamp, Head)>>,
}

/// When a file was written, if that is known, and its length in bytes.
type Stamp = (Option<SystemTime>, u64);

/// What tells reports apart.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Head {
    generated_at: String,
    scope: Scope,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Scope {
    account: Option<String>,
}

impl Reports {
    /// Those below this folder.
    pub(super) fn new(audit_dir: PathBuf) -> Self {
        Self {
            audit_dir,
            heads: Mutex::default(),
        }
    }

    /// The report of this account that was made last, whatever its label; `None` if there is none. Reports that commands wrote
    /// elsewhere (`--output`) are not found.
    ///
    /// # Errors
    ///
    /// The folder, or a report in it, cannot be read. An older report is not taken instead: it would pass for the latest.
    pub(super) fn latest(&self, kind: Kind, account: &Account) -> Result<Option<String>, String> {
        let found = self.find(kind, account)?;
        found.map(|(path, _)| read(&path)).transpose()
    }

    /// A text that is another once the latest report is; `None` if there is none, or nobody can tell.
    ///
    /// # Errors
    ///
    /// As [`Reports::latest`].
    pub(super) fn mark(&self, kind: Kind, account: &Account) -> Result<Option<String>, String> {
        let found = self.find(kind, account)?;
        Ok(found.and_then(|(path, (written, length))| {
            let written = written?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            Some(format!("{} {} {length}", path.display(), written.as_nanos()))
        }))
    }

    fn find(&self, kind: Kind, account: &Account) -> Result<Option<(PathBuf, Stamp)>, String> {
        let account = account.to_string();
        let folder = self.audit_dir.join(kind.folder());
        let paths = candidates(&folder)?;
        self.heads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|path, _| path.parent() != Some(&folder) || paths.contains(path));
        let mut latest: Option<(String, PathBuf, Stamp)> = None;
        for path in paths {
            let (stamp, head) = self.head(&path)?;
            // Instants in UTC to the second are in order as texts.
            let is_later = latest.as_ref().is_none_or(|(made, ..)| *made < head.generated_at);
            if head.scope.account.as_ref() == Some(&account) && is_later {
                latest = Some((head.generated_at, path, stamp));
            }
        }
        Ok(latest.map(|(_, path, stamp)| (path, stamp)))
    }

    fn head(&self, path: &Path) -> Result<(Stamp, Head), String> {
        let cannot = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        let metadata = fs::metadata(path).map_err(cannot)?;
        let stamp = (metadata.modified().ok(), metadata.len());
        let heads = || self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, head)) = heads().get(path)
            && *known == stamp
        {
            return Ok((stamp, head.clone()));
        }
        let head: Head = serde_json::from_str(&read(path)?)
            .map_err(|error| format!("{} is no JSON: {error}", path.display()))?;
        heads().insert(path.to_owned(), (stamp, head.clone()));
        Ok((stamp, head))
    }
}

/// Each label's latest report.
fn candidates(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error: io::Error| format!("the folder {} cannot be read: {error}", folder.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("latest") && name.ends_with(".json") {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: io::Error| format!("{} cannot be read: {error}", path.display());
    let mut text = String::new();
    let file = fs::File::open(path).map_err(cannot)?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > LARGEST {
        return Err(format!(
            "{} has more than {} MiB; open it with another program",
            path.display(),
            LARGEST >> 20
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use usage_core::Provider;

    use super::*;

    fn account(organization: &str) -> Account {
        Account::new(Provider::OpenAi, organization).unwrap()
    }

    fn report(folder: &Path, name: &str, organization: &str, made: &str) {
        let text = serde_json::json!({
            "generatedAt": made,
            "label": name,
            "scope": { "account": account(organization).to_string() },
        });
        fs::write(folder.join(name), text.to_string()).unwrap();
    }

    #[test]
    fn the_latest_report_of_an_account_is_found_whatever_its_label() {
        let audit = tempfile::tempdir().unwrap();
        let reports = Reports::new(audit.path().to_owned());
        let latest = |kind, organization| reports.latest(kind, &account(organization)).unwrap();
        assert_eq!(latest(Kind::Parity, "org-a"), None);
        let folder = audit.path().join("telemetry-audit");
        fs::create_dir(&folder).unwrap();
        assert_eq!(latest(Kind::Parity, "org-a"), None);
        report(&folder, "latest.json", "org-a", "2025-10-01T00:00:00Z");
        report(&folder, "latest-cron.json", "org-a", "2025-10-02T00:00:00Z");
        report(&folder, "latest-other.json", "org-b", "2025-10-03T00:00:00Z");
        report(
            &folder,
            "2025-10-04T00-00-00Z.json",
            "org-a",
            "2025-10-04T00:00:00Z",
        );
        let found = latest(Kind::Parity, "org-a").unwrap();
        assert!(found.contains("latest-cron.json"), "{found}");
        assert_eq!(latest(Kind::Parity, "org-c"), None);
        assert_eq!(latest(Kind::Reconciliation, "org-a"), None);
    }

    #[test]
    fn a_report_that_is_another_has_another_mark() {
        let audit = tempfile::tempdir().unwrap();
        let folder = audit.path().join("telemetry-audit");
        fs::create_dir(&folder).unwrap();
        let reports = Reports::new(audit.path().to_owned());
        let mark = |organization| reports.mark(Kind::Parity, &account(organization)).unwrap();
        assert_eq!(mark("org-a"), None);
        report(&folder, "latest.json", "org-a", "2025-10-01T00:00:00Z");
        let first = mark("org-a").unwrap();
        assert_eq!(mark("org-a"), Some(first.clone()));
        report(&folder, "latest.json", "org-longer", "2025-10-02T00:00:00Z");
        assert_eq!(mark("org-a"), None, "it is somebody else's now");
        assert_ne!(mark("org-longer"), Some(first));
        fs::remove_file(folder.join("latest.json")).unwrap();
        assert_eq!(mark("org-longer"), None);
        assert!(reports.heads.lock().unwrap().is_empty());
    }

    #[test]
    fn a_report_that_cannot_be_read_is_no_missing_one() {
        let audit = tempfile::tempdir().unwrap();
        let folder = audit.path().join("reconciliation");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("latest.json"), "{\"generatedAt\":").unwrap();
        let reports = Reports::new(audit.path().to_owned());
        let error = reports
            .latest(Kind::Reconciliation, &account("org-a"))
            .unwrap_err();
        assert!(error.contains("latest.json is no JSON: "), "{error}");
    }
}
