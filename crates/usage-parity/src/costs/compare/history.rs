//! What a group of costs was before restatements.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use usage_core::{Decimal, DimensionSet, NanoUsd};

use super::groups::{CostKey, CostSum, Likeness, Parts, SEVERAL_UNITS, key_of, projected};
use crate::costs::{CostChange, CostValue};
use crate::diff::Cause;
use crate::groups::{ABSENT, Symbol, Symbols};

/// The restatements of one window, the latest first.
pub(super) struct History<'a> {
    changes: Vec<(CostKey, CostChange)>,
    symbols: &'a Symbols,
    tolerance_per_row: NanoUsd,
}

impl<'a> History<'a> {
    pub(super) fn new(
        mut changes: Vec<CostChange>,
        kept: DimensionSet,
        tolerance_per_row: NanoUsd,
        symbols: &'a Symbols,
    ) -> Self {
        changes.sort_by_key(|change| Reverse(change.changed_at));
        let changes = changes
            .into_iter()
            .map(|change| (projected(key_of(&change.group, symbols), kept), change))
            .collect();
        Self {
            changes,
            symbols,
            tolerance_per_row,
        }
    }
    /// The restatement before which the ledger's group was what the export's is, if there is one: all of them are undone,
    /// one moment after the other, until it fits.
    ///
    /// Sums over several rows are undone like single rows, since every restatement changes a sum by what comes less what
    /// goes.
    pub(super) fn restatement(
        &self,
        key: &CostKey,
        csv: Option<&CostSum>,
        db: Option<&CostSum>,
    ) -> Option<Cause> {
        let mut state = State::of(db);
        let mut changes = self.changes.iter().filter(|(of, _)| of == key).peekable();
        while let Some((_, change)) = changes.next() {
            if let Some(after) = &change.after {
                state.count(after, -1, self.symbols);
            }
            if let Some(before) = &change.before {
                state.count(before, 1, self.symbols);
            }
            let at = change.changed_at;
            let is_last_of_moment = changes.peek().is_none_or(|(_, earlier)| earlier.changed_at != at);
            if is_last_of_moment && self.fits(&state, csv) {
                return Some(restated(at, change.run_id));
            }
        }
        None
    }

    fn fits(&self, state: &State, csv: Option<&CostSum>) -> bool {
        let Some(csv) = csv else {
            return state.rows == 0;
        };
        state.sum().is_some_and(|db| {
            csv.amount_like(&db, self.tolerance_per_row) != Likeness::Different
                && csv.quantity_equals(&db) != Some(false)
        })
    }
}

const fn restated(at: DateTime<Utc>, run_id: i64) -> Cause {
    Cause::RestatedSince { at, run_id }
}

/// A group at some moment. Revisions that do not fit the ledger may take more than there is.
struct State {
    rows: i64,
    amounts: i64,
    quantities: i64,
    amount: Decimal,
    quantity: Decimal,
    unit: Symbol,
}

impl State {
    fn of(db: Option<&CostSum>) -> Self {
        let db = db.unwrap_or(&CostSum::EMPTY);
        let parts = db.parts();
        Self {
            rows: parts.rows.into(),
            amounts: parts.amounts.into(),
            quantities: parts.quantities.into(),
            amount: parts.amount,
            quantity: parts.quantity,
            unit: parts.unit,
        }
    }

    /// Adds a row, or takes it away.
    fn count(&mut self, value: &CostValue, rows: i64, symbols: &Symbols) {
        let is_added = rows > 0;
        self.rows += rows;
        if let Some(amount) = &value.amount {
            self.amounts += rows;
            change(&mut self.amount, amount, is_added);
        }
        if let Some(quantity) = &value.quantity {
            let unit = value
                .quantity_unit
                .as_deref()
                .map_or(ABSENT, |unit| symbols.of(unit));
            self.unit = match (is_added, self.quantities) {
                (true, 0) => unit,
                (true, _) if self.unit != unit => SEVERAL_UNITS,
                _ => self.unit,
            };
            self.quantities += rows;
            change(&mut self.quantity, quantity, is_added);
        }
    }

    /// The group, if there was one.
    fn sum(&self) -> Option<CostSum> {
        let count = |number: i64| u32::try_from(number).ok();
        if self.rows == 0 {
            return None;
        }
        Some(CostSum::from_parts(&Parts {
            rows: count(self.rows)?,
            amounts: count(self.amounts)?,
            quantities: count(self.quantities)?,
            amount: self.amount.clone(),
            quantity: self.quantity.clone(),
            unit: self.unit,
        }))
    }
}

fn change(sum: &mut Decimal, by: &Decimal, is_added: bool) {
    if is_added {
        *sum += by;
    } else {
        *sum -= by;
    }
}
