//! The comparison, day after day, in the memory of one day and of the sums.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use usage_core::{Decimal, LineItem, Provider};
use usage_pricing::Catalogue;

use super::comparison::{compared, exact_of, of_cost};
use super::day::{CostKey, Day, Rows};
use super::group::{Class, ComparedGroup};
use super::lines::ReconcileError;
use super::matching::{ModelNames, groups};
use super::outcome::{Bridge, Days, Finding, LeftOut, Reconciliation, Tally, Variance};
use super::overlay::Observations;
use crate::diff::Spool;

/// Enough for every price by the million and by the piece; prices by the hour are kept to so many places.
pub(super) const EXACT_PLACES: u32 = 24;
const NANO_PLACES: u32 = 9;
pub(super) const USD: &str = "usd";

/// Compares usage and costs day by day, in order.
#[derive(Debug)]
pub struct Reconciler {
    names: ModelNames,
    days: Days,
    rows: Rows,
    tallies: BTreeMap<Class, Tally>,
    equal_to_the_nano: u64,
    charged_lines: u64,
    charged: Decimal,
    exact: Decimal,
    currencies: BTreeMap<String, Decimal>,
    without_price: BTreeSet<String>,
    findings: BTreeMap<(Class, String, Option<super::Unit>, Option<String>), Finding>,
    observations: Observations,
    groups: Spool,
}

impl Reconciler {
    /// A comparison of nothing yet. The catalogue says which names are the same model, and how prices are written.
    pub fn new(catalogue: Catalogue, provider: Provider) -> Self {
        Self {
            names: ModelNames::new(catalogue, provider),
            days: Days::default(),
            rows: Rows::default(),
            tallies: BTreeMap::new(),
            equal_to_the_nano: 0,
            charged_lines: 0,
            charged: Decimal::default(),
            exact: Decimal::default(),
            currencies: BTreeMap::new(),
            without_price: BTreeSet::new(),
            findings: BTreeMap::new(),
            observations: Observations::new(provider),
            groups: Spool::default(),
        }
    }

    /// Leaves a day out of every sum, and says so.
    pub fn leave_out(&mut self, day: NaiveDate, why: LeftOut) {
        match why {
            LeftOut::Open => self.days.open.push(day),
            LeftOut::NotCovered(surfaces) => self.days.not_covered.push((day, surfaces)),
        }
    }

    /// Compares a day, all of whose lines were added.
    ///
    /// # Errors
    ///
    /// A sum is too large, or the temporary file of the groups fails.
    pub fn compare(&mut self, day: Day) -> Result<(), ReconcileError> {
        let Day {
            date: day,
            is_provisional,
            usage,
            costs,
            rows,
            read,
        } = day;
        // The provider sends the costs of a day some time after its usage.
        if is_provisional && costs.is_empty() && rows.all > rows.free {
            self.days.without_costs.push(day);
            return Ok(());
        }
        self.days.compared.push(day);
        if is_provisional {
            self.days.provisional.push(day);
        }
        self.rows.add(&rows);
        let mut charges = Vec::new();
        for (key, sum) in costs {
            self.charged_lines += sum.lines;
            let is_usd = key.currency.as_deref() == Some(USD);
            if is_usd {
                self.charged += &sum.amount;
            }
            match class_of_cost(&key, is_usd) {
                None => charges.push((key, sum)),
                Some(class) => self.keep(&of_cost(day, class, &key, &sum), false)?,
            }
        }
        for (key, group) in groups(usage, charges, &mut self.names) {
            let compared = compared(day, &key, &group, &read)?;
            let model = self.names.canonical(&compared.model);
            self.observations.add(day, &group, &compared, &model);
            let priced = exact_of(day, &group)?;
            self.exact += &priced.to_decimal(EXACT_PLACES);
            let nano = |amount: &Option<Decimal>| amount.as_ref().map(|amount| amount.rounded(NANO_PLACES));
            let same = nano(&compared.charged) == nano(&compared.priced);
            self.keep(&compared, same)?;
        }
        Ok(())
    }

    /// Adds everything up, and checks that it adds up.
    ///
    /// # Errors
    ///
    /// The classes do not add up to the provider's total, or the rounding is more than half a nano-dollar a row: both
    /// are faults of the program, and no report is made of wrong sums.
    pub fn finish(self) -> Result<Reconciliation, ReconcileError> {
        let rows_cost = self.rows.cost();
        let sum = |classes: &[Class]| {
            let mut sum = Decimal::default();
            for tally in classes.iter().filter_map(|class| self.tallies.get(class)) {
                sum += &tally.difference;
            }
            sum
        };
        let bridge = Bridge {
            priced: rows_cost.clone(),
            rounding: &self.exact - &rows_cost,
            within_a_cent: sum(&[Class::Equal]),
            differs: sum(&[Class::Differs]),
            cost_without_usage: sum(&[
                Class::Credit,
                Class::Tax,
                Class::OtherUnits,
                Class::ChargedUnpriced,
                Class::Unexplained,
            ]),
            usage_without_cost: -sum(&[Class::Free, Class::Unpriced, Class::NotCharged]),
            charged: self.charged,
        };
        bridge.check(self.rows.all)?;
        let variance = Variance::of(self.tallies.get(&Class::Equal), self.tallies.get(&Class::Differs));
        let mut findings: Vec<Finding> = self.findings.into_values().collect();
        let size = |finding: &Finding| finding.difference.abs();
        findings.sort_by(|one, other| {
            size(other)
                .cmp(&size(one))
                .then_with(|| one.model.cmp(&other.model))
        });
        Ok(Reconciliation {
            days: self.days,
            rows: super::outcome::RowCounts {
                usage: self.rows.all,
                priced: self.rows.priced,
                free: self.rows.free,
                unpriced: self.rows.unpriced,
                costs: self.charged_lines,
            },
            tallies: self.tallies,
            equal_to_the_nano: self.equal_to_the_nano,
            other_currencies: self.currencies,
            without_price: self.without_price,
            bridge,
            variance,
            findings,
            overlay: self.observations.overlay(),
            groups: self.groups,
        })
    }

    fn keep(&mut self, group: &ComparedGroup, same_to_the_nano: bool) -> Result<(), ReconcileError> {
        let tally = self.tallies.entry(group.class).or_default();
        tally.add(group);
        self.equal_to_the_nano += u64::from(group.class == Class::Equal && same_to_the_nano);
        if group.class == Class::OtherCurrency
            && let Some(charged) = &group.charged
        {
            let currency = group.currency.clone().unwrap_or_else(|| "none".to_owned());
            *self.currencies.entry(currency).or_default() += charged;
        }
        if group.class == Class::Unpriced {
            self.without_price.insert(group.model.clone());
        }
        if group.class == Class::Differs || group.class.is_unexplained() {
            let key = (group.class, group.model.clone(), group.unit, group.tier.clone());
            let finding = self.findings.entry(key);
            finding.or_insert_with(|| Finding::of(group)).add(group);
        }
        Ok(self.groups.push(group)?)
    }
}

/// The class of a cost that no usage can stand against; `None` if it can.
fn class_of_cost(key: &CostKey, is_usd: bool) -> Option<Class> {
    let line_item = key.line_item.as_deref().unwrap_or_default();
    if !key.has_amount {
        Some(Class::WithoutAmount)
    } else if !is_usd {
        Some(Class::OtherCurrency)
    } else if LineItem::is_tax(line_item) {
        Some(Class::Tax)
    } else if key.is_credit {
        Some(Class::Credit)
    } else {
        None
    }
}
