//! Writing the provider's dashboard exports.

mod columns;
mod costs;
mod file;
mod quirks;

use std::io::{self, Write};

use usage_core::{Dimension, Dimensions, Endpoint, WindowRange};

use super::Organization;
use super::aggregate::{Aggregation, Filter, Selection};
use super::numbers::Sum;
use columns::{Column, columns};
pub use costs::CostLayout;
use file::{File, is_kept, quoted};
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
        let names = columns.iter().map(|column| column.name()).collect();
        let mut file = File::new(names, !usage.groups().is_empty(), quirks, to);
        file.write_header()?;
        for window in range.windows() {
            let rows = usage.rows(window);
            if rows.is_empty() {
                file.write_idle(window)?;
            }
            for (dimensions, sum) in rows {
                let cells = |sum: &Sum| -> Vec<String> {
                    let cells = columns.iter().map(|column| column.cell(dimensions, sum, quirks));
                    cells.collect()
                };
                if quirks.split_rows {
                    let (large, small) = sum.split();
                    file.write_row(window, cells(&large))?;
                    file.write_row(window, cells(&small))?;
                } else {
                    file.write_row(window, cells(&sum))?;
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
