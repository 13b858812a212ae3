//! Reading the provider's dashboard export as the truth.

use std::collections::HashMap;
use std::io::Read;

use csv::StringRecord;
use usage_core::{Dimension, Dimensions, Endpoint, Metric, Metrics, Width, Window};

use super::Organization;

/// Why an export cannot be the truth.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file cannot be read, or a line has too few or too many cells.
    #[error("cannot read the export: {0}")]
    Read(#[from] csv::Error),
    /// The header lacks a column without which a row has no time.
    #[error("the export has no column `{0}`; is it a usage export of the provider's dashboard?")]
    MissingColumn(&'static str),
    /// A cell holds something else than its column promises, for example a negative count.
    #[error("line {line}: `{value}` is not a value of the column `{column}`")]
    BadValue {
        /// The line of the file, from 1.
        line: u64,
        /// The name of the column.
        column: String,
        /// What the cell holds.
        value: String,
    },
    /// The two times of a row span no minute, hour or UTC day.
    #[error("line {line}: {start} to {end} is no minute, hour or UTC day")]
    BadWindow {
        /// The line of the file, from 1.
        line: u64,
        /// The start, Unix seconds.
        start: i64,
        /// The end, Unix seconds.
        end: i64,
    },
}

impl Organization {
    /// An organisation whose truth is the provider's completions export. A row sits at the start of its window; a
    /// blank row is a window without usage; rows with the identical tuple in one window stay two rows. The
    /// directory is invented (see [`Organization::invent_directory`]).
    pub fn from_completions_csv(id: impl Into<String>, text: impl Read) -> Result<Self, CsvError> {
        let mut organization = Self::new(id);
        organization.add_completions_csv(text)?;
        organization.invent_directory();
        Ok(organization)
    }

    /// Adds the usage of another completions export, on top of what there is.
    ///
    /// Columns are found by name: any metric and dimension counts, unknown columns are passed over, absent ones are
    /// absent. A leading byte order mark, integers written as `59200.0` and any spelling of true and false are
    /// understood, since real exports have them.
    pub fn add_completions_csv(&mut self, text: impl Read) -> Result<(), CsvError> {
        let mut reader = csv::Reader::from_reader(text);
        let columns = Columns::find(reader.headers()?)?;
        let log = self.usage_mut(Endpoint::Completions);
        let mut rows_so_far: HashMap<(i64, Dimensions), u32> = HashMap::new();
        for record in reader.records() {
            let row = columns.read(&record?)?;
            if row.dimensions == Dimensions::default() && row.metrics == Metrics::default() {
                continue;
            }
            let part = rows_so_far
                .entry((row.window.start_unix(), row.dimensions.clone()))
                .or_default();
            let tuple = log.tuples.intern(&row.dimensions, *part);
            *part += 1;
            log.push(row.window.start_unix(), tuple, &row.metrics);
        }
        Ok(())
    }
}

struct Columns {
    start_time: usize,
    end_time: usize,
    dimensions: Vec<(Dimension, usize)>,
    metrics: Vec<(Metric, usize)>,
}

struct Row {
    window: Window,
    dimensions: Dimensions,
    metrics: Metrics,
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, CsvError> {
        let position = |name: &str| {
            header
                .iter()
                .position(|column| column.trim_start_matches('\u{feff}') == name)
        };
        Ok(Self {
            start_time: position("start_time").ok_or(CsvError::MissingColumn("start_time"))?,
            end_time: position("end_time").ok_or(CsvError::MissingColumn("end_time"))?,
            dimensions: Dimension::USAGE
                .into_iter()
                .filter_map(|dimension| Some((dimension, position(dimension.as_str())?)))
                .collect(),
            metrics: Metric::ALL
                .into_iter()
                .filter_map(|metric| Some((metric, position(metric.as_str())?)))
                .collect(),
        })
    }

    fn read(&self, record: &StringRecord) -> Result<Row, CsvError> {
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |index: usize| record.get(index).unwrap_or("");
        let bad_value = |index: usize, column: &str| CsvError::BadValue {
            line,
            column: column.to_owned(),
            value: cell(index).to_owned(),
        };
        let integer =
            |index: usize, column: &str| parse_integer(cell(index)).ok_or_else(|| bad_value(index, column));

        let start = integer(self.start_time, "start_time")?;
        let end = integer(self.end_time, "end_time")?;
        let window = end
            .checked_sub(start)
            .and_then(Width::from_seconds)
            .and_then(|width| Window::from_unix(start, width).ok())
            .ok_or(CsvError::BadWindow { line, start, end })?;

        let mut dimensions = Dimensions::default();
        for (dimension, index) in &self.dimensions {
            let value = cell(*index);
            if value.is_empty() {
                continue;
            }
            if let Some(place) = dimensions.text_mut(*dimension) {
                *place = Some(value.to_owned());
            } else {
                let is_batch = value.to_ascii_lowercase().parse();
                dimensions.batch = Some(is_batch.map_err(|_| bad_value(*index, dimension.as_str()))?);
            }
        }

        let mut metrics = Metrics::default();
        for (metric, index) in &self.metrics {
            if cell(*index).is_empty() {
                continue;
            }
            let count = integer(*index, metric.as_str())?;
            // A provider counts what happened, and its API would not send such a number.
            if count < 0 {
                return Err(bad_value(*index, metric.as_str()));
            }
            *metrics.get_mut(*metric) = Some(count);
        }
        Ok(Row {
            window,
            dimensions,
            metrics,
        })
    }
}

/// Reads an integer, also one written as `59200.0`; never through a float.
fn parse_integer(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_whole = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    is_whole.then(|| whole.parse().ok()).flatten()
}
