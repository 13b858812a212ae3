//! The ledger's events, window by window.

use std::collections::{BTreeSet, VecDeque};

use usage_core::{Endpoint, Window};

use super::driver::ParityError;
use crate::groups::{Symbols, WindowGroups, key_of};
use crate::ledger::{LedgerCoverage, LedgerReader, LedgerRow};

/// The ledger's side: groups and coverage of one window after the other.
pub(super) struct LedgerWindows<'a, L> {
    pub(super) reader: &'a mut L,
    endpoint: Endpoint,
    symbols: &'a Symbols,
    coverage: VecDeque<LedgerCoverage>,
    rows: VecDeque<LedgerRow>,
    is_at_end: bool,
    /// The runs that the rows and the coverage taken so far come from.
    pub(super) runs: BTreeSet<i64>,
}

impl<'a, L: LedgerReader> LedgerWindows<'a, L> {
    pub(super) fn new(
        reader: &'a mut L,
        mut coverage: Vec<LedgerCoverage>,
        endpoint: Endpoint,
        symbols: &'a Symbols,
    ) -> Self {
        coverage.sort_by_key(|covered| covered.window);
        Self {
            reader,
            endpoint,
            symbols,
            coverage: coverage.into(),
            rows: VecDeque::new(),
            is_at_end: false,
            runs: BTreeSet::new(),
        }
    }

    /// The coverage of the window; what lies before it is passed over.
    pub(super) fn coverage(&mut self, window: Window) -> Vec<LedgerCoverage> {
        let mut found = Vec::new();
        while let Some(next) = self.coverage.front()
            && next.window <= window
        {
            if let Some(covered) = self.coverage.pop_front()
                && covered.window == window
            {
                self.runs.insert(covered.run_id);
                found.push(covered);
            }
        }
        found
    }

    /// The groups of the window; what lies before it is passed over.
    pub(super) fn groups(&mut self, window: Window) -> Result<WindowGroups, ParityError<L::Error>> {
        let mut groups = WindowGroups::new(window, self.endpoint);
        let mut values = vec![0; self.endpoint.metrics().len()];
        while let Some(row) = self.front()? {
            if row.window > window {
                break;
            }
            let Some(row) = self.rows.pop_front() else { break };
            if row.window < window {
                continue;
            }
            self.runs.insert(row.run_id);
            let mut present = 0;
            for ((place, value), metric) in values.iter_mut().enumerate().zip(self.endpoint.metrics()) {
                let reported = row.metrics.get(*metric);
                *value = reported.unwrap_or(0);
                present |= u32::from(reported.is_some()) << place;
            }
            groups
                .add(&key_of(&row.dimensions, self.symbols), &values, present, 1)
                .map_err(|metric| ParityError::Sum { window, metric })?;
        }
        Ok(groups)
    }

    fn front(&mut self) -> Result<Option<&LedgerRow>, ParityError<L::Error>> {
        if self.rows.is_empty() && !self.is_at_end {
            self.rows = self.reader.rows().map_err(ParityError::Ledger)?.into();
            self.is_at_end = self.rows.is_empty();
        }
        Ok(self.rows.front())
    }
}
