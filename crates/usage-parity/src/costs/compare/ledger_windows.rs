//! The ledger's costs, window by window.

use std::collections::{BTreeSet, VecDeque};

use usage_core::Window;

use super::groups::{CostGroups, CostSum, key_of};
use crate::costs::{CostLedger, LedgerCost};
use crate::groups::{ABSENT, Symbols};
use crate::ledger::LedgerCoverage;

/// The ledger's side: groups and coverage of one window after the other.
pub(super) struct LedgerWindows<'a, L> {
    pub(super) ledger: &'a mut L,
    symbols: &'a Symbols,
    coverage: VecDeque<LedgerCoverage>,
    costs: VecDeque<LedgerCost>,
    is_at_end: bool,
    /// The runs that the costs and the coverage taken so far come from.
    pub(super) runs: BTreeSet<i64>,
}

impl<'a, L: CostLedger> LedgerWindows<'a, L> {
    pub(super) fn new(ledger: &'a mut L, mut coverage: Vec<LedgerCoverage>, symbols: &'a Symbols) -> Self {
        coverage.sort_by_key(|covered| covered.window);
        Self {
            ledger,
            symbols,
            coverage: coverage.into(),
            costs: VecDeque::new(),
            is_at_end: false,
            runs: BTreeSet::new(),
        }
    }

    /// The coverage of the window; what lies before it is passed over.
    pub(super) fn coverage(&mut self, window: Window) -> Vec<LedgerCoverage> {
        let mut found = Vec::new();
        while let Some(covered) = self.coverage.pop_front_if(|next| next.window <= window) {
            if covered.window == window {
                self.runs.insert(covered.run_id);
                found.push(covered);
            }
        }
        found
    }

    /// The groups of the window; what lies before it is passed over.
    pub(super) fn groups(&mut self, window: Window) -> Result<CostGroups, L::Error> {
        let mut groups = CostGroups::new(window);
        while let Some(cost) = self.next_until(window)? {
            if cost.window < window {
                continue;
            }
            self.runs.insert(cost.run_id);
            let value = &cost.value;
            let unit = value
                .quantity_unit
                .as_deref()
                .map_or(ABSENT, |unit| self.symbols.of(unit));
            let sum = CostSum::of_row(value.amount.as_ref(), value.quantity.as_ref(), unit);
            groups.add(&key_of(&cost.group, self.symbols), &sum);
        }
        Ok(groups)
    }

    /// The next cost, if it is not of a later window.
    fn next_until(&mut self, window: Window) -> Result<Option<LedgerCost>, L::Error> {
        if self.costs.is_empty() && !self.is_at_end {
            self.costs = self.ledger.costs()?.into();
            self.is_at_end = self.costs.is_empty();
        }
        Ok(self.costs.pop_front_if(|next| next.window <= window))
    }
}
