//! Control totals: the same range asked without grouping must sum to the grouped rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use usage_core::{Issue, IssueCode, MetricOverflow, Metrics, UsageRow, Window};
use usage_providers::UsageRead;

/// The windows whose grouped rows do not sum to the control total, with what differs.
///
/// Windows that were still open at either read are not compared: usage came in between. Windows that failed on the
/// grouped side have their own issue already.
pub(crate) fn differing(grouped: &UsageRead, control: &UsageRead, place: &str) -> BTreeMap<Window, Issue> {
    let totals: BTreeMap<Window, &Result<Vec<UsageRow>, Issue>> = control
        .windows
        .iter()
        .map(|read| (read.window, &read.rows))
        .collect();
    let mut differing = BTreeMap::new();
    for read in &grouped.windows {
        let Ok(rows) = &read.rows else { continue };
        if is_open(read.window, grouped.started_at) || is_open(read.window, control.started_at) {
            continue;
        }
        let finding = match totals.get(&read.window) {
            Some(Ok(total)) => compare(rows, total),
            Some(Err(issue)) => Some(format!("the control total itself failed ({issue})")),
            None => Some("the control total has no such window".to_owned()),
        };
        if let Some(finding) = finding {
            let message = format!("{place} {}: {finding}", read.window);
            differing.insert(read.window, Issue::new(IssueCode::ControlTotal, message));
        }
    }
    differing
}

fn is_open(window: Window, at: DateTime<Utc>) -> bool {
    at < window.end()
}

fn compare(rows: &[UsageRow], total: &[UsageRow]) -> Option<String> {
    let (rows, total) = match (sum(rows), sum(total)) {
        (Ok(rows), Ok(total)) => (rows, total),
        (Err(overflow), _) | (_, Err(overflow)) => return Some(overflow.to_string()),
    };
    let metrics = rows.differing(&total);
    let texts: Vec<String> = metrics
        .iter()
        .map(|metric| {
            let value = |metrics: &Metrics| metrics.get(*metric).unwrap_or(0);
            format!(
                "{metric} sums to {} but the total is {}",
                value(&rows),
                value(&total)
            )
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn sum(rows: &[UsageRow]) -> Result<Metrics, MetricOverflow> {
    rows.iter()
        .try_fold(Metrics::default(), |sum, row| sum.checked_add(&row.metrics))
}

#[cfg(test)]
mod tests {
    use usage_core::{DimensionSet, parse_day, parse_instant};
    use usage_providers::WindowRead;

    use super::*;

    fn read(at: &str, rows: Result<Vec<Option<i64>>, Issue>) -> UsageRead {
        let rows = rows.map(|tokens| {
            tokens
                .into_iter()
                .map(|input_tokens| UsageRow {
                    metrics: Metrics {
                        input_tokens,
                        ..Metrics::default()
                    },
                    ..UsageRow::default()
                })
                .collect()
        });
        UsageRead {
            windows: vec![WindowRead {
                window: Window::day(parse_day("2025-09-01").unwrap()),
                rows,
            }],
            grouped_by: DimensionSet::EMPTY,
            empty_dimensions: DimensionSet::EMPTY,
            issues: Vec::new(),
            started_at: parse_instant(at).unwrap(),
        }
    }

    fn check(grouped: &UsageRead, control: &UsageRead) -> Option<String> {
        differing(grouped, control, "openai/org-a completions")
            .into_values()
            .next()
            .map(|issue| issue.message)
    }

    const CLOSED: &str = "2025-09-02T00:00:00Z";
    const OPEN: &str = "2025-09-01T23:59:59Z";

    #[test]
    fn equal_sums_agree_and_absent_counts_as_zero() {
        let total = read(CLOSED, Ok(vec![Some(30)]));
        assert_eq!(
            check(&read(CLOSED, Ok(vec![Some(10), None, Some(20)])), &total),
            None
        );
        assert_eq!(
            check(&read(CLOSED, Ok(vec![])), &read(CLOSED, Ok(vec![Some(0)]))),
            None
        );
    }

    #[test]
    fn different_sums_are_named_with_both_numbers() {
        let found = check(
            &read(CLOSED, Ok(vec![Some(10)])),
            &read(CLOSED, Ok(vec![Some(11)])),
        );
        assert_eq!(
            found.as_deref(),
            Some(
                "openai/org-a completions 2025-09-01T00:00:00Z/1d: \
                 input_tokens sums to 10 but the total is 11"
            )
        );
    }

    #[test]
    fn open_windows_are_not_compared() {
        let total = read(OPEN, Ok(vec![Some(11)]));
        assert_eq!(check(&read(OPEN, Ok(vec![Some(10)])), &total), None);
        assert_eq!(
            check(&read(OPEN, Ok(vec![Some(10)])), &read(CLOSED, Ok(vec![Some(11)]))),
            None
        );
    }

    #[test]
    fn a_failed_control_total_fails_the_window() {
        let failed = read(CLOSED, Err(Issue::new(IssueCode::CountInvalid, "negative")));
        assert!(
            check(&read(CLOSED, Ok(vec![Some(10)])), &failed)
                .unwrap()
                .contains("itself failed")
        );
    }
}
