//! One day: usage and costs, summed over API keys and users as they come.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use usage_core::{Decimal, Endpoint, NanoUsd, PicoUsd};
use usage_pricing::{ExactUsd, PriceBasis, PriceClass, PriceRef, Unpriced, units_by_class};

use super::lines::{CostLine, ReconcileError, UsageLine};
use super::unit::{Unit, counted};

const STANDARD: &str = "standard";
const PICO_IN_NANO: i128 = 1_000;

/// One closed and covered day, while its lines come in.
#[derive(Debug)]
pub struct Day {
    pub(super) date: NaiveDate,
    pub(super) is_provisional: bool,
    pub(super) usage: BTreeMap<UsageKey, UsageSum>,
    pub(super) costs: BTreeMap<CostKey, CostSum>,
    pub(super) rows: Rows,
    /// The surfaces of usage that were read.
    pub(super) read: BTreeSet<Endpoint>,
}

/// How many rows of usage there were, and what stands on them.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub(super) all: u64,
    pub(super) priced: u64,
    pub(super) free: u64,
    pub(super) unpriced: u64,
    /// The sum of the costs on the rows, in nano-dollars.
    nanos: i128,
}

impl Rows {
    pub(super) fn cost(&self) -> Decimal {
        Decimal::from(PicoUsd(self.nanos * PICO_IN_NANO))
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.priced += other.priced;
        self.free += other.free;
        self.unpriced += other.unpriced;
        self.nanos += other.nanos;
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UsageKey {
    pub(super) project: Option<String>,
    pub(super) subject: Subject,
    pub(super) unit: Unit,
    pub(super) kind: Kind,
}

/// Whose usage it is: a model's, or a surface's whose charges name no model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Model(String),
    Surface(Endpoint),
}

/// What prices depend on besides the model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) decisions: bool,
    pub(super) tier: String,
    pub(super) batch: bool,
}

impl Kind {
    /// `standard`, `flex`, `flex batch`, …
    pub(super) fn words(&self) -> String {
        let tier = Some(self.tier.as_str()).filter(|tier| *tier != STANDARD || !self.batch);
        let decisions = self.decisions.then_some("decisions");
        let words: Vec<&str> = decisions
            .into_iter()
            .chain(tier)
            .chain(self.batch.then_some("batch"))
            .collect();
        words.join(" ")
    }
}

/// The usage of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct UsageSum {
    pub(super) priced_rows: u64,
    pub(super) free_rows: u64,
    pub(super) unpriced_rows: u64,
    /// Of priced rows.
    pub(super) units: i64,
    /// Of the others, as far as it is known.
    pub(super) free_units: i64,
    pub(super) unpriced_units: i64,
    pub(super) exact: ExactUsd,
    /// By price id and catalogue version.
    pub(super) prices: BTreeMap<(String, String), PricedPart>,
    pub(super) reasons: BTreeSet<String>,
    /// Of unpriced rows: what a price would price, by the record of why there is none.
    pub(super) without_price: BTreeMap<(String, String), PricedPart>,
    /// Whether no price could price some row: nobody knows what it is, or how much.
    pub(super) is_undetermined: bool,
}

/// What one price priced.
#[derive(Clone, Debug)]
pub(super) struct PricedPart {
    pub(super) price: PriceRef,
    pub(super) classes: BTreeMap<PriceClass, (i64, ExactUsd)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CostKey {
    pub(super) project: Option<String>,
    pub(super) line_item: Option<String>,
    /// In lower case.
    pub(super) currency: Option<String>,
    pub(super) is_credit: bool,
    pub(super) has_amount: bool,
}

/// The charges of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct CostSum {
    pub(super) lines: u64,
    pub(super) amount: Decimal,
    /// `None` once a line has none, or another unit.
    pub(super) quantity: Option<Decimal>,
    pub(super) quantity_unit: Option<String>,
}

impl Day {
    /// A day without lines. It is over, and both sides were read completely after its end; provisionally if the
    /// provider may still change numbers as a matter of course.
    pub fn new(day: NaiveDate, is_provisional: bool) -> Self {
        Self {
            date: day,
            is_provisional,
            usage: BTreeMap::new(),
            costs: BTreeMap::new(),
            rows: Rows::default(),
            read: Endpoint::USAGE.into_iter().collect(),
        }
    }

    /// The day with only these surfaces of usage read, instead of all: what another counts is explained without usage.
    #[must_use]
    pub fn with_read(mut self, surfaces: impl IntoIterator<Item = Endpoint>) -> Self {
        self.read = surfaces.into_iter().collect();
        self
    }

    /// Adds a row of usage.
    ///
    /// # Errors
    ///
    /// The row is of another day, or the cost on it is not what its price gives.
    pub fn add_usage(&mut self, line: &UsageLine) -> Result<(), ReconcileError> {
        self.check(line.day)?;
        self.rows.all += 1;
        self.rows.nanos += i128::from(line.cost.map_or(0, NanoUsd::get));
        let cost = match &line.price {
            Some(price) => price.cost(line.endpoint, &line.metrics),
            None => return self.add_undetermined(line, "stored before there were prices"),
        };
        let expected = cost.as_ref().ok().map(|cost| cost.rounded);
        if expected != line.cost {
            return Err(row_cost(line, expected));
        }
        match (cost, &line.price) {
            (Ok(_), Some(price)) if price.basis == PriceBasis::Free => self.add_free(line),
            (Ok(cost), Some(price)) => {
                self.rows.priced += 1;
                let too_large = || ReconcileError::TooLarge(line.day);
                for part in &cost.parts {
                    let sum = self.usage.entry(key(line, part.class.into())).or_default();
                    sum.priced_rows += 1;
                    sum.units = sum.units.checked_add(part.units).ok_or_else(too_large)?;
                    sum.exact = sum.exact.checked_add(part.exact).ok_or_else(too_large)?;
                    let id = (price.price_id.clone(), price.catalogue_version.clone());
                    let priced = sum.prices.entry(id).or_insert_with(|| PricedPart {
                        price: price.clone(),
                        classes: BTreeMap::new(),
                    });
                    let (units, exact) = priced.classes.entry(part.class).or_default();
                    *units = units.checked_add(part.units).ok_or_else(too_large)?;
                    *exact = exact.checked_add(part.exact).ok_or_else(too_large)?;
                }
                Ok(())
            }
            (Err(reason), Some(price)) => self.add_unpriced(line, price, &reason),
            (_, None) => Ok(()),
        }
    }

    /// Adds a row of costs.
    ///
    /// # Errors
    ///
    /// The row is of another day.
    pub fn add_cost(&mut self, line: &CostLine) -> Result<(), ReconcileError> {
        self.check(line.day)?;
        let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let key = CostKey {
            project: present(&line.project_id),
            line_item: present(&line.line_item),
            currency: present(&line.currency).map(|currency| currency.to_ascii_lowercase()),
            is_credit: line.amount.as_ref().is_some_and(Decimal::is_negative),
            has_amount: line.amount.is_some(),
        };
        let unit = present(&line.quantity_unit);
        match self.costs.entry(key) {
            Entry::Vacant(place) => {
                place.insert(CostSum {
                    lines: 1,
                    amount: line.amount.clone().unwrap_or_default(),
                    quantity: line.quantity.clone(),
                    quantity_unit: unit,
                });
            }
            Entry::Occupied(mut place) => {
                let sum = place.get_mut();
                sum.lines += 1;
                if let Some(amount) = &line.amount {
                    sum.amount += amount;
                }
                let same_unit = sum.quantity_unit == unit;
                sum.quantity = match (sum.quantity.take(), &line.quantity) {
                    (Some(mut quantity), Some(more)) if same_unit => {
                        quantity += more;
                        Some(quantity)
                    }
                    _ => None,
                };
            }
        }
        Ok(())
    }

    fn add_free(&mut self, line: &UsageLine) -> Result<(), ReconcileError> {
        self.rows.free += 1;
        self.each_unit(line, |sum, units| {
            sum.free_rows += 1;
            sum.free_units = sum.free_units.checked_add(units)?;
            Some(())
        })
    }

    /// Usage that a price would price is kept by its classes.
    fn add_unpriced(
        &mut self,
        line: &UsageLine,
        price: &PriceRef,
        reason: &Unpriced,
    ) -> Result<(), ReconcileError> {
        let lacks_a_price = matches!(
            reason,
            Unpriced::UnknownModel { .. } | Unpriced::NoPrice { .. } | Unpriced::NoRate { .. }
        );
        let classes = units_by_class(line.endpoint, &line.metrics);
        let (true, Ok(classes)) = (lacks_a_price, classes) else {
            return self.add_undetermined(line, &reason.to_string());
        };
        self.rows.unpriced += 1;
        let too_large = || ReconcileError::TooLarge(line.day);
        for (class, units) in classes {
            let sum = self.usage.entry(key(line, class.into())).or_default();
            sum.unpriced_rows += 1;
            sum.unpriced_units = sum.unpriced_units.checked_add(units).ok_or_else(too_large)?;
            sum.reasons.insert(reason.to_string());
            let id = (price.price_id.clone(), price.catalogue_version.clone());
            let part = sum.without_price.entry(id).or_insert_with(|| PricedPart {
                price: price.clone(),
                classes: BTreeMap::new(),
            });
            let (all, _) = part.classes.entry(class).or_default();
            *all = all.checked_add(units).ok_or_else(too_large)?;
        }
        Ok(())
    }

    fn add_undetermined(&mut self, line: &UsageLine, reason: &str) -> Result<(), ReconcileError> {
        if line.cost.is_some() {
            return Err(row_cost(line, None));
        }
        self.rows.unpriced += 1;
        self.each_unit(line, |sum, units| {
            sum.unpriced_rows += 1;
            sum.unpriced_units = sum.unpriced_units.checked_add(units)?;
            sum.reasons.insert(reason.to_owned());
            sum.is_undetermined = true;
            Some(())
        })
    }

    /// What no price splits is split by the numbers alone; a unit of which there is none is left out.
    fn each_unit(
        &mut self,
        line: &UsageLine,
        add: impl Fn(&mut UsageSum, i64) -> Option<()>,
    ) -> Result<(), ReconcileError> {
        for (unit, units) in counted(line.endpoint, &line.metrics) {
            if units == Some(0) {
                continue;
            }
            let sum = self.usage.entry(key(line, unit)).or_default();
            add(sum, units.unwrap_or(0)).ok_or(ReconcileError::TooLarge(line.day))?;
        }
        Ok(())
    }

    fn check(&self, found: NaiveDate) -> Result<(), ReconcileError> {
        let day = self.date;
        if found == day {
            Ok(())
        } else {
            Err(ReconcileError::OtherDay { day, found })
        }
    }
}

fn key(line: &UsageLine, unit: Unit) -> UsageKey {
    let subject = match line.endpoint {
        endpoint @ (Endpoint::WebSearchCalls
        | Endpoint::FileSearchCalls
        | Endpoint::CodeInterpreterSessions
        | Endpoint::VectorStores) => Subject::Surface(endpoint),
        _ => Subject::Model(line.model.clone().unwrap_or_default()),
    };
    let tier = match &line.price {
        Some(price) if !matches!(price.basis, PriceBasis::Unpriced(_)) => price.tier.clone(),
        // The record of a missing price may stand for several tiers.
        _ => tier_name(line.service_tier.as_deref()).to_owned(),
    };
    UsageKey {
        project: line.project_id.clone().filter(|project| !project.is_empty()),
        subject,
        unit,
        kind: Kind {
            decisions: line.endpoint == Endpoint::Decisions,
            tier,
            batch: line.batch,
        },
    }
}

/// The provider has several words for the standard tier.
fn tier_name(tier: Option<&str>) -> &str {
    match tier {
        None | Some("" | "default" | "auto") => STANDARD,
        Some(tier) => tier,
    }
}

fn row_cost(line: &UsageLine, expected: Option<NanoUsd>) -> ReconcileError {
    let shown = |cost: Option<NanoUsd>| cost.map_or_else(|| "no".to_owned(), |cost| cost.to_string());
    ReconcileError::RowCost {
        day: line.day,
        endpoint: line.endpoint,
        model: line.model.clone().unwrap_or_else(|| "no model".to_owned()),
        price_id: line
            .price
            .as_ref()
            .map_or_else(|| "(none)".to_owned(), |price| price.price_id.clone()),
        found: shown(line.cost),
        expected: shown(expected),
    }
}
