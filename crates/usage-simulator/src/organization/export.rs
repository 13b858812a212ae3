//! Writing the provider's dashboard export.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use usage_core::{Dimension, DimensionSet, Dimensions, Endpoint, Metric, WindowRange};

use super::Organization;
use super::aggregate::{Aggregation, Selection};
use super::numbers::Sum;

const TIME_COLUMNS: [&str; 4] = ["start_time", "end_time", "start_time_iso", "end_time_iso"];

/// What follows the time columns, in the provider's order.
const COLUMNS: [Column; 20] = [
    Column::Dimension(Dimension::ProjectId),
    Column::Metric(Metric::NumModelRequests),
    Column::Dimension(Dimension::UserId),
    Column::Dimension(Dimension::ApiKeyId),
    Column::Dimension(Dimension::Model),
    Column::Dimension(Dimension::Batch),
    Column::Dimension(Dimension::ServiceTier),
    Column::Metric(Metric::InputTokens),
    Column::Metric(Metric::OutputTokens),
    Column::Metric(Metric::InputCachedTokens),
    Column::Metric(Metric::InputUncachedTokens),
    Column::Metric(Metric::InputTextTokens),
    Column::Metric(Metric::OutputTextTokens),
    Column::Metric(Metric::InputCachedTextTokens),
    Column::Metric(Metric::InputAudioTokens),
    Column::Metric(Metric::InputCachedAudioTokens),
    Column::Metric(Metric::OutputAudioTokens),
    Column::Metric(Metric::InputImageTokens),
    Column::Metric(Metric::InputCachedImageTokens),
    Column::Metric(Metric::OutputImageTokens),
];

#[derive(Clone, Copy)]
enum Column {
    Dimension(Dimension),
    Metric(Metric),
}

impl Organization {
    /// The provider's completions export of a range, whatever the clock says: 24 columns, windows without usage as
    /// rows with nothing but their times.
    ///
    /// ```
    /// use usage_core::{WindowRange, parse_day};
    /// use usage_simulator::Organization;
    ///
    /// let day = parse_day("2025-09-01")?;
    /// let quiet = Organization::new("org-demo").completions_csv(WindowRange::days(day, day)?);
    /// assert_eq!(
    ///     quiet,
    ///     "start_time,end_time,start_time_iso,end_time_iso\n\
    ///      1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00\n",
    ///     "without any usage the provider writes the time columns only"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn completions_csv(&self, range: WindowRange) -> String {
        let mut text = Vec::new();
        // Neither a `Vec` nor text made of text can fail.
        let _ = self.write_completions_csv(range, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Writes what [`Organization::completions_csv`] returns; for exports that are large.
    pub fn write_completions_csv(&self, range: WindowRange, mut to: impl Write) -> io::Result<()> {
        let selection = Selection {
            group_by: exported_dimensions(),
            ..Selection::everything()
        };
        let mut usage = Aggregation::new(self.usage(Endpoint::Completions), &selection, range);
        let columns: &[Column] = if usage.groups().is_empty() { &[] } else { &COLUMNS };

        let names = TIME_COLUMNS
            .into_iter()
            .chain(columns.iter().map(|column| column.name()));
        writeln!(to, "{}", names.collect::<Vec<_>>().join(","))?;
        for window in range.windows() {
            let times = format!(
                "{},{},{},{}",
                window.start_unix(),
                window.end_unix(),
                iso(window.start()),
                iso(window.end())
            );
            let rows = usage.rows(window);
            if rows.is_empty() {
                writeln!(to, "{times}{}", ",".repeat(columns.len()))?;
            }
            for (dimensions, sum) in rows {
                to.write_all(times.as_bytes())?;
                for column in columns {
                    write!(to, ",{}", column.cell(dimensions, &sum))?;
                }
                to.write_all(b"\n")?;
            }
        }
        Ok(())
    }
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::Dimension(dimension) => dimension.as_str(),
            Self::Metric(metric) => metric.as_str(),
        }
    }

    fn cell(self, dimensions: &Dimensions, sum: &Sum) -> String {
        match self {
            Self::Dimension(Dimension::Batch) => match dimensions.batch {
                Some(true) => "True".to_owned(),
                Some(false) => "False".to_owned(),
                None => String::new(),
            },
            Self::Dimension(dimension) => quoted(dimensions.get(dimension).unwrap_or_default()),
            Self::Metric(metric) => sum.get(metric).map(|value| value.to_string()).unwrap_or_default(),
        }
    }
}

fn exported_dimensions() -> DimensionSet {
    COLUMNS
        .into_iter()
        .filter_map(|column| match column {
            Column::Dimension(dimension) => Some(dimension),
            Column::Metric(_) => None,
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

fn iso(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, false)
}
