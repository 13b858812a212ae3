//! Sums of costs by currency.

use std::collections::BTreeMap;

use super::row::CostRow;
use usage_core::Decimal;

/// Exact sums of amounts, currency by currency. They do not depend on the order of rows.
///
/// Currencies are told apart without regard to case, since the API writes `usd` and invoices `USD`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostSums {
    sums: BTreeMap<Option<String>, Decimal>,
    rows: u64,
    rows_without_amount: u64,
}

impl CostSums {
    /// Adds the amount of a row. A row without one is counted and adds nothing.
    pub fn add(&mut self, row: &CostRow) {
        self.rows += 1;
        match &row.amount {
            Some(amount) => *self.sums.entry(key(row.currency.as_deref())).or_default() += amount.value(),
            None => self.rows_without_amount += 1,
        }
    }

    /// Adds a group of rows: the sum of the amounts that are there, and how many rows there are with and without one.
    pub(crate) fn add_group(
        &mut self,
        currency: Option<&str>,
        amount: Option<&Decimal>,
        rows: u32,
        rows_without_amount: u32,
    ) {
        self.rows += u64::from(rows);
        self.rows_without_amount += u64::from(rows_without_amount);
        if let Some(amount) = amount {
            *self.sums.entry(key(currency)).or_default() += amount;
        }
    }

    /// The sum of a currency, or of the amounts without one; `None` if no row had an amount in it.
    pub fn get(&self, currency: Option<&str>) -> Option<&Decimal> {
        self.sums.get(&key(currency))
    }

    /// Every currency in lower case with its sum, the amounts without a currency first.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&str>, &Decimal)> {
        self.sums.iter().map(|(currency, sum)| (currency.as_deref(), sum))
    }

    /// How many rows were added.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// How many of them had no amount: idle windows, and rows that the provider left blank.
    pub const fn rows_without_amount(&self) -> u64 {
        self.rows_without_amount
    }
}

fn key(currency: Option<&str>) -> Option<String> {
    currency
        .filter(|currency| !currency.is_empty())
        .map(str::to_ascii_lowercase)
}
