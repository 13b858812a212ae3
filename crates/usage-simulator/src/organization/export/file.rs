//! The lines of an export.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use usage_core::Window;

use super::columns::TIME_COLUMNS;
use super::quirks::Quirks;

/// An export that is being written.
pub(super) struct File<'a, W> {
    /// The columns behind the times.
    names: Vec<&'static str>,
    /// Whether any row has more than its times; a file without has the time columns only.
    has_rows: bool,
    quirks: &'a Quirks,
    to: W,
}

impl<'a, W: Write> File<'a, W> {
    pub(super) fn new(names: Vec<&'static str>, has_rows: bool, quirks: &'a Quirks, to: W) -> Self {
        Self {
            names,
            has_rows,
            quirks,
            to,
        }
    }

    pub(super) fn write_header(&mut self) -> io::Result<()> {
        if self.quirks.byte_order_mark {
            self.to.write_all("\u{feff}".as_bytes())?;
        }
        let mut names: Vec<String> = TIME_COLUMNS
            .into_iter()
            .filter(|name| is_kept(name, self.quirks))
            .map(str::to_owned)
            .collect();
        if self.has_rows {
            names.extend(self.quirks.extra_columns.iter().map(|name| quoted(name)));
            names.extend(self.names.iter().map(|name| (*name).to_owned()));
        }
        self.write_line(&names)
    }

    /// A window in which there is nothing.
    pub(super) fn write_idle(&mut self, window: Window) -> io::Result<()> {
        let mut cells = self.times(window);
        if self.has_rows {
            let blank = self.quirks.extra_columns.len() + self.names.len();
            cells.extend(std::iter::repeat_n(String::new(), blank));
        }
        self.write_line(&cells)
    }

    /// A row with a cell for each column behind the times.
    pub(super) fn write_row(&mut self, window: Window, row: Vec<String>) -> io::Result<()> {
        let mut cells = self.times(window);
        cells.extend(self.quirks.extra_columns.iter().map(|_| "x".to_owned()));
        cells.extend(row);
        self.write_line(&cells)
    }

    fn write_line(&mut self, cells: &[String]) -> io::Result<()> {
        let end = if self.quirks.crlf { "\r\n" } else { "\n" };
        write!(self.to, "{}{end}", cells.join(","))
    }

    fn times(&self, window: Window) -> Vec<String> {
        let times = [
            window.start_unix().to_string(),
            window.end_unix().to_string(),
            self.iso(window.start()),
            self.iso(window.end()),
        ];
        TIME_COLUMNS
            .into_iter()
            .zip(times)
            .filter(|(name, _)| is_kept(name, self.quirks))
            .map(|(_, time)| time)
            .collect()
    }

    fn iso(&self, instant: DateTime<Utc>) -> String {
        if self.quirks.iso_without_zone {
            instant.format("%Y-%m-%dT%H:%M:%S").to_string()
        } else {
            instant.to_rfc3339_opts(SecondsFormat::Secs, false)
        }
    }
}

/// Whether the file has the column.
pub(super) fn is_kept(name: &str, quirks: &Quirks) -> bool {
    !quirks.left_out_columns.iter().any(|left_out| left_out == name)
}

/// A text as a cell.
pub(super) fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
