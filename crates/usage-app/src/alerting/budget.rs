//! Budgets: what was spent of them in the period that is running.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use usage_core::{Account, Decimal, NanoUsd};
use usage_store::{AccountScope, Ledger, SpendingQuery, StoredAccount};

use super::finding::{Finding, IncidentKind};
use super::settle::Pass;
use crate::error::AppError;
use crate::settings::{Budget, BudgetPeriod, day_start};
use crate::text::{count, hide_secrets};
use crate::wiring::App;

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BudgetState {
    /// There is some left.
    Ok,
    /// The share at which people are warned is reached.
    Warn,
    /// More was spent than it has.
    Passed,
}

/// What was spent of a budget in the period that is running. It is what the usage costs by the price list: what the
/// provider charges is known only days later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStatus {
    /// What people call it.
    pub name: String,
    /// Whose usage counts, as `provider/organization`; every account's if none is named.
    #[serde(serialize_with = "as_text")]
    pub account: Option<Account>,
    /// Which project's usage counts.
    pub project_id: Option<String>,
    /// In which time.
    pub period: BudgetPeriod,
    /// The first UTC day of the period.
    pub first_day: NaiveDate,
    /// The last UTC day of the period.
    pub last_day: NaiveDate,
    /// How much may be spent, in USD.
    pub amount_usd: NanoUsd,
    /// How much was spent, in USD; more if there are unpriced events or unread days.
    pub spent_usd: NanoUsd,
    /// The share of the amount that was spent, in per cent, rounded to one place.
    pub share_percent: Decimal,
    /// At how many per cent people are warned.
    pub warn_at_percent: Option<u8>,
    /// How it stands. It is decided by the exact amounts, not by the rounded share.
    pub state: BudgetState,
    /// Usage events of the period that have no price.
    pub unpriced_events: u64,
    /// Days of the period so far on which nothing was read from some account.
    pub unread_days: u64,
}

/// How each budget of the settings stands.
pub async fn budgets(app: &App, ledger: &Ledger) -> Result<Vec<BudgetStatus>, AppError> {
    let accounts = ledger.accounts(AccountScope::All).await?;
    let now = app.clock.now();
    let mut statuses = Vec::with_capacity(app.settings.budgets.len());
    for budget in &app.settings.budgets {
        statuses.push(status(ledger, &accounts, &budget.value, now).await?);
    }
    Ok(statuses)
}

/// Looks how each budget stands and adds to the pass what is wrong: one that is passed, or nearly spent.
///
/// A budget is a new one in each period, so that of the last period ends as soon as the next begins.
pub async fn look_at_budgets(
    app: &App,
    ledger: &Ledger,
    pass: &mut Pass,
) -> Result<Vec<BudgetStatus>, AppError> {
    let statuses = budgets(app, ledger).await?;
    pass.looked_at_all(IncidentKind::Budget);
    for status in &statuses {
        match status.state {
            BudgetState::Ok => {}
            BudgetState::Warn => pass.found(Finding::budget_warning(status)),
            BudgetState::Passed => {
                pass.found(Finding::budget_passed(status));
                // Who was warned is told that it is passed, and not that it is over.
                pass.spare(IncidentKind::Budget, status.warning_subject());
            }
        }
    }
    Ok(statuses)
}

async fn status(
    ledger: &Ledger,
    accounts: &[StoredAccount],
    budget: &Budget,
    now: DateTime<Utc>,
) -> Result<BudgetStatus, AppError> {
    let (first_day, last_day) = budget.period.days(now).ok_or(AppError::EndOfCalendar)?;
    let scope = match &budget.account {
        None => AccountScope::All,
        Some(wanted) => {
            let known = accounts.iter().filter(|known| known.account == *wanted);
            AccountScope::Only(known.map(|known| known.id).collect())
        }
    };
    let query = SpendingQuery {
        scope,
        project_id: budget.project_id.clone(),
        start: day_start(first_day),
        // What is to come is not unread.
        end: day_start(now.date_naive()) + chrono::TimeDelta::days(1),
    };
    let spending = ledger.spending(query).await?;
    let warn_at_percent = budget.warn_at_percent.map(std::num::NonZeroU8::get);
    Ok(BudgetStatus {
        name: budget.name.clone(),
        account: budget.account.clone(),
        project_id: budget.project_id.clone(),
        period: budget.period,
        first_day,
        last_day,
        amount_usd: budget.amount,
        spent_usd: spending.cost,
        share_percent: share(spending.cost, budget.amount),
        warn_at_percent,
        state: state(spending.cost, budget.amount, warn_at_percent),
        unpriced_events: spending.unpriced,
        unread_days: spending.unread_days,
    })
}

fn state(spent: NanoUsd, amount: NanoUsd, warn_at_percent: Option<u8>) -> BudgetState {
    let nears = |percent: u8| i128::from(spent.get()) * 100 >= i128::from(amount.get()) * i128::from(percent);
    if spent > amount {
        BudgetState::Passed
    } else if warn_at_percent.is_some_and(nears) {
        BudgetState::Warn
    } else {
        BudgetState::Ok
    }
}

fn share(spent: NanoUsd, amount: NanoUsd) -> Decimal {
    let hundredfold = Decimal::from(spent).shifted(2);
    hundredfold.over(&Decimal::from(amount), 1).unwrap_or_default()
}

impl BudgetStatus {
    /// Whether more was spent than is known.
    pub const fn is_at_least(&self) -> bool {
        self.unpriced_events > 0 || self.unread_days > 0
    }

    /// What an incident of it is called.
    pub(super) fn passed_subject(&self) -> String {
        hide_secrets(&format!("{}, {} from {}", self.name, self.period, self.first_day))
    }

    /// What an incident of nearly being spent is called.
    pub(super) fn warning_subject(&self) -> String {
        let percent = self.warn_at_percent.unwrap_or_default();
        format!("{}, warning at {percent}%", self.passed_subject())
    }
}

impl fmt::Display for BudgetStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        if self.is_at_least() {
            f.write_str("at least ")?;
        }
        write!(
            f,
            "{} of {} usd ({}%) {} from {} to {}",
            self.spent_usd, self.amount_usd, self.share_percent, self.period, self.first_day, self.last_day
        )?;
        if let Some(account) = &self.account {
            write!(f, ", {account}")?;
        }
        if let Some(project) = &self.project_id {
            write!(f, ", {project}")?;
        }
        let mut unknown = Vec::new();
        if self.unpriced_events > 0 {
            unknown.push(format!(
                "{} without a price",
                count(self.unpriced_events, "event")
            ));
        }
        if self.unread_days > 0 {
            unknown.push(format!("{} not read", count(self.unread_days, "day")));
        }
        if unknown.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", unknown.join(", "))
    }
}

#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
fn as_text<S: serde::Serializer>(account: &Option<Account>, serializer: S) -> Result<S::Ok, S::Error> {
    match account {
        Some(account) => serializer.collect_str(account),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use usage_core::parse_instant;

    use super::*;

    #[test]
    fn a_budget_is_passed_when_more_is_spent_than_it_has_and_not_before() {
        use BudgetState::{Ok, Passed, Warn};
        let usd = |text: &str| text.parse::<NanoUsd>().unwrap();
        for (spent, amount, warn_at, expected, percent) in [
            ("0", "250", Some(80), Ok, "0"),
            ("199.999999999", "250", Some(80), Ok, "80"),
            ("200", "250", Some(80), Warn, "80"),
            ("200", "250", None, Ok, "80"),
            ("250", "250", Some(80), Warn, "100"),
            ("250.000000001", "250", Some(80), Passed, "100"),
            ("9000000000", "0.000000001", None, Passed, "900000000000000000000"),
            ("9000000000", "9000000000", Some(99), Warn, "100"),
            ("1", "3", None, Ok, "33.3"),
        ] {
            assert_eq!(
                state(usd(spent), usd(amount), warn_at),
                expected,
                "{spent} of {amount}"
            );
            assert_eq!(
                share(usd(spent), usd(amount)).to_string(),
                percent,
                "{spent} of {amount}"
            );
        }
    }

    #[test]
    fn periods_are_utc_days_iso_weeks_and_months() {
        for (period, now, first, last) in [
            (
                BudgetPeriod::Daily,
                "2025-09-30T23:59:59Z",
                "2025-09-30",
                "2025-09-30",
            ),
            (
                BudgetPeriod::Weekly,
                "2025-09-28T23:59:59Z",
                "2025-09-22",
                "2025-09-28",
            ),
            (
                BudgetPeriod::Weekly,
                "2025-09-29T00:00:00Z",
                "2025-09-29",
                "2025-10-05",
            ),
            (
                BudgetPeriod::Monthly,
                "2024-02-29T12:00:00Z",
                "2024-02-01",
                "2024-02-29",
            ),
            (
                BudgetPeriod::Monthly,
                "2025-12-31T12:00:00Z",
                "2025-12-01",
                "2025-12-31",
            ),
        ] {
            let (found_first, found_last) = period.days(parse_instant(now).unwrap()).unwrap();
            assert_eq!(
                (found_first.to_string(), found_last.to_string()),
                (first.to_owned(), last.to_owned())
            );
        }
    }
}
