//! One chunk of costs: read twice, compared as decimals, and put into the ledger.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use usage_core::{CostRow, Decimal, DimensionSet, Issue, IssueCode, NanoUsd, Scope, Window, WindowRange};
use usage_providers::{CostsRead, CostsWindow, ReadError, UsageQuery};
use usage_store::{CostReplacement, CostWindowRows, Lease, Ledger, ReplaceError};

use crate::chunk::{ChunkError, ChunkResult};
use crate::plan::PlannedChunk;
use crate::reader::Reader;

/// By how much sums of amounts may differ for each row: providers round, each amount on its own.
const NANOS_A_ROW: i64 = 1;

/// Reads a chunk of costs, checks it against its control totals and replaces its windows.
pub(crate) async fn process(
    ledger: &Ledger,
    lease: &Lease,
    reader: &Reader,
    chunk: &PlannedChunk,
    run_id: i64,
    accept_retractions: bool,
) -> Result<ChunkResult, ChunkError> {
    let (reads, issues, skipped_rows) = read_and_check(reader, chunk).await?;
    let mut result = ChunkResult {
        endpoint: chunk.endpoint,
        outcomes: Vec::new(),
        issues,
        failed_windows: 0,
        skipped_rows,
        read_started_at: reads.first().map_or(DateTime::UNIX_EPOCH, |read| read.started_at),
    };
    for read in reads {
        let mut windows = Vec::with_capacity(read.windows.len());
        let mut row_counts: BTreeMap<Window, u64> = BTreeMap::new();
        for CostsWindow { window, rows } in read.windows {
            match rows {
                Ok(rows) => {
                    row_counts.insert(window, rows.len() as u64);
                    windows.push(CostWindowRows { window, rows });
                }
                Err(issue) => {
                    result.failed_windows += 1;
                    result.issues.push(issue);
                }
            }
        }
        result.issues.extend(read.issues);
        let replacement = CostReplacement {
            scope: Scope {
                account: reader.account.account.clone(),
                endpoint: chunk.endpoint,
                width: chunk.windows.width(),
                filter: reader.filter.clone(),
                grouped_by: read.grouped_by,
            },
            refused: chunk.group_by.difference(read.grouped_by),
            empty: read.empty_dimensions,
            read_started_at: read.started_at,
            run_id,
            accept_retractions,
            windows,
        };
        let (outcomes, failed) = match ledger.replace_costs(lease, replacement).await {
            Ok(outcomes) => (outcomes, None),
            Err(ReplaceError { before, error }) => (before, Some(error)),
        };
        for outcome in &outcomes {
            let rows = row_counts.remove(&outcome.window).unwrap_or_default();
            result.skipped_rows += if outcome.result.is_err() { rows } else { 0 };
        }
        result.outcomes.extend(outcomes);
        if let Some(error) = failed {
            result.skipped_rows += row_counts.into_values().sum::<u64>();
            return Err(ChunkError::Store {
                error,
                before: result,
            });
        }
    }
    tracing::info!(
        account = %reader.account.account,
        endpoint = %chunk.endpoint,
        windows = result.outcomes.iter().filter(|outcome| outcome.result.is_ok()).count(),
        run_id,
        "stored {}",
        chunk.windows
    );
    Ok(result)
}

/// Reads grouped and without grouping. Closed windows that differ are asked once more, both ways; those that differ again
/// carry the issue instead of rows. Also returned: issues, and the rows of windows that differ.
async fn read_and_check(
    reader: &Reader,
    chunk: &PlannedChunk,
) -> Result<(Vec<CostsRead>, Vec<Issue>, u64), ReadError> {
    let place = format!("{} {}", reader.account.account, chunk.endpoint);
    let ask = async |windows: WindowRange, group_by: DimensionSet| {
        let query = UsageQuery {
            endpoint: chunk.endpoint,
            windows,
            filter: reader.filter.clone(),
            group_by,
        };
        reader.key.source.read_costs(&query).await
    };
    let mut grouped = ask(chunk.windows, chunk.group_by).await?;
    // Not as planned, but as it is now: a window may have closed since the plan was made.
    let is_open = |read: &CostsRead| read.windows.iter().all(|of| read.started_at < of.window.end());
    if grouped.iter().all(is_open) {
        return Ok((grouped, Vec::new(), 0));
    }
    let total = ask(chunk.windows, DimensionSet::EMPTY).await?;
    let mut issues: Vec<Issue> = total.iter().flat_map(|read| read.issues.clone()).collect();
    let differing = differing(&grouped, &total, &place);
    let (Some(first), Some(last)) = (differing.keys().next(), differing.keys().next_back()) else {
        return Ok((grouped, issues, 0));
    };

    let span = WindowRange::new(first.start(), last.end(), first.width())
        .map_err(|error| ReadError::new(IssueCode::ControlTotal, format!("{place}: {error}")))?;
    let look_again = async {
        let again = ask(span, chunk.group_by).await?;
        let total = ask(span, DimensionSet::EMPTY).await?;
        Ok::<_, ReadError>((again, total))
    };
    let mut skipped_rows = 0;
    let mut refuse = |read: &mut CostsWindow, issue: Issue| {
        skipped_rows += read.rows.as_ref().map_or(0, |rows| rows.len() as u64);
        read.rows = Err(issue);
    };
    match look_again.await {
        Ok((mut again, total)) => {
            issues.extend(total.iter().flat_map(|read| read.issues.clone()));
            let mut still_differing = self::differing(&again, &total, &place);
            // The second read stands for the windows that differed, the first for the others.
            for read in &mut grouped {
                read.windows.retain(|of| !differing.contains_key(&of.window));
            }
            for read in &mut again {
                read.windows.retain(|of| differing.contains_key(&of.window));
                for of in &mut read.windows {
                    if let Some(issue) = still_differing.remove(&of.window) {
                        refuse(of, issue);
                    }
                }
            }
            grouped.extend(again);
        }
        // Windows that agreed are none the worse for it.
        Err(error) => {
            for of in grouped.iter_mut().flat_map(|read| &mut read.windows) {
                if let Some(issue) = differing.get(&of.window) {
                    let message = format!("{}, and asking again failed: {error}", issue.message);
                    refuse(of, Issue::new(issue.code, message));
                }
            }
        }
    }
    Ok((grouped, issues, skipped_rows))
}

/// The control total of a window, and when it was read.
type Total<'a> = (DateTime<Utc>, &'a Result<Vec<CostRow>, Issue>);

/// The windows whose grouped amounts do not sum to the control total, currency by currency, with what differs. Windows that
/// were still open at either read are not compared, nor those that failed on the grouped side.
fn differing(grouped: &[CostsRead], control: &[CostsRead], place: &str) -> BTreeMap<Window, Issue> {
    let mut totals: BTreeMap<Window, Total<'_>> = BTreeMap::new();
    for read in control {
        for of in &read.windows {
            totals.insert(of.window, (read.started_at, &of.rows));
        }
    }
    let mut differing = BTreeMap::new();
    for (read, of) in grouped
        .iter()
        .flat_map(|read| read.windows.iter().map(move |of| (read, of)))
    {
        let (window, Ok(rows)) = (of.window, &of.rows) else {
            continue;
        };
        let total = totals.get(&window);
        let read_at = total.map_or(read.started_at, |(at, _)| read.started_at.min(*at));
        if read_at < window.end() {
            continue;
        }
        let finding = match total {
            Some((_, Ok(total))) => compare(rows, total),
            Some((_, Err(issue))) => Some(format!("the control total itself failed ({issue})")),
            None => Some("the control total has no such window".to_owned()),
        };
        if let Some(finding) = finding {
            let message = format!("{place} {window}: {finding}");
            differing.insert(window, Issue::new(IssueCode::ControlTotal, message));
        }
    }
    differing
}

fn compare(rows: &[CostRow], total: &[CostRow]) -> Option<String> {
    let (sums, totals) = (sums(rows), sums(total));
    let zero = Decimal::default();
    let tolerance = i64::try_from(rows.len() + total.len()).unwrap_or(i64::MAX);
    let tolerance = NanoUsd::new(tolerance.saturating_mul(NANOS_A_ROW));
    let currencies: std::collections::BTreeSet<&Option<String>> = sums.keys().chain(totals.keys()).collect();
    let texts: Vec<String> = currencies
        .into_iter()
        .filter_map(|currency| {
            let sum = sums.get(currency).unwrap_or(&zero);
            let total = totals.get(currency).unwrap_or(&zero);
            let name = currency.as_deref().unwrap_or("amounts without a currency");
            (!sum.is_within(total, tolerance))
                .then(|| format!("{name}: the line items sum to {sum} but the total is {total}"))
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn sums(rows: &[CostRow]) -> BTreeMap<Option<String>, Decimal> {
    let mut sums: BTreeMap<Option<String>, Decimal> = BTreeMap::new();
    for row in rows {
        if let Some(amount) = &row.amount {
            *sums.entry(row.group.currency()).or_default() += amount.value();
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use usage_core::{CostGroup, parse_day, parse_instant};

    use super::*;

    fn row(amount: &str, currency: &str) -> CostRow {
        CostRow {
            group: CostGroup {
                currency: Some(currency.to_owned()),
                ..CostGroup::default()
            },
            amount: Some(amount.parse().unwrap()),
            ..CostRow::default()
        }
    }

    fn read(at: &str, rows: &[CostRow]) -> Vec<CostsRead> {
        vec![CostsRead {
            windows: vec![CostsWindow {
                window: Window::day(parse_day("2025-09-01").unwrap()),
                rows: Ok(rows.to_vec()),
            }],
            grouped_by: DimensionSet::EMPTY,
            empty_dimensions: DimensionSet::EMPTY,
            issues: Vec::new(),
            started_at: parse_instant(at).unwrap(),
        }]
    }

    fn check(grouped: &[CostRow], total: &[CostRow]) -> Option<String> {
        let at = "2025-09-02T00:00:00Z";
        differing(&read(at, grouped), &read(at, total), "openai/org-a costs")
            .into_values()
            .next()
            .map(|issue| issue.message)
    }

    #[test]
    fn sums_agree_within_a_nano_a_row_and_currency_by_currency() {
        let rows = [row("0.1", "usd"), row("0.2", "USD"), row("-0.05", "usd")];
        assert_eq!(check(&rows, &[row("0.25", "usd")]), None);
        assert_eq!(check(&rows, &[row("0.250000004", "usd")]), None);
        let found = check(&rows, &[row("0.250000005", "usd")]).unwrap();
        assert!(
            found.ends_with("usd: the line items sum to 0.25 but the total is 0.250000005"),
            "{found}"
        );
        let found = check(&rows, &[row("0.25", "usd"), row("1", "eur")]).unwrap();
        assert!(
            found.contains("eur: the line items sum to 0 but the total is 1"),
            "{found}"
        );
    }

    #[test]
    fn an_open_day_is_not_compared() {
        let (closed, open) = ("2025-09-02T00:00:00Z", "2025-09-01T23:59:59Z");
        let (one, two) = ([row("1", "usd")], [row("2", "usd")]);
        assert!(differing(&read(open, &one), &read(closed, &two), "").is_empty());
        assert!(differing(&read(closed, &one), &read(open, &two), "").is_empty());
        assert_eq!(differing(&read(closed, &one), &read(closed, &two), "").len(), 1);
    }
}
