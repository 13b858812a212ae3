//! What a catalogue has: the prices of a model, and the prices that nobody checked for long.

use chrono::{Days, NaiveDate};
use usage_core::Provider;

use crate::catalogue::Catalogue;
use crate::entry::{Layer, STANDARD};
use crate::index::{Index, Slot};
use crate::names::ResolvedModel;
use crate::record::PriceRef;

/// One price of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPrice {
    /// Where it comes from.
    pub layer: Layer,
    /// How the model's name leads to it; `None` if the name is unknown and the price a default.
    pub resolved: Option<ResolvedModel>,
    /// The price.
    pub price: PriceRef,
}

/// A price that nobody checked for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StalePrice {
    /// Where it comes from.
    pub layer: Layer,
    /// The price, with the day of the last check.
    pub price: PriceRef,
}

impl Catalogue {
    /// Every price of a model, or of an endpoint whose usage has no model: of each tier and processing, the highest
    /// layer first, and the earliest first within a layer. With a day, only what holds on it.
    ///
    /// Of two prices for one tier, processing and day the first in the list is used, unless it lacks a rate for what
    /// the endpoint counts. For a name that nothing prices, the defaults of price files.
    pub fn entries_of(&self, provider: Provider, model: &str, at: Option<NaiveDate>) -> Vec<ListedPrice> {
        let Some(index) = self.index(provider) else {
            return Vec::new();
        };
        let mut listed = Vec::new();
        match index.names.resolve(model) {
            None => {
                for slot in index.defaults() {
                    self.list(slot, None, at, &mut listed);
                }
            }
            Some(views) => {
                for (layer, view) in views.iter().enumerate() {
                    let Some((number, matched)) = *view else { continue };
                    let resolved = ResolvedModel {
                        model: index.names.model(number).to_owned(),
                        matched,
                    };
                    for slot in index.slots_of(number, layer) {
                        self.list(slot, Some(&resolved), at, &mut listed);
                    }
                }
            }
        }
        listed.sort_by(|one, other| {
            let kind = |listed: &ListedPrice| {
                let price = &listed.price;
                (price.endpoint.is_some(), price.batch, price.tier != STANDARD)
            };
            kind(one)
                .cmp(&kind(other))
                .then_with(|| one.price.tier.cmp(&other.price.tier))
                .then_with(|| other.layer.cmp(&one.layer))
                .then_with(|| one.price.valid_from.cmp(&other.price.valid_from))
        });
        listed
    }

    /// The prices that nobody checked in the `days` before `today`, the longest unchecked first.
    pub fn stale(&self, today: NaiveDate, days: u32) -> Vec<StalePrice> {
        let oldest = today
            .checked_sub_days(Days::new(u64::from(days)))
            .unwrap_or(NaiveDate::MIN);
        let mut stale: Vec<StalePrice> = self
            .indexes()
            .flat_map(Index::slots)
            .flat_map(|slot| slot.prices.iter().map(|price| (slot.layer, price)))
            .filter(|(_, price)| price.checked.is_none_or(|checked| checked < oldest))
            .map(|(layer, price)| StalePrice {
                layer: self.layer(layer),
                price: price.clone(),
            })
            .collect();
        stale.sort_by(|one, other| {
            let key = |stale: &StalePrice| (stale.price.checked, stale.price.price_id.clone());
            key(one).cmp(&key(other))
        });
        stale
    }

    fn list(
        &self,
        slot: &Slot,
        resolved: Option<&ResolvedModel>,
        at: Option<NaiveDate>,
        listed: &mut Vec<ListedPrice>,
    ) {
        let prices = slot.prices.iter();
        for price in prices.filter(|price| at.is_none_or(|day| price.holds_on(day))) {
            listed.push(ListedPrice {
                layer: self.layer(slot.layer),
                resolved: resolved.cloned(),
                price: price.clone(),
            });
        }
    }
}
