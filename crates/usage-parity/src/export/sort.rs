//! Rows brought into time order in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};

use super::rows::Row;
use crate::groups::Key;

/// How many bytes of rows are held before they go to a temporary file.
const RUN_BYTES: usize = 32 << 20;

/// Takes rows in any order and gives them back by window. Rows of one window come in the order in which they went in.
///
/// More rows than fit in [`RUN_BYTES`] are sorted part by part into temporary files, which are then merged.
pub(super) struct Sorter {
    row_bytes: usize,
    run_bytes: usize,
    rows: Vec<u8>,
    starts: Vec<(i64, u32)>,
    runs: Vec<File>,
}

/// Rows in time order.
pub(super) struct Sorted {
    runs: Vec<Run>,
    /// The next row of each run: its window, then the run, so that earlier runs come first.
    next: BinaryHeap<Reverse<(i64, usize)>>,
}

struct Run {
    input: Box<dyn Read + Send>,
    row: Vec<u8>,
}

impl Sorter {
    /// A sorter of rows with this many values.
    pub(super) fn new(values: usize) -> Self {
        Self::with_run_bytes(values, RUN_BYTES)
    }

    fn with_run_bytes(values: usize, run_bytes: usize) -> Self {
        let row_bytes = size_of::<i64>() * (1 + values) + size_of::<Key>() + size_of::<u32>() + 1;
        Self {
            row_bytes,
            run_bytes,
            rows: Vec::new(),
            starts: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes a row.
    pub(super) fn push(&mut self, row: &Row) -> io::Result<()> {
        let place = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        self.starts.push((row.start, place));
        let before = self.rows.len();
        self.rows.extend_from_slice(&row.start.to_le_bytes());
        row.key
            .iter()
            .for_each(|symbol| self.rows.extend_from_slice(&symbol.to_le_bytes()));
        row.values
            .iter()
            .for_each(|value| self.rows.extend_from_slice(&value.to_le_bytes()));
        self.rows.extend_from_slice(&row.present.to_le_bytes());
        self.rows.push(u8::from(row.is_idle));
        debug_assert_eq!(self.rows.len() - before, self.row_bytes, "every row has one size");
        if self.rows.len() >= self.run_bytes {
            self.write_run()?;
        }
        Ok(())
    }

    /// The rows in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        let mut runs = Vec::with_capacity(self.runs.len() + 1);
        for mut file in std::mem::take(&mut self.runs) {
            file.rewind()?;
            runs.push(Box::new(BufReader::with_capacity(1 << 16, file)) as Box<dyn Read + Send>);
        }
        let mut last = Vec::with_capacity(self.rows.len());
        self.sorted_run(|row| {
            last.extend_from_slice(row);
            Ok(())
        })?;
        runs.push(Box::new(io::Cursor::new(last)));
        let row_bytes = self.row_bytes;
        drop(self);
        let mut sorted = Sorted {
            runs: Vec::with_capacity(runs.len()),
            next: BinaryHeap::new(),
        };
        for (place, input) in runs.into_iter().enumerate() {
            let mut run = Run {
                input,
                row: vec![0; row_bytes],
            };
            if let Some(start) = run.advance()? {
                sorted.next.push(Reverse((start, place)));
            }
            sorted.runs.push(run);
        }
        Ok(sorted)
    }

    fn write_run(&mut self) -> io::Result<()> {
        let file = tempfile::tempfile()?;
        let mut out = BufWriter::with_capacity(1 << 18, file);
        self.sorted_run(|row| out.write_all(row))?;
        self.runs
            .push(out.into_inner().map_err(io::IntoInnerError::into_error)?);
        self.rows.clear();
        self.starts.clear();
        Ok(())
    }

    fn sorted_run(&mut self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        // With the place behind the time, the order is that of a stable sort.
        self.starts.sort_unstable();
        self.starts.iter().try_for_each(|(_, place)| {
            let from = *place as usize * self.row_bytes;
            each(&self.rows[from..][..self.row_bytes])
        })
    }
}

impl Sorted {
    /// Reads the next row into `row`; false at the end.
    pub(super) fn read(&mut self, row: &mut Row) -> io::Result<bool> {
        let Some(Reverse((_, place))) = self.next.pop() else {
            return Ok(false);
        };
        let run = &mut self.runs[place];
        run.decode(row);
        if let Some(start) = run.advance()? {
            self.next.push(Reverse((start, place)));
        }
        Ok(true)
    }
}

impl Run {
    /// Reads the next row of the run and returns its window; `None` at the end.
    fn advance(&mut self) -> io::Result<Option<i64>> {
        match self.input.read_exact(&mut self.row) {
            Ok(()) => {
                let mut start = [0; 8];
                start.copy_from_slice(&self.row[..8]);
                Ok(Some(i64::from_le_bytes(start)))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn decode(&self, row: &mut Row) {
        let mut bytes = self.row.as_slice();
        row.start = i64::from_le_bytes(take(&mut bytes));
        for symbol in &mut row.key {
            *symbol = u32::from_le_bytes(take(&mut bytes));
        }
        for value in &mut row.values {
            *value = i64::from_le_bytes(take(&mut bytes));
        }
        row.present = u32::from_le_bytes(take(&mut bytes));
        row.is_idle = take::<1>(&mut bytes) == [1];
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (head, rest) = bytes.split_at(N);
    *bytes = rest;
    let mut taken = [0; N];
    taken.copy_from_slice(head);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_by_window_whether_or_not_they_fit_in_memory() {
        let starts: Vec<i64> = (0..1_000).map(|index| (index * 7_919) % 31 * 86_400).collect();
        for run_bytes in [usize::MAX, 1_000, 1] {
            let mut sorter = Sorter::with_run_bytes(2, run_bytes);
            for (index, start) in (0_i64..).zip(&starts) {
                let row = Row {
                    start: *start,
                    key: [7; _],
                    values: vec![index, -1],
                    present: 3,
                    is_idle: index % 2 == 0,
                };
                sorter.push(&row).unwrap();
            }
            let mut sorted = sorter.finish().unwrap();
            let mut row = Row {
                values: vec![0; 2],
                ..Row::default()
            };
            let mut seen = Vec::new();
            while sorted.read(&mut row).unwrap() {
                assert_eq!((row.key, row.present, row.values[1]), ([7; _], 3, -1));
                assert_eq!(row.is_idle, row.values[0] % 2 == 0);
                seen.push((row.start, row.values[0]));
            }
            let mut expected: Vec<(i64, i64)> = starts.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            assert_eq!(seen, expected, "{run_bytes}");
        }
    }
}
