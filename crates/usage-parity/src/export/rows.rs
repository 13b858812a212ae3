//! The rows of an export, one at a time.

use std::io::Read;

use csv::ByteRecord;
use usage_core::{Dimension, Endpoint, Width, Window};

use super::error::{ExportError, ExportProblem};
use super::guard::{Guard, RecordTooLong};
use super::header::Columns;
use super::source::ExportSource;
use super::value;
use crate::groups::{ABSENT, Key, Symbol, Symbols};

/// How much is read from the file at once.
const BUFFER: usize = 1 << 17;

/// One row, in a form that needs no memory of its own once it is reused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// When its window starts, Unix seconds.
    pub(crate) start: i64,
    /// Its dimensions.
    pub(crate) key: Key,
    /// A number for each metric of the endpoint, 0 where the cell is blank.
    pub(crate) values: Vec<i64>,
    /// Which cells were not blank.
    pub(crate) present: u32,
    /// Nothing but times, or zeros: the window had no usage.
    pub(crate) is_idle: bool,
}

/// Reads an export row by row.
pub(crate) struct Rows<'a> {
    source: &'a dyn ExportSource,
    reader: Reader,
    record: ByteRecord,
    columns: Columns,
    /// Where each metric of the endpoint has its number in a [`Row`], and its column.
    metrics: Vec<MetricColumn>,
    symbols: &'a Symbols,
    times: LastTimes,
    last: Vec<LastValue>,
    width: Option<Width>,
}

struct MetricColumn {
    metric: usage_core::Metric,
    place: usize,
    column: usize,
}

/// The times of the row before: neighbours share them, so they are parsed once a window.
#[derive(Default)]
struct LastTimes {
    cells: [Vec<u8>; 4],
    start: i64,
    is_known: bool,
}

/// The value of a dimension in the row before, which is often the same.
struct LastValue {
    dimension: Dimension,
    column: usize,
    cell: Vec<u8>,
    symbol: Symbol,
}

impl<'a> Rows<'a> {
    /// Opens the export and reads its header.
    pub(crate) fn open(
        source: &'a dyn ExportSource,
        columns: &Columns,
        endpoint: Endpoint,
        symbols: &'a Symbols,
    ) -> Result<Self, ExportError> {
        let (reader, again) = open(source)?;
        if again.count != columns.count {
            return Err(ExportError::of_file(source.name(), ExportProblem::Changed));
        }
        let place = |metric| endpoint.metrics().iter().position(|known| *known == metric);
        let metrics = columns
            .metrics
            .iter()
            .filter_map(|(metric, column)| {
                Some(MetricColumn {
                    metric: *metric,
                    place: place(*metric)?,
                    column: *column,
                })
            })
            .collect();
        let last = columns
            .dimensions
            .iter()
            .map(|(dimension, column)| LastValue {
                dimension: *dimension,
                column: *column,
                cell: Vec::new(),
                symbol: ABSENT,
            })
            .collect();
        Ok(Self {
            source,
            reader,
            record: ByteRecord::new(),
            columns: columns.clone(),
            metrics,
            symbols,
            times: LastTimes::default(),
            last,
            width: None,
        })
    }

    /// Reads the next row into `row`, whose values must be as many as the endpoint has metrics; false at the end.
    pub(crate) fn read(&mut self, row: &mut Row) -> Result<bool, ExportError> {
        let read = self.reader.read_byte_record(&mut self.record);
        if !read.map_err(|error| wrong_csv(self.source, error))? {
            return Ok(false);
        }
        self.fill(row).map_err(|problem| {
            let offset = self.record.position().map_or(0, csv::Position::byte);
            ExportError::of_line(self.source.name(), line_at(self.source, offset), problem)
        })?;
        Ok(true)
    }

    /// How wide the windows read so far are.
    pub(crate) const fn width(&self) -> Option<Width> {
        self.width
    }

    /// SHA-256 of what was read so far; of the file, once its end was reached.
    pub(crate) fn sha256(&self) -> String {
        self.reader.get_ref().sha256()
    }

    fn fill(&mut self, row: &mut Row) -> Result<(), ExportProblem> {
        let Self {
            record,
            columns,
            metrics,
            symbols,
            times,
            last,
            width,
            ..
        } = self;
        if !times.are_those_of(record, columns) {
            let window = times.read(record, columns)?;
            let expected = *width.get_or_insert(window.width());
            if expected != window.width() {
                let found = window.width();
                return Err(ExportProblem::WidthsMixed { expected, found });
            }
        }
        row.start = times.start;
        row.key = [ABSENT; _];
        for value in last {
            value.read(record, symbols)?;
            row.key[value.dimension as usize] = value.symbol;
        }
        row.values.fill(0);
        row.present = 0;
        for column in metrics {
            let cell = &record[column.column];
            let count = value::count(cell).map_err(|why| ExportProblem::Count {
                column: column.metric,
                text: String::from_utf8_lossy(cell).into_owned(),
                why,
            })?;
            if let Some(count) = count {
                row.values[column.place] = count;
                row.present |= 1 << column.place;
            }
        }
        row.is_idle = row.key == [ABSENT; _] && row.values.iter().all(|value| *value == 0);
        Ok(())
    }
}

impl LastTimes {
    fn are_those_of(&self, record: &ByteRecord, columns: &Columns) -> bool {
        self.is_known
            && time_columns(columns)
                .into_iter()
                .zip(&self.cells)
                .all(|(column, cell)| column.is_none_or(|column| record[column] == **cell))
    }

    fn read(&mut self, record: &ByteRecord, columns: &Columns) -> Result<Window, ExportProblem> {
        self.is_known = false;
        let start = time(
            record,
            ["start_time", "start_time_iso"],
            columns.start,
            columns.start_iso,
        )?;
        let end = time(record, ["end_time", "end_time_iso"], columns.end, columns.end_iso)?;
        let width = end.checked_sub(start).and_then(Width::from_seconds);
        let window = width.and_then(|width| Window::from_unix(start, width).ok());
        let window = window.ok_or(ExportProblem::NoWindow { start, end })?;
        for (column, cell) in time_columns(columns).into_iter().zip(&mut self.cells) {
            cell.clear();
            cell.extend_from_slice(column.map_or(&[][..], |column| &record[column]));
        }
        self.start = start;
        self.is_known = true;
        Ok(window)
    }
}

const fn time_columns(columns: &Columns) -> [Option<usize>; 4] {
    [columns.start, columns.end, columns.start_iso, columns.end_iso]
}

/// A time of a row, which may stand there in two forms.
fn time(
    record: &ByteRecord,
    names: [&'static str; 2],
    unix: Option<usize>,
    iso: Option<usize>,
) -> Result<i64, ExportProblem> {
    let [column, column_iso] = names;
    let wrong = |column, cell: &[u8]| ExportProblem::Time {
        column,
        text: String::from_utf8_lossy(cell).into_owned(),
    };
    let unix = match unix.map(|place| &record[place]) {
        Some(cell) => value::unix_seconds(cell).map_err(|()| wrong(column, cell))?,
        None => None,
    };
    let iso = match iso.map(|place| &record[place]) {
        Some(cell) => std::str::from_utf8(cell)
            .map_err(|_| ())
            .and_then(value::iso_seconds)
            .map_err(|()| wrong(column_iso, cell))?,
        None => None,
    };
    match (unix, iso) {
        (Some(unix), Some(iso)) if unix != iso => Err(ExportProblem::TimesDiffer { column }),
        (Some(time), _) | (None, Some(time)) => Ok(time),
        (None, None) => Err(wrong(column, b"")),
    }
}

impl LastValue {
    fn read(&mut self, record: &ByteRecord, symbols: &Symbols) -> Result<(), ExportProblem> {
        let cell = &record[self.column];
        if *cell == *self.cell {
            return Ok(());
        }
        let text = std::str::from_utf8(cell).map_err(|_| ExportProblem::NotText)?;
        self.symbol = match self.dimension {
            Dimension::Batch => match value::batch(text) {
                Ok(batch) => symbols.of(batch.unwrap_or_default()),
                Err(()) => return Err(ExportProblem::Batch(text.to_owned())),
            },
            _ => symbols.of(text),
        };
        self.cell.clear();
        self.cell.extend_from_slice(cell);
        Ok(())
    }
}

/// A parser over the guarded bytes of an export.
type Reader = csv::Reader<Guard<Box<dyn Read + Send>>>;

/// Opens an export and reads its header.
pub(super) fn open(source: &dyn ExportSource) -> Result<(Reader, Columns), ExportError> {
    let file = source.name();
    let input = source.open().map_err(|error| ExportError::of_file(file, error))?;
    let mut reader = csv::ReaderBuilder::new()
        .buffer_capacity(BUFFER)
        .from_reader(Guard::new(input));
    let header = reader.byte_headers().map_err(|error| wrong_csv(source, error))?;
    if header.is_empty() {
        return Err(ExportError::of_file(file, ExportProblem::Empty));
    }
    let names: Result<Vec<&str>, _> = header.iter().map(std::str::from_utf8).collect();
    let columns = names
        .map_err(|_| ExportProblem::NotText)
        .and_then(Columns::read)
        .map_err(|problem| ExportError::of_line(file, 1, problem))?;
    Ok((reader, columns))
}

fn wrong_csv(source: &dyn ExportSource, error: csv::Error) -> ExportError {
    let file = source.name();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => {
            let too_long = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<RecordTooLong>());
            match too_long {
                Some(RecordTooLong { line }) => ExportError::of_line(file, *line, ExportProblem::too_long()),
                None => ExportError::of_file(file, error),
            }
        }
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len: expected,
            len: found,
        } => {
            let problem = ExportProblem::Ragged { expected, found };
            let line = line_at(source, pos.as_ref().map_or(0, csv::Position::byte));
            ExportError::of_line(file, line, problem)
        }
        // Rows are read as bytes, by position, from a reader that cannot seek: there is no other kind.
        other => ExportError::of_file(file, std::io::Error::other(format!("{other:?}"))),
    }
}

/// The line of the row that begins at this offset or, where blank lines follow, behind it.
///
/// The parser's own count lies a line too early after CR LF and before blank lines. Counting again costs only those whose
/// file is refused.
fn line_at(source: &dyn ExportSource, offset: u64) -> u64 {
    let Ok(input) = source.open() else { return 0 };
    let mut line = 1;
    for (place, byte) in (0..).zip(std::io::BufReader::new(input).bytes()) {
        match byte {
            Ok(b'\n') => line += 1,
            Ok(b'\r') => {}
            Ok(_) if place < offset => {}
            _ => break,
        }
    }
    line
}
