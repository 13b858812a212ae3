//! What a pass finds wrong.

use std::fmt;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};
use usage_core::{Account, Decimal};

use super::budget::BudgetStatus;
use crate::text::{count, hide_secrets};

/// How long a message may be, in characters; what is longer is cut.
const MOST_CHARACTERS: usize = 500;

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IncidentKind {
    /// A run could not do its work, or ended with errors.
    RunFailed,
    /// The ledger and the provider's export differ.
    Parity,
    /// The price of the usage and what the provider charged differ by more than is allowed.
    CostVariance,
    /// The provider does not accept a key any more.
    InvalidKey,
    /// More was spent than was to be, or nearly as much.
    Budget,
}

impl IncidentKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::RunFailed,
        Self::Parity,
        Self::CostVariance,
        Self::InvalidKey,
        Self::Budget,
    ];

    /// The kind in one word. Operators route alerts by these, so a name never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RunFailed => "run_failed",
            Self::Parity => "parity",
            Self::CostVariance => "cost_variance",
            Self::InvalidKey => "invalid_key",
            Self::Budget => "budget",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something wrong, as a pass found it. One incident is open for a kind and a subject, however often it is found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub(super) kind: IncidentKind,
    pub(super) subject: String,
    pub(super) account: Option<Account>,
    pub(super) message: String,
    pub(super) details: Map<String, Value>,
}

impl Finding {
    /// A run could not do its work (exit code 2), or ended with errors. `reason` says why, in one line. Without an account
    /// it is the whole pass that failed.
    pub fn run_failed(account: Option<&Account>, reason: &str) -> Self {
        let subject = account.map_or_else(|| "cron pass".to_owned(), Account::to_string);
        let message = format!("the run of {subject} failed: {reason}");
        Self::new(IncidentKind::RunFailed, subject, account, &message)
    }

    /// The ledger and the provider's export of an endpoint differ in so many groups.
    pub fn parity(account: &Account, surface: &str, different_groups: u64) -> Self {
        let subject = format!("{account} {surface}");
        let message = format!(
            "{} of {subject} in the ledger and in the provider's export differ; see `usage parity`",
            count(different_groups, "group")
        );
        Self::new(IncidentKind::Parity, subject, Some(account), &message)
            .with("endpoint", surface)
            .with("differentGroups", different_groups)
    }

    /// What the usage of these UTC days costs by its prices and what the provider charged differ by so many per cent;
    /// `None` if that is not more than is allowed (see [`default_max_variance`]).
    ///
    /// ```
    /// use chrono::NaiveDate;
    /// use usage_app::alerting::{Finding, default_max_variance};
    /// use usage_core::{Account, Decimal, Provider};
    ///
    /// let account = Account::new(Provider::OpenAi, "org-a")?;
    /// let day = NaiveDate::default();
    /// let of = |percent: &Decimal| Finding::cost_variance(&account, (day, day), percent, &default_max_variance());
    /// assert!(of(&"2.000".parse()?).is_none());
    /// assert!(of(&"2.000001".parse()?).is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cost_variance(
        account: &Account,
        (first_day, last_day): (NaiveDate, NaiveDate),
        percent: &Decimal,
        max_percent: &Decimal,
    ) -> Option<Self> {
        let message = format!(
            "the price of the usage of {account} from {first_day} to {last_day} and what the provider charged differ by \
             {percent} %, and {max_percent} % are allowed; see `usage reconcile`"
        );
        (percent > max_percent).then(|| {
            Self::new(
                IncidentKind::CostVariance,
                account.to_string(),
                Some(account),
                &message,
            )
            .with("firstDay", first_day.to_string())
            .with("lastDay", last_day.to_string())
            .with("percent", percent.to_string())
            .with("maxPercent", max_percent.to_string())
        })
    }

    /// The provider does not accept a key any more (401). `label` is what people call the key.
    pub fn invalid_key(account: &Account, key_id: i64, label: Option<&str>) -> Self {
        let named = label.map(|label| format!(" ({label})")).unwrap_or_default();
        let message = format!(
            "the provider does not accept key {key_id}{named} of {account}; give it a new secret with `usage keys \
             rotate {key_id}`"
        );
        let subject = format!("{account} key {key_id}");
        Self::new(IncidentKind::InvalidKey, subject, Some(account), &message).with("keyId", key_id)
    }

    /// More was spent than the budget has.
    pub fn budget_passed(status: &BudgetStatus) -> Self {
        Self::of_budget(status, status.passed_subject(), "is passed")
    }

    /// Nearly as much was spent as the budget has.
    pub(super) fn budget_warning(status: &BudgetStatus) -> Self {
        Self::of_budget(status, status.warning_subject(), "is nearly spent")
    }

    /// With one more detail, for programs. It must hold no secret.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    fn of_budget(status: &BudgetStatus, subject: String, what: &str) -> Self {
        let message = format!("the budget {what}: {status}");
        let mut finding = Self::new(IncidentKind::Budget, subject, status.account.as_ref(), &message);
        if let Ok(Value::Object(details)) = serde_json::to_value(status) {
            finding.details = details;
        }
        finding
    }

    fn new(kind: IncidentKind, subject: String, account: Option<&Account>, message: &str) -> Self {
        Self {
            kind,
            subject,
            account: account.cloned(),
            message: hide_secrets(message).chars().take(MOST_CHARACTERS).collect(),
            details: Map::new(),
        }
    }
}

/// By how many per cent price and charge may differ unless someone says otherwise: 2.
pub fn default_max_variance() -> Decimal {
    Decimal::from(2)
}

impl Serialize for IncidentKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
