//! Waiting for the schedule.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use usage_core::{CLOCK_TOLERANCE, Clock, format_instant};
use usage_store::Ledger;

use super::{PassMark, RUN_KIND, Schedule};
use crate::error::AppError;

/// The clock is looked at at least this often, so that one that is set does not let a pass be late.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// A clock that goes back further than this is told of.
const JUMP: TimeDelta = TimeDelta::minutes(1);

/// When passes run.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// When passes are due.
    pub schedule: Schedule,
    /// A pass begins at a random moment up to this long after it is due, in real time: many hosts do not ask at once.
    pub jitter: Duration,
    /// Whether a pass that was due while nobody ran is made up for at the start.
    pub catch_up: bool,
}

/// A pass is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When it was due, UTC.
    pub due: DateTime<Utc>,
    /// Whether it was missed, and is made up for.
    pub late: bool,
}

/// Calls `pass` whenever one is due, until told to stop, or until `pass` says that it is enough by returning `false`. A pass
/// that takes longer than the schedule's interval lets ticks go by: the next one reads what they would have read.
pub async fn serve_schedule(
    clock: &dyn Clock,
    ledger: &Ledger,
    options: &ServeOptions,
    mut stop: watch::Receiver<bool>,
    mut pass: impl AsyncFnMut(Tick) -> bool,
) -> Result<(), AppError> {
    let mut last = clock.now();
    if options.catch_up
        && let Some(due) = missed(ledger, &options.schedule, last).await?
    {
        tracing::warn!(due = format_instant(due), "a pass was missed and is made up for");
        if !pass(Tick { due, late: true }).await {
            return Ok(());
        }
        last = last.max(due);
    }
    let mut seen = last;
    loop {
        let now = clock.now();
        if went_back(&mut seen, now) {
            // What was due by a clock that was wrong says nothing of when the next pass is due.
            last = now;
        }
        let Some(next) = options.schedule.next_after(last) else {
            tracing::warn!("no further pass is due");
            return Ok(());
        };
        tracing::info!(due = format_instant(next), "waiting");
        match wait(clock, next, &mut seen, &mut stop).await {
            Wait::Reached => {}
            Wait::WentBack => {
                last = clock.now();
                continue;
            }
            Wait::Stopped => return Ok(()),
        }
        if !delay(options.jitter, &mut stop).await {
            return Ok(());
        }
        // After a long pass or a clock that was set forward, the latest tick stands for those before it.
        let due = options
            .schedule
            .latest_until(clock.now())
            .unwrap_or(next)
            .max(next);
        if due > next {
            tracing::warn!(
                from = format_instant(next),
                to = format_instant(due),
                "passes were due while none could run; one stands for all"
            );
        }
        if !pass(Tick {
            due,
            late: due > next,
        })
        .await
        {
            return Ok(());
        }
        last = due;
        if *stop.borrow() {
            return Ok(());
        }
    }
}

/// The latest pass that was due, unless every account that has a key was read since.
async fn missed(
    ledger: &Ledger,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, AppError> {
    let Some(due) = schedule.latest_until(now) else {
        return Ok(None);
    };
    // A ledger that never had a pass has missed none.
    if !ledger.has_run(RUN_KIND).await? {
        return Ok(None);
    }
    let runs = ledger.runs_started_since(RUN_KIND, due).await?;
    let done: BTreeSet<String> = runs
        .iter()
        // One that was made by a clock that was wrong stands for no pass that is due by one that is right.
        .filter(|run| run.started_at <= now + CLOCK_TOLERANCE)
        .filter_map(|run| PassMark::of(&run.telemetry))
        .filter(|mark| mark.complete)
        .map(|mark| mark.account)
        .collect();
    let keys = ledger.keys().await?;
    let is_done = keys
        .iter()
        .all(|key| done.contains(&key.account.account.to_string()));
    Ok((!is_done).then_some(due))
}

/// Waits until the clock shows `instant`, however it is set meanwhile; `false` if told to stop before.
pub(crate) async fn wait_until(
    clock: &dyn Clock,
    instant: DateTime<Utc>,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    let mut seen = clock.now();
    loop {
        match wait(clock, instant, &mut seen, stop).await {
            Wait::Reached => return true,
            Wait::WentBack => {}
            Wait::Stopped => return false,
        }
    }
}

/// How waiting ended.
enum Wait {
    Reached,
    WentBack,
    Stopped,
}

/// Waits until the clock shows `instant`, or is set back behind what was `seen` of it last.
async fn wait(
    clock: &dyn Clock,
    instant: DateTime<Utc>,
    seen: &mut DateTime<Utc>,
    stop: &mut watch::Receiver<bool>,
) -> Wait {
    loop {
        let now = clock.now();
        if went_back(seen, now) {
            return Wait::WentBack;
        }
        if now >= instant {
            return Wait::Reached;
        }
        if !delay_for(clock.real_time_until(instant).min(LOOK_AGAIN), stop).await {
            return Wait::Stopped;
        }
    }
}

/// Whether the clock shows less than was seen of it by more than clocks are corrected; tells of it.
fn went_back(seen: &mut DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let before = std::mem::replace(seen, now);
    let went_back = now < before - JUMP;
    if went_back {
        tracing::warn!(
            from = format_instant(before),
            to = format_instant(now),
            "the clock went back; passes are due by what it shows now"
        );
    }
    went_back
}

/// Waits for a random time up to `jitter`.
async fn delay(jitter: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    if jitter.is_zero() {
        return !*stop.borrow();
    }
    let share = match getrandom::u32() {
        Ok(random) => f64::from(random) / f64::from(u32::MAX),
        // A machine without random numbers is as well served by none.
        Err(_) => 0.0,
    };
    delay_for(jitter.mul_f64(share), stop).await
}

async fn delay_for(duration: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    if *stop.borrow() {
        return false;
    }
    tokio::select! {
        () = tokio::time::sleep(duration) => true,
        stopped = stop.wait_for(|stop| *stop) => stopped.is_err(),
    }
}
