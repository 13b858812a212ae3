//! The sums of a day on their way into the database.

use hashbrown::HashMap;
use usage_core::{Dimension, DimensionSet, Dimensions, Metric, Metrics, TokenSplit};

use super::{CUBOIDS, Cuboid, SHRINKS, SMALL, WHOLE, cuboids_for, packed};

/// How many numbers a cell has: events, those without a price, the cost in nano-USD, every reported metric, and the classes of
/// the token split that are derived row by row.
pub(crate) const PLACES: usize = 3 + METRICS + 3;
const METRICS: usize = Metric::ALL.len();

/// The numbers of a cell; one that no row had is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    present: u64,
    values: [i64; PLACES],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            present: 0,
            values: [0; PLACES],
        }
    }
}

/// A number beyond 64 bits, at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beyond(pub(crate) usize);

impl Counters {
    /// The numbers of one event.
    fn of(metrics: &Metrics, cost: Option<i64>) -> Self {
        let mut counters = Self::default();
        counters.set(0, Some(1));
        counters.set(1, Some(i64::from(cost.is_none())));
        counters.set(2, cost);
        for (place, metric) in (3..).zip(Metric::ALL) {
            counters.set(place, metrics.get(metric));
        }
        let split = TokenSplit::of(metrics);
        let derived = [split.uncached, split.cached_read, split.cache_write];
        for (place, class) in (3 + METRICS..).zip(derived) {
            counters.set(place, class);
        }
        counters
    }

    pub(crate) const fn get(&self, place: usize) -> Option<i64> {
        if self.present & 1 << place == 0 {
            None
        } else {
            Some(self.values[place])
        }
    }

    /// The reported metrics.
    pub(crate) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        for (place, metric) in (3..).zip(Metric::ALL) {
            *metrics.get_mut(metric) = self.get(place);
        }
        metrics
    }

    /// The classes of the token split that are derived row by row: uncached, cached read, cache write.
    pub(crate) const fn derived(&self) -> [Option<i64>; 3] {
        [
            self.get(3 + METRICS),
            self.get(4 + METRICS),
            self.get(5 + METRICS),
        ]
    }

    const fn set(&mut self, place: usize, value: Option<i64>) {
        if let Some(value) = value {
            self.present |= 1 << place;
            self.values[place] = value;
        }
    }

    /// Adds to one number.
    pub(crate) fn add_to(&mut self, place: usize, value: i64) -> Result<(), Beyond> {
        self.present |= 1 << place;
        let sum = self.values[place].checked_add(value).ok_or(Beyond(place))?;
        self.values[place] = sum;
        Ok(())
    }

    fn add(&mut self, other: &Self) -> Result<(), Beyond> {
        let mut overflowed = None;
        for (place, (sum, value)) in self.values.iter_mut().zip(&other.values).enumerate() {
            let (added, beyond) = sum.overflowing_add(*value);
            *sum = added;
            if beyond {
                overflowed = Some(Beyond(place));
            }
        }
        self.present |= other.present;
        overflowed.map_or(Ok(()), Err)
    }
}

/// How many dimensions usage has.
pub(super) const DIMENSIONS: usize = Dimension::USAGE.len();

/// The values of a cell's dimensions, as numbers of the day's own; 0 is none.
pub(super) type Key = [u32; DIMENSIONS];

/// The texts of one dimension, by their number less one.
#[derive(Default)]
pub(super) struct Texts {
    numbers: HashMap<String, u32>,
    pub(super) texts: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: Option<&str>) -> u32 {
        let Some(text) = text else { return 0 };
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.texts.push(text.to_owned());
        // A day has fewer values than a database has rows; beyond that it could not be read either.
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// The sums of a day, told apart by every dimension.
#[derive(Default)]
pub(crate) struct Cells {
    pub(super) texts: [Texts; DIMENSIONS],
    whole: Table,
    events: i64,
    beyond: bool,
}

/// Cells by the values of some dimensions.
#[derive(Default)]
pub(super) struct Table {
    places: HashMap<Key, usize>,
    pub(super) cells: Vec<(Key, Counters)>,
}

impl Table {
    fn add(&mut self, key: Key, counters: &Counters) -> Result<(), Beyond> {
        if let Some(place) = self.places.get(&key) {
            return self.cells[*place].1.add(counters);
        }
        self.places.insert(key, self.cells.len());
        self.cells.push((key, *counters));
        Ok(())
    }

    /// The cells as another set of dimensions tells them apart; `None` if those are more than `most`.
    fn coarser(&self, dimensions: DimensionSet, most: usize) -> Result<Option<Self>, Beyond> {
        let kept = Dimension::USAGE.map(|dimension| dimensions.contains(dimension));
        let mut coarser = Self::default();
        // Nothing is summed up before it is known that there are few enough.
        let mut places = Vec::with_capacity(self.cells.len());
        for (key, _) in &self.cells {
            let mut key = *key;
            for (value, kept) in key.iter_mut().zip(kept) {
                *value *= u32::from(kept);
            }
            let next = coarser.cells.len();
            let place = *coarser.places.entry(key).or_insert(next);
            if place == next {
                if next == most {
                    return Ok(None);
                }
                coarser.cells.push((key, Counters::default()));
            }
            places.push(place);
        }
        for (place, (_, counters)) in places.into_iter().zip(&self.cells) {
            coarser.cells[place].1.add(counters)?;
        }
        Ok(Some(coarser))
    }
}

impl Cells {
    /// Adds an event.
    pub(crate) fn add(&mut self, dimensions: &Dimensions, metrics: &Metrics, cost: Option<i64>) {
        let mut key = Key::default();
        for ((value, texts), dimension) in key.iter_mut().zip(&mut self.texts).zip(Dimension::USAGE) {
            *value = texts.number(dimensions.get(dimension));
        }
        let added = self.whole.add(key, &Counters::of(metrics, cost));
        self.events += 1;
        self.beyond |= added.is_err();
    }

    /// How many events were added.
    pub(crate) const fn events(&self) -> i64 {
        self.events
    }

    /// The day as the database keeps it: cuboids by number; `None` if some sum of it is beyond 64 bits.
    pub(crate) fn pack(&self) -> Option<Vec<(i64, Vec<u8>)>> {
        if self.beyond {
            return None;
        }
        if self.events == 0 {
            return Some(Vec::new());
        }
        if self.whole.cells.len() <= SMALL {
            return Some(vec![(
                WHOLE.number,
                packed::pack(self, &self.whole, WHOLE.dimensions),
            )]);
        }
        let mut tables: Vec<(Cuboid, Table)> = Vec::with_capacity(CUBOIDS.len());
        for cuboid in CUBOIDS {
            // The nearest finer one that is kept; the first is made of all there is, and is always kept.
            let from = cuboids_for(cuboid.dimensions)
                .into_iter()
                .find_map(|number| tables.iter().find(|(finer, _)| finer.number == number));
            let (from, most) = from.map_or((&self.whole, usize::MAX), |(_, table)| {
                (table, table.cells.len() / SHRINKS)
            });
            if let Some(table) = from.coarser(cuboid.dimensions, most).ok()? {
                tables.push((cuboid, table));
            }
        }
        let pack =
            |(cuboid, table): &(Cuboid, Table)| (cuboid.number, packed::pack(self, table, cuboid.dimensions));
        Some(tables.iter().map(pack).collect())
    }
}
