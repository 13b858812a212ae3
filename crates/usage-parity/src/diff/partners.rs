//! Groups that one side has and the other seems to have under another value.

use std::collections::HashMap;

use usage_core::{Dimension, DimensionSet};

use super::cause::Cause;
use crate::groups::{ABSENT, Group, Key, Symbol, Symbols};

/// How many groups of a side are looked through, a window: causes are hints, and no hint is worth more memory.
const LIMIT: usize = 10_000;

/// The groups of a window that only one side has.
pub(super) struct Partners<'a> {
    kept: DimensionSet,
    metrics: u32,
    csv: Side<'a>,
    db: Side<'a>,
}

/// The groups of one side, by what is left of their keys without one dimension.
type Side<'a> = HashMap<(Dimension, Key), Group<'a>>;

impl<'a> Partners<'a> {
    /// Takes groups of the export or of the ledger. Of those compared, the metrics with a bit must be equal.
    pub(super) fn of(
        groups: impl Iterator<Item = (Option<Group<'a>>, Option<Group<'a>>)>,
        kept: DimensionSet,
        metrics: u32,
    ) -> Self {
        let mut partners = Self {
            kept,
            metrics,
            csv: Side::new(),
            db: Side::new(),
        };
        let (mut csv_groups, mut db_groups) = (0, 0);
        for (csv, db) in groups {
            if let Some(group) = csv
                && csv_groups < LIMIT
            {
                csv_groups += 1;
                insert(&mut partners.csv, kept, group);
            }
            if let Some(group) = db
                && db_groups < LIMIT
            {
                db_groups += 1;
                insert(&mut partners.db, kept, group);
            }
        }
        partners
    }

    /// Where the ledger has the export's group under another value of one dimension.
    pub(super) fn of_csv(&self, csv: Group<'_>, symbols: &Symbols) -> Option<Cause> {
        let (dimension, db) = self.find(&self.db, csv)?;
        Some(other_value(dimension, csv, db, symbols))
    }

    /// Where the export has the ledger's group under another value of one dimension.
    pub(super) fn of_db(&self, db: Group<'_>, symbols: &Symbols) -> Option<Cause> {
        let (dimension, csv) = self.find(&self.csv, db)?;
        Some(other_value(dimension, *csv, &db, symbols))
    }

    fn find<'side>(&self, side: &'side Side<'a>, group: Group<'_>) -> Option<(Dimension, &'side Group<'a>)> {
        self.kept.iter().find_map(|dimension| {
            let other = side.get(&(dimension, without(group.key, dimension)))?;
            let is_equal = (group.sums.iter().zip(other.sums).enumerate())
                .all(|(place, (one, two))| self.metrics & (1 << place) == 0 || one == two);
            is_equal.then_some((dimension, other))
        })
    }
}

fn insert<'a>(side: &mut Side<'a>, kept: DimensionSet, group: Group<'a>) {
    for dimension in kept.iter() {
        side.insert((dimension, without(group.key, dimension)), group);
    }
}

fn without(key: &Key, dimension: Dimension) -> Key {
    let mut key = *key;
    key[dimension as usize] = ABSENT;
    key
}

fn other_value(dimension: Dimension, csv: Group<'_>, db: &Group<'_>, symbols: &Symbols) -> Cause {
    let text = |symbol: Symbol| symbols.text(symbol);
    Cause::OtherValue {
        dimension,
        csv: text(csv.symbol(dimension)),
        db: text(db.symbol(dimension)),
    }
}
