//! The index of a catalogue: from a name, a tier and a day to a price.

use chrono::NaiveDate;
use usage_core::Endpoint;

use crate::class::PriceClass;
use crate::entry::{DEFAULT_MODEL, Entry, Layer, LayerEntries, Subject};
use crate::error::{CatalogueError, Problem};
use crate::names::{Names, Views};
use crate::record::{PriceBasis, PriceRecord, PriceRef};

/// Everything that one provider's usage is priced with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) names: Names,
    /// By number of the model.
    models: Vec<Vec<Slot>>,
    defaults: Vec<Slot>,
    free_tiers: Vec<Slot>,
}

/// The prices of one key in one layer, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) layer: usize,
    decisions: bool,
    tier: String,
    batch: bool,
    pub(crate) prices: Vec<PriceRef>,
}

/// What of a subject's prices is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) decisions: bool,
    pub(crate) tier: &'a str,
    pub(crate) batch: bool,
    pub(crate) day: NaiveDate,
}

/// The days around the one that was asked for on which there is no price.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gap {
    pub(crate) from: Option<NaiveDate>,
    pub(crate) until: Option<NaiveDate>,
}

impl Slot {
    fn matches(&self, wanted: &Wanted<'_>) -> bool {
        self.decisions == wanted.decisions && self.batch == wanted.batch && self.tier == wanted.tier
    }

    fn on(&self, day: NaiveDate) -> Option<&PriceRef> {
        self.prices.iter().find(|price| price.holds_on(day))
    }
}

impl Index {
    pub(crate) fn new(
        layers: &[LayerEntries],
        is_ours: impl Fn(&Entry) -> bool + Copy,
        version: &str,
    ) -> Result<Self, CatalogueError> {
        let names = Names::new(layers, is_ours)?;
        let mut index = Self {
            models: vec![Vec::new(); names.count()],
            names,
            ..Self::default()
        };
        for (number, layer) in layers.iter().enumerate() {
            for entry in layer.entries.iter().filter(|entry| is_ours(entry)) {
                index.insert(number, layer.layer, entry, version);
            }
        }
        index.refuse_repeated_ids(version)?;
        Ok(index)
    }

    fn insert(&mut self, number: usize, layer: Layer, entry: &Entry, version: &str) {
        let slots = match &entry.key.subject {
            Subject::Default => &mut self.defaults,
            Subject::FreeTier => &mut self.free_tiers,
            Subject::Model(model) => match self.names.number(model) {
                Some(model) => &mut self.models[model],
                None => return,
            },
        };
        let record = PriceRef::new(record_of(entry, layer, version));
        let key = &entry.key;
        let found = slots.iter_mut().find(|slot| {
            slot.layer == number
                && slot.decisions == key.decisions
                && slot.batch == key.batch
                && slot.tier == key.tier
        });
        match found {
            Some(slot) => slot.prices.push(record),
            None => slots.push(Slot {
                layer: number,
                decisions: key.decisions,
                tier: key.tier.clone(),
                batch: key.batch,
                prices: vec![record],
            }),
        }
    }

    fn refuse_repeated_ids(&self, version: &str) -> Result<(), CatalogueError> {
        let mut ids: Vec<&str> = self
            .slots()
            .flat_map(|slot| &slot.prices)
            .map(|price| price.price_id.as_str())
            .collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let problem = Problem::RepeatedId {
                    id: pair[0].to_owned(),
                };
                Err(CatalogueError::new(version, None, &problem))
            }
            None => Ok(()),
        }
    }

    /// Every slot.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.models
            .iter()
            .flatten()
            .chain(&self.defaults)
            .chain(&self.free_tiers)
    }

    /// The slots of a model in one layer.
    pub(crate) fn slots_of(&self, model: usize, layer: usize) -> impl Iterator<Item = &Slot> {
        self.models[model].iter().filter(move |slot| slot.layer == layer)
    }

    /// The slots of every model without a price.
    pub(crate) fn defaults(&self) -> &[Slot] {
        &self.defaults
    }

    /// The price of a model: the highest layer's that has a rate for what was used, or else the highest layer's.
    pub(crate) fn price_of(
        &self,
        views: &Views,
        wanted: &Wanted<'_>,
        may_use: impl Fn(PriceClass) -> bool,
    ) -> Result<&PriceRef, Gap> {
        let mut gap = Gap::default();
        let mut without_rate = None;
        for (layer, view) in views.iter().enumerate().rev() {
            let Some((model, _)) = *view else { continue };
            let slots = self.models[model].iter();
            for slot in slots.filter(|slot| slot.layer == layer && slot.matches(wanted)) {
                match slot.on(wanted.day) {
                    Some(price) if has_rate(price, &may_use) => return Ok(price),
                    Some(price) => without_rate = without_rate.or(Some(price)),
                    None => gap.narrow(slot, wanted.day),
                }
            }
        }
        without_rate.ok_or(gap)
    }

    /// The price of every model without one.
    pub(crate) fn default_price(&self, wanted: &Wanted<'_>) -> Option<&PriceRef> {
        on_top(&self.defaults, wanted)
    }

    /// The rule that makes a tier free.
    pub(crate) fn free_tier(&self, tier: &str, day: NaiveDate) -> Option<&PriceRef> {
        let wanted = Wanted {
            decisions: false,
            tier,
            batch: false,
            day,
        };
        on_top(&self.free_tiers, &wanted)
    }
}

impl Gap {
    fn narrow(&mut self, slot: &Slot, day: NaiveDate) {
        let ends = slot.prices.iter().filter_map(|price| price.valid_until);
        self.from = self.from.max(ends.filter(|end| *end <= day).max());
        let starts = slot.prices.iter().filter_map(|price| price.valid_from);
        let next = starts.filter(|start| *start > day).min();
        self.until = match (self.until, next) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

fn on_top<'a>(slots: &'a [Slot], wanted: &Wanted<'_>) -> Option<&'a PriceRef> {
    // Slots were inserted lowest layer first.
    let mut slots = slots.iter().rev().filter(|slot| slot.matches(wanted));
    slots.find_map(|slot| slot.on(wanted.day))
}

fn has_rate(price: &PriceRecord, may_use: &impl Fn(PriceClass) -> bool) -> bool {
    match &price.basis {
        PriceBasis::Rates(rates) => rates.iter().any(|(class, _)| may_use(class)),
        PriceBasis::Free | PriceBasis::Unpriced(_) => true,
    }
}

fn record_of(entry: &Entry, layer: Layer, version: &str) -> PriceRecord {
    let key = &entry.key;
    PriceRecord {
        price_id: entry.price_id(layer),
        catalogue_version: version.to_owned(),
        provider: key.provider,
        model: match &key.subject {
            Subject::Model(model) => model.clone(),
            Subject::Default => DEFAULT_MODEL.to_owned(),
            Subject::FreeTier => "free".to_owned(),
        },
        endpoint: key.decisions.then_some(Endpoint::Decisions),
        tier: key.tier.clone(),
        batch: key.batch,
        valid_from: entry.from,
        valid_until: entry.until,
        source: entry.source.clone(),
        checked: entry.checked,
        long_context: entry.long_context,
        basis: match &key.subject {
            Subject::FreeTier => PriceBasis::Free,
            Subject::Model(_) | Subject::Default => PriceBasis::Rates(entry.rates.clone()),
        },
    }
}
