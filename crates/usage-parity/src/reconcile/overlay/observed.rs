//! What was charged for usage that has a price, or could have one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use usage_core::{Decimal, Provider};
use usage_pricing::{ExactUsd, PriceBasis, PriceClass, PriceRef, UnitRate};

use super::merge::{self, Contradiction};
use super::segment::{Segment, segments};
use super::{Overlay, OverlayEntry};
use crate::reconcile::comparison::{is_half_a_cent, parts};
use crate::reconcile::day::{Kind, PricedPart};
use crate::reconcile::group::{Class, ComparedGroup};
use crate::reconcile::matching::Group;
use crate::reconcile::reconciler::EXACT_PLACES;
use crate::reconcile::unit::Unit;

/// What was charged for usage that has a price, day by day.
#[derive(Debug)]
pub(in crate::reconcile) struct Observations {
    provider: Provider,
    days: BTreeMap<Line, BTreeMap<NaiveDate, Observed>>,
    refused: BTreeSet<(String, &'static str)>,
}

/// What the line items tell apart: the model, and the tier where they name one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    model: String,
    tier: Option<String>,
}

/// What a price is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PricedKind {
    pub(super) model: String,
    pub(super) kind: Kind,
}

/// One day of a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    pub(super) prices: BTreeMap<PricedKind, PriceRef>,
    pub(super) charges: BTreeMap<(Unit, Behind), Charged>,
}

/// What stands behind charges that are summed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Behind {
    /// Usage at one rate, of all projects.
    One(Share),
    /// Usage at several, of one project: rates that explain the sum of several mixes may explain none of them.
    Mix(Option<String>),
}

/// What was charged for one unit, and what was used of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Charged {
    pub(super) charged: Decimal,
    pub(super) shares: BTreeMap<Share, (i64, ExactUsd)>,
}

/// What has a rate of its own.
pub(super) type Share = (PricedKind, PriceClass);
pub(super) type ShareRates = BTreeMap<Share, UnitRate>;

/// A price that seems to change more often in a range is no price, but a mix of tiers.
const MOST_CHANGES: usize = 6;
pub(super) const SEVERAL_PRICES: &str =
    "its line items charge for usage at several prices, so nobody can tell which differs";
const CONTRADICTION: &str = "its line items imply different rates for the same usage";
const LONG_CONTEXT: &str = "long contexts were charged too, whose price depends on the size of a request";
const UNDETERMINED: &str = "some of its usage does not say what it is, or how much";
const OTHER_QUANTITY: &str =
    "the line items count another quantity than the usage, so it is no matter of prices";
pub(super) const NOT_EXACT: &str = "no rate of whole pico-dollars gives what was charged";

impl Observations {
    pub(in crate::reconcile) fn new(provider: Provider) -> Self {
        Self {
            provider,
            days: BTreeMap::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Adds a group that has both a charge and usage, of this model as the catalogue names it.
    pub(in crate::reconcile) fn add(
        &mut self,
        day: NaiveDate,
        group: &Group,
        compared: &ComparedGroup,
        model: &str,
    ) {
        let is_charged = compared.class.is_matched() || compared.class == Class::ChargedUnpriced;
        if !is_charged {
            return;
        }
        let parts: Vec<(&Kind, &PricedPart)> = parts(group).collect();
        let counts_tokens = compared.quantity_unit.as_deref() == Some("tokens");
        let other_quantity = counts_tokens && compared.quantity != compared.used.map(Decimal::from);
        let reason = if group.long_context {
            LONG_CONTEXT
        } else if group.usage.iter().any(|(_, usage)| usage.is_undetermined) {
            UNDETERMINED
        } else if other_quantity {
            OTHER_QUANTITY
        } else if self.observe(day, compared, &parts, model).is_none() {
            SEVERAL_PRICES
        } else {
            return;
        };
        if compared.class != Class::Equal {
            self.refused.insert((compared.model.clone(), reason));
        }
    }

    /// `None` if rows of the day were priced by two lists.
    fn observe(
        &mut self,
        day: NaiveDate,
        compared: &ComparedGroup,
        parts: &[(&Kind, &PricedPart)],
        model: &str,
    ) -> Option<()> {
        let parts: Vec<(PricedKind, &PricedPart)> = parts
            .iter()
            .map(|(kind, part)| (kind_of(kind, &part.price, model), *part))
            .collect();
        let line = Line {
            model: model.to_owned(),
            tier: compared.tier.clone(),
        };
        let observed = self.days.entry(line).or_default().entry(day).or_default();
        for (kind, part) in &parts {
            let known = observed
                .prices
                .entry(kind.clone())
                .or_insert_with(|| part.price.clone());
            if !is_same_price(known, &part.price) {
                return None;
            }
        }
        let behind = behind(&parts, compared.project_id.as_ref());
        let sum = observed.charges.entry((compared.unit?, behind)).or_default();
        sum.charged += compared.charged.as_ref()?;
        for (kind, part) in &parts {
            for (class, (units, exact)) in &part.classes {
                let (all_units, all_exact) = sum.shares.entry((kind.clone(), *class)).or_default();
                *all_units = all_units.checked_add(*units)?;
                *all_exact = all_exact.checked_add(*exact)?;
            }
        }
        Some(())
    }

    /// The prices that give what was charged, for the days on which the listed ones do not.
    pub(in crate::reconcile) fn overlay(self) -> Overlay {
        let mut overlay = Overlay::default();
        let mut refused = self.refused;
        for (line, days) in self.days {
            let (segments, reasons) = segments(&days);
            refused.extend(reasons.into_iter().map(|reason| (line.model.clone(), reason)));
            let changes = segments.iter().filter(|segment| segment.is_changed()).count();
            if changes > MOST_CHANGES {
                refused.insert((line.model.clone(), SEVERAL_PRICES));
                continue;
            }
            for (index, segment) in segments.iter().enumerate() {
                let until = segments.get(index + 1).map(Segment::first_day);
                for entry in segment.entries(self.provider, until) {
                    let mut entries = overlay.entries.clone();
                    match merge::add(&mut entries, entry) {
                        Ok(()) => overlay.entries = entries,
                        Err(Contradiction) => {
                            refused.insert((line.model.clone(), CONTRADICTION));
                        }
                    }
                }
            }
        }
        overlay.entries.sort_by(OverlayEntry::order);
        overlay.not_determined = refused
            .into_iter()
            .map(|(model, reason)| format!("{model}: {reason}"))
            .collect();
        overlay
    }
}

/// The same price may stand in several versions of the catalogue.
pub(super) fn is_same_price(one: &PriceRef, other: &PriceRef) -> bool {
    one.price_id == other.price_id && one.basis == other.basis
}

fn behind(parts: &[(PricedKind, &PricedPart)], project: Option<&String>) -> Behind {
    let shares: BTreeSet<Share> = parts
        .iter()
        .flat_map(|(kind, part)| {
            part.classes
                .iter()
                .map(move |(class, (units, _))| (kind, class, *units))
        })
        .filter(|(_, _, units)| *units != 0)
        .map(|(kind, class, _)| (kind.clone(), *class))
        .collect();
    let mut shares = shares.into_iter();
    match (shares.next(), shares.next()) {
        (Some(share), None) => Behind::One(share),
        _ => Behind::Mix(project.cloned()),
    }
}

fn kind_of(kind: &Kind, price: &PriceRef, model: &str) -> PricedKind {
    // The price of every model without one bears no model's name, and where there is none the usage's own spelling.
    let is_of_the_model = price.model != "default" && !matches!(price.basis, PriceBasis::Unpriced(_));
    PricedKind {
        model: if is_of_the_model { &price.model } else { model }.to_owned(),
        kind: kind.clone(),
    }
}

impl Observed {
    /// Whether usage at several rates stands behind some unit.
    pub(super) fn has_several_prices(&self) -> bool {
        let mut shares: BTreeMap<Unit, BTreeSet<&Share>> = BTreeMap::new();
        for ((unit, _), charged) in &self.charges {
            shares.entry(*unit).or_default().extend(charged.shares.keys());
        }
        shares.values().any(|shares| shares.len() > 1)
    }

    pub(super) fn is_explained_by(&self, rates: &ShareRates) -> bool {
        self.charges
            .values()
            .all(|charged| charged.is_explained_by(rates))
    }
}

impl Charged {
    pub(super) fn is_explained_by(&self, rates: &ShareRates) -> bool {
        let mut cost = ExactUsd::ZERO;
        for (share, (units, _)) in &self.shares {
            let part = rates.get(share).and_then(|rate| rate.cost(*units));
            let Some(sum) = part.and_then(|part| cost.checked_add(part)) else {
                return false;
            };
            cost = sum;
        }
        is_half_a_cent(&(&self.charged - &cost.to_decimal(EXACT_PLACES)))
    }
}

pub(super) fn listed(prices: &BTreeMap<PricedKind, PriceRef>) -> ShareRates {
    let mut listed = ShareRates::new();
    for (kind, price) in prices {
        if let PriceBasis::Rates(rates) = &price.basis {
            listed.extend(rates.iter().map(|(class, rate)| ((kind.clone(), class), rate)));
        }
    }
    listed
}
