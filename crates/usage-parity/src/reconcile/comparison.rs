//! One group: both sides side by side, its class, its rates, and what must be known to judge it.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use usage_core::{Decimal, Endpoint};
use usage_pricing::ExactUsd;

use super::day::{CostKey, CostSum, Kind, PricedPart, Subject, UsageSum};
use super::group::{Class, ComparedGroup};
use super::lines::ReconcileError;
use super::matching::{Group, GroupKey};
use super::reconciler::{EXACT_PLACES, USD};
use super::words::{Wording, unit_wording};

/// Half a cent: two amounts that differ by no more are equal to the cent.
const HALF_A_CENT: &str = "0.005";
/// Places of implied rates: a price is whole pico-dollars a token.
const RATE_PLACES: u32 = 12;
const QUANTITY_PLACES: u32 = 30;

/// A cost that no usage can stand against.
pub(super) fn of_cost(day: NaiveDate, class: Class, key: &CostKey, sum: &CostSum) -> ComparedGroup {
    let charged = key.has_amount.then(|| sum.amount.clone());
    let is_dollars = !matches!(class, Class::OtherCurrency | Class::WithoutAmount);
    ComparedGroup {
        project_id: key.project.clone(),
        class,
        difference: charged.clone().filter(|_| is_dollars),
        charged,
        currency: key.currency.clone(),
        quantity: sum.quantity.clone(),
        quantity_unit: sum.quantity_unit.clone(),
        line_items: key.line_item.clone().into_iter().collect(),
        ..empty(day, key.line_item.clone().unwrap_or_default())
    }
}

fn empty(day: NaiveDate, model: String) -> ComparedGroup {
    ComparedGroup {
        day,
        project_id: None,
        model,
        unit: None,
        tier: None,
        class: Class::Equal,
        charged: None,
        currency: None,
        priced: None,
        difference: None,
        quantity: None,
        quantity_unit: None,
        used: None,
        implied_rate: None,
        list_rate: None,
        ratio: None,
        rate_per: None,
        price_ids: Vec::new(),
        usage_kinds: Vec::new(),
        usage_models: Vec::new(),
        line_items: Vec::new(),
        notes: Vec::new(),
    }
}

/// What the usage of a group costs, exactly.
pub(super) fn exact_of(day: NaiveDate, group: &Group) -> Result<ExactUsd, ReconcileError> {
    group.usage.iter().try_fold(ExactUsd::ZERO, |sum, (_, usage)| {
        sum.checked_add(usage.exact).ok_or(ReconcileError::TooLarge(day))
    })
}

/// What became of a group.
pub(super) fn compared(
    day: NaiveDate,
    key: &GroupKey,
    group: &Group,
    read: &BTreeSet<Endpoint>,
) -> Result<ComparedGroup, ReconcileError> {
    let charged =
        (!group.costs.is_empty()).then(|| group.costs.iter().map(|(_, sum)| &sum.amount).sum::<Decimal>());
    let rows =
        |count: fn(&UsageSum) -> u64| -> u64 { group.usage.iter().map(|(_, usage)| count(usage)).sum() };
    let priced = exact_of(day, group)?.to_decimal(EXACT_PLACES);
    let sides = Sides {
        charged: charged.as_ref(),
        priced: &priced,
        priced_rows: rows(|usage| usage.priced_rows),
        free_rows: rows(|usage| usage.free_rows),
        unpriced_rows: rows(|usage| usage.unpriced_rows),
    };
    let class = sides.class(group, read);
    let has_usage = !group.usage.is_empty();
    let used = used(day, group, sides.priced_rows + sides.unpriced_rows == 0)?;
    let mut difference = charged.clone().unwrap_or_default();
    difference -= &priced;
    let mut found = ComparedGroup {
        project_id: key.project.clone(),
        unit: key.unit,
        tier: key.tier.clone(),
        class,
        currency: charged.as_ref().map(|_| USD.to_owned()),
        charged: charged.clone(),
        priced: has_usage.then(|| priced.clone()),
        difference: Some(difference),
        used: has_usage.then_some(used),
        price_ids: each_once(
            group
                .usage
                .iter()
                .flat_map(|(_, usage)| usage.prices.values().map(|part| part.price.price_id.clone())),
        ),
        usage_kinds: each_once(group.usage.iter().map(|(used, _)| used.kind.words())),
        line_items: each_once(group.costs.iter().filter_map(|(cost, _)| cost.line_item.clone())),
        notes: notes(group, &sides, read),
        ..empty(day, shown(&key.place.name))
    };
    if key.place.by_canonical {
        found.usage_models = each_once(group.usage.iter().filter_map(|(used, _)| match &used.subject {
            Subject::Model(model) => Some(model.clone()),
            Subject::Surface(_) => None,
        }));
    }
    add_quantity(&mut found, group);
    add_rates(&mut found);
    Ok(found)
}

/// Both sides of a group in numbers.
struct Sides<'a> {
    charged: Option<&'a Decimal>,
    priced: &'a Decimal,
    priced_rows: u64,
    free_rows: u64,
    unpriced_rows: u64,
}

impl Sides<'_> {
    fn class(&self, group: &Group, read: &BTreeSet<Endpoint>) -> Class {
        match self.charged {
            None if self.priced_rows > 0 && !self.priced.is_zero() => Class::NotCharged,
            None if self.unpriced_rows > 0 => Class::Unpriced,
            None => Class::Free,
            Some(charged) if self.unpriced_rows > 0 => {
                if charged.is_zero() && self.priced.is_zero() {
                    Class::Unpriced
                } else {
                    Class::ChargedUnpriced
                }
            }
            Some(charged) if self.priced_rows > 0 => {
                if is_half_a_cent(&(charged - self.priced)) {
                    Class::Equal
                } else {
                    Class::Differs
                }
            }
            Some(charged) if self.free_rows > 0 => {
                if charged.is_zero() {
                    Class::Free
                } else {
                    Class::Unexplained
                }
            }
            Some(_) => without_usage(group, read),
        }
    }
}

/// Explained is only what no surface counts, or one that was not read.
fn without_usage(group: &Group, read: &BTreeSet<Endpoint>) -> Class {
    match wording_of(group) {
        Some(wording) if wording.counted_by.is_none_or(|surface| !read.contains(&surface)) => {
            Class::OtherUnits
        }
        _ => Class::Unexplained,
    }
}

/// What the words of a charge without usage tell, unless they are those of tokens.
fn wording_of(group: &Group) -> Option<Wording> {
    let mut quantities = group.costs.iter();
    let unit = || quantities.find_map(|(_, sum)| unit_wording(sum.quantity_unit.as_deref()?));
    group.wording.or_else(unit).filter(|_| !group.is_of_tokens)
}

/// Whether an amount is at most half a cent, whatever its sign.
pub(super) fn is_half_a_cent(amount: &Decimal) -> bool {
    let half: Decimal = HALF_A_CENT.parse().unwrap_or_default();
    amount.abs() <= half
}

/// What a price prices or would price; where there is nothing of it, what is free.
fn used(day: NaiveDate, group: &Group, is_free: bool) -> Result<i64, ReconcileError> {
    let units = group.usage.iter().flat_map(|(_, usage)| {
        if is_free {
            [usage.free_units, 0]
        } else {
            [usage.units, usage.unpriced_units]
        }
    });
    units
        .into_iter()
        .try_fold(0_i64, i64::checked_add)
        .ok_or(ReconcileError::TooLarge(day))
}

fn notes(group: &Group, sides: &Sides<'_>, read: &BTreeSet<Endpoint>) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    if group.long_context {
        notes.push("charged at the prices of long contexts too, which a day's sum does not tell".to_owned());
    }
    let reasons: BTreeSet<&String> = group.usage.iter().flat_map(|(_, usage)| &usage.reasons).collect();
    notes.extend(reasons.into_iter().map(|reason| format!("unpriced: {reason}")));
    if sides.free_rows > 0 && sides.charged.is_some_and(|charged| !charged.is_zero()) {
        notes.push("some of the usage is free by rule".to_owned());
    }
    if let Some(wording) = wording_of(group).filter(|_| group.usage.is_empty()) {
        notes.push(format!("for {}", wording.what));
        notes.extend(match wording.counted_by {
            Some(surface) if read.contains(&surface) => {
                Some(format!("{surface} was read and counted nothing of it"))
            }
            Some(surface) => Some(format!("{surface}, which counts it, was not read")),
            None if wording.what == "images" => Some("image lines without usage".to_owned()),
            None => None,
        });
    }
    notes
}

/// The quantity of the line items, if all have one in the same unit.
fn add_quantity(found: &mut ComparedGroup, group: &Group) {
    let mut sum = Decimal::default();
    let mut unit = None;
    for (_, cost) in &group.costs {
        let (Some(quantity), Some(named)) = (&cost.quantity, cost.quantity_unit.as_deref()) else {
            return;
        };
        let (named, quantity) = match named {
            "1000_tokens" => ("tokens", quantity.shifted(3)),
            named => (named, quantity.clone()),
        };
        if unit.is_some_and(|unit| unit != named) {
            return;
        }
        unit = Some(named);
        sum += &quantity;
    }
    if let Some(unit) = unit {
        found.quantity = Some(sum);
        found.quantity_unit = Some(unit.to_owned());
    }
}

fn add_rates(found: &mut ComparedGroup) {
    let Some(unit) = found.unit else { return };
    let per = unit.rate_per();
    let used = found.used.map(Decimal::from);
    let counts_tokens = unit.is_tokens() && found.quantity_unit.as_deref() == Some("tokens");
    let quantity = found
        .quantity
        .clone()
        .filter(|_| counts_tokens)
        .or_else(|| used.clone());
    let rate = |amount: &Option<Decimal>, quantity: &Option<Decimal>| {
        let parts = quantity.as_ref()?.over(&Decimal::from(per), QUANTITY_PLACES)?;
        amount.as_ref()?.over(&parts, RATE_PLACES)
    };
    if !found.class.is_matched() && found.class != Class::ChargedUnpriced {
        return;
    }
    found.rate_per = Some(per);
    found.implied_rate = rate(&found.charged, &quantity);
    found.list_rate = rate(&found.priced, &used).filter(|_| found.class.is_matched());
    found.ratio = match (&found.implied_rate, &found.list_rate) {
        (Some(implied), Some(list)) => implied.over(list, RATE_PLACES),
        _ => None,
    };
    if let (true, Some(quantity), Some(used)) = (counts_tokens, &found.quantity, &used)
        && quantity != used
    {
        let note = format!("the line items count {quantity} tokens, the usage {used}");
        found.notes.push(note);
    }
}

fn each_once(texts: impl Iterator<Item = String>) -> Vec<String> {
    texts.collect::<BTreeSet<String>>().into_iter().collect()
}

fn shown(name: &str) -> String {
    if name.is_empty() {
        "(no model)".to_owned()
    } else {
        name.to_owned()
    }
}

/// What a group has at each price, and of what lacks one.
pub(super) fn parts(group: &Group) -> impl Iterator<Item = (&Kind, &PricedPart)> {
    group.usage.iter().flat_map(|(used, usage)| {
        let parts = usage.prices.values().chain(usage.without_price.values());
        parts.map(|part| (&used.kind, part))
    })
}
