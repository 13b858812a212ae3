//! The latest reports of parity and reconciliation, as the commands and passes left them.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
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

/// The report of this account that was made last, whatever its label; `None` if there is none. Reports that commands wrote
/// elsewhere (`--output`) are not found.
///
/// # Errors
///
/// The folder, or a report in it, cannot be read. An older report is not taken instead: it would pass for the latest.
pub(super) fn latest(audit_dir: &Path, kind: Kind, account: &Account) -> Result<Option<String>, String> {
    let account = account.to_string();
    let mut latest: Option<(String, String)> = None;
    for path in candidates(&audit_dir.join(kind.folder()))? {
        let text = read(&path)?;
        let report: Value =
            serde_json::from_str(&text).map_err(|error| format!("{} is no JSON: {error}", path.display()))?;
        let field = |place| report.pointer(place).and_then(Value::as_str).unwrap_or_default();
        // Instants in UTC to the second are in order as texts.
        let made = field("/generatedAt");
        let is_later = latest.as_ref().is_none_or(|(latest, _)| latest.as_str() < made);
        if field("/scope/account") == account && is_later {
            latest = Some((made.to_owned(), text));
        }
    }
    Ok(latest.map(|(_, text)| text))
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
        let latest = |kind, organization| latest(audit.path(), kind, &account(organization)).unwrap();
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
    fn a_report_that_cannot_be_read_is_no_missing_one() {
        let audit = tempfile::tempdir().unwrap();
        let folder = audit.path().join("reconciliation");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("latest.json"), "{\"generatedAt\":").unwrap();
        let error = latest(audit.path(), Kind::Reconciliation, &account("org-a")).unwrap_err();
        assert!(error.contains("latest.json is no JSON: "), "{error}");
    }
}
