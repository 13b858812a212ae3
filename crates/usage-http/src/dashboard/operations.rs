//! What the dashboard asks for and cannot do itself.

use async_trait::async_trait;
use chrono::NaiveDate;
use secrecy::SecretString;
use usage_core::{Account, NanoUsd, ProjectFilter};
use usage_store::{AccountScope, StoredAccount};

use crate::operations::OperationFailed;

/// What the application does for the dashboard.
#[async_trait]
pub trait DashboardOperations: Send + Sync + 'static {
    /// The latest report of `usage parity` of an account, as JSON; `None` if there is none.
    ///
    /// # Errors
    ///
    /// It could not be read.
    async fn latest_parity(&self, account: &StoredAccount) -> Result<Option<String>, OperationFailed>;

    /// The latest report of `usage reconcile` of an account, as JSON; `None` if there is none.
    ///
    /// # Errors
    ///
    /// It could not be read.
    async fn latest_reconciliation(&self, account: &StoredAccount)
    -> Result<Option<String>, OperationFailed>;

    /// A text that is another once the latest report of parity is, so that what it says may be kept; `None` if nobody can tell.
    ///
    /// # Errors
    ///
    /// It could not be told which report is the latest.
    async fn parity_mark(&self, _account: &StoredAccount) -> Result<Option<String>, OperationFailed> {
        Ok(None)
    }

    /// The same of reconciliation.
    ///
    /// # Errors
    ///
    /// It could not be told which report is the latest.
    async fn reconciliation_mark(&self, _account: &StoredAccount) -> Result<Option<String>, OperationFailed> {
        Ok(None)
    }

    /// How the budgets stand whose usage is all in the scope.
    ///
    /// # Errors
    ///
    /// They could not be computed.
    async fn budgets(&self, scope: &AccountScope) -> Result<Vec<BudgetState>, OperationFailed>;

    /// Starts a run that reads today and so many UTC days before it again, of the scope; returns once it has a number.
    ///
    /// # Errors
    ///
    /// It could not be started.
    async fn start_run(&self, scope: &AccountScope, days_back: u16) -> Result<i64, Refused>;

    /// Checks a key with its provider and adds it; returns its number.
    ///
    /// # Errors
    ///
    /// The provider refuses the key, the ledger has its usage already, or the provider cannot be asked.
    async fn add_key(&self, key: KeyToAdd) -> Result<i64, Refused>;

    /// Asks the provider about a key and keeps what it says; returns that in a sentence.
    ///
    /// # Errors
    ///
    /// The provider cannot be asked.
    async fn check_key(&self, id: i64) -> Result<String, Refused>;

    /// Checks another secret with the provider and keeps it in place of the key's old one.
    ///
    /// # Errors
    ///
    /// The provider refuses it, or cannot be asked.
    async fn rotate_key(&self, id: i64, secret: SecretString) -> Result<(), Refused>;
}

/// A key that somebody typed.
#[derive(Clone, Debug)]
pub struct KeyToAdd {
    /// Whose usage it reads.
    pub account: Account,
    /// A name for people.
    pub label: Option<String>,
    /// The projects that it is limited to.
    pub filter: ProjectFilter,
    /// The credential itself.
    pub secret: SecretString,
}

/// How a budget stands, by the price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetState {
    /// What people call it.
    pub name: String,
    /// Whose usage counts; every account's if none is named.
    pub account: Option<Account>,
    /// Which project's usage counts; every one's if none is named.
    pub project_id: Option<String>,
    /// In which time: `daily`, `weekly` or `monthly`.
    pub period: &'static str,
    /// The first UTC day of the period.
    pub first_day: NaiveDate,
    /// The last UTC day of the period.
    pub last_day: NaiveDate,
    /// How much may be spent.
    pub amount: NanoUsd,
    /// How much was spent; more if there are unpriced events or unread days.
    pub spent: NanoUsd,
    /// At how many per cent people are warned.
    pub warn_at_percent: Option<u8>,
    /// Whether that share is reached.
    pub is_warned: bool,
    /// Whether more was spent than it has.
    pub is_passed: bool,
    /// Usage events of the period that have no price.
    pub unpriced_events: u64,
    /// Days of the period so far on which nothing was read from some account.
    pub unread_days: u64,
}

/// Why something was not done: one line that whoever asked may read, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    text: String,
    why: WhyRefused,
}

/// Whose affair it is that something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyRefused {
    /// What was asked for is refused, as things stand.
    Asked,
    /// The database is away or busy: the same may be done in a moment.
    Unavailable,
    /// The server failed.
    Broken,
}

impl Refused {
    /// With what is wrong and what to do.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            text: reason.into(),
            why: WhyRefused::Asked,
        }
    }

    /// With whose affair it is.
    #[must_use]
    pub fn because(self, why: WhyRefused) -> Self {
        Self { why, ..self }
    }

    /// Whose affair it is.
    pub fn why(&self) -> WhyRefused {
        self.why
    }
}
