//! Budgets: how much may be spent, on what, in which time. They stand in `usage.toml` alone.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono::{Datelike as _, Days, Months, NaiveDate, NaiveTime, Weekday};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use usage_core::{Account, Decimal, NanoUsd, Provider, normalize_project_id};

use super::error::SettingsError;
use super::origin::{Origin, Setting};

/// How much may be spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What people call it; no two budgets have one name.
    pub name: String,
    /// Whose usage counts; every account's if none is named.
    pub account: Option<Account>,
    /// Which project's usage counts, by the provider's id; every one's if none is named.
    pub project_id: Option<String>,
    /// In which time.
    pub period: BudgetPeriod,
    /// How much; more than nothing.
    pub amount: NanoUsd,
    /// At how many per cent of it people are warned; 1 to 99.
    pub warn_at_percent: Option<NonZeroU8>,
}

/// The time that a budget is for. Days are UTC, as the provider bills them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetPeriod {
    /// A day.
    Daily,
    /// An ISO week, from Monday.
    Weekly,
    /// A month of the calendar.
    Monthly,
}

impl BudgetPeriod {
    const ALL: [Self; 3] = [Self::Daily, Self::Weekly, Self::Monthly];

    /// The name that people set.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// The first and the last UTC day of the period that holds this moment; `None` at the end of the calendar.
    ///
    /// ```
    /// use usage_app::settings::BudgetPeriod;
    /// use usage_core::parse_instant;
    ///
    /// let (first, last) = BudgetPeriod::Weekly.days(parse_instant("2026-01-01T12:00:00Z")?).unwrap_or_default();
    /// assert_eq!((first.to_string(), last.to_string()), ("2025-12-29".to_owned(), "2026-01-04".to_owned()));
    /// # Ok::<(), usage_core::ParseInstantError>(())
    /// ```
    pub fn days(self, now: DateTime<Utc>) -> Option<(NaiveDate, NaiveDate)> {
        let today = now.date_naive();
        match self {
            Self::Daily => Some((today, today)),
            Self::Weekly => {
                let week = today.week(Weekday::Mon);
                Some((week.checked_first_day()?, week.checked_last_day()?))
            }
            Self::Monthly => {
                let first = today.with_day(1)?;
                let last = first
                    .checked_add_months(Months::new(1))?
                    .checked_sub_days(Days::new(1))?;
                Some((first, last))
            }
        }
    }
}

impl fmt::Display for BudgetPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for BudgetPeriod {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The budget in one line.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} usd {}", self.name, self.amount, self.period)?;
        if let Some(account) = &self.account {
            write!(f, ", {account}")?;
        }
        if let Some(project) = &self.project_id {
            write!(f, ", {project}")?;
        }
        match self.warn_at_percent {
            Some(percent) => write!(f, ", warned at {percent}%"),
            None => Ok(()),
        }
    }
}

/// The start of a UTC day.
pub(crate) fn day_start(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// What is wrong with a budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBudget {
    /// Not a list of tables.
    #[error("budgets are tables; write [[budgets]] and its lines below")]
    NotTables,
    /// A key that no budget has.
    #[error("a budget has no `{0}`; it has name, account, project, period, amount_usd and warn_at")]
    UnknownKey(String),
    /// A key that every budget has.
    #[error("a budget needs `{0}`")]
    Missing(&'static str),
    /// Not text.
    #[error("`{0}` must be text in quotes")]
    NotText(&'static str),
    /// No name that a message could use.
    #[error("the name of a budget is 1 to 100 characters without control characters")]
    Name,
    /// Two budgets with one name.
    #[error("there are two budgets `{0}`; rename one of them")]
    SameName(String),
    /// Not an account.
    #[error("`account` is not an account; write it like openai/org-AbC123")]
    Account,
    /// Not a project.
    #[error("`project` is not a project id; write it like proj_AbC123")]
    Project,
    /// Not a period.
    #[error("`period` must be daily, weekly or monthly")]
    Period,
    /// Not an amount.
    #[error("`amount_usd` must be more than 0, with at most 9 decimals, like \"250.00\"")]
    Amount,
    /// Not a percentage.
    #[error("`warn_at` must be a whole percentage from 1% to 99%, like \"80%\"")]
    WarnAt,
}

/// Reads the budgets of a settings file. `place` tells where in it a byte stands.
pub(super) fn read(
    value: &DeValue<'_>,
    key_at: usize,
    place: impl Fn(usize) -> Origin,
) -> Result<Vec<Setting<Budget>>, SettingsError> {
    let wrong = |at: usize, problem| SettingsError::Budget {
        place: place(at),
        problem,
    };
    let DeValue::Array(tables) = value else {
        return Err(wrong(key_at, InvalidBudget::NotTables));
    };
    let mut budgets: Vec<Setting<Budget>> = Vec::new();
    for table in tables {
        let at = table.span().start;
        let DeValue::Table(keys) = table.get_ref() else {
            return Err(wrong(at, InvalidBudget::NotTables));
        };
        let value = read_one(keys).map_err(|(of_key, problem)| wrong(of_key.unwrap_or(at), problem))?;
        if budgets.iter().any(|other| other.value.name == value.name) {
            return Err(wrong(at, InvalidBudget::SameName(value.name)));
        }
        budgets.push(Setting {
            value,
            origin: place(at),
        });
    }
    Ok(budgets)
}

/// What is wrong, and at which key if it is one's.
type Wrong = (Option<usize>, InvalidBudget);

const KEYS: [&str; 6] = ["name", "account", "project", "period", "amount_usd", "warn_at"];

fn read_one(table: &DeTable<'_>) -> Result<Budget, Wrong> {
    let mut keys: Vec<_> = table.keys().collect();
    keys.sort_by_key(|key| key.span().start);
    if let Some(unknown) = keys.iter().find(|key| !KEYS.contains(&key.get_ref().as_ref())) {
        let problem = InvalidBudget::UnknownKey(unknown.get_ref().to_string());
        return Err((Some(unknown.span().start), problem));
    }
    let name = Field::required(table, "name")?.read(Field::name)?;
    let account = Field::of(table, "account").map(|field| field.read(Field::account));
    let account = account.transpose()?;
    let provider = account.as_ref().map_or(Provider::OpenAi, Account::provider);
    let project_id = Field::of(table, "project").map(|field| field.read(|field| field.project(provider)));
    let warn_at = Field::of(table, "warn_at").map(|field| field.read(Field::percentage));
    Ok(Budget {
        name,
        account,
        project_id: project_id.transpose()?,
        period: Field::required(table, "period")?.read(Field::period)?,
        amount: Field::required(table, "amount_usd")?.read(Field::amount)?,
        warn_at_percent: warn_at.transpose()?,
    })
}

/// A value of a budget.
struct Field<'a> {
    key: &'static str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Field<'a> {
    fn of(table: &'a DeTable<'a>, key: &'static str) -> Option<Self> {
        table.get(key).map(|value| Self { key, value })
    }

    fn required(table: &'a DeTable<'a>, key: &'static str) -> Result<Self, Wrong> {
        Self::of(table, key).ok_or((None, InvalidBudget::Missing(key)))
    }

    fn read<T>(&self, parse: impl FnOnce(&Self) -> Result<T, InvalidBudget>) -> Result<T, Wrong> {
        parse(self).map_err(|problem| (Some(self.value.span().start), problem))
    }

    fn text(&self) -> Result<&str, InvalidBudget> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.trim()),
            _ => Err(InvalidBudget::NotText(self.key)),
        }
    }

    fn name(&self) -> Result<String, InvalidBudget> {
        let name = self.text()?;
        let plain = !name.is_empty() && name.chars().count() <= 100 && !name.chars().any(char::is_control);
        plain.then(|| name.to_owned()).ok_or(InvalidBudget::Name)
    }

    fn account(&self) -> Result<Account, InvalidBudget> {
        let (provider, organization) = self.text()?.split_once('/').ok_or(InvalidBudget::Account)?;
        let provider: Provider = provider.parse().map_err(|_| InvalidBudget::Account)?;
        Account::new(provider, organization).map_err(|_| InvalidBudget::Account)
    }

    fn project(&self, provider: Provider) -> Result<String, InvalidBudget> {
        normalize_project_id(provider, self.text()?).map_err(|_| InvalidBudget::Project)
    }

    fn period(&self) -> Result<BudgetPeriod, InvalidBudget> {
        let text = self.text()?;
        BudgetPeriod::ALL
            .into_iter()
            .find(|period| period.as_str() == text)
            .ok_or(InvalidBudget::Period)
    }

    /// From the digits as they stand in the file, so that an amount without quotes is as exact as one with them.
    fn amount(&self) -> Result<NanoUsd, InvalidBudget> {
        let text = match self.value.get_ref() {
            DeValue::String(text) => text.trim(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            _ => return Err(InvalidBudget::Amount),
        };
        let amount: NanoUsd = text.parse().map_err(|_| InvalidBudget::Amount)?;
        let exact = Decimal::from_str(text).is_ok_and(|exact| exact == Decimal::from(amount));
        (exact && amount > NanoUsd::ZERO)
            .then_some(amount)
            .ok_or(InvalidBudget::Amount)
    }

    fn percentage(&self) -> Result<NonZeroU8, InvalidBudget> {
        let digits = self.text()?.strip_suffix('%').ok_or(InvalidBudget::WarnAt)?;
        digits
            .trim_end()
            .parse()
            .ok()
            .filter(|percent: &NonZeroU8| percent.get() < 100)
            .ok_or(InvalidBudget::WarnAt)
    }
}
