//! `usage doctor`

use std::fmt;

use serde::Serialize;
use usage_store::{Ledger, OpenMode, SchemaState, WritePath};

use super::names;
use crate::settings::{SettingLine, Settings, Sources, describe};
use crate::text::{count, hide_secrets, thousands};
use crate::wiring::{App, Exit};

/// Settings and checks.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoctorReport {
    /// Each setting with where it came from; secrets are masked.
    pub settings: Vec<SettingLine>,
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is in order.
    pub ok: bool,
    /// What was found, and what to do if it is not in order.
    pub finding: String,
}

/// Looks at everything and changes nothing. Never fails: what is wrong is in the report.
pub async fn doctor(sources: &Sources) -> DoctorReport {
    let mut report = DoctorReport {
        settings: describe(sources),
        checks: Vec::new(),
    };
    match Settings::resolve(sources) {
        Ok(settings) => report.check_ledger(&App::new(settings)).await,
        Err(error) => report.push("settings", Err(error.to_string())),
    }
    report
}

impl DoctorReport {
    /// 1 when something is wrong.
    pub fn exit(&self) -> Exit {
        let settings_fine = self.settings.iter().all(|line| line.error.is_none());
        if settings_fine && self.checks.iter().all(|check| check.ok) {
            Exit::Clean
        } else {
            Exit::Findings
        }
    }

    async fn check_ledger(&mut self, app: &App) {
        // Opening a SQLite file would make it; looking must not.
        if let Some(path) = app.settings.database_url.value.sqlite_path()
            && !path.exists()
        {
            let finding = format!(
                "{} does not exist yet; the first command makes it",
                path.display()
            );
            return self.push("database", Ok(finding));
        }
        let ledger = match app.open_ledger(OpenMode::Inspect).await {
            Ok(ledger) => ledger,
            Err(error) => return self.push("database", Err(error.to_string())),
        };
        self.push(
            "database",
            Ok(format!("{} at {} answers", ledger.kind(), ledger.name())),
        );
        let schema = match ledger.schema_state().await {
            Ok(SchemaState::Current) => Ok("up to date".to_owned()),
            Ok(SchemaState::Empty) => Ok("empty; the first command sets it up".to_owned()),
            Ok(SchemaState::Older(pending)) => Err(format!(
                "{} pending; run `usage migrate`",
                count(pending as u64, "migration")
            )),
            Ok(SchemaState::Newer(version)) => Err(format!(
                "written by a newer version (migration {version}); update this program"
            )),
            Ok(SchemaState::Foreign) => {
                Err("holds other tables; give the ledger a database of its own".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        let usable = schema.as_ref().is_ok_and(|finding| finding == "up to date");
        self.push("schema", schema);
        if usable {
            self.check_keys(app, &ledger).await;
        }
    }

    async fn check_keys(&mut self, app: &App, ledger: &Ledger) {
        let index = match ledger.write_path().await {
            Ok(WritePath::Constraint) => {
                Ok("usage_admin_bucket_idx is in place; writes go through it".to_owned())
            }
            Ok(WritePath::Manual) => Err(
                "usage_admin_bucket_idx is missing; writes look rows up instead, which is slower; run `usage migrate`"
                    .to_owned(),
            ),
            Err(error) => Err(error.to_string()),
        };
        self.push("index", index);
        self.push("integrity", integrity(ledger).await);
        if let Some(finding) = names::look(app, ledger).await {
            self.push("names", finding);
        }
        let keys = match ledger.keys().await {
            Ok(keys) => keys,
            Err(error) => return self.push("provider keys", Err(error.to_string())),
        };
        if keys.is_empty() {
            return self.push(
                "provider keys",
                Ok("none yet; `usage keys add` stores one".to_owned()),
            );
        }
        match app.load_master_key() {
            Err(error) => self.push("master key", Err(error.to_string())),
            Ok(master) => {
                let old = keys.iter().filter(|key| key.master_key_id != master.id()).count();
                let strange = keys.iter().find(|key| !master.opens(&key.master_key_id));
                let opens = format!("opens {}", count(keys.len() as u64, "provider key"));
                self.push(
                    "master key",
                    match strange {
                        None if old == 0 => Ok(opens),
                        None => Ok(format!(
                            "{opens}, {old} of them sealed with the previous master key; run `usage keys reseal`"
                        )),
                        Some(key) => Err(format!(
                            "provider key {} is sealed with another master key; set the one it was added with",
                            key.id
                        )),
                    },
                );
            }
        }
        for key in keys.iter().filter(|key| !key.status.is_usable()) {
            let finding = format!(
                "key {} of {} is {}; see `usage keys check {}`",
                key.id,
                key.account.account,
                key.status.as_str(),
                key.id
            );
            self.push("provider keys", Err(finding));
        }
    }

    fn push(&mut self, name: &'static str, finding: Result<String, String>) {
        let ok = finding.is_ok();
        let finding = finding.unwrap_or_else(|wrong| hide_secrets(&wrong));
        self.checks.push(Check { name, ok, finding });
    }
}

/// Reads the whole ledger.
async fn integrity(ledger: &Ledger) -> Result<String, String> {
    let report = ledger
        .check_integrity()
        .await
        .map_err(|error| error.to_string())?;
    if report.findings.is_empty() {
        let imported = if report.imported == 0 {
            String::new()
        } else {
            let imported = thousands(report.imported);
            format!(
                "; {imported} of them imported, in windows that nobody read, so no coverage vouches for them"
            )
        };
        return Ok(format!(
            "{} looked at; each is what its key, its hash and its coverage say{imported}",
            count(report.events, "event")
        ));
    }
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    Err(format!(
        "{}; read those windows again with `usage backfill --force`, or restore a backup",
        findings.join("; ")
    ))
}

impl fmt::Display for DoctorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "settings")?;
        for line in &self.settings {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "checks")?;
        for Check { name, ok, finding } in &self.checks {
            let mark = if *ok { "ok" } else { "WRONG" };
            writeln!(f, "  {mark:<5} {name}: {finding}")?;
        }
        Ok(())
    }
}
