//! One chunk: read twice, compared, and put into the ledger.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use usage_core::{
    DimensionSet, Dimensions, Drift, Endpoint, Issue, IssueCode, Metrics, Scope, UsageRow, Window,
    WindowRange,
};
use usage_providers::{ReadError, UsageQuery, UsageRead, WindowRead};
use usage_store::{Lease, Ledger, ReplaceError, Replacement, StoreError, WindowOutcome, WindowRows};

use crate::control;
use crate::costs;
use crate::plan::PlannedChunk;
use crate::reader::Reader;

/// What became of a chunk.
pub(crate) struct ChunkResult {
    /// The surface.
    pub(crate) endpoint: Endpoint,
    /// Every window of the chunk that was read, stored or not.
    pub(crate) outcomes: Vec<WindowOutcome>,
    /// Issues of the read as a whole, and of windows that failed before they reached the ledger.
    pub(crate) issues: Vec<Issue>,
    /// Windows that failed before they reached the ledger.
    pub(crate) failed_windows: u64,
    /// Rows of windows that were not stored.
    pub(crate) skipped_rows: u64,
    /// When the read began.
    pub(crate) read_started_at: DateTime<Utc>,
}

/// Why a chunk was not done.
pub(crate) enum ChunkError {
    /// The provider or the network; the ledger keeps what it had.
    Read(ReadError),
    /// The ledger, and what was done before it failed, which stands.
    Store { error: StoreError, before: ChunkResult },
}

impl From<ReadError> for ChunkError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// A grouped read whose windows agree with their control totals, or carry the issue that says otherwise.
struct CheckedRead {
    reads: Vec<UsageRead>,
    issues: Vec<Issue>,
    /// Rows of the windows that do not agree.
    skipped_rows: u64,
}

/// Reads a chunk, checks it against its control totals and replaces its windows.
pub(crate) async fn process(
    ledger: &Ledger,
    lease: &Lease,
    reader: &Reader,
    chunk: &PlannedChunk,
    run_id: i64,
    accept_retractions: bool,
) -> Result<ChunkResult, ChunkError> {
    if chunk.endpoint.is_costs() {
        return costs::process(ledger, lease, reader, chunk, run_id, accept_retractions).await;
    }
    let checked = read_and_check(reader, chunk).await?;
    let mut result = ChunkResult {
        endpoint: chunk.endpoint,
        outcomes: Vec::new(),
        issues: checked.issues,
        failed_windows: 0,
        skipped_rows: checked.skipped_rows,
        read_started_at: checked
            .reads
            .first()
            .map_or(DateTime::UNIX_EPOCH, |read| read.started_at),
    };
    for read in checked.reads {
        let mut windows = Vec::with_capacity(read.windows.len());
        let mut row_counts: BTreeMap<Window, u64> = BTreeMap::new();
        let mut drifts = DriftCount::default();
        for window_read in read.windows {
            match window_read.rows {
                Ok(rows) => {
                    row_counts.insert(window_read.window, rows.len() as u64);
                    drifts.count(window_read.window, &rows);
                    windows.push(WindowRows {
                        window: window_read.window,
                        rows,
                    });
                }
                Err(issue) => {
                    result.failed_windows += 1;
                    result.issues.push(issue);
                }
            }
        }
        result.issues.extend(read.issues);
        result.issues.extend(drifts.issue(reader, chunk));
        let replacement = Replacement {
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
        let (outcomes, failed) = match ledger.replace_windows(lease, replacement).await {
            Ok(outcomes) => (outcomes, None),
            Err(ReplaceError { before, error }) => (before, Some(error)),
        };
        tracing::info!(
            account = %reader.account.account,
            endpoint = %chunk.endpoint,
            windows = outcomes.iter().filter(|outcome| outcome.result.is_ok()).count(),
            run_id,
            "stored {}",
            chunk.windows
        );
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
    Ok(result)
}

/// Reads grouped and without grouping. Closed windows that differ are asked once more, both ways: the provider may have
/// restated them between the two reads. Those that differ again carry the issue instead of rows.
async fn read_and_check(reader: &Reader, chunk: &PlannedChunk) -> Result<CheckedRead, ReadError> {
    let query = |windows, group_by| UsageQuery {
        endpoint: chunk.endpoint,
        windows,
        filter: reader.filter.clone(),
        group_by,
    };
    let place = format!("{} {}", reader.account.account, chunk.endpoint);
    let mut grouped = reader
        .key
        .source
        .read_usage(&query(chunk.windows, chunk.group_by))
        .await?;
    // Not as planned, but as it is now: a window may have closed since the plan was made.
    let is_open = |read: &WindowRead| grouped.started_at < read.window.end();
    if grouped.windows.iter().all(is_open) {
        return Ok(CheckedRead {
            reads: vec![grouped],
            issues: Vec::new(),
            skipped_rows: 0,
        });
    }
    let total = reader
        .key
        .source
        .read_usage(&query(chunk.windows, DimensionSet::EMPTY))
        .await?;
    let mut issues = total.issues.clone();
    let differing = control::differing(&grouped, &total, &reader.filter, &place);
    drop(total);
    let (Some(first), Some(last)) = (differing.keys().next(), differing.keys().next_back()) else {
        return Ok(CheckedRead {
            reads: vec![grouped],
            issues,
            skipped_rows: 0,
        });
    };

    let look_again = async {
        let span = WindowRange::new(first.start(), last.end(), first.width())
            .map_err(|error| ReadError::new(IssueCode::ControlTotal, format!("{place}: {error}")))?;
        let again = reader.key.source.read_usage(&query(span, chunk.group_by)).await?;
        let total = reader
            .key
            .source
            .read_usage(&query(span, DimensionSet::EMPTY))
            .await?;
        Ok::<_, ReadError>((again, total))
    };
    let mut skipped_rows = 0;
    let mut refuse = |read: &mut WindowRead, issue: Issue| {
        skipped_rows += read.rows.as_ref().map_or(0, |rows| rows.len() as u64);
        read.rows = Err(issue);
    };
    let reads = match look_again.await {
        Ok((mut again, total)) => {
            issues.extend(total.issues.clone());
            let mut still_differing = control::differing(&again, &total, &reader.filter, &place);
            // The second read stands for the windows that differed, the first for the others.
            grouped
                .windows
                .retain(|read| !differing.contains_key(&read.window));
            again.windows.retain(|read| differing.contains_key(&read.window));
            for read in &mut again.windows {
                if let Some(issue) = still_differing.remove(&read.window) {
                    refuse(read, issue);
                }
            }
            vec![grouped, again]
        }
        // Windows that agreed are none the worse for it.
        Err(error) => {
            for read in &mut grouped.windows {
                if let Some(issue) = differing.get(&read.window) {
                    let message = format!("{}, and asking again failed: {error}", issue.message);
                    refuse(read, Issue::new(issue.code, message));
                }
            }
            vec![grouped]
        }
    };
    Ok(CheckedRead {
        reads,
        issues,
        skipped_rows,
    })
}

/// Rows whose totals are not the sums of their parts: counted, with one example.
#[derive(Default)]
struct DriftCount {
    rows: u64,
    example: Option<String>,
}

impl DriftCount {
    fn count(&mut self, window: Window, rows: &[UsageRow]) {
        if rows.iter().all(|row| Drift::all(&row.metrics).next().is_none()) {
            return;
        }
        // What stands is the sum of the rows with one identity, and theirs need not be sums of their parts. A sum beyond
        // 64 bits fails its window where it is stored.
        let mut sums: BTreeMap<&Dimensions, Option<Metrics>> = BTreeMap::new();
        for row in rows {
            let sum = sums
                .entry(&row.dimensions)
                .or_insert_with(|| Some(Metrics::default()));
            *sum = sum.and_then(|sum| sum.checked_add(&row.metrics).ok());
        }
        for drift in sums.values().flatten().filter_map(|sum| Drift::all(sum).next()) {
            self.rows += 1;
            self.example.get_or_insert_with(|| format!("{window}: {drift}"));
        }
    }

    fn issue(self, reader: &Reader, chunk: &PlannedChunk) -> Option<Issue> {
        let example = self.example?;
        let message = format!(
            "{} {}: {} rows report totals that are not the sums of their parts, for example {example}; the numbers \
             are stored as reported",
            reader.account.account, chunk.endpoint, self.rows
        );
        Some(Issue::new(IssueCode::TokenSplitDrift, message))
    }
}
