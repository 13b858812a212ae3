//! The clock: the only place where this project learns what time it is.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How far clocks of machines that keep time may be apart. What is said to have happened later than this from now was told
/// by a clock that was wrong.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(10);

/// Tells the time in whole seconds, UTC. Tests and rehearsals bring their own.
pub trait Clock: Send + Sync {
    /// The current time, truncated to the second: a ledger's times survive a round trip through any database.
    fn now(&self) -> DateTime<Utc>;

    /// How much faster than the machine's clock it runs.
    fn scale(&self) -> u32 {
        1
    }

    /// What the machine's own clock shows, which a provider's can be held against; none if this clock does not follow it.
    fn machine_now(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// How long to wait in real time until this clock shows `instant`; nothing if it is past.
    fn real_time_until(&self, instant: DateTime<Utc>) -> Duration {
        (instant - self.now()).to_std().unwrap_or_default()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn machine_now(&self) -> Option<DateTime<Utc>> {
        Some(self.now())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else asks"
    )]
    fn now(&self) -> DateTime<Utc> {
        let now = Utc::now();
        DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
    }
}

/// A clock that shows the machine's time at its origin and runs faster from then on, for rehearsals.
///
/// Processes that are given the same origin and scale show the same time.
///
/// ```
/// use usage_core::{Clock, ScaledClock, SystemClock};
///
/// let begin = SystemClock.now();
/// let clock = ScaledClock::new(begin, 3600.try_into()?);
/// assert!(clock.now() >= begin);
/// assert_eq!(clock.real_time_until(clock.now()), std::time::Duration::ZERO);
/// # Ok::<(), std::num::TryFromIntError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaledClock {
    origin: DateTime<Utc>,
    scale: NonZeroU32,
}

impl ScaledClock {
    /// A clock that shows `origin` when the machine's does, and runs `scale` times as fast.
    pub const fn new(origin: DateTime<Utc>, scale: NonZeroU32) -> Self {
        Self { origin, scale }
    }

    /// What it shows when the machine's clock shows `real`. Before the origin it is the machine's time.
    pub fn at(&self, real: DateTime<Utc>) -> DateTime<Utc> {
        let passed = (real - self.origin).num_milliseconds();
        if passed <= 0 {
            return real;
        }
        let shown = passed
            .checked_mul(self.scale.get().into())
            .and_then(TimeDelta::try_milliseconds)
            .and_then(|shown| self.origin.checked_add_signed(shown));
        shown.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// When it runs from.
    pub const fn origin(&self) -> DateTime<Utc> {
        self.origin
    }
}

impl Clock for ScaledClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else asks"
    )]
    fn now(&self) -> DateTime<Utc> {
        let now = self.at(Utc::now());
        DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
    }

    fn machine_now(&self) -> Option<DateTime<Utc>> {
        SystemClock.machine_now()
    }

    fn scale(&self) -> u32 {
        self.scale.get()
    }

    fn real_time_until(&self, instant: DateTime<Utc>) -> Duration {
        // Its seconds are whole, so it is asked for the remaining one as well.
        let remaining = (instant - self.now()).to_std().unwrap_or_default();
        remaining / self.scale.get()
    }
}

/// A clock that stands still until it is set.
///
/// ```
/// use usage_core::{Clock, ManualClock, parse_instant};
///
/// let clock = ManualClock::new(parse_instant("2025-09-30T12:00:00Z")?);
/// clock.set(parse_instant("2025-10-01T00:00:00Z")?);
/// assert_eq!(clock.now(), parse_instant("2025-10-01T00:00:00Z")?);
/// # Ok::<(), usage_core::ParseInstantError>(())
/// ```
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows this time.
    pub const fn new(now: DateTime<Utc>) -> Self {
        Self(AtomicI64::new(now.timestamp()))
    }

    /// Moves the clock, forward or back.
    pub fn set(&self, now: DateTime<Utc>) {
        self.0.store(now.timestamp(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0.load(Ordering::SeqCst), 0).unwrap_or(DateTime::UNIX_EPOCH)
    }
}
