//! `usage names`, and which names are stored at all.

use std::fmt;

use usage_core::{Directory, DirectoryKind};
use usage_store::{ErasedIn, ErasedUser, Ledger, NamesLeft, Traces};

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

/// Erases the users' names that are stored although the setting says that none are to be: they came in without it. Every
/// command that writes to the ledger calls this as soon as it is open.
///
/// Returns how the command ends at best: with 1 when the database's file may still hold the text.
pub(crate) async fn enforce(app: &App, ledger: &Ledger) -> Result<Exit, AppError> {
    if !app.settings.no_names.value || ledger.names_left().await? == NamesLeft::None {
        return Ok(Exit::Clean);
    }
    match ledger.erase_user_names().await? {
        (_, Traces::Gone) => Ok(Exit::Clean),
        (_, Traces::MayRemain(reason)) => {
            tracing::error!(
                "users' names are erased, but the database's file may still hold their text: {reason}; \
                 run the command again when nothing else uses the ledger"
            );
            Ok(Exit::Findings)
        }
    }
}

/// Stores the names that a check returned, but no user's if the setting says so.
pub(crate) async fn save(
    app: &App,
    ledger: &Ledger,
    account_id: i64,
    mut names: Directory,
) -> Result<(), AppError> {
    if app.settings.no_names.value {
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

/// What `usage doctor` says of users' names: nothing where they may be stored and none was half erased.
pub(crate) async fn look(app: &App, ledger: &Ledger) -> Option<Result<String, String>> {
    let left = match ledger.names_left().await {
        Ok(left) => left,
        Err(error) => return Some(Err(error.to_string())),
    };
    match (left, app.settings.no_names.value) {
        (NamesLeft::None, true) => Some(Ok("no user's name or e-mail address is stored".to_owned())),
        (NamesLeft::None | NamesLeft::Names, false) => None,
        (NamesLeft::Names, true) => Some(Err(
            "users' names are stored although no_names is set; run `usage migrate`, which erases them"
                .to_owned(),
        )),
        (NamesLeft::Traces, no_names) => {
            let command = if no_names {
                "usage migrate"
            } else {
                "usage names erase"
            };
            Some(Err(format!(
                "names are erased, but the database's file may still hold their text; run `{command}` again when nothing \
                 else uses the ledger"
            )))
        }
    }
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
