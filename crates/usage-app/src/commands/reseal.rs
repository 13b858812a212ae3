//! `usage keys new-master` and `usage keys reseal`

use std::fmt;
use std::path::{Path, PathBuf};

use usage_store::Resealed;

use super::names;
use crate::error::AppError;
use crate::settings::make_master_key_file;
use crate::text::count;
use crate::wiring::{App, Exit};

/// A new master key in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMasterReport {
    file: PathBuf,
}

/// Makes a file with a new master key. Nothing uses it before the settings name it; a file that exists is never
/// replaced.
pub fn new_master(file: &Path) -> Result<NewMasterReport, AppError> {
    make_master_key_file(file)?;
    Ok(NewMasterReport {
        file: file.to_owned(),
    })
}

impl fmt::Display for NewMasterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "made {}, a new master key", self.file.display())?;
        writeln!(
            f,
            "to change to it, set USAGE_MASTER_KEY_FILE to it and USAGE_PREVIOUS_MASTER_KEY_FILE to the key used so \
             far, then run `usage keys reseal`"
        )
    }
}

/// What became of the provider keys of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResealReport {
    resealed: usize,
    current: usize,
    not_opened: Vec<i64>,
    names: Exit,
}

/// Seals every provider key that the previous master key opens with the current one, each in a transaction of its own.
/// It can be ended at any moment and run again; with both master keys set, every provider key opens all the while.
pub async fn reseal(app: &App) -> Result<ResealReport, AppError> {
    let ledger = app.ledger().await?;
    let mut report = ResealReport {
        resealed: 0,
        current: 0,
        not_opened: Vec::new(),
        names: names::enforce(app, &ledger).await?,
    };
    let keys = ledger.keys().await?;
    if keys.is_empty() {
        return Ok(report);
    }
    let master = app.master_key(&keys)?;
    let mut after = 0;
    while let Some((id, resealed)) = ledger.reseal_next(master.clone(), after).await? {
        match resealed {
            Resealed::Done => report.resealed += 1,
            // Whoever was faster has sealed it with one of the keys, or removed it; the look at the end tells.
            Resealed::Elsewhere | Resealed::NotOpened => {}
        }
        after = id;
    }
    let (current, other): (Vec<_>, Vec<_>) = ledger
        .keys()
        .await?
        .into_iter()
        .partition(|key| key.master_key_id == master.id());
    report.current = current.len().saturating_sub(report.resealed);
    report.not_opened = other.into_iter().map(|key| key.id).collect();
    Ok(report)
}

impl ResealReport {
    /// 1 when a provider key is not under the current master key, or when erased names may still be in the database's
    /// file.
    pub fn exit(&self) -> Exit {
        let exit = if self.not_opened.is_empty() {
            Exit::Clean
        } else {
            Exit::Findings
        };
        exit.max(self.names)
    }
}

impl fmt::Display for ResealReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resealed,
            current,
            not_opened,
            names: _,
        } = self;
        writeln!(
            f,
            "{} resealed with the current master key, {current} already current, {} not openable",
            count(*resealed as u64, "key"),
            not_opened.len()
        )?;
        if not_opened.is_empty() {
            return writeln!(
                f,
                "the ledger needs no other master key; backups made before this still need the previous one"
            );
        }
        let ids: Vec<String> = not_opened.iter().map(ToString::to_string).collect();
        writeln!(
            f,
            "not openable: {}; set the master key they were sealed with in USAGE_PREVIOUS_MASTER_KEY_FILE and run \
             `usage keys reseal` again, or remove them with `usage keys remove`",
            ids.join(", ")
        )
    }
}
