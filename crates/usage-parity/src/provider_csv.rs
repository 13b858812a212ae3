//! `OpenAI`'s exports of usage, as its dashboard writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use usage_core::{Dimension, Dimensions, Endpoint, MetricOverflow, Metrics, UsageRow, Window};

use crate::event_lines::cells::unrunnable;
use crate::layout::{Column, Layout};

/// Writes the provider's export of one endpoint's usage, one window after the other, so that it never holds more than
/// one.
///
/// * The columns of the endpoint's [`Layout`] with a header, also when no window follows. (The provider leaves out all
///   columns but the four times when no row of its file has usage.)
/// * Rows that differ only in what the layout has no column for (for completions, the API source) are summed. Metrics
///   without a column (for completions, cache writes) are not written.
/// * Within a window, rows are sorted by the dimensions in column order, absent ones first. The provider documents no
///   order; every file seen is in this one.
/// * A window without rows gets one with nothing but its times: it was read, and there was no usage.
/// * A metric the provider did not report is empty, not zero. `batch` is `True`, `False` or empty.
/// * Values are written as they are, also one that a spreadsheet would take for a formula: this file is for comparing. One for
///   people is made with [`ProviderCsvWriter::for_people`].
#[derive(Debug)]
pub struct ProviderCsvWriter<W: io::Write> {
    output: csv::Writer<W>,
    layout: &'static Layout,
    last: Option<Window>,
    number: String,
    is_for_people: bool,
}

impl<W: io::Write> ProviderCsvWriter<W> {
    /// A writer of the endpoint's export that has written nothing yet. The output needs no buffer of its own.
    pub fn new(output: W, endpoint: Endpoint) -> Self {
        Self {
            output: csv::Writer::from_writer(output),
            layout: Layout::of(endpoint),
            last: None,
            number: String::new(),
            is_for_people: false,
        }
    }

    /// The same for a file that people open in a spreadsheet: an apostrophe leads a value that one would run. The provider's own
    /// ids and models never begin so, and their files are then the same byte for byte.
    #[must_use]
    pub fn for_people(self) -> Self {
        Self {
            is_for_people: true,
            ..self
        }
    }

    /// Writes a window that was read completely, with all of its rows, in any order.
    ///
    /// # Errors
    ///
    /// The window does not come after the last one, a sum is beyond 64 bits, or the output fails. After an error the
    /// file is not complete and must not be used.
    pub fn write_window<'rows>(
        &mut self,
        window: Window,
        rows: impl IntoIterator<Item = &'rows UsageRow>,
    ) -> Result<(), ProviderCsvError> {
        match self.last {
            None => self.write_header()?,
            Some(last) if last.end() <= window.start() => {}
            Some(last) => return Err(ProviderCsvError::Order { window, last }),
        }
        self.last = Some(window);
        let groups =
            sums(self.layout, rows).map_err(|overflow| ProviderCsvError::Sum { window, overflow })?;
        self.write_groups(window, groups)
            .map_err(|error| ProviderCsvError::Window {
                window,
                error: io_error(error),
            })
    }

    /// Writes out what is still buffered and returns the output.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn finish(mut self) -> Result<W, ProviderCsvError> {
        if self.last.is_none() {
            self.write_header()?;
        }
        let last = self.last;
        self.output.into_inner().map_err(|failed| {
            let error = failed.into_error();
            match last {
                Some(window) => ProviderCsvError::Window { window, error },
                None => ProviderCsvError::Header { error },
            }
        })
    }

    fn write_header(&mut self) -> Result<(), ProviderCsvError> {
        self.output
            .write_record(self.layout.names())
            .map_err(|error| ProviderCsvError::Header {
                error: io_error(error),
            })
    }

    fn write_groups(&mut self, window: Window, groups: BTreeMap<Group<'_>, Metrics>) -> csv::Result<()> {
        let times = [
            window.start_unix().to_string(),
            window.end_unix().to_string(),
            iso(window.start()),
            iso(window.end()),
        ];
        if groups.is_empty() {
            let blank = self.layout.columns().iter().map(|_| "");
            return self
                .output
                .write_record(times.iter().map(String::as_str).chain(blank));
        }
        for (group, metrics) in groups {
            let mut values = group.into_iter();
            times.iter().try_for_each(|time| self.output.write_field(time))?;
            for column in self.layout.columns() {
                match *column {
                    Column::Dimension(dimension) => {
                        let value = values.next().flatten();
                        let text = spelling(dimension, value);
                        if self.is_for_people {
                            self.output.write_field(unrunnable(text).as_bytes())?;
                        } else {
                            self.output.write_field(text)?;
                        }
                    }
                    Column::Metric(metric) => self.write_number(metrics.get(metric))?,
                }
            }
            self.output.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    fn write_number(&mut self, value: Option<i64>) -> csv::Result<()> {
        self.number.clear();
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(self.number, "{value}");
        }
        self.output.write_field(&self.number)
    }
}

/// Why an export could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ProviderCsvError {
    /// The output failed before the first window.
    #[error("cannot write the header: {error}")]
    Header {
        /// What the output said.
        error: io::Error,
    },
    /// The output failed, at this window or, since writing is buffered, at one shortly before it.
    #[error("cannot write the window {window}: {error}")]
    Window {
        /// The window that was being written.
        window: Window,
        /// What the output said.
        error: io::Error,
    },
    /// The window begins before the last one ends.
    #[error("the window {window} cannot follow {last}; write windows in time order, each once")]
    Order {
        /// The window that was to be written.
        window: Window,
        /// The one before it in the file.
        last: Window,
    },
    /// Rows that the layout does not tell apart add up to more than 64 bits hold.
    #[error("cannot write the window {window}: {overflow}")]
    Sum {
        /// The window with the rows.
        window: Window,
        /// The metric that overflows.
        overflow: MetricOverflow,
    },
}

/// The values of the dimensions that have a column, in column order and then filled up: what the layout can tell apart.
type Group<'row> = [Option<&'row str>; Dimension::USAGE.len()];

fn sums<'rows>(
    layout: &Layout,
    rows: impl IntoIterator<Item = &'rows UsageRow>,
) -> Result<BTreeMap<Group<'rows>, Metrics>, MetricOverflow> {
    let mut groups: BTreeMap<Group<'rows>, Metrics> = BTreeMap::new();
    for row in rows {
        let sum = groups.entry(group(layout, &row.dimensions)).or_default();
        *sum = sum.checked_add(&row.metrics)?;
    }
    Ok(groups)
}

fn group<'row>(layout: &Layout, dimensions: &'row Dimensions) -> Group<'row> {
    let mut group = Group::default();
    let values = layout.columns().iter().filter_map(|column| match column {
        Column::Dimension(dimension) => Some(dimensions.get(*dimension)),
        Column::Metric(_) => None,
    });
    for (place, value) in group.iter_mut().zip(values) {
        *place = value;
    }
    group
}

fn spelling(dimension: Dimension, value: Option<&str>) -> &str {
    match (dimension, value) {
        (Dimension::Batch, Some("true")) => "True",
        (Dimension::Batch, Some("false")) => "False",
        (_, value) => value.unwrap_or_default(),
    }
}

/// RFC 3339 with a numeric zone, as the provider writes it here and nowhere else.
pub(crate) fn iso(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, false)
}

pub(crate) fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
