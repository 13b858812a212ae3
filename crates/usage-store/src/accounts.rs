//! Accounts: the provider's organisations in this ledger.

use diesel::prelude::*;
use usage_core::{Account, Provider};

use crate::connection::AnyConnection;
use crate::data_version;
use crate::error::StoreError;
use crate::ledger::Ledger;
use crate::schema::accounts;

/// An account with its number in this ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAccount {
    /// The number, only good in this ledger.
    pub id: i64,
    /// The provider's organisation.
    pub account: Account,
}

/// Whose rows a read may see. Every read takes one, so that access control cannot be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountScope {
    /// Every account of the ledger.
    All,
    /// Only these accounts, by their number in the ledger; none of them is nothing.
    Only(Vec<i64>),
}

impl AccountScope {
    /// Only this account.
    pub fn one(account: &StoredAccount) -> Self {
        Self::Only(vec![account.id])
    }
}

impl Ledger {
    /// The account with its number, added if the ledger does not have it.
    pub async fn add_account(&self, account: Account) -> Result<StoredAccount, StoreError> {
        let now = self.now_unix();
        self.write(move |connection| find_or_insert(connection, &account, now))
            .await
    }

    /// The accounts of the scope, by provider and organisation.
    pub async fn accounts(&self, scope: AccountScope) -> Result<Vec<StoredAccount>, StoreError> {
        self.run(move |connection| load(connection, &scope)).await
    }
}

pub(crate) fn find_or_insert(
    connection: &mut AnyConnection,
    account: &Account,
    now: i64,
) -> Result<StoredAccount, StoreError> {
    let found: Option<i64> = accounts::table
        .filter(accounts::provider.eq(account.provider().as_str()))
        .filter(accounts::organization.eq(account.organization()))
        .select(accounts::id)
        .first(connection)
        .optional()
        .map_err(StoreError::query("looking for an account"))?;
    let id = if let Some(id) = found {
        id
    } else {
        let id = diesel::insert_into(accounts::table)
            .values((
                accounts::provider.eq(account.provider().as_str()),
                accounts::organization.eq(account.organization()),
                accounts::created_at.eq(now),
            ))
            .returning(accounts::id)
            .get_result(connection)
            .map_err(StoreError::query("adding an account"))?;
        data_version::bump(connection, id)?;
        id
    };
    Ok(StoredAccount {
        id,
        account: account.clone(),
    })
}

pub(crate) fn load(
    connection: &mut AnyConnection,
    scope: &AccountScope,
) -> Result<Vec<StoredAccount>, StoreError> {
    let mut query = accounts::table
        .select((accounts::id, accounts::provider, accounts::organization))
        .order((accounts::provider.asc(), accounts::organization.asc()))
        .into_boxed();
    if let AccountScope::Only(ids) = scope {
        query = query.filter(accounts::id.eq_any(ids.clone()));
    }
    let rows: Vec<(i64, String, String)> = query
        .load(connection)
        .map_err(StoreError::query("reading the accounts"))?;
    rows.into_iter()
        .map(|(id, provider, organization)| {
            Ok(StoredAccount {
                id,
                account: parse(&provider, &organization)?,
            })
        })
        .collect()
}

pub(crate) fn parse(provider: &str, organization: &str) -> Result<Account, StoreError> {
    let provider: Provider = provider
        .parse()
        .map_err(|_| StoreError::corrupt("provider", provider))?;
    Account::new(provider, organization).map_err(|_| StoreError::corrupt("organization", organization))
}
