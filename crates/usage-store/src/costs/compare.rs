//! Comparing costs that were read with those that stand.

use std::collections::BTreeMap;

use usage_core::DedupeKey;

use super::rows::PreparedCost;
use crate::coverage::Coverage;
use crate::replace::read::{Read, was_settled};

/// A cost of the ledger, as far as comparing needs it.
pub(super) struct StandingCost {
    pub(super) key: DedupeKey,
    pub(super) content_hash: i64,
    pub(super) project_id: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) amount_nano: Option<i64>,
}

/// The difference between a read window and the ledger.
#[derive(Default)]
pub(super) struct Change<'a> {
    pub(super) inserted: Vec<&'a PreparedCost>,
    pub(super) updated: Vec<&'a PreparedCost>,
    pub(super) unchanged: u64,
    pub(super) retracted: Vec<StandingCost>,
}

impl Change<'_> {
    /// Whether the read found nothing.
    const fn is_of_nothing(&self) -> bool {
        self.inserted.is_empty() && self.updated.is_empty() && self.unchanged == 0
    }
}

/// Tells new, changed, unchanged and retracted apart.
pub(super) fn compare<'a>(
    read: &Read,
    costs: &'a BTreeMap<DedupeKey, PreparedCost>,
    standing: Vec<StandingCost>,
) -> Change<'a> {
    let mut change = Change::default();
    let mut found = BTreeMap::new();
    for cost in standing {
        if !read.scope.filter.admits(cost.project_id.as_deref()) {
            continue;
        }
        if costs.contains_key(&cost.key) {
            found.insert(cost.key, cost.content_hash);
        } else {
            change.retracted.push(cost);
        }
    }
    for (key, cost) in costs {
        match found.get(key) {
            None => change.inserted.push(cost),
            Some(hash) if *hash == cost.content_hash => change.unchanged += 1,
            Some(_) => change.updated.push(cost),
        }
    }
    change
}

/// What the read would do that must not happen by mistake.
pub(super) fn would_take(
    read: &Read,
    change: &Change<'_>,
    overlapping: &[Coverage],
    lost: bool,
) -> Option<&'static str> {
    if read.accept_retractions {
        return None;
    }
    let emptied = change.is_of_nothing() && !change.retracted.is_empty();
    if emptied && was_settled(overlapping) {
        Some("empty a settled window")
    } else if lost {
        Some("take more than half of the day's charges")
    } else {
        None
    }
}

/// Whether more than half of what the account was charged on the day is gone, in some currency. Credits are no
/// charges: one that comes late takes nothing away.
pub(super) fn loses_most(
    read: &Read,
    costs: &BTreeMap<DedupeKey, PreparedCost>,
    standing: &[StandingCost],
) -> bool {
    let mut charged: BTreeMap<Option<String>, Charges> = BTreeMap::new();
    let currency = |currency: Option<&str>| currency.map(str::to_ascii_lowercase);
    for cost in standing {
        let charges = charged.entry(currency(cost.currency.as_deref())).or_default();
        let amount = i128::from(cost.amount_nano.unwrap_or(0).max(0));
        charges.day += amount;
        if read.scope.filter.admits(cost.project_id.as_deref()) {
            charges.before += amount;
        }
    }
    for cost in costs.values() {
        let charges = charged.entry(cost.row.group.currency()).or_default();
        charges.after += i128::from(cost.amount_nano.unwrap_or(0).max(0));
    }
    charged
        .values()
        .any(|charges| (charges.before - charges.after) * 2 > charges.day)
}

/// What was charged in one currency, in billionths.
#[derive(Default)]
struct Charges {
    /// On the whole day, as it stands.
    day: i128,
    /// In the scope of the read, as it stands.
    before: i128,
    /// In the scope of the read, as it was read.
    after: i128,
}
