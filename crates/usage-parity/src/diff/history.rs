//! What a group was before restatements.

use chrono::{DateTime, Utc};
use usage_core::{DimensionSet, Endpoint, Metrics};

use super::cause::Cause;
use crate::groups::{Group, Key, Symbols, key_of, projected};
use crate::ledger::LedgerChange;

/// The restatements of one window, the latest first.
pub(super) struct History {
    changes: Vec<(Key, LedgerChange)>,
}

impl History {
    pub(super) fn new(mut changes: Vec<LedgerChange>, kept: DimensionSet, symbols: &Symbols) -> Self {
        changes.sort_by_key(|change| std::cmp::Reverse(change.changed_at));
        let changes = changes
            .into_iter()
            .map(|change| (projected(key_of(&change.dimensions, symbols), kept), change))
            .collect();
        Self { changes }
    }

    /// The restatement before which the ledger's group was what the export's is, if there is one: all of them are undone,
    /// one moment after the other, until it fits. The metrics with a bit in `compared` count.
    ///
    /// Sums over several rows are undone like single rows, since every restatement changes a sum by what comes less what
    /// goes.
    pub(super) fn restatement(
        &self,
        endpoint: Endpoint,
        key: &Key,
        csv: Option<Group<'_>>,
        db: Option<Group<'_>>,
        compared: u32,
    ) -> Option<Cause> {
        let mut state = State::of(endpoint, db);
        let mut changes = self.changes.iter().filter(|(of, _)| of == key).peekable();
        while let Some((_, change)) = changes.next() {
            state.undo(endpoint, change);
            let at = change.changed_at;
            let is_last_of_moment = changes.peek().is_none_or(|(_, earlier)| earlier.changed_at != at);
            if is_last_of_moment && state.equals(csv, compared) {
                return Some(restated(at, change.run_id));
            }
        }
        None
    }
}

const fn restated(at: DateTime<Utc>, run_id: i64) -> Cause {
    Cause::RestatedSince { at, run_id }
}

/// A group at some moment.
struct State {
    rows: i64,
    sums: Vec<i128>,
}

impl State {
    fn of(endpoint: Endpoint, group: Option<Group<'_>>) -> Self {
        Self {
            rows: group.map_or(0, |group| i64::from(group.rows)),
            sums: match group {
                Some(group) => group.sums.iter().copied().map(i128::from).collect(),
                None => vec![0; endpoint.metrics().len()],
            },
        }
    }

    fn undo(&mut self, endpoint: Endpoint, change: &LedgerChange) {
        self.rows += i64::from(change.before.is_some()) - i64::from(change.after.is_some());
        let wide = |metrics: &Option<Metrics>, metric| {
            let value = metrics.as_ref().and_then(|metrics| metrics.get(metric));
            i128::from(value.unwrap_or(0))
        };
        for (sum, metric) in self.sums.iter_mut().zip(endpoint.metrics()) {
            *sum += wide(&change.before, *metric) - wide(&change.after, *metric);
        }
    }

    fn equals(&self, csv: Option<Group<'_>>, compared: u32) -> bool {
        match csv {
            None => self.rows == 0,
            Some(csv) => {
                self.rows > 0
                    && csv
                        .sums
                        .iter()
                        .zip(&self.sums)
                        .enumerate()
                        .all(|(place, (csv, db))| compared & (1 << place) == 0 || i128::from(*csv) == *db)
            }
        }
    }
}
