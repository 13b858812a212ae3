//! The costs of one window, summed by identity.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};
use usage_core::{CostGroup, Decimal, Dimension, DimensionSet, NanoUsd, Window};

use super::number::Number;
use crate::groups::{ABSENT, Symbol, Symbols};

/// What the costs of a window are told apart by: a symbol for each of [`DIMENSIONS`], and one for the currency.
pub(super) type CostKey = [Symbol; DIMENSIONS.len() + 1];

/// The dimensions of a [`CostKey`], in its order.
pub(super) const DIMENSIONS: [Dimension; 3] =
    [Dimension::ProjectId, Dimension::ApiKeyId, Dimension::LineItem];

/// The place of the currency in a [`CostKey`].
const CURRENCY: usize = DIMENSIONS.len();

/// The place of the project in a [`CostKey`].
pub(super) const PROJECT: usize = 0;

/// Stands where the rows of a group have quantities in several units, which no sum makes sense of.
pub(super) const SEVERAL_UNITS: Symbol = Symbol::MAX;

/// The key of a group. The case of a currency is no part of it.
pub(super) fn key_of(group: &CostGroup, symbols: &Symbols) -> CostKey {
    let symbol = |text: Option<&str>| text.map_or(ABSENT, |text| symbols.of(text));
    [
        symbol(group.project_id()),
        symbol(group.api_key_id()),
        symbol(group.line_item()),
        symbol(group.currency().as_deref()),
    ]
}

/// The group of a key.
pub(super) fn group_of(key: &CostKey, symbols: &Symbols) -> CostGroup {
    let [project_id, api_key_id, line_item, currency] = key.map(|symbol| symbols.text(symbol));
    CostGroup {
        project_id,
        api_key_id,
        line_item,
        currency,
    }
}

/// The currency of a key, in lower case.
pub(super) fn currency_of(key: &CostKey, symbols: &Symbols) -> Option<String> {
    symbols.text(key[CURRENCY])
}

/// The key without the dimensions that are not kept. The currency always is.
pub(super) fn projected(mut key: CostKey, kept: DimensionSet) -> CostKey {
    for (symbol, dimension) in key.iter_mut().zip(DIMENSIONS) {
        if !kept.contains(dimension) {
            *symbol = ABSENT;
        }
    }
    key
}

/// The rows of one identity, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CostSum {
    amount: Number,
    quantity: Number,
    unit: Symbol,
    rows: u32,
    /// How many of the rows have an amount.
    amounts: u32,
    /// How many of the rows have a quantity.
    quantities: u32,
}

/// A [`CostSum`] in parts that can be changed freely.
pub(super) struct Parts {
    pub(super) rows: u32,
    pub(super) amounts: u32,
    pub(super) quantities: u32,
    pub(super) amount: Decimal,
    pub(super) quantity: Decimal,
    pub(super) unit: Symbol,
}

/// How the amounts of two groups compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    Equal,
    WithinTolerance,
    Different,
}

impl CostSum {
    /// No row.
    pub(super) const EMPTY: Self = Self {
        amount: Number::ZERO,
        quantity: Number::ZERO,
        unit: ABSENT,
        rows: 0,
        amounts: 0,
        quantities: 0,
    };

    /// A single row.
    pub(super) fn of_row(amount: Option<&Decimal>, quantity: Option<&Decimal>, unit: Symbol) -> Self {
        let number = |decimal: Option<&Decimal>| decimal.map_or(Number::ZERO, Number::from);
        Self {
            amount: number(amount),
            quantity: number(quantity),
            unit: if quantity.is_some() { unit } else { ABSENT },
            rows: 1,
            amounts: u32::from(amount.is_some()),
            quantities: u32::from(quantity.is_some()),
        }
    }

    pub(super) fn from_parts(parts: &Parts) -> Self {
        Self {
            amount: Number::from(&parts.amount),
            quantity: Number::from(&parts.quantity),
            unit: parts.unit,
            rows: parts.rows,
            amounts: parts.amounts,
            quantities: parts.quantities,
        }
    }

    pub(super) fn parts(&self) -> Parts {
        Parts {
            rows: self.rows,
            amounts: self.amounts,
            quantities: self.quantities,
            amount: self.amount.decimal(),
            quantity: self.quantity.decimal(),
            unit: self.unit,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.amount.add(&other.amount);
        self.quantity.add(&other.quantity);
        if self.quantities == 0 {
            self.unit = other.unit;
        } else if other.quantities > 0 && self.unit != other.unit {
            self.unit = SEVERAL_UNITS;
        }
        self.rows = self.rows.saturating_add(other.rows);
        self.amounts = self.amounts.saturating_add(other.amounts);
        self.quantities = self.quantities.saturating_add(other.quantities);
    }

    /// How many rows were summed.
    pub(super) const fn rows(&self) -> u32 {
        self.rows
    }

    /// How many of them have no amount.
    pub(super) const fn rows_without_amount(&self) -> u32 {
        self.rows.saturating_sub(self.amounts)
    }

    /// The sum of the amounts that are there; `None` if none is.
    pub(super) fn amount(&self) -> Option<Decimal> {
        (self.amounts > 0).then(|| self.amount.decimal())
    }

    /// The sum of the quantities, if they are of one unit.
    pub(super) fn quantity(&self) -> Option<Decimal> {
        (self.quantities > 0 && self.unit != SEVERAL_UNITS).then(|| self.quantity.decimal())
    }

    /// The unit of the quantity.
    pub(super) fn unit(&self, symbols: &Symbols) -> Option<String> {
        symbols.text(self.unit)
    }

    /// Whether some row has a quantity.
    pub(super) const fn has_quantity(&self) -> bool {
        self.quantities > 0
    }

    /// Whether every amount is known and they come to nothing.
    pub(super) fn is_zero(&self) -> bool {
        self.amounts == self.rows && self.amount == Number::ZERO
    }

    /// Compares the amounts. A sum of unknown amounts alone is like another one, and like nothing else; beside a known
    /// amount an unknown one adds nothing, as in the ledger.
    pub(super) fn amount_like(&self, other: &Self, tolerance_per_row: NanoUsd) -> Likeness {
        let known = |sum: &Self| sum.amounts > 0;
        if known(self) != known(other) {
            return Likeness::Different;
        }
        if self.amount == other.amount {
            return Likeness::Equal;
        }
        let rows = i64::from(self.rows.max(other.rows));
        let tolerance = NanoUsd::new(tolerance_per_row.get().saturating_mul(rows));
        if self
            .amount
            .decimal()
            .is_within(&other.amount.decimal(), tolerance)
        {
            Likeness::WithinTolerance
        } else {
            Likeness::Different
        }
    }

    /// Whether the quantities are the same; `None` if they cannot be compared, since a row lacks one or the units differ.
    pub(super) fn quantity_equals(&self, other: &Self) -> Option<bool> {
        let is_complete = |sum: &Self| sum.quantities == sum.rows && sum.unit != SEVERAL_UNITS;
        let is_comparable = is_complete(self) && is_complete(other) && self.unit == other.unit;
        is_comparable.then(|| self.quantity == other.quantity)
    }

    /// Whether both have every amount, and the same sum of them.
    pub(super) fn has_amount_of(&self, other: &Self) -> bool {
        let is_complete = |sum: &Self| sum.amounts == sum.rows;
        is_complete(self) && is_complete(other) && self.amount == other.amount
    }

    /// Whether the other has exactly twice the amount.
    pub(super) fn is_half_of(&self, other: &Self) -> bool {
        let mut double = self.amount.clone();
        double.add(&self.amount);
        self.amounts > 0 && !self.is_zero() && double == other.amount
    }
}

/// The costs of one window. Rows of one identity are summed.
///
/// Texts are symbols and amounts mostly 64 bits, so that a group takes some eighty bytes; one with an amount of more
/// than nine decimals about twice that.
#[derive(Clone, Debug)]
pub(super) struct CostGroups {
    window: Window,
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    groups: Vec<(CostKey, CostSum)>,
    /// The symbols of all keys, or'ed: 0 where no group has a value.
    union: CostKey,
}

impl CostGroups {
    /// No groups yet.
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            groups: Vec::new(),
            union: [ABSENT; _],
        }
    }

    /// The window.
    pub(super) const fn window(&self) -> Window {
        self.window
    }

    /// How many groups there are.
    pub(super) const fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no group.
    pub(super) const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The dimensions for which some group has a value.
    pub(super) fn used(&self) -> DimensionSet {
        DIMENSIONS
            .into_iter()
            .zip(self.union)
            .filter(|(_, symbol)| *symbol != ABSENT)
            .map(|(dimension, _)| dimension)
            .collect()
    }

    /// Adds rows to their group.
    pub(super) fn add(&mut self, key: &CostKey, sum: &CostSum) {
        let hash = self.hasher.hash_one(key);
        if let Some(place) = self.place(hash, key) {
            self.groups[place].1.add(sum);
            return;
        }
        let place = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        self.groups.push((*key, sum.clone()));
        for (all, symbol) in self.union.iter_mut().zip(key) {
            *all |= *symbol;
        }
        let Self {
            places,
            hasher,
            groups,
            ..
        } = self;
        places.insert_unique(hash, place, |place| hasher.hash_one(groups[*place as usize].0));
    }

    /// The place of a group.
    pub(super) fn find(&self, key: &CostKey) -> Option<usize> {
        self.place(self.hasher.hash_one(key), key)
    }

    /// The group at a place.
    pub(super) fn group(&self, place: usize) -> (&CostKey, &CostSum) {
        let (key, sum) = &self.groups[place];
        (key, sum)
    }

    /// Every group, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&CostKey, &CostSum)> {
        self.groups.iter().map(|(key, sum)| (key, sum))
    }

    /// The groups summed over every dimension that is not kept.
    pub(super) fn summed_over_others(self, kept: DimensionSet) -> Self {
        if self.used().is_subset(kept) {
            return self;
        }
        let mut coarse = Self::new(self.window);
        for (key, sum) in self.iter() {
            coarse.add(&projected(*key, kept), sum);
        }
        coarse
    }

    /// Only the groups for which the test holds, and how many others there were.
    pub(super) fn retain(self, is_kept: impl Fn(&CostKey) -> bool) -> (Self, usize) {
        if self.iter().all(|(key, _)| is_kept(key)) {
            return (self, 0);
        }
        let mut kept = Self::new(self.window);
        for (key, sum) in self.iter().filter(|(key, _)| is_kept(key)) {
            kept.add(key, sum);
        }
        let others = self.len() - kept.len();
        (kept, others)
    }

    fn place(&self, hash: u64, key: &CostKey) -> Option<usize> {
        self.places
            .find(hash, |place| self.groups[*place as usize].0 == *key)
            .map(|place| *place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_small() {
        assert!(size_of::<(CostKey, CostSum)>() <= 64);
    }

    #[test]
    fn quantities_of_several_units_have_no_sum() {
        let symbols = Symbols::default();
        let one = Decimal::from(1);
        let mut sum = CostSum::EMPTY;
        sum.add(&CostSum::of_row(None, None, symbols.of("images")));
        sum.add(&CostSum::of_row(None, Some(&one), symbols.of("tokens")));
        assert_eq!(
            (sum.quantity(), sum.unit(&symbols).as_deref()),
            (Some(one.clone()), Some("tokens"))
        );
        sum.add(&CostSum::of_row(None, Some(&one), symbols.of("images")));
        sum.add(&CostSum::of_row(None, Some(&one), symbols.of("images")));
        assert_eq!((sum.quantity(), sum.unit(&symbols)), (None, None));
        assert_eq!(sum.quantity_equals(&sum.clone()), None);
    }
}
