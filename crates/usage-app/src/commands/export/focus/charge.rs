//! What a cost must have to be a charge.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use usage_core::{Decimal, DirectoryKind, LineItem, Provider, Window};
use usage_store::StoredCost;

use super::super::names::Names;

/// A cost with all that every FOCUS row has.
pub(super) struct Charge<'a> {
    pub(super) cost: &'a StoredCost,
    /// Exact.
    pub(super) amount: &'a Decimal,
    /// Three capitals.
    pub(super) currency: String,
    /// In the provider's words.
    pub(super) line_item: Option<&'a str>,
    /// What can be read from them.
    pub(super) item: LineItem<'a>,
    names: &'a Names,
}

/// Why a cost is no charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoCharge {
    /// The provider sent null.
    NoAmount,
    /// There is none, or it is no code of ISO 4217 by its looks.
    NoCurrency,
}

/// `ChargeCategory`, as far as a provider's costs have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Usage,
    /// An amount below zero.
    Credit,
    /// A line item that speaks of tax, paid or given back.
    Tax,
}

/// What FOCUS calls the provider and its service.
pub(super) struct Sold {
    pub(super) by: &'static str,
    pub(super) service: &'static str,
}

impl<'a> Charge<'a> {
    pub(super) fn of(cost: &'a StoredCost, names: &'a Names) -> Result<Self, NoCharge> {
        let group = &cost.row.group;
        let currency = group.currency.as_deref().unwrap_or("").to_ascii_uppercase();
        let amount = cost.row.amount.as_ref().ok_or(NoCharge::NoAmount)?;
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(NoCharge::NoCurrency);
        }
        Ok(Self {
            cost,
            amount: amount.value(),
            currency,
            line_item: group.line_item(),
            item: group.line_item().map(LineItem::parse).unwrap_or_default(),
            names,
        })
    }

    pub(super) fn category(&self) -> Category {
        if self.line_item.is_some_and(LineItem::is_tax) {
            Category::Tax
        } else if self.amount.is_negative() {
            Category::Credit
        } else {
            Category::Usage
        }
    }

    pub(super) const fn window(&self) -> Window {
        self.cost.window
    }

    /// The UTC calendar month that the charge is billed in.
    pub(super) fn billing_period(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let day = self.window().utc_day();
        let first = day.with_day(1).unwrap_or(day);
        let next = first.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
        let midnight = |day: NaiveDate| Window::day(day).start();
        (midnight(first), midnight(next))
    }

    /// The project's name; its id where the ledger knows none.
    pub(super) fn project_name(&self) -> Option<&str> {
        self.name(DirectoryKind::Project, self.cost.row.group.project_id())
    }

    /// The API key's name; its id where the ledger knows none.
    pub(super) fn api_key_name(&self) -> Option<&str> {
        self.name(DirectoryKind::ApiKey, self.cost.row.group.api_key_id())
    }

    fn name<'s>(&'s self, kind: DirectoryKind, id: Option<&'s str>) -> Option<&'s str> {
        id.map(|id| self.names.get(self.cost.account_id, kind, id).unwrap_or(id))
    }

    pub(super) fn sold(&self) -> Sold {
        match self.cost.account.provider() {
            Provider::OpenAi => Sold {
                by: "OpenAI",
                service: "OpenAI API",
            },
            // Provider is open to more; each brings the names that it is known by.
            other => Sold {
                by: other.as_str(),
                service: other.as_str(),
            },
        }
    }
}

impl Category {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "Usage",
            Self::Credit => "Credit",
            Self::Tax => "Tax",
        }
    }

    /// `ChargeFrequency`: usage is charged as it happens, a credit is given once, and so is a tax taken.
    pub(super) const fn frequency(self) -> &'static str {
        match self {
            Self::Usage => "Usage-Based",
            Self::Credit | Self::Tax => "One-Time",
        }
    }
}

#[cfg(test)]
mod tests {
    use usage_core::{format_instant, parse_day};

    use super::super::super::testing::cost;
    use super::*;

    #[test]
    fn a_charge_has_an_amount_and_a_currency() {
        let names = Names::default();
        for (currency, expected) in [
            (Some("usd"), Ok("USD".to_owned())),
            (Some("Eur"), Ok("EUR".to_owned())),
            (Some("credits"), Err(NoCharge::NoCurrency)),
            (Some("us$"), Err(NoCharge::NoCurrency)),
            (Some(""), Err(NoCharge::NoCurrency)),
            (None, Err(NoCharge::NoCurrency)),
        ] {
            let mut cost = cost("gpt-5, input", "1", None);
            cost.row.group.currency = currency.map(str::to_owned);
            let charge = Charge::of(&cost, &names).map(|charge| charge.currency);
            assert_eq!(charge, expected, "{currency:?}");
        }
        let mut pending = cost("gpt-5, input", "1", None);
        pending.row.amount = None;
        assert_eq!(
            Charge::of(&pending, &names).map(|_| ()),
            Err(NoCharge::NoAmount),
            "null is not zero"
        );
    }

    #[test]
    fn a_charge_is_usage_a_credit_or_a_tax() {
        let names = Names::default();
        for (line_item, amount, category) in [
            ("gpt-5, input", "0.1", Category::Usage),
            ("gpt-5, input", "-0.1", Category::Credit),
            ("credit", "-25.00", Category::Credit),
            ("pending", "0E-6176", Category::Usage),
            ("tax", "19.90", Category::Tax),
            ("VAT (19 %)", "-3", Category::Tax),
            ("Taxes", "2", Category::Tax),
            ("taxonomy storage", "1", Category::Usage),
            ("tax-reader-1, output", "1", Category::Usage),
        ] {
            let cost = cost(line_item, amount, None);
            let found = Charge::of(&cost, &names).map(|charge| charge.category());
            assert_eq!(found, Ok(category), "{line_item} {amount}");
        }
    }

    #[test]
    fn a_billing_period_is_a_calendar_month() {
        let names = Names::default();
        for (day, first, next) in [
            ("2025-09-01", "2025-09-01T00:00:00Z", "2025-10-01T00:00:00Z"),
            ("2025-12-31", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("2024-02-29", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ] {
            let mut cost = cost("gpt-5, input", "1", None);
            cost.window = Window::day(parse_day(day).unwrap());
            let (from, until) = Charge::of(&cost, &names).unwrap().billing_period();
            assert_eq!(
                (format_instant(from).as_str(), format_instant(until).as_str()),
                (first, next)
            );
        }
    }
}
