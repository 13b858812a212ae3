//! Control totals: the same range asked without grouping must sum to the grouped rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use usage_core::{Dimension, Issue, IssueCode, MetricOverflow, Metrics, ProjectFilter, UsageRow, Window};
use usage_providers::UsageRead;

/// The windows whose grouped rows do not sum to the control total, with what differs.
///
/// Windows that were still open at either read are not compared: usage came in between. Windows that failed on the
/// grouped side have their own issue already. Where rows came that the filter should have kept away, the issue is that.
pub(crate) fn differing(
    grouped: &UsageRead,
    control: &UsageRead,
    filter: &ProjectFilter,
    place: &str,
) -> BTreeMap<Window, Issue> {
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
            let (code, finding) = match project_outside(filter, rows) {
                Some(project) => (
                    IssueCode::FilterNotApplied,
                    format!("a row of project {project} came though only {filter} was asked for: {finding}"),
                ),
                None => (IssueCode::ControlTotal, finding),
            };
            let message = format!("{place} {}: {finding}", read.window);
            differing.insert(read.window, Issue::new(code, message));
        }
    }
    differing
}

/// The project of a row that was not asked for.
fn project_outside<'a>(filter: &ProjectFilter, rows: &'a [UsageRow]) -> Option<&'a str> {
    rows.iter()
        .map(|row| row.dimensions.get(Dimension::ProjectId))
        .find(|project| !filter.admits(*project))
        .map(|project| project.unwrap_or("none"))
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
        differing(grouped, control, &ProjectFilter::ALL, "openai/org-a completions")
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

    #[test]
    fn a_row_that_was_not_asked_for_is_what_is_wrong() {
        let filter = ProjectFilter::projects(["proj_a".to_owned()]);
        let total = read(CLOSED, Ok(vec![Some(10)]));
        for (projects, code) in [
            (["proj_a", "proj_a"], IssueCode::ControlTotal),
            (["proj_a", "proj_b"], IssueCode::FilterNotApplied),
        ] {
            let mut grouped = read(CLOSED, Ok(vec![Some(10), Some(1)]));
            let rows = grouped.windows[0].rows.as_mut().unwrap();
            for (row, project) in rows.iter_mut().zip(projects) {
                row.dimensions.project_id = Some(project.to_owned());
            }
            let issues = differing(&grouped, &total, &filter, "openai/org-a completions");
            let issue = issues.into_values().next().unwrap();
            assert_eq!(issue.code, code, "{issue}");
            let named = "a row of project proj_b came though only proj_a was asked for";
            assert_eq!(
                issue.message.contains(named),
                code == IssueCode::FilterNotApplied,
                "{issue}"
            );
        }
    }
}
