//! The clock: the only place where this project learns what time it is.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// Tells the time in whole seconds, UTC. Tests and rehearsals bring their own.
pub trait Clock: Send + Sync {
    /// The current time, truncated to the second: a ledger's times survive a round trip through any database.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else asks"
    )]
    fn now(&self) -> DateTime<Utc> {
        let now = Utc::now();
        DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
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
