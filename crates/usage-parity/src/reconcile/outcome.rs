//! What a reconciliation found: classes, bridge, variance.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Serialize;
use usage_core::{Decimal, Endpoint};

use super::comparison::is_half_a_cent;
use super::group::{Class, ComparedGroup};
use super::lines::ReconcileError;
use super::overlay::Overlay;
use super::unit::Unit;
use crate::diff::Spool;

const RATE_PLACES: u32 = 12;
const PERCENT_PLACES: u32 = 6;
const QUANTITY_PLACES: u32 = 30;

/// What a reconciliation found.
#[derive(Debug)]
pub struct Reconciliation {
    /// Which days are in the sums, and which are not.
    pub days: Days,
    /// How many rows went in.
    pub rows: RowCounts,
    /// Groups and sums by class; a class without groups is absent.
    pub tallies: BTreeMap<Class, Tally>,
    /// How many groups are equal to the last digit once both amounts are rounded to a nano-dollar, half to even.
    pub equal_to_the_nano: u64,
    /// Charges in other currencies than dollars, by currency in lower case.
    pub other_currencies: BTreeMap<String, Decimal>,
    /// The models and surfaces with usage that has no price and was not charged, which nothing explains.
    pub without_price: BTreeSet<String>,
    /// From priced usage to the provider's total.
    pub bridge: Bridge,
    /// How far charges and prices are apart where both are known.
    pub variance: Variance,
    /// What differs or is unexplained, over all days, the largest first.
    pub findings: Vec<Finding>,
    /// The prices that would close the gap.
    pub overlay: Overlay,
    pub(super) groups: Spool,
}

/// How many rows went in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowCounts {
    /// Rows of usage.
    pub usage: u64,
    /// Of these, with a price.
    pub priced: u64,
    /// Of these, free by a rule.
    pub free: u64,
    /// Of these, without a price.
    pub unpriced: u64,
    /// Rows of costs.
    pub costs: u64,
}

/// Why a day is in no sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It was not over when it was read, or is not over yet.
    Open,
    /// These surfaces were not read completely after its end.
    NotCovered(Vec<Endpoint>),
}

/// Which days are in the sums, and which are not; UTC days, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// Compared.
    pub compared: Vec<NaiveDate>,
    /// Compared, but the provider may still change them as a matter of course.
    pub provisional: Vec<NaiveDate>,
    /// Provisional, with usage, and the provider sent no costs yet; in no sum.
    pub without_costs: Vec<NaiveDate>,
    /// Not over when they were read.
    pub open: Vec<NaiveDate>,
    /// Over, and not read completely, with the surfaces that lack them.
    pub not_covered: Vec<(NaiveDate, Vec<Endpoint>)>,
}

/// The sums of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// How many groups.
    pub groups: u64,
    /// What was charged, in USD; of another currency nothing is added.
    pub charged: Decimal,
    /// What the usage costs by its prices, exactly, in USD.
    pub priced: Decimal,
    /// Charged less priced, in USD.
    pub difference: Decimal,
    /// The sum of the differences without their signs: nothing cancels out.
    pub absolute_difference: Decimal,
}

impl Tally {
    pub(super) fn add(&mut self, group: &ComparedGroup) {
        self.groups += 1;
        let Some(difference) = &group.difference else {
            return;
        };
        if let Some(charged) = &group.charged {
            self.charged += charged;
        }
        if let Some(priced) = &group.priced {
            self.priced += priced;
        }
        self.difference += difference;
        self.absolute_difference += &difference.abs();
    }
}

/// From the costs on the rows to what the provider charged; every line is added but the last, which is taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bridge {
    /// The costs on the rows of usage, each rounded to a nano-dollar.
    pub priced: Decimal,
    /// What the exact costs are more than the rounded ones: at most half a nano-dollar a row, either way.
    pub rounding: Decimal,
    /// Differences of groups that are equal to the cent.
    pub within_a_cent: Decimal,
    /// Differences of groups that differ.
    pub differs: Decimal,
    /// Credits, tax, other units, cost of unpriced usage, and what is unexplained.
    pub cost_without_usage: Decimal,
    /// Free, unpriced, and not charged.
    pub usage_without_cost: Decimal,
    /// What the provider charged, in USD.
    pub charged: Decimal,
}

impl Bridge {
    pub(super) fn check(&self, rows: u64) -> Result<(), ReconcileError> {
        let mut sum = self.priced.clone();
        sum += &self.rounding;
        sum += &self.within_a_cent;
        sum += &self.differs;
        sum += &self.cost_without_usage;
        sum -= &self.usage_without_cost;
        if sum != self.charged {
            return Err(ReconcileError::Bridge {
                sum,
                charged: self.charged.clone(),
            });
        }
        let doubled: Decimal = [&self.rounding, &self.rounding].into_iter().sum();
        let limit = usage_core::PicoUsd(i128::from(rows) * 1_000);
        if doubled.abs() > Decimal::from(limit) {
            return Err(ReconcileError::Rounding {
                rows,
                rounding: self.rounding.clone(),
            });
        }
        Ok(())
    }
}

/// How far charges and prices are apart where both are known: the sum of the differences of all groups that have both,
/// without their signs, over the sum of what was charged for them.
///
/// Credits, tax, free and unpriced usage and cost without usage are in neither sum, so they neither hide nor cause it;
/// and differences never cancel out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variance {
    /// What was charged for groups that have a price, in USD.
    pub charged: Decimal,
    /// What they cost by their prices, exactly, in USD.
    pub priced: Decimal,
    /// The sum of the differences without their signs, in USD.
    pub absolute_difference: Decimal,
    /// In percent, rounded to 6 places; `None` if nothing has both sides.
    pub percent: Option<Decimal>,
}

impl Variance {
    pub(super) fn of(equal: Option<&Tally>, differs: Option<&Tally>) -> Self {
        let tallies: Vec<&Tally> = equal.into_iter().chain(differs).collect();
        let sum = |part: fn(&Tally) -> &Decimal| tallies.iter().map(|tally| part(tally)).sum::<Decimal>();
        let charged = sum(|tally| &tally.charged);
        let absolute = sum(|tally| &tally.absolute_difference);
        let hundredth = charged.over(&Decimal::from(100), QUANTITY_PLACES);
        let percent = match hundredth.and_then(|hundredth| absolute.over(&hundredth, PERCENT_PLACES)) {
            _ if tallies.is_empty() => None,
            Some(percent) => Some(percent),
            // Nothing was charged where there is a price.
            None if is_half_a_cent(&absolute) => Some(Decimal::default()),
            None => Some(Decimal::from(100)),
        };
        Self {
            charged,
            priced: sum(|tally| &tally.priced),
            absolute_difference: absolute,
            percent,
        }
    }
}

/// What differs or is unexplained: one class × model × unit × tier, over all days and projects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its class.
    pub class: Class,
    /// The model, the surface, or the line item.
    pub model: String,
    /// The direction of tokens, or another unit.
    pub unit: Option<Unit>,
    /// The tier, where a line item names one.
    pub tier: Option<String>,
    /// On how many groups.
    pub groups: u64,
    /// The first UTC day with it.
    pub first_day: NaiveDate,
    /// The last UTC day with it.
    pub last_day: NaiveDate,
    /// What was charged, in USD.
    pub charged: Decimal,
    /// What it costs by its prices, in USD.
    pub priced: Decimal,
    /// Charged less priced, in USD.
    pub difference: Decimal,
    /// Charged over used, in USD for as many as `rate_per` says.
    pub implied_rate: Option<Decimal>,
    /// Priced over used, likewise.
    pub list_rate: Option<Decimal>,
    /// The implied rate over the list rate.
    pub ratio: Option<Decimal>,
    /// A million for tokens and characters, else 1.
    pub rate_per: Option<i64>,
    /// The prices of the usage.
    pub price_ids: BTreeSet<String>,
    /// What must be known to judge it.
    pub notes: BTreeSet<String>,
    #[serde(skip)]
    quantity: Option<Decimal>,
    #[serde(skip)]
    used: Decimal,
}

impl Finding {
    pub(super) fn of(group: &ComparedGroup) -> Self {
        Self {
            class: group.class,
            model: group.model.clone(),
            unit: group.unit,
            tier: group.tier.clone(),
            groups: 0,
            first_day: group.day,
            last_day: group.day,
            charged: Decimal::default(),
            priced: Decimal::default(),
            difference: Decimal::default(),
            implied_rate: None,
            list_rate: None,
            ratio: None,
            rate_per: group.rate_per,
            price_ids: BTreeSet::new(),
            notes: BTreeSet::new(),
            quantity: Some(Decimal::default()),
            used: Decimal::default(),
        }
    }

    pub(super) fn add(&mut self, group: &ComparedGroup) {
        self.groups += 1;
        self.last_day = group.day;
        let add = |sum: &mut Decimal, part: &Option<Decimal>| {
            if let Some(part) = part {
                *sum += part;
            }
        };
        add(&mut self.charged, &group.charged);
        add(&mut self.priced, &group.priced);
        add(&mut self.difference, &group.difference);
        self.used += &Decimal::from(group.used.unwrap_or(0));
        self.quantity = match (
            self.quantity.take(),
            &group.quantity,
            group.quantity_unit.as_deref(),
        ) {
            (Some(mut sum), Some(quantity), Some("tokens")) => {
                sum += quantity;
                Some(sum)
            }
            _ => None,
        };
        self.price_ids.extend(group.price_ids.iter().cloned());
        self.notes.extend(
            group
                .notes
                .iter()
                .filter(|note| !note.starts_with("the line items count"))
                .cloned(),
        );
        let Some(per) = self.rate_per else { return };
        let rate = |amount: &Decimal, quantity: &Decimal| {
            let parts = quantity.over(&Decimal::from(per), QUANTITY_PLACES)?;
            amount.over(&parts, RATE_PLACES)
        };
        self.implied_rate = rate(&self.charged, self.quantity.as_ref().unwrap_or(&self.used));
        if self.class.is_matched() {
            self.list_rate = rate(&self.priced, &self.used);
        }
        self.ratio = match (&self.implied_rate, &self.list_rate) {
            (Some(implied), Some(list)) => implied.over(list, RATE_PLACES),
            _ => None,
        };
    }
}

/// Something because of which the reconciliation is not clean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Complaint {
    /// The variance passes its limit.
    Variance {
        /// In percent.
        percent: Decimal,
        /// The limit, in percent.
        limit: Decimal,
    },
    /// A class that nothing explains has more than half a cent.
    Unexplained {
        /// The class.
        class: Class,
        /// Its differences without their signs, in USD.
        amount: Decimal,
    },
    /// There are lines, and none has both sides or is explained by a rule.
    NothingCompared,
    /// Days that are over were not read completely.
    NotCovered {
        /// How many.
        days: usize,
    },
}

impl Reconciliation {
    /// The sums of a class; empty ones for one without groups.
    pub fn tally(&self, class: Class) -> Tally {
        self.tallies.get(&class).cloned().unwrap_or_default()
    }

    /// Whether the compared days have neither usage nor costs, and no costs are still to come.
    pub fn is_of_nothing(&self) -> bool {
        self.rows.usage == 0 && self.rows.costs == 0 && self.days.without_costs.is_empty()
    }

    fn compares_nothing(&self) -> bool {
        let compared = self.tallies.keys().any(|class| class.is_compared());
        let has_lines = !self.tallies.is_empty()
            || (self.days.compared.is_empty() && !self.days.without_costs.is_empty());
        has_lines && !compared
    }

    /// Why it is not clean, given how large the variance may be in percent; nothing if it is.
    pub fn complaints(&self, limit: &Decimal) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if let Some(percent) = &self.variance.percent
            && percent > limit
        {
            complaints.push(Complaint::Variance {
                percent: percent.clone(),
                limit: limit.clone(),
            });
        }
        for (class, tally) in &self.tallies {
            if class.is_unexplained() && !is_half_a_cent(&tally.absolute_difference) {
                complaints.push(Complaint::Unexplained {
                    class: *class,
                    amount: tally.absolute_difference.clone(),
                });
            }
        }
        if self.compares_nothing() {
            complaints.push(Complaint::NothingCompared);
        }
        if !self.days.not_covered.is_empty() {
            complaints.push(Complaint::NotCovered {
                days: self.days.not_covered.len(),
            });
        }
        complaints
    }
}
