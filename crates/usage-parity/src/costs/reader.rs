//! Reading the costs export.

use std::io::Read;

use csv::ByteRecord;
use usage_core::{Width, Window, parse_instant};

use super::error::{CostCsvError, shown};
use super::layout::CostColumn;
use super::line_starts::LineStarts;
use super::row::CostRow;

/// Reads the provider's costs export row by row, without ever holding more than one.
///
/// * Columns are found by name, in any order. Those that the file lacks are absent in every row; those that this version
///   does not know are kept and named.
/// * Only the window must be there: `start_time` and `end_time`, or their ISO forms, and where both are given they must
///   agree. An ISO time without a zone is UTC. Unix seconds may be written as `1756684800.0`.
/// * A file with more columns than the times needs `amount_value` and `amount_currency`. A file with the times alone is
///   one in which nothing was charged.
/// * A byte order mark, CR LF, blank lines, quoted commas and line breaks are understood.
///
/// As an iterator it ends after the first error: what follows a broken row cannot be trusted.
#[derive(Debug)]
pub struct CostCsvReader<R> {
    input: csv::Reader<LineStarts<R>>,
    header: Header,
    record: ByteRecord,
    has_failed: bool,
}

impl<R: Read> CostCsvReader<R> {
    /// Reads the header. The input needs no buffer of its own.
    ///
    /// # Errors
    ///
    /// The input fails, or the header is not that of a costs export.
    pub fn new(input: R) -> Result<Self, CostCsvError> {
        let mut input = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(LineStarts::new(input));
        let mut record = ByteRecord::new();
        let line = read_record(&mut input, &mut record)?.unwrap_or(1);
        let header = Header::find(&record, line)?;
        Ok(Self {
            input,
            header,
            record,
            has_failed: false,
        })
    }

    /// The known columns behind the times that the file has, in its order.
    pub fn columns(&self) -> impl Iterator<Item = CostColumn> {
        self.header.known.iter().map(|(column, _)| *column)
    }

    /// The names of the columns that this version does not know, in the order of the file. Their cells are in
    /// [`CostRow::unknown`].
    pub fn unknown_columns(&self) -> impl Iterator<Item = &str> {
        self.header.unknown.iter().map(|(name, _)| name.as_str())
    }

    /// The input.
    pub(super) fn input(&self) -> &R {
        self.input.get_ref().input()
    }

    /// The line of the last row.
    pub(super) fn line(&self) -> u64 {
        self.input.get_ref().last_line()
    }

    fn read_row(&mut self) -> Result<Option<CostRow>, CostCsvError> {
        let Some(line) = read_record(&mut self.input, &mut self.record)? else {
            return Ok(None);
        };
        self.header.read(&self.record, line).map(Some)
    }
}

impl<R: Read> Iterator for CostCsvReader<R> {
    type Item = Result<CostRow, CostCsvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let row = self.read_row().transpose();
        self.has_failed = matches!(row, Some(Err(_)));
        row
    }
}

/// Reads the next record and says on which line it begins; `None` at the end of the file.
fn read_record<R: Read>(
    input: &mut csv::Reader<LineStarts<R>>,
    record: &mut ByteRecord,
) -> Result<Option<u64>, CostCsvError> {
    let begin = input.position().byte();
    let read = input.read_byte_record(record);
    let line = input.get_mut().line_at(begin);
    match read {
        Ok(true) => Ok(Some(line)),
        Ok(false) => Ok(None),
        Err(error) => Err(CostCsvError::Read {
            line,
            error: crate::provider_csv::io_error(error),
        }),
    }
}

/// Where the columns are.
#[derive(Debug)]
struct Header {
    width: usize,
    start: Time,
    end: Time,
    known: Vec<(CostColumn, usize)>,
    unknown: Vec<(String, usize)>,
}

/// The two columns of one time.
#[derive(Debug)]
struct Time {
    unix_name: &'static str,
    iso_name: &'static str,
    unix: Option<usize>,
    iso: Option<usize>,
}

impl Header {
    fn find(record: &ByteRecord, line: u64) -> Result<Self, CostCsvError> {
        let mut header = Self {
            width: record.len(),
            start: Time::named("start_time", "start_time_iso"),
            end: Time::named("end_time", "end_time_iso"),
            known: Vec::new(),
            unknown: Vec::new(),
        };
        for (index, name) in record.iter().enumerate() {
            let name = std::str::from_utf8(name).map_err(|_| CostCsvError::NotUtf8 {
                line,
                column: (index + 1).to_string(),
            })?;
            header.add(name.trim(), index, line)?;
        }
        header.check(line)?;
        Ok(header)
    }

    fn add(&mut self, name: &str, index: usize, line: u64) -> Result<(), CostCsvError> {
        for time in [&mut self.start, &mut self.end] {
            for (known, place) in [(time.unix_name, &mut time.unix), (time.iso_name, &mut time.iso)] {
                if known == name {
                    return match place.replace(index) {
                        None => Ok(()),
                        Some(_) => Err(CostCsvError::RepeatedColumn { line, column: known }),
                    };
                }
            }
        }
        let Some(column) = CostColumn::ALL.into_iter().find(|column| column.as_str() == name) else {
            self.unknown.push((name.to_owned(), index));
            return Ok(());
        };
        if self.has(column) {
            return Err(CostCsvError::RepeatedColumn {
                line,
                column: column.as_str(),
            });
        }
        self.known.push((column, index));
        Ok(())
    }

    fn has(&self, column: CostColumn) -> bool {
        self.known.iter().any(|(known, _)| *known == column)
    }

    fn check(&self, line: u64) -> Result<(), CostCsvError> {
        let missing = |missing| CostCsvError::NoCostsExport { line, missing };
        for time in [&self.start, &self.end] {
            if time.unix.is_none() && time.iso.is_none() {
                return Err(missing(time.unix_name));
            }
        }
        if self.known.is_empty() && self.unknown.is_empty() {
            return Ok(());
        }
        match [CostColumn::Amount, CostColumn::Currency]
            .into_iter()
            .find(|column| !self.has(*column))
        {
            Some(column) => Err(missing(column.as_str())),
            None => Ok(()),
        }
    }

    fn read(&self, record: &ByteRecord, line: u64) -> Result<CostRow, CostCsvError> {
        if record.len() != self.width {
            return Err(CostCsvError::Ragged {
                line,
                found: record.len(),
                expected: self.width,
            });
        }
        let mut row = CostRow::idle(self.window(record, line)?);
        for (column, index) in &self.known {
            let text = cell(record, *index, column.as_str(), line)?;
            if !text.is_empty() {
                row.set(*column, text).map_err(|error| CostCsvError::Decimal {
                    line,
                    column: column.as_str(),
                    error,
                })?;
            }
        }
        for (name, index) in &self.unknown {
            row.unknown.push(cell(record, *index, name, line)?.to_owned());
        }
        Ok(row)
    }

    fn window(&self, record: &ByteRecord, line: u64) -> Result<Window, CostCsvError> {
        let start = self.start.read(record, line)?;
        let end = self.end.read(record, line)?;
        end.checked_sub(start)
            .and_then(Width::from_seconds)
            .and_then(|width| Window::from_unix(start, width).ok())
            .ok_or(CostCsvError::Window { line, start, end })
    }
}

impl Time {
    const fn named(unix_name: &'static str, iso_name: &'static str) -> Self {
        Self {
            unix_name,
            iso_name,
            unix: None,
            iso: None,
        }
    }

    /// The time in Unix seconds.
    fn read(&self, record: &ByteRecord, line: u64) -> Result<i64, CostCsvError> {
        let text = |index: Option<usize>, name| {
            index.map_or(Ok(""), |index| cell(record, index, name, line).map(str::trim))
        };
        let unix = match text(self.unix, self.unix_name)? {
            "" => None,
            value => Some(unix_seconds(value).ok_or_else(|| CostCsvError::UnixTime {
                line,
                column: self.unix_name,
                value: shown(value),
            })?),
        };
        let iso_text = text(self.iso, self.iso_name)?;
        let iso = match iso_text {
            "" => None,
            value => Some(
                parse_instant(&shown(value))
                    .map_err(|error| CostCsvError::IsoTime {
                        line,
                        column: self.iso_name,
                        error,
                    })?
                    .timestamp(),
            ),
        };
        match (unix, iso) {
            (Some(unix), Some(iso)) if unix != iso => Err(CostCsvError::TimesDiffer {
                line,
                column: self.iso_name,
                value: shown(iso_text),
                unix,
            }),
            (Some(seconds), _) | (None, Some(seconds)) => Ok(seconds),
            (None, None) => Err(CostCsvError::NoTime {
                line,
                column: self.unix_name,
            }),
        }
    }
}

fn cell<'record>(
    record: &'record ByteRecord,
    index: usize,
    column: &str,
    line: u64,
) -> Result<&'record str, CostCsvError> {
    std::str::from_utf8(record.get(index).unwrap_or_default()).map_err(|_| CostCsvError::NotUtf8 {
        line,
        column: shown(column),
    })
}

/// Reads whole seconds, also those written as `1756684800.0`; never through a float.
fn unix_seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_whole = fraction.bytes().all(|digit| digit == b'0');
    is_whole.then(|| whole.parse().ok()).flatten()
}
