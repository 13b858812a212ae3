//! What a command works on: a ledger that must be there, and the accounts asked for.

use usage_core::Account;
use usage_store::{AccountScope, Ledger, StoredAccount};

use crate::error::AppError;
use crate::wiring::App;

/// The ledger, which must be there: comparing with a new and empty one would only leave it behind.
pub(super) async fn existing_ledger(app: &App) -> Result<Ledger, AppError> {
    match app.settings.database_url.value.sqlite_path() {
        Some(path) if !path.exists() => Err(AppError::NoLedger(path.to_owned())),
        _ => app.ledger().await,
    }
}

/// The accounts asked for, every one of which must be in the ledger; all of them if none is named.
pub(super) async fn chosen_accounts(
    ledger: &Ledger,
    wanted: &[Account],
) -> Result<Vec<StoredAccount>, AppError> {
    let known = ledger.accounts(AccountScope::All).await?;
    let is_known = |wanted: &Account| known.iter().any(|known| known.account == *wanted);
    if let Some(missing) = wanted.iter().find(|wanted| !is_known(wanted)) {
        return Err(AppError::UnknownAccount(missing.clone()));
    }
    let chosen = known
        .into_iter()
        .filter(|known| wanted.is_empty() || wanted.contains(&known.account));
    Ok(chosen.collect())
}

/// The one account asked for, or the only one there is.
pub(super) async fn chosen_account(
    ledger: &Ledger,
    wanted: Option<&Account>,
) -> Result<StoredAccount, AppError> {
    let mut accounts = chosen_accounts(ledger, wanted.map(std::slice::from_ref).unwrap_or_default()).await?;
    match accounts.len() {
        0 => Err(AppError::NoAccount),
        1 => Ok(accounts.remove(0)),
        several => Err(AppError::SeveralAccounts(several)),
    }
}
