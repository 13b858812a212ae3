//! On which line a record begins.

use std::collections::VecDeque;
use std::io::{self, Read};

/// Passes bytes on and remembers where lines with something in them begin.
///
/// The position that the `csv` crate gives a record is where the last one ended, which lies a line too early after
/// CR LF and before blank lines.
#[derive(Debug)]
pub(super) struct LineStarts<R> {
    input: R,
    /// Bytes passed on.
    offset: u64,
    /// The line of the next byte.
    line: u64,
    /// Whether the line of the next byte has something in it already.
    has_begun: bool,
    /// Beginnings that nobody asked about yet, as offset and line. Asking drops the earlier ones, so that there are
    /// never more than the lines of one record and one buffer.
    starts: VecDeque<(u64, u64)>,
    /// The line of the last beginning that was dropped.
    last: u64,
}

impl<R> LineStarts<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            offset: 0,
            line: 1,
            has_begun: false,
            starts: VecDeque::new(),
            last: 1,
        }
    }

    /// What is passed on.
    pub(super) const fn input(&self) -> &R {
        &self.input
    }

    /// The line of the last record that was asked about.
    pub(super) fn last_line(&self) -> u64 {
        self.starts.front().map_or(self.last, |(_, line)| *line)
    }

    /// The line of the first record that begins at this offset or behind it; of the last one, if there is none.
    /// Offsets must not go down.
    pub(super) fn line_at(&mut self, offset: u64) -> u64 {
        while let Some((start, line)) = self.starts.front().copied() {
            if start >= offset {
                return line;
            }
            self.last = line;
            self.starts.pop_front();
        }
        self.last
    }

    fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.has_begun = false;
                }
                b'\r' => {}
                _ if self.has_begun => {}
                _ => {
                    self.has_begun = true;
                    self.starts.push_back((self.offset, self.line));
                }
            }
            self.offset += 1;
        }
    }
}

impl<R: Read> Read for LineStarts<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.pass(&buffer[..length]);
        Ok(length)
    }
}
