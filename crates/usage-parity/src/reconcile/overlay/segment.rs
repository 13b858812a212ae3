//! Days that the same rates explain, and those rates.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use usage_core::{Decimal, Provider};
use usage_pricing::{Per, PriceRef, UnitRate};

use super::observed::{
    Behind, Charged, NOT_EXACT, Observed, PricedKind, SEVERAL_PRICES, Share, ShareRates, is_same_price,
    listed,
};
use super::{OverlayEntry, OverlayRate, overlay_rate};
use crate::reconcile::comparison::is_half_a_cent;
use crate::reconcile::reconciler::EXACT_PLACES;
use crate::reconcile::unit::Unit;

const NANO_PLACES: u32 = 9;
const QUANTITY_PLACES: u32 = 30;

/// What a rate that nothing else tells is tried against: a discount of a twentieth on the others.
const DISCOUNT_PARTS: i64 = 20;

/// Days one after the other that the same rates explain to the cent, or one day that none do.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    days: Vec<(NaiveDate, &'a Observed)>,
    prices: BTreeMap<PricedKind, PriceRef>,
    rates: Explained,
}

/// Which rates explain the days of a segment.
#[derive(Debug)]
enum Explained {
    Listed,
    Implied(ShareRates),
    /// None; the day only ends the segment before it.
    Not,
}

/// Cuts the days where the rates change. A day that the rates before it explain changes nothing, so that a quiet day at
/// which a cent tells nothing does not.
pub(super) fn segments(days: &BTreeMap<NaiveDate, Observed>) -> (Vec<Segment<'_>>, BTreeSet<&'static str>) {
    let mut segments: Vec<Segment<'_>> = Vec::new();
    let mut reasons = BTreeSet::new();
    for (day, observed) in days {
        if let Some(last) = segments.last_mut()
            && last.takes(*day, observed)
        {
            continue;
        }
        let mut segment = Segment {
            days: vec![(*day, observed)],
            prices: observed.prices.clone(),
            rates: Explained::Listed,
        };
        if !observed.is_explained_by(&listed(&observed.prices)) {
            segment.rates = segment.implied().map_or_else(
                || {
                    let is_mixed = observed.has_several_prices();
                    reasons.insert(if is_mixed { SEVERAL_PRICES } else { NOT_EXACT });
                    Explained::Not
                },
                Explained::Implied,
            );
        }
        segments.push(segment);
    }
    for segment in segments.iter_mut().filter(|segment| !segment.is_sure()) {
        reasons.insert(SEVERAL_PRICES);
        segment.rates = Explained::Not;
    }
    (segments, reasons)
}

impl<'a> Segment<'a> {
    pub(super) fn first_day(&self) -> NaiveDate {
        self.days.first().map(|(day, _)| *day).unwrap_or_default()
    }

    /// Whether the days are charged at other rates than listed.
    pub(super) fn is_changed(&self) -> bool {
        matches!(self.rates, Explained::Implied(_))
    }

    /// Takes the day if the segment's rates explain it, or rates that explain all of its days.
    fn takes(&mut self, day: NaiveDate, observed: &'a Observed) -> bool {
        let same_prices = observed.prices.iter().all(|(kind, price)| {
            let known = self.prices.get(kind);
            known.is_none_or(|known| is_same_price(known, price))
        });
        if !same_prices || matches!(self.rates, Explained::Not) {
            return false;
        }
        let new: Vec<PricedKind> = observed
            .prices
            .keys()
            .filter(|kind| !self.prices.contains_key(*kind))
            .cloned()
            .collect();
        self.prices.extend(observed.prices.clone());
        self.days.push((day, observed));
        let is_taken = match &self.rates {
            Explained::Not => false,
            Explained::Listed => observed.is_explained_by(&listed(&self.prices)),
            Explained::Implied(current) => {
                let mut current = current.clone();
                for (share, rate) in listed(&self.prices) {
                    current.entry(share).or_insert(rate);
                }
                let merged = self.implied();
                let is_taken = merged.is_some() || observed.is_explained_by(&current);
                self.rates = Explained::Implied(merged.unwrap_or(current));
                is_taken
            }
        };
        if !is_taken {
            self.days.pop();
            for kind in &new {
                self.prices.remove(kind);
            }
            if let Explained::Implied(rates) = &mut self.rates {
                rates.retain(|(kind, _), _| !new.contains(kind));
            }
        }
        is_taken
    }

    /// Rates that give what was charged on every day: the listed ones, and for every unit that they do not explain
    /// others. Rates that stand behind one line item (of tiers, of the batch API, of text, audio and images) change in
    /// one proportion, or else each as the charges tell behind which it stands alone.
    fn implied(&self) -> Option<ShareRates> {
        let list = listed(&self.prices);
        let of_units = |rates_of: fn(&UnitSums, Unit, &ShareRates) -> ShareRates| {
            let mut rates = list.clone();
            for unit in self.units() {
                rates.extend(rates_of(&UnitSums::of(self.charges_for(unit)), unit, &list));
            }
            rates
        };
        [UnitSums::rates, UnitSums::rates_told_apart]
            .into_iter()
            .map(of_units)
            .find(|rates| self.days.iter().all(|(_, day)| day.is_explained_by(rates)))
    }

    fn units(&self) -> BTreeSet<Unit> {
        let charges = self.days.iter().flat_map(|(_, day)| day.charges.keys());
        charges.map(|(unit, _)| *unit).collect()
    }

    fn charges_for(&self, unit: Unit) -> impl Iterator<Item = (&'a Behind, &'a Charged)> {
        let charges = self.days.iter().flat_map(|(_, day)| &day.charges);
        charges.filter_map(move |((of, behind), charged)| (*of == unit).then_some((behind, charged)))
    }

    /// Whether the days contradict other rates than the implied ones for what had no price: a rate that is only what
    /// the others leave of a charge would else be a guess that takes every discount on them for its own.
    fn is_sure(&self) -> bool {
        let Explained::Implied(rates) = &self.rates else {
            return true;
        };
        let list = listed(&self.prices);
        self.units().into_iter().all(|unit| {
            let sums = UnitSums::of(self.charges_for(unit));
            let is_listed = |share: &&Share| list.contains_key(*share);
            if sums.shares.len() == 1 || sums.shares.keys().all(|share| is_listed(&share)) {
                return true;
            }
            let mut others: BTreeSet<&Share> = sums.shares.keys().filter(is_listed).collect();
            if others.is_empty() {
                others.extend(sums.shares.keys().next());
            }
            let days: Option<Vec<Split<'_>>> = self
                .charges_for(unit)
                .map(|(_, charged)| Split::new(charged, &others, rates))
                .collect();
            days.is_none_or(|days| contradict_a_discount(&days))
        })
    }

    /// An entry for every price of which a rate is another than listed.
    pub(super) fn entries(&self, provider: Provider, until: Option<NaiveDate>) -> Vec<OverlayEntry> {
        let (Explained::Implied(rates), Some((last_day, _))) = (&self.rates, self.days.last()) else {
            return Vec::new();
        };
        let listed = listed(&self.prices);
        let mut entries = Vec::new();
        for (kind, price) in &self.prices {
            let of_kind = || rates.iter().filter(|((of, _), _)| of == kind);
            if of_kind().all(|(share, rate)| listed.get(share) == Some(rate)) {
                continue;
            }
            let rates: Vec<OverlayRate> = of_kind()
                .map(|(share, rate)| {
                    let listed = listed.get(share).copied();
                    overlay_rate(share.1, *rate, listed, &price.price_id)
                })
                .collect();
            // The next price of the list is not this one's to replace.
            let end = price.valid_until.filter(|end| end > last_day);
            let until = until.into_iter().chain(end).min();
            entries.push(OverlayEntry {
                provider,
                model: kind.model.clone(),
                decisions: kind.kind.decisions,
                tier: kind.kind.tier.clone(),
                batch: kind.kind.batch,
                from: self.first_day(),
                until,
                last_day: *last_day,
                rates,
            });
        }
        entries
    }
}

/// A day's charge for one unit, in what some shares cost and how much there is of the rest.
struct Split<'a> {
    charged: &'a Decimal,
    others: Decimal,
    rest: Decimal,
}

impl<'a> Split<'a> {
    /// `None` if a cost is too large to be told.
    fn new(charged: &'a Charged, others: &BTreeSet<&Share>, rates: &ShareRates) -> Option<Self> {
        let mut split = Self {
            charged: &charged.charged,
            others: Decimal::default(),
            rest: Decimal::default(),
        };
        for (share, (units, _)) in &charged.shares {
            if others.contains(share) {
                let cost = rates.get(share)?.cost(*units)?;
                split.others += &cost.to_decimal(EXACT_PLACES);
            } else {
                split.rest += &Decimal::from(*units);
            }
        }
        Some(split)
    }
}

/// Whether no rate of the rest explains the days once the others are discounted; also if the others cost nothing.
fn contradict_a_discount(days: &[Split<'_>]) -> bool {
    let others: Decimal = days.iter().map(|day| &day.others).sum();
    if is_half_a_cent(&others) {
        return true;
    }
    let discounted = |cost: &Decimal| {
        let parts = cost.over(&Decimal::from(DISCOUNT_PARTS), QUANTITY_PLACES);
        parts.map(|discount| cost - &discount)
    };
    let charged: Decimal = days.iter().map(|day| day.charged).sum();
    let rest: Decimal = days.iter().map(|day| &day.rest).sum();
    let left = |day: &Split<'_>| {
        if day.rest.is_zero() {
            return Some(Decimal::default());
        }
        let part = rest.over(&day.rest, QUANTITY_PLACES)?;
        (&charged - &discounted(&others)?).over(&part, QUANTITY_PLACES)
    };
    let is_off = |day: &Split<'_>| {
        let mut cost = discounted(&day.others)?;
        cost += &left(day)?;
        Some(!is_half_a_cent(&(day.charged - &cost)))
    };
    days.iter().any(|day| is_off(day).unwrap_or(false))
}

/// What was charged for a unit over all days of a segment.
#[derive(Clone, Default)]
struct UnitSums {
    charged: Decimal,
    priced: Decimal,
    shares: BTreeMap<Share, i64>,
    /// The charges behind which there is nothing else.
    alone: BTreeMap<Share, (Decimal, i64)>,
}

impl UnitSums {
    fn of<'a>(charges: impl Iterator<Item = (&'a Behind, &'a Charged)>) -> Self {
        let mut sums = Self::default();
        for (behind, charge) in charges {
            sums.charged += &charge.charged;
            for (share, (units, exact)) in &charge.shares {
                sums.priced += &exact.to_decimal(EXACT_PLACES);
                let all = sums.shares.entry(share.clone()).or_default();
                *all = all.saturating_add(*units);
                if matches!(behind, Behind::One(one) if one == share) {
                    let (charged, all) = sums.alone.entry(share.clone()).or_default();
                    *charged += &charge.charged;
                    *all = all.saturating_add(*units);
                }
            }
        }
        sums
    }

    /// The rates that give what was charged, where the listed ones do not.
    fn rates(&self, unit: Unit, list: &ShareRates) -> ShareRates {
        let mut rates = self.rates_of_used(list);
        self.add_unused(unit, list, &mut rates);
        rates
    }

    /// As [`UnitSums::rates`], but what is charged alone has the rate of that, and the others what it leaves.
    fn rates_told_apart(&self, unit: Unit, list: &ShareRates) -> ShareRates {
        let (mut rest, mut rates) = (self.clone(), ShareRates::new());
        for (share, (charged, units)) in &self.alone {
            let listed = list
                .get(share)
                .filter(|rate| cost(rate, *units).is_some_and(|cost| is_half_a_cent(&(charged - &cost))));
            let rate = match listed {
                Some(listed) => *listed,
                None => match pico_a_unit(charged, &Decimal::from(*units)) {
                    Some(rate) => UnitRate::new(rate, Per::Unit),
                    None => continue,
                },
            };
            let used = rest.shares.remove(share).unwrap_or_default();
            if let Some(cost) = cost(&rate, used) {
                rest.charged -= &cost;
            }
            if let Some(cost) = list.get(share).and_then(|listed| cost(listed, used)) {
                rest.priced -= &cost;
            }
            if listed.is_none() {
                rates.insert(share.clone(), rate);
            }
        }
        rates.extend(rest.rates_of_used(list));
        self.add_unused(unit, list, &mut rates);
        rates
    }

    fn rates_of_used(&self, list: &ShareRates) -> ShareRates {
        let unlisted = self
            .shares
            .keys()
            .filter(|share| !list.contains_key(*share))
            .count();
        let difference = &self.charged - &self.priced;
        // Days that differ by less than a cent each may together differ by more.
        if unlisted == 0 && is_half_a_cent(&difference) {
            return ShareRates::new();
        }
        let is_alone = self.shares.len() == 1;
        let is_flat = unlisted == self.shares.len() && are_of_one_kind(self.shares.keys());
        let all_units = self
            .shares
            .values()
            .fold(0_i64, |sum, units| sum.saturating_add(*units));
        let mut rates = ShareRates::new();
        for (share, units) in &self.shares {
            let units = Decimal::from(*units);
            let rate = match (list.get(share), unlisted) {
                _ if is_alone => pico_a_unit(&self.charged, &units),
                // Text, audio and images of a model without a price: one rate for all of them, if that explains it.
                _ if is_flat => pico_a_unit(&self.charged, &Decimal::from(all_units)),
                (listed, 0) => in_proportion(listed, &self.charged, &self.priced),
                // What the listed prices leave is the price of the one that has none.
                (None, 1) => pico_a_unit(&difference, &units),
                _ => None,
            };
            if let Some(rate) = rate.filter(|rate| *rate >= 0) {
                rates.insert(share.clone(), UnitRate::new(rate, Per::Unit));
            }
        }
        rates
    }

    /// What was not used, but is listed at the rate of something that was, as images read by a model that tells them not
    /// apart from text, goes with that.
    fn add_unused(&self, unit: Unit, list: &ShareRates, rates: &mut ShareRates) {
        let is_unused = |share: &Share| !self.shares.contains_key(share) && Unit::from(share.1) == unit;
        for (share, listed) in list.iter().filter(|(share, _)| is_unused(share)) {
            let with = rates
                .iter()
                .find(|(used, _)| used.0 == share.0 && list.get(*used) == Some(listed));
            if let Some(rate) = with.map(|(_, rate)| *rate) {
                rates.insert(share.clone(), rate);
            }
        }
    }
}

fn are_of_one_kind<'a>(mut shares: impl Iterator<Item = &'a Share>) -> bool {
    let first = shares.next();
    shares.all(|(kind, _)| first.is_some_and(|(of_first, _)| kind == of_first))
}

fn cost(rate: &UnitRate, units: i64) -> Option<Decimal> {
    Some(rate.cost(units)?.to_decimal(EXACT_PLACES))
}

/// A listed rate times charged over priced, in whole pico-dollars a unit.
fn in_proportion(listed: Option<&UnitRate>, charged: &Decimal, priced: &Decimal) -> Option<i64> {
    let listed = listed?.cost(1)?.to_decimal(EXACT_PLACES);
    if charged.is_zero() {
        return Some(0);
    }
    pico_a_unit(&listed, &priced.over(charged, QUANTITY_PLACES)?)
}

/// An amount over a number of units, in whole pico-dollars.
fn pico_a_unit(amount: &Decimal, units: &Decimal) -> Option<i64> {
    let thousands = units.over(&Decimal::from(1_000), QUANTITY_PLACES)?;
    amount.over(&thousands, NANO_PLACES)?.to_nanos()
}
