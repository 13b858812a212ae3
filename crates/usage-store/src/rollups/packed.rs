//! Cells in bytes, column by column: a question reads the columns of its dimensions and adds up the others as they stand.
//!
//! All numbers are little-endian. A version, the number of dimensions and of columns (1 byte each), the number of cells (4). Then
//! for each dimension its tag (1), how many texts it has (4), each with its length (4), and the number of each cell's text, 0 for none,
//! in as many bytes as needed. Then each column: a kind (1) and what that kind says. Cells stand in the order of their texts, so
//! that the same cells are the same bytes.

use usage_core::{Dimension, DimensionSet};

use super::cells::{Beyond, Cells, Counters, Key, PLACES, Table};
use crate::error::StoreError;

/// Grows when the layout changes, and when a column comes in between: then the days must be marked as stale, too.
const VERSION: u8 = 1;

/// No cell has a number.
const ABSENT: u8 = 0;
/// Every cell has the number that follows (8).
const CONSTANT: u8 = 1;
/// The column is the same as the earlier one whose number follows (1).
const SAME: u8 = 2;
/// A lowest number (8), the bytes of a number (1), and each cell's number less the lowest.
const FULL: u8 = 3;
/// As [`FULL`], with a bit for each cell before the numbers: whether it has one.
const SPARSE: u8 = 4;

pub(super) fn pack(day: &Cells, table: &Table, dimensions: DimensionSet) -> Vec<u8> {
    let mut kept = Vec::with_capacity(dimensions.len());
    for (index, dimension) in Dimension::USAGE.into_iter().enumerate() {
        if dimensions.contains(dimension) {
            let (texts, ranks) = ranked(day, table, index);
            kept.push((dimension, index, texts, ranks));
        }
    }
    let mut cells: Vec<(Key, &Counters)> = table
        .cells
        .iter()
        .map(|(key, counters)| {
            let mut ranked = Key::default();
            for (_, index, _, ranks) in &kept {
                ranked[*index] = ranks[key[*index] as usize];
            }
            (ranked, counters)
        })
        .collect();
    cells.sort_unstable_by_key(|(key, _)| *key);

    let mut out = Vec::with_capacity(64 + cells.len() * 48);
    out.extend([VERSION, byte(kept.len()), byte(PLACES)]);
    out.extend(length(cells.len()).to_le_bytes());
    for (dimension, index, texts, _) in &kept {
        out.push(*dimension as u8);
        out.extend(length(texts.len()).to_le_bytes());
        for text in texts {
            out.extend(length(text.len()).to_le_bytes());
            out.extend(text.as_bytes());
        }
        let width = bytes_of(texts.len() as u64);
        for (key, _) in &cells {
            out.extend(&key[*index].to_le_bytes()[..width]);
        }
    }
    let mut columns: Vec<Vec<Option<i64>>> = Vec::with_capacity(PLACES);
    for place in 0..PLACES {
        let column: Vec<Option<i64>> = cells.iter().map(|(_, counters)| counters.get(place)).collect();
        pack_column(&mut out, &column, &columns);
        columns.push(column);
    }
    out
}

/// The texts of a dimension that the cells have, sorted, and the number that each gets in the order of the day's own.
fn ranked<'a>(day: &'a Cells, table: &Table, index: usize) -> (Vec<&'a str>, Vec<u32>) {
    let all = &day.texts[index].texts;
    let mut used = vec![false; all.len() + 1];
    for (key, _) in &table.cells {
        used[key[index] as usize] = true;
    }
    let mut texts: Vec<(&str, usize)> = all
        .iter()
        .enumerate()
        .filter(|(number, _)| used[number + 1])
        .map(|(number, text)| (text.as_str(), number + 1))
        .collect();
    texts.sort_unstable();
    let mut ranks = vec![0; all.len() + 1];
    for (rank, (_, number)) in (1..).zip(&texts) {
        ranks[*number] = rank;
    }
    (texts.into_iter().map(|(text, _)| text).collect(), ranks)
}

fn pack_column(out: &mut Vec<u8>, column: &[Option<i64>], earlier: &[Vec<Option<i64>>]) {
    let Some(lowest) = column.iter().flatten().min().copied() else {
        out.push(ABSENT);
        return;
    };
    let sparse = column.iter().any(Option::is_none);
    if !sparse && column.iter().all(|value| *value == Some(lowest)) {
        out.push(CONSTANT);
        out.extend(lowest.to_le_bytes());
        return;
    }
    if let Some(same) = earlier.iter().position(|other| other == column) {
        out.extend([SAME, byte(same)]);
        return;
    }
    let above = |value: i64| value.wrapping_sub(lowest).cast_unsigned();
    let width = bytes_of(
        column
            .iter()
            .flatten()
            .map(|value| above(*value))
            .max()
            .unwrap_or(0),
    );
    out.push(if sparse { SPARSE } else { FULL });
    out.extend(lowest.to_le_bytes());
    out.push(byte(width));
    if sparse {
        for cells in column.chunks(8) {
            let bits = cells.iter().enumerate();
            out.push(bits.fold(0, |bits, (index, value)| {
                bits | u8::from(value.is_some()) << index
            }));
        }
    }
    for value in column {
        out.extend(&value.map_or(0, above).to_le_bytes()[..width]);
    }
}

/// One, two, four or eight bytes hold it.
const fn bytes_of(most: u64) -> usize {
    match most {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}

/// Dimensions, columns and bytes of a number are few.
fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Cells, texts and their bytes are fewer than 4 billion.
fn length(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Packed cells, opened for reading.
pub(crate) struct Packed<'a> {
    pub(crate) cells: usize,
    pub(crate) dimensions: Vec<PackedDimension<'a>>,
    columns: Vec<Column<'a>>,
}

/// A dimension of packed cells.
pub(crate) struct PackedDimension<'a> {
    pub(crate) dimension: Dimension,
    /// The texts that cells refer to, by their number less one.
    pub(crate) texts: Vec<&'a str>,
    numbers: Numbers<'a>,
}

impl PackedDimension<'_> {
    /// Which text a cell has; 0 is none.
    pub(crate) fn number(&self, cell: usize) -> usize {
        usize::try_from(self.numbers.get(cell)).unwrap_or(usize::MAX)
    }
}

#[derive(Clone, Copy)]
struct Numbers<'a> {
    width: usize,
    bytes: &'a [u8],
}

impl Numbers<'_> {
    fn get(&self, cell: usize) -> u64 {
        let mut value = [0; 8];
        value[..self.width].copy_from_slice(&self.bytes[cell * self.width..(cell + 1) * self.width]);
        u64::from_le_bytes(value)
    }
}

#[derive(Clone, Copy)]
enum Column<'a> {
    Absent,
    Constant(i64),
    Numbers {
        lowest: i64,
        present: Option<&'a [u8]>,
        numbers: Numbers<'a>,
    },
}

impl<'a> Packed<'a> {
    /// Opens what [`pack`] made; fails for anything else.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, StoreError> {
        Reader { bytes }
            .packed()
            .ok_or_else(|| StoreError::corrupt("rollup", format!("of {} bytes", bytes.len())))
    }

    /// Adds the numbers of cells to counters: pairs of a cell and a place in `sums`.
    pub(crate) fn add_to(&self, sums: &mut [Counters], cells: &[(usize, usize)]) -> Result<(), Beyond> {
        for (place, column) in self.columns.iter().enumerate() {
            match *column {
                Column::Absent => {}
                Column::Constant(value) => {
                    for (_, sum) in cells {
                        sums[*sum].add_to(place, value)?;
                    }
                }
                Column::Numbers {
                    lowest,
                    present,
                    numbers: Numbers { width, bytes },
                } => {
                    let sums = &mut *sums;
                    match width {
                        1 => add(sums, cells, place, lowest, present, |cell| u64::from(bytes[cell])),
                        2 => add(sums, cells, place, lowest, present, |cell| {
                            u64::from(u16::from_le_bytes(fixed(bytes, cell)))
                        }),
                        4 => add(sums, cells, place, lowest, present, |cell| {
                            u64::from(u32::from_le_bytes(fixed(bytes, cell)))
                        }),
                        _ => add(sums, cells, place, lowest, present, |cell| {
                            u64::from_le_bytes(fixed(bytes, cell))
                        }),
                    }?;
                }
            }
        }
        Ok(())
    }
}

fn fixed<const N: usize>(bytes: &[u8], cell: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[cell * N..(cell + 1) * N]);
    value
}

fn add(
    sums: &mut [Counters],
    cells: &[(usize, usize)],
    place: usize,
    lowest: i64,
    present: Option<&[u8]>,
    number: impl Fn(usize) -> u64,
) -> Result<(), Beyond> {
    for (cell, sum) in cells {
        if present.is_none_or(|bits| bits[cell / 8] & 1 << (cell % 8) != 0) {
            sums[*sum].add_to(place, lowest.wrapping_add_unsigned(number(*cell)))?;
        }
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn packed(mut self) -> Option<Packed<'a>> {
        let [version, dimensions, columns] = self.array()?;
        if version != VERSION || usize::from(columns) != PLACES {
            return None;
        }
        let cells = self.length()?;
        let dimensions = (0..dimensions)
            .map(|_| self.dimension(cells))
            .collect::<Option<Vec<_>>>()?;
        let mut read: Vec<Column<'a>> = Vec::with_capacity(PLACES);
        for _ in 0..columns {
            let column = match self.array::<1>()?[0] {
                ABSENT => Column::Absent,
                CONSTANT => Column::Constant(i64::from_le_bytes(self.array()?)),
                SAME => *read.get(usize::from(self.array::<1>()?[0]))?,
                kind @ (FULL | SPARSE) => {
                    let lowest = i64::from_le_bytes(self.array()?);
                    let width = usize::from(self.array::<1>()?[0]);
                    if ![1, 2, 4, 8].contains(&width) {
                        return None;
                    }
                    let present = (kind == SPARSE).then(|| self.take(cells.div_ceil(8)));
                    let present = match present {
                        Some(bits) => Some(bits?),
                        None => None,
                    };
                    let numbers = self.numbers(cells, width)?;
                    Column::Numbers {
                        lowest,
                        present,
                        numbers,
                    }
                }
                _ => return None,
            };
            read.push(column);
        }
        self.bytes.is_empty().then_some(Packed {
            cells,
            dimensions,
            columns: read,
        })
    }

    fn dimension(&mut self, cells: usize) -> Option<PackedDimension<'a>> {
        let tag = self.array::<1>()?[0];
        let dimension = Dimension::USAGE
            .into_iter()
            .find(|dimension| *dimension as u8 == tag)?;
        let count = self.length()?;
        let mut texts = Vec::with_capacity(count.min(self.bytes.len()));
        for _ in 0..count {
            let length = self.length()?;
            texts.push(std::str::from_utf8(self.take(length)?).ok()?);
        }
        let numbers = self.numbers(cells, bytes_of(count as u64))?;
        // So that nobody need look again whether a number has a text.
        (0..cells)
            .all(|cell| numbers.get(cell) <= count as u64)
            .then_some(PackedDimension {
                dimension,
                texts,
                numbers,
            })
    }

    fn numbers(&mut self, cells: usize, width: usize) -> Option<Numbers<'a>> {
        let bytes = self.take(cells.checked_mul(width)?)?;
        Some(Numbers { width, bytes })
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use usage_core::{Dimensions, Metrics};

    use super::*;
    use crate::rollups::WHOLE;

    fn event(number: i64) -> (Dimensions, Metrics, Option<i64>) {
        let dimensions = Dimensions {
            project_id: (number % 3 > 0).then(|| format!("proj_{}", number % 3)),
            model: Some(format!("gpt-{}", number % 7)),
            user_id: Some(format!("user-{number}")),
            batch: [None, Some(true), Some(false)][usize::try_from(number).unwrap() % 3],
            ..Dimensions::default()
        };
        let metrics = Metrics {
            input_tokens: Some(number * 1_000_000_007),
            output_tokens: (number % 2 == 0).then_some(number),
            input_cached_tokens: Some(0),
            num_model_requests: (number == 1).then_some(i64::MAX),
            ..Metrics::default()
        };
        (dimensions, metrics, (number % 5 > 0).then_some(-number))
    }

    fn cells(numbers: impl Iterator<Item = i64>) -> Cells {
        let mut cells = Cells::default();
        for (dimensions, metrics, cost) in numbers.map(event) {
            cells.add(&dimensions, &metrics, cost);
        }
        cells
    }

    /// Every cell of every cuboid sums up to the same.
    #[test]
    fn what_was_packed_sums_up_to_what_was_added() {
        for (events, cuboids) in [(1, 1), (128, 1), (129, 7)] {
            let packed = cells(1..=events).pack().unwrap();
            assert_eq!(packed.len(), cuboids);
            for (number, bytes) in packed {
                let opened = Packed::open(&bytes).unwrap();
                let mut sums = [Counters::default()];
                let all: Vec<(usize, usize)> = (0..opened.cells).map(|cell| (cell, 0)).collect();
                opened.add_to(&mut sums, &all).unwrap();
                let [sums] = sums;
                let metrics = sums.metrics();
                assert_eq!(sums.get(0), Some(events), "cuboid {number}");
                assert_eq!(sums.get(1), Some(events / 5));
                let cost: i64 = (1..=events).filter(|number| number % 5 > 0).sum();
                assert_eq!(sums.get(2), Some(-cost));
                assert_eq!(
                    metrics.input_tokens,
                    Some(1_000_000_007 * events * (events + 1) / 2)
                );
                let even = events / 2;
                assert_eq!(metrics.output_tokens, (even > 0).then_some(even * (even + 1)));
                assert_eq!(metrics.input_cached_tokens, Some(0));
                assert_eq!(metrics.num_model_requests, Some(i64::MAX));
                assert_eq!((metrics.seconds, sums.derived()[2]), (None, None));
                assert_eq!(sums.derived()[0], metrics.input_tokens, "nothing is cached");
            }
        }
    }

    #[test]
    fn the_same_cells_are_the_same_bytes_whatever_their_order() {
        for events in [90, 300] {
            assert_eq!(
                cells(0..events).pack().unwrap(),
                cells((0..events).rev()).pack().unwrap()
            );
        }
    }

    #[test]
    fn a_sum_beyond_64_bits_is_not_packed() {
        let mut twice = cells(1..=1);
        let (dimensions, metrics, cost) = event(1);
        twice.add(&dimensions, &metrics, cost);
        assert_eq!(twice.pack(), None);
        // Each event can stand alone, but not two of them in a cell of fewer dimensions.
        let mut large = cells(0..200);
        let other = Dimensions {
            user_id: Some("another".to_owned()),
            ..dimensions
        };
        large.add(&other, &metrics, cost);
        assert_eq!(large.pack(), None);
    }

    #[test]
    fn what_is_no_rollup_is_refused() {
        let packed = cells(0..200).pack().unwrap();
        for (number, bytes) in &packed {
            assert!(Packed::open(bytes).is_ok(), "cuboid {number}");
            for end in 0..bytes.len().min(2_000) {
                assert!(
                    Packed::open(&bytes[..end]).is_err(),
                    "cuboid {number} until {end}"
                );
            }
            let mut longer = bytes.clone();
            longer.push(0);
            assert!(Packed::open(&longer).is_err());
            for (place, value) in [(0, VERSION + 1), (2, byte(PLACES - 1)), (7, 99)] {
                let mut other = bytes.clone();
                other[place] = value;
                assert!(Packed::open(&other).is_err(), "byte {place}");
            }
        }
        assert_eq!(WHOLE.dimensions.len(), Dimension::USAGE.len());
    }
}
