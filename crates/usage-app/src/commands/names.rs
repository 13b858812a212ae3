//! `usage names`, and which names are stored at all.

use std::fmt;

use usage_core::{Directory, DirectoryKind};
use usage_store::{ErasedIn, ErasedUser, Ledger, Traces};

use crate::error::AppError;
use crate::text::instant;
use crate::wiring::{App, Exit};

/// What was erased of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureReport {
    user: String,
    erased: ErasedUser,
}

/// Erases a user's name and e-mail address in every account, for good; usage and its sums stay.
pub async fn erase(app: &App, user: &str) -> Result<ErasureReport, AppError> {
    let erased = app.ledger().await?.erase_user(user).await?;
    Ok(ErasureReport {
        user: user.to_owned(),
        erased,
    })
}

/// Stores the names that a check returned, but no user's if the setting says so: then those that are stored are erased
/// too, since they came in without it.
pub(crate) async fn save(
    app: &App,
    ledger: &Ledger,
    account_id: i64,
    mut names: Directory,
) -> Result<(), AppError> {
    if app.settings.no_names.value {
        let (_, traces) = ledger.erase_user_names().await?;
        if let Traces::MayRemain(reason) = traces {
            tracing::warn!(
                "users' names are erased, but the database's file may still hold their text: {reason}; \
                 run the command again when nothing else uses the ledger"
            );
        }
        for user in names
            .entries
            .iter_mut()
            .filter(|entry| entry.kind == DirectoryKind::User)
        {
            user.name = None;
            user.email = None;
        }
    }
    Ok(ledger.save_directory(account_id, names).await?)
}

impl ErasureReport {
    /// 1 when the database's file may still hold the text.
    pub fn exit(&self) -> Exit {
        match self.erased.traces {
            Traces::Gone => Exit::Clean,
            Traces::MayRemain(_) => Exit::Findings,
        }
    }
}

impl fmt::Display for ErasureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ErasedIn {
            account,
            name,
            email,
            erased_before,
        } in &self.erased.accounts
        {
            let what = match (name, email) {
                (true, true) => "the name and the e-mail address",
                (true, false) => "the name",
                (false, true) => "the e-mail address",
                (false, false) => "nothing (no name was stored)",
            };
            write!(f, "user {} of {account}: erased {what}", self.user)?;
            match erased_before {
                Some(at) => writeln!(f, "; erased before on {}", instant(*at))?,
                None => writeln!(f, "; a later read does not bring it back")?,
            }
        }
        match &self.erased.traces {
            Traces::Gone => writeln!(
                f,
                "usage stays as it is, under the id; backups keep what they hold"
            ),
            Traces::MayRemain(reason) => writeln!(
                f,
                "INCOMPLETE: the database's file may still hold the text: {reason}; run this again when nothing else uses \
                 the ledger"
            ),
        }
    }
}
