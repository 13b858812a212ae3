//! Writing the provider's dashboard exports.

mod columns;
mod quirks;

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use usage_core::{Dimension, Dimensions, Endpoint, Window, WindowRange};

use super::Organization;
use super::aggregate::{Aggregation, Filter, Selection};
use super::numbers::Sum;
use columns::{Column, TIME_COLUMNS, columns};
pub use quirks::{BatchSpelling, Quirks};

impl Organization {
    /// The provider's export of an endpoint's usage in a range, whatever the clock says: a row for every group of every
    /// window, and for a window without usage one with nothing but its times.
    ///
    /// The windows may be days, hours or minutes. The 24 columns of completions (and of decisions) are those of real
    /// files. The provider documents no order for the other endpoints, only that columns are named as the API's fields.
    ///
    /// ```
    /// use usage_core::{Endpoint, WindowRange, parse_day};
    /// use usage_simulator::Organization;
    ///
    /// let day = parse_day("2025-09-01")?;
    /// let quiet = Organization::new("org-demo").usage_csv(Endpoint::Images, WindowRange::days(day, day)?);
    /// assert_eq!(
    ///     quiet,
    ///     "start_time,end_time,start_time_iso,end_time_iso\n\
    ///      1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00\n",
    ///     "without any usage the provider writes the time columns only"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn usage_csv(&self, endpoint: Endpoint, range: WindowRange) -> String {
        self.quirky_usage_csv(endpoint, range, &Quirks::default())
    }

    /// Writes what [`Organization::usage_csv`] returns; for exports that are large.
    pub fn write_usage_csv(&self, endpoint: Endpoint, range: WindowRange, to: impl Write) -> io::Result<()> {
        self.write_quirky_usage_csv(endpoint, range, &Quirks::default(), to)
    }

    /// As [`Organization::usage_csv`], with what real files do besides.
    pub fn quirky_usage_csv(&self, endpoint: Endpoint, range: WindowRange, quirks: &Quirks) -> String {
        let mut text = Vec::new();
        // Neither a `Vec` nor text made of text can fail.
        let _ = self.write_quirky_usage_csv(endpoint, range, quirks, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Writes what [`Organization::quirky_usage_csv`] returns; for exports that are large.
    pub fn write_quirky_usage_csv(
        &self,
        endpoint: Endpoint,
        range: WindowRange,
        quirks: &Quirks,
        to: impl Write,
    ) -> io::Result<()> {
        let columns: Vec<Column> = columns(endpoint)
            .iter()
            .copied()
            .filter(|column| is_kept(column.name(), quirks))
            .collect();
        let selection = Selection {
            group_by: columns.iter().filter_map(|column| column.dimension()).collect(),
            filters: filters(quirks),
            ..Selection::everything()
        };
        let mut usage = Aggregation::new(self.usage(endpoint), &selection, range);
        let mut file = File {
            has_usage: !usage.groups().is_empty(),
            columns,
            quirks,
            to,
        };
        file.write_header()?;
        for window in range.windows() {
            let rows = usage.rows(window);
            if rows.is_empty() {
                file.write_idle(window)?;
            }
            for (dimensions, sum) in rows {
                if quirks.split_rows {
                    let (large, small) = sum.split();
                    file.write_row(window, dimensions, &large)?;
                    file.write_row(window, dimensions, &small)?;
                } else {
                    file.write_row(window, dimensions, &sum)?;
                }
            }
        }
        Ok(())
    }

    /// [`Organization::usage_csv`] of completions.
    pub fn completions_csv(&self, range: WindowRange) -> String {
        self.usage_csv(Endpoint::Completions, range)
    }
}

/// An export that is being written.
struct File<'a, W> {
    columns: Vec<Column>,
    /// Whether any row has usage; a file without has the time columns only.
    has_usage: bool,
    quirks: &'a Quirks,
    to: W,
}

impl<W: Write> File<'_, W> {
    fn write_header(&mut self) -> io::Result<()> {
        if self.quirks.byte_order_mark {
            self.to.write_all("\u{feff}".as_bytes())?;
        }
        let mut names: Vec<String> = TIME_COLUMNS
            .into_iter()
            .filter(|name| is_kept(name, self.quirks))
            .map(str::to_owned)
            .collect();
        if self.has_usage {
            names.extend(self.quirks.extra_columns.iter().map(|name| quoted(name)));
            names.extend(self.columns.iter().map(|column| column.name().to_owned()));
        }
        self.write_line(&names)
    }

    fn write_idle(&mut self, window: Window) -> io::Result<()> {
        let mut cells = self.times(window);
        if self.has_usage {
            let blank = self.quirks.extra_columns.len() + self.columns.len();
            cells.extend(std::iter::repeat_n(String::new(), blank));
        }
        self.write_line(&cells)
    }

    fn write_row(&mut self, window: Window, dimensions: &Dimensions, sum: &Sum) -> io::Result<()> {
        let mut cells = self.times(window);
        cells.extend(self.quirks.extra_columns.iter().map(|_| "x".to_owned()));
        let quirks = self.quirks;
        cells.extend(
            self.columns
                .iter()
                .map(|column| column.cell(dimensions, sum, quirks)),
        );
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

impl Column {
    const fn dimension(self) -> Option<Dimension> {
        match self {
            Self::Dimension(dimension) => Some(dimension),
            Self::Required(_) | Self::Optional(_) => None,
        }
    }

    fn cell(self, dimensions: &Dimensions, sum: &Sum, quirks: &Quirks) -> String {
        match self {
            Self::Dimension(Dimension::Batch) => dimensions
                .batch
                .map(|batch| quirks.batch.spell(batch).to_owned())
                .unwrap_or_default(),
            Self::Dimension(dimension) => quoted(dimensions.get(dimension).unwrap_or_default()),
            Self::Required(metric) => number(sum.get(metric), quirks),
            Self::Optional(metric) => {
                let is_blank = |value: &i64| quirks.blank_optional_zeros && *value == 0;
                number(sum.get(metric).filter(|value| !is_blank(value)), quirks)
            }
        }
    }
}

fn number(value: Option<i64>, quirks: &Quirks) -> String {
    match value {
        None => String::new(),
        Some(value) if quirks.integers_as_floats => format!("{value}.0"),
        Some(value) => value.to_string(),
    }
}

fn is_kept(name: &str, quirks: &Quirks) -> bool {
    !quirks.left_out_columns.iter().any(|left_out| left_out == name)
}

fn filters(quirks: &Quirks) -> Vec<Filter> {
    [
        (Dimension::ProjectId, &quirks.only_projects),
        (Dimension::UserId, &quirks.only_users),
    ]
    .into_iter()
    .filter(|(_, values)| !values.is_empty())
    .map(|(dimension, values)| Filter {
        dimension,
        any_of: values.clone(),
    })
    .collect()
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
