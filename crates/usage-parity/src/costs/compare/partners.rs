//! Costs that one side has and the other seems to have under another value.

use std::collections::HashMap;

use usage_core::{Dimension, DimensionSet};

use super::groups::{CostKey, CostSum, DIMENSIONS, projected};
use crate::diff::Cause;
use crate::groups::Symbols;

/// How many groups of a side are looked through, a window: causes are hints, and no hint is worth more memory.
const LIMIT: usize = 10_000;

type Group<'a> = (&'a CostKey, &'a CostSum);

/// The groups of a window that only one side has.
pub(super) struct Partners<'a> {
    kept: DimensionSet,
    symbols: &'a Symbols,
    csv: Side<'a>,
    db: Side<'a>,
}

/// The groups of one side, by what is left of their keys without one dimension.
type Side<'a> = HashMap<(Dimension, CostKey), Group<'a>>;

impl<'a> Partners<'a> {
    pub(super) fn of(
        csv: impl Iterator<Item = Group<'a>>,
        db: impl Iterator<Item = Group<'a>>,
        kept: DimensionSet,
        symbols: &'a Symbols,
    ) -> Self {
        Self {
            kept,
            symbols,
            csv: side(csv, kept),
            db: side(db, kept),
        }
    }

    /// Where the ledger has the export's group under another value of one dimension.
    pub(super) fn of_csv(&self, csv: Group<'_>) -> Option<Cause> {
        let (dimension, db) = self.find(&self.db, csv)?;
        Some(self.other_value(dimension, csv.0, db.0))
    }

    /// Where the export has the ledger's group under another value of one dimension.
    pub(super) fn of_db(&self, db: Group<'_>) -> Option<Cause> {
        let (dimension, csv) = self.find(&self.csv, db)?;
        Some(self.other_value(dimension, csv.0, db.0))
    }

    fn find<'side>(&self, side: &'side Side<'a>, group: Group<'_>) -> Option<(Dimension, &'side Group<'a>)> {
        self.kept.iter().find_map(|dimension| {
            let other = side.get(&(dimension, without(group.0, self.kept, dimension)))?;
            other.1.has_amount_of(group.1).then_some((dimension, other))
        })
    }

    fn other_value(&self, dimension: Dimension, csv: &CostKey, db: &CostKey) -> Cause {
        let value = |key: &CostKey| {
            let place = DIMENSIONS.iter().position(|known| *known == dimension)?;
            self.symbols.text(key[place])
        };
        Cause::OtherValue {
            dimension,
            csv: value(csv),
            db: value(db),
        }
    }
}

fn side<'a>(groups: impl Iterator<Item = Group<'a>>, kept: DimensionSet) -> Side<'a> {
    let by_rest = |group: Group<'a>| {
        kept.iter()
            .map(move |dimension| ((dimension, without(group.0, kept, dimension)), group))
    };
    groups.take(LIMIT).flat_map(by_rest).collect()
}

fn without(key: &CostKey, kept: DimensionSet, dimension: Dimension) -> CostKey {
    projected(*key, kept.without(dimension))
}
