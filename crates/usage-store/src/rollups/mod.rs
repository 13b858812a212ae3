//! Rollups: the sums of each day, kept beside its events, so that a question about a year need not read the year.
//!
//! What a day is made of is its events at the width at which it is shown; its sums are told apart by a few sets of dimensions
//! ([`Cuboid`]) and packed column by column ([`packed`]). Triggers mark the days of which somebody changed events or coverage
//! ([`stale`]), and whoever writes makes the sums of its days anew before it commits ([`settle`]), so they are exact at every
//! moment. Who does not know of them leaves the marks, and such days are answered from their events until
//! [`crate::Ledger::migrate`] makes their sums.

mod cells;
mod check;
pub(crate) mod packed;
mod rebuild;
pub(crate) mod stale;
mod width;

use usage_core::{Dimension, DimensionSet};

pub(crate) use cells::{Beyond, Cells, Counters};
pub(crate) use check::differing;
pub(crate) use rebuild::{Inserted, settle, settle_inserted};

/// The seconds of a UTC day.
pub(crate) const DAY: i64 = 86_400;
/// The writer of a mark that stays: a sum of the day is beyond 64 bits.
pub(crate) const BEYOND: i64 = -1;

/// A set of dimensions by which the sums of a day are told apart. The number stands in the database: it is given once, and another
/// set gets another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cuboid {
    pub(crate) number: i64,
    pub(crate) dimensions: DimensionSet,
    /// Whose cells it is summed up from: the number of a finer one that comes before it in [`CUBOIDS`].
    from: i64,
}

const fn cuboid(number: i64, from: i64, dimensions: &[Dimension]) -> Cuboid {
    let mut set = DimensionSet::EMPTY;
    let mut index = 0;
    while index < dimensions.len() {
        set = set.with(dimensions[index]);
        index += 1;
    }
    Cuboid {
        number,
        dimensions: set,
        from,
    }
}

/// Every dimension: the only cuboid of a small day, from which every question is answered.
pub(crate) const WHOLE: Cuboid = cuboid(0, 0, &Dimension::USAGE);

/// The cuboids of a day that is not small, each after the one that it is summed up from. Together they have every pair of the six
/// dimensions that people ask for, and the first has all six, for whoever filters by one and groups by others.
pub(crate) const CUBOIDS: [Cuboid; 10] = {
    use Dimension::{ApiKeyId, Batch, Model, ProjectId, ServiceTier, UserId};
    [
        cuboid(1, 0, &[ProjectId, ApiKeyId, UserId, Model, ServiceTier, Batch]),
        cuboid(2, 1, &[ProjectId, ApiKeyId, UserId, ServiceTier, Batch]),
        cuboid(3, 1, &[ProjectId, UserId, Model]),
        cuboid(4, 1, &[ProjectId, ApiKeyId, Model]),
        cuboid(5, 1, &[ProjectId, Model, ServiceTier, Batch]),
        cuboid(6, 3, &[UserId]),
        cuboid(7, 4, &[ApiKeyId]),
        cuboid(8, 5, &[ProjectId]),
        cuboid(9, 5, &[Model]),
        cuboid(10, 5, &[ServiceTier, Batch]),
    ]
};

/// The numbers of all cuboids.
fn numbers() -> Vec<i64> {
    std::iter::once(WHOLE)
        .chain(CUBOIDS)
        .map(|cuboid| cuboid.number)
        .collect()
}

/// How many cells a small day has at most.
const SMALL: usize = 128;

/// A cuboid is kept if the one that it is summed up from has at least so many times as many cells. One that hardly shrinks
/// costs as much to make, write and read as the finer one that answers the same questions.
const SHRINKS: usize = 2;

/// The numbers of the cuboids that tell these dimensions apart, of which the first that a day has is the one to read: that
/// with the fewest cells, those that it is summed up from, and at last that of small days.
pub(crate) fn cuboids_for(dimensions: DimensionSet) -> Vec<i64> {
    let mut numbers = Vec::new();
    let mut next = CUBOIDS
        .into_iter()
        .rev()
        .find(|cuboid| dimensions.is_subset(cuboid.dimensions));
    while let Some(cuboid) = next {
        numbers.push(cuboid.number);
        next = CUBOIDS.into_iter().find(|finer| finer.number == cuboid.from);
    }
    numbers.push(WHOLE.number);
    numbers
}

/// The bits of cuboids in `usage_days.cuboids`.
pub(crate) fn bits(numbers: impl IntoIterator<Item = i64>) -> i64 {
    numbers.into_iter().fold(0, |bits, number| bits | 1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_the_dimensions_people_ask_for_has_a_small_cuboid() {
        let [all, ..] = CUBOIDS;
        assert_eq!(all.dimensions.len(), 6);
        for left in all.dimensions.iter() {
            for right in all.dimensions.iter() {
                let pair = DimensionSet::EMPTY.with(left).with(right);
                let found = cuboids_for(pair);
                assert!(found.len() > 2, "{pair}");
                assert_eq!(found[found.len() - 2..], [all.number, WHOLE.number], "{pair}");
                for cuboid in CUBOIDS
                    .into_iter()
                    .filter(|cuboid| found.contains(&cuboid.number))
                {
                    assert!(pair.is_subset(cuboid.dimensions), "{pair}: {cuboid:?}");
                }
            }
        }
        assert_eq!(
            cuboids_for(DimensionSet::EMPTY.with(Dimension::Size)),
            [WHOLE.number]
        );
        assert_eq!(
            cuboids_for(DimensionSet::EMPTY.with(Dimension::UserId)),
            [6, 3, 1, 0]
        );
        assert_eq!(bits([6, 3, 1, 0]), 0b100_1011);
    }

    #[test]
    fn each_is_summed_up_from_a_finer_one_before_it() {
        let mut before = vec![WHOLE];
        for cuboid in CUBOIDS {
            let from = before.iter().find(|finer| finer.number == cuboid.from).unwrap();
            assert!(cuboid.dimensions.is_subset(from.dimensions), "{cuboid:?}");
            assert!(before.iter().all(|other| other.number != cuboid.number));
            before.push(cuboid);
        }
    }
}
