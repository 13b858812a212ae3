//! The ledger as a program uses it: everything that happens between a complete read and its coverage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use usage_core::{
    DimensionSet, Endpoint, ProjectFilter, Scope, SystemClock, Width, WindowState, parse_instant,
};
use usage_store::{Lease, LeaseAttempt, Ledger, OpenMode, Replacement, WindowCounts, WindowRows, WritePath};

use crate::child::{Measurement, Sample};
use crate::{Outcome, limit, rows};

/// When the first read began: every window was settled by then.
const FIRST_READ: &str = "2025-12-01T00:00:00Z";
/// Before the first window ends.
const BEFORE_ALL: &str = "1990-01-01T00:00:00Z";
/// Longer than any run takes.
const LEASE: Duration = Duration::from_hours(24);
/// Days of a month, which is a chunk.
const MONTH: usize = 30;

/// The first load, the same read again, and a read that restates every tenth row.
pub(crate) fn phases(url: &str, rows: usize, window: usize) -> Outcome<Vec<Sample>> {
    runtime()?.block_on(async {
        let writer = Writer::open(url).await?;
        let mut samples = Vec::new();

        let (sample, counts) = writer.replace(0, rows::windows(rows, window)?).await?;
        expect("inserted", counts.inserted, rows)?;
        samples.push(sample);

        let (sample, counts) = writer.replace(1, rows::windows(rows, window)?).await?;
        expect("unchanged", counts.unchanged, rows)?;
        samples.push(sample);

        let mut restated = rows::windows(rows, window)?;
        let changed = rows::restate(&mut restated);
        let (sample, counts) = writer.replace(2, restated).await?;
        expect("updated", counts.updated, changed)?;
        expect("revisions", counts.revisions, changed)?;
        samples.push(sample);
        Ok(samples)
    })
}

/// Quiet windows that show what coverage costs.
const QUIET_WINDOWS: usize = 3_000;

/// What the parts cost: the first load without the unique index, a read that changes every tenth row of windows that
/// are still open, which leaves no revisions, and windows without rows, which leave nothing but coverage.
pub(crate) fn costs(url: &str, rows: usize, window: usize) -> Outcome<Vec<Sample>> {
    runtime()?.block_on(async {
        let mut writer = Writer::open(url).await?;
        let mut samples = Vec::new();

        // Before any window's end: all of them are open.
        writer.first_read = parse_instant(BEFORE_ALL)?;
        limit::drop_index(url)?;
        let (sample, counts) = writer.replace(0, rows::windows(rows, window)?).await?;
        expect("inserted", counts.inserted, rows)?;
        samples.push(sample);
        if !writer.ledger.migrate().await?.index_made {
            return Err("the index was not made".into());
        }

        let mut changed_rows = rows::windows(rows, window)?;
        let changed = rows::restate(&mut changed_rows);
        let (sample, counts) = writer.replace(2, changed_rows).await?;
        expect("updated", counts.updated, changed)?;
        expect("revisions", counts.revisions, 0)?;
        samples.push(sample);

        writer.first_read = parse_instant(FIRST_READ)?;
        let quiet = rows::days(rows.div_ceil(window) + 1, QUIET_WINDOWS)?;
        let quiet = quiet.into_iter().map(|window| WindowRows {
            window,
            rows: Vec::new(),
        });
        let measurement = Measurement::start()?;
        writer.store(0, quiet.collect()).await?;
        samples.push(measurement.finish(QUIET_WINDOWS)?);
        Ok(samples)
    })
}

/// The first load of months, a month at a time; only storing counts as time, the peak is that of the whole.
pub(crate) fn months(url: &str, months: usize, window: usize) -> Outcome<Sample> {
    runtime()?.block_on(async {
        let writer = Writer::open(url).await?;
        let whole = Measurement::start()?;
        let (mut took, mut stored) = (Duration::ZERO, 0);
        for month in 0..months {
            let read: Vec<WindowRows> = rows::days(month * MONTH, MONTH)?
                .into_iter()
                .map(|day| rows::window_rows(day, window))
                .collect();
            let started = Instant::now();
            let counts = writer.store(0, read).await?;
            took += started.elapsed();
            expect("inserted", counts.inserted, MONTH * window)?;
            stored += MONTH * window;
        }
        whole.finish_with(stored, took)
    })
}

struct Writer {
    ledger: Ledger,
    lease: Lease,
    scope: Scope,
    first_read: DateTime<Utc>,
}

impl Writer {
    async fn open(url: &str) -> Outcome<Self> {
        let ledger = Ledger::open(url, Arc::new(SystemClock), OpenMode::SetUpIfEmpty).await?;
        let stored = ledger.add_account(rows::account()?).await?;
        let lease = match ledger.acquire_lease(stored.id, "benchmark", LEASE, None).await? {
            LeaseAttempt::Acquired(lease) => lease,
            held @ LeaseAttempt::Held { .. } => return Err(format!("{held:?}").into()),
        };
        Ok(Self {
            ledger,
            lease,
            scope: Scope {
                account: stored.account,
                endpoint: Endpoint::Completions,
                width: Width::Day,
                filter: ProjectFilter::ALL,
                grouped_by: Endpoint::Completions.dimensions(),
            },
            first_read: parse_instant(FIRST_READ)?,
        })
    }

    async fn replace(&self, hours_later: i64, windows: Vec<WindowRows>) -> Outcome<(Sample, WindowCounts)> {
        let rows = windows.iter().map(|window| window.rows.len()).sum();
        let measurement = Measurement::start()?;
        let counts = self.store(hours_later, windows).await?;
        Ok((measurement.finish(rows)?, counts))
    }

    async fn store(&self, hours_later: i64, windows: Vec<WindowRows>) -> Outcome<WindowCounts> {
        let replacement = Replacement {
            scope: self.scope.clone(),
            refused: DimensionSet::EMPTY,
            empty: DimensionSet::EMPTY,
            read_started_at: self.first_read + TimeDelta::hours(hours_later),
            run_id: 1,
            accept_retractions: false,
            windows,
        };
        let mut sum = WindowCounts {
            inserted: 0,
            updated: 0,
            unchanged: 0,
            retracted: 0,
            revisions: 0,
            merged: 0,
            state: WindowState::Settled,
            path: WritePath::Constraint,
        };
        for outcome in self.ledger.replace_windows(&self.lease, replacement).await? {
            let counts = outcome.result.map_err(|issue| format!("{issue:?}"))?;
            sum.inserted += counts.inserted;
            sum.updated += counts.updated;
            sum.unchanged += counts.unchanged;
            sum.retracted += counts.retracted;
            sum.revisions += counts.revisions;
            sum.merged += counts.merged;
        }
        Ok(sum)
    }
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// A measurement of something else than intended would be worse than none.
fn expect(what: &str, found: u64, wanted: usize) -> Outcome<()> {
    if usize::try_from(found)? == wanted {
        Ok(())
    } else {
        Err(format!("{found} rows {what}, not {wanted}").into())
    }
}
