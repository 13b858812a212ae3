//! All groups of one window, summed by identity.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};
use usage_core::{DimensionSet, Endpoint, Metric, Window};

use super::key::{Key, projected};
use super::symbols::{ABSENT, Symbol};

/// The groups of one window. Rows of one identity are summed.
///
/// Numbers stand side by side in one list, so that a group takes some two hundred bytes.
#[derive(Debug)]
pub(crate) struct WindowGroups {
    window: Window,
    metrics: &'static [Metric],
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    keys: Vec<Key>,
    /// `metrics.len()` numbers a group.
    sums: Vec<i64>,
    /// A bit for each metric that some row had a number for.
    present: Vec<u32>,
    /// How many rows were summed.
    rows: Vec<u32>,
    /// The symbols of all keys, or'ed: 0 where no group has a value.
    union: Key,
}

/// One group, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'a> {
    /// Its identity in the window.
    pub(crate) key: &'a Key,
    /// Its numbers, in the order of the endpoint's metrics; 0 where none was reported.
    pub(crate) sums: &'a [i64],
    /// Which of them were reported.
    pub(crate) present: u32,
    /// How many rows it was summed from.
    pub(crate) rows: u32,
}

impl WindowGroups {
    /// No groups yet.
    pub(crate) fn new(window: Window, endpoint: Endpoint) -> Self {
        Self {
            window,
            metrics: endpoint.metrics(),
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            keys: Vec::new(),
            sums: Vec::new(),
            present: Vec::new(),
            rows: Vec::new(),
            union: [ABSENT; _],
        }
    }

    /// The window.
    pub(crate) const fn window(&self) -> Window {
        self.window
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no group.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The dimensions for which some group has a value.
    pub(crate) fn used(&self) -> DimensionSet {
        super::key::used(&self.union)
    }

    /// Adds a row to its group.
    ///
    /// Fails with the metric whose sum is beyond 64 bits.
    pub(crate) fn add(&mut self, key: &Key, values: &[i64], present: u32, rows: u32) -> Result<(), Metric> {
        let width = self.metrics.len();
        debug_assert_eq!(values.len(), width, "a number for each metric");
        let hash = self.hasher.hash_one(key);
        if let Some(place) = self.places.find(hash, |place| self.keys[*place as usize] == *key) {
            let place = *place as usize;
            let sums = &mut self.sums[place * width..][..width];
            for ((sum, value), metric) in sums.iter_mut().zip(values).zip(self.metrics) {
                *sum = sum.checked_add(*value).ok_or(*metric)?;
            }
            self.present[place] |= present;
            self.rows[place] = self.rows[place].saturating_add(rows);
            return Ok(());
        }
        let place = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.keys.push(*key);
        self.sums.extend_from_slice(values);
        self.present.push(present);
        self.rows.push(rows);
        for (all, symbol) in self.union.iter_mut().zip(key) {
            *all |= *symbol;
        }
        let Self {
            places, hasher, keys, ..
        } = self;
        places.insert_unique(hash, place, |place| hasher.hash_one(keys[*place as usize]));
        Ok(())
    }

    /// The place of a group.
    pub(crate) fn find(&self, key: &Key) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        self.places
            .find(hash, |place| self.keys[*place as usize] == *key)
            .map(|place| *place as usize)
    }

    /// The group at a place.
    pub(crate) fn group(&self, place: usize) -> Group<'_> {
        let width = self.metrics.len();
        Group {
            key: &self.keys[place],
            sums: &self.sums[place * width..][..width],
            present: self.present[place],
            rows: self.rows[place],
        }
    }

    /// Every group, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Group<'_>> {
        (0..self.len()).map(|place| self.group(place))
    }

    /// The groups summed over every dimension that is not kept.
    ///
    /// Fails with the metric whose sum is beyond 64 bits.
    pub(crate) fn summed_over_others(self, kept: DimensionSet, endpoint: Endpoint) -> Result<Self, Metric> {
        if self.used().is_subset(kept) {
            return Ok(self);
        }
        let mut coarse = Self::new(self.window, endpoint);
        for group in self.iter() {
            coarse.add(
                &projected(*group.key, kept),
                group.sums,
                group.present,
                group.rows,
            )?;
        }
        Ok(coarse)
    }

    /// Only the groups for which the test holds, and how many others there were.
    pub(crate) fn retain(self, endpoint: Endpoint, is_kept: impl Fn(&Key) -> bool) -> (Self, usize) {
        if self.keys.iter().all(&is_kept) {
            return (self, 0);
        }
        let mut kept = Self::new(self.window, endpoint);
        for group in self.iter().filter(|group| is_kept(group.key)) {
            // Keys are distinct already, so nothing is summed.
            let _ = kept.add(group.key, group.sums, group.present, group.rows);
        }
        let others = self.len() - kept.len();
        (kept, others)
    }

    /// Whether both hold the same groups with the same numbers.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().all(|group| {
                other
                    .find(group.key)
                    .is_some_and(|place| other.group(place).sums == group.sums)
            })
    }
}

impl Group<'_> {
    /// The symbol of one dimension.
    pub(crate) fn symbol(&self, dimension: usage_core::Dimension) -> Symbol {
        self.key[dimension as usize]
    }
}
