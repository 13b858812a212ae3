//! One identity, one row: what several old keys of one organisation stored of the same usage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use usage_core::{Dimension, Dimensions, Metric, UsageRow, Window};

use super::row::{OldRow, OldRowKind};

/// One window of the old system, each identity at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldWindow {
    /// The window.
    pub window: Window,
    /// Its rows.
    pub rows: Vec<SettledRow>,
    /// Rows that say the same as another of the same identity, under another key or again.
    pub duplicates: u64,
    /// Identities whose rows differ; none of these rows is among `rows`.
    pub conflicts: Vec<Conflict>,
}

/// A row, and what it says about whose usage it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledRow {
    /// The row.
    pub row: UsageRow,
    /// What it says.
    pub kind: OldRowKind,
}

/// Rows of one identity that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Whose usage they are.
    pub dimensions: Dimensions,
    /// How many they are.
    pub rows: u64,
    /// The keys that stored them.
    pub keys: Vec<i64>,
    /// The numbers in which some two differ; none if they only are of different times of a day.
    pub differing: Vec<Metric>,
}

impl OldWindow {
    /// Takes equal rows of an identity once and sets those aside that differ.
    pub(super) fn settle(window: Window, rows: Vec<OldRow>) -> Self {
        let mut identities: BTreeMap<Dimensions, Vec<OldRow>> = BTreeMap::new();
        for row in rows {
            identities.entry(identity(&row.dimensions)).or_default().push(row);
        }
        let mut settled = Self {
            window,
            rows: Vec::with_capacity(identities.len()),
            duplicates: 0,
            conflicts: Vec::new(),
        };
        for (dimensions, mut rows) in identities {
            rows.sort_by_key(|row| (row.key_id, row.dimensions.batch.is_none()));
            match conflict(&dimensions, &rows) {
                Some(conflict) => settled.conflicts.push(conflict),
                None => settled.add(rows),
            }
        }
        settled
    }

    fn add(&mut self, rows: Vec<OldRow>) {
        self.duplicates += rows.len() as u64 - 1;
        // A row that says that it was no batch says more than one that does not.
        let said = rows.iter().position(|row| row.dimensions.batch.is_some());
        let chosen = rows.into_iter().nth(said.unwrap_or(0));
        self.rows.extend(chosen.map(|row| SettledRow {
            kind: row.kind,
            row: UsageRow {
                dimensions: row.dimensions,
                metrics: row.metrics,
            },
        }));
    }
}

/// The old system took an absent `batch` for false.
fn identity(dimensions: &Dimensions) -> Dimensions {
    Dimensions {
        batch: Some(dimensions.batch.unwrap_or(false)),
        ..dimensions.clone()
    }
}

fn conflict(dimensions: &Dimensions, rows: &[OldRow]) -> Option<Conflict> {
    let (first, others) = rows.split_first()?;
    let differing: BTreeSet<Metric> = others
        .iter()
        .flat_map(|other| Metric::ALL.map(|metric| (metric, other.metrics.get(metric))))
        // Absent and zero differ.
        .filter(|(metric, number)| first.metrics.get(*metric) != *number)
        .map(|(metric, _)| metric)
        .collect();
    // Rows without a window of their own that are of different times are parts of a day, not the same one twice.
    let times: BTreeSet<Option<i64>> = rows
        .iter()
        .filter(|row| row.derived_window)
        .map(|row| row.at)
        .collect();
    (!differing.is_empty() || times.len() > 1).then(|| Conflict {
        dimensions: dimensions.clone(),
        rows: rows.len() as u64,
        keys: rows
            .iter()
            .map(|row| row.key_id)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        differing: differing.into_iter().collect(),
    })
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(i64::to_string).collect();
        write!(
            f,
            "{}: {} rows of old keys {} ",
            named(&self.dimensions),
            self.rows,
            keys.join(", "),
        )?;
        if self.differing.is_empty() {
            return write!(f, "are of several times of a day");
        }
        let metrics: Vec<&str> = self.differing.iter().map(|metric| metric.as_str()).collect();
        write!(f, "differ in {}", metrics.join(", "))
    }
}

impl fmt::Display for SettledRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&named(&self.row.dimensions))
    }
}

/// Whose usage it is, in words.
fn named(dimensions: &Dimensions) -> String {
    let named: Vec<String> = Dimension::USAGE
        .into_iter()
        .filter(|dimension| *dimension != Dimension::Batch || dimensions.batch == Some(true))
        .filter_map(|dimension| {
            let value = dimensions.get(dimension)?;
            Some(format!("{dimension} {value}"))
        })
        .collect();
    if named.is_empty() {
        "no dimensions".to_owned()
    } else {
        named.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use usage_core::{Metrics, parse_day};

    use super::*;

    fn row(key_id: i64, batch: Option<bool>, input_tokens: Option<i64>) -> OldRow {
        OldRow {
            key_id,
            window: day(),
            derived_window: false,
            derived_end: false,
            at: Some(0),
            dimensions: Dimensions {
                model: Some("gpt-5".to_owned()),
                batch,
                ..Dimensions::default()
            },
            metrics: Metrics {
                input_tokens,
                ..Metrics::default()
            },
            kind: OldRowKind::Blank,
        }
    }

    fn part_of_a_day(key_id: i64, at: i64) -> OldRow {
        OldRow {
            derived_window: true,
            at: Some(at),
            ..row(key_id, None, Some(5))
        }
    }

    fn day() -> Window {
        Window::day(parse_day("2025-09-01").unwrap())
    }

    #[test]
    fn equal_rows_count_once_and_others_not_at_all() {
        let cases = [
            ("one row", vec![row(1, None, Some(5))], (1, 0, 0)),
            (
                "two keys",
                vec![row(1, None, Some(5)), row(2, None, Some(5))],
                (1, 1, 0),
            ),
            (
                "absent and false",
                vec![row(1, None, Some(5)), row(2, Some(false), Some(5))],
                (1, 1, 0),
            ),
            (
                "a batch is another identity",
                vec![row(1, None, Some(5)), row(1, Some(true), Some(5))],
                (2, 0, 0),
            ),
            (
                "other numbers",
                vec![
                    row(1, None, Some(5)),
                    row(2, None, Some(5)),
                    row(3, None, Some(6)),
                ],
                (0, 0, 1),
            ),
            (
                "unknown is not zero",
                vec![row(1, None, None), row(2, None, Some(0))],
                (0, 0, 1),
            ),
            (
                "the same part of a day",
                vec![part_of_a_day(1, 60), part_of_a_day(2, 60)],
                (1, 1, 0),
            ),
            (
                "two parts of a day",
                vec![part_of_a_day(1, 60), part_of_a_day(1, 120)],
                (0, 0, 1),
            ),
        ];
        for (what, rows, expected) in cases {
            let settled = OldWindow::settle(day(), rows);
            let found = (settled.rows.len(), settled.duplicates, settled.conflicts.len());
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn the_row_that_says_more_is_taken() {
        let settled = OldWindow::settle(day(), vec![row(1, None, Some(5)), row(2, Some(false), Some(5))]);
        assert_eq!(settled.rows[0].row.dimensions.batch, Some(false));
    }
}
