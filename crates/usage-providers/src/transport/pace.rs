//! The client's own pace.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::options::{InvalidOptions, Pace};

/// The pace of one account: a token bucket, and the time until which the provider wants to be left alone.
///
/// A provider counts the requests of an account, whoever sends them: make one for each account and give every client of
/// the account a clone ([`crate::OpenAiOptions::pacer`]). Clones share one bucket.
///
/// ```
/// use usage_providers::{OpenAi, OpenAiOptions, Pace, Pacer};
///
/// let pacer = Pacer::new(Pace::default())?;
/// let client = || {
///     OpenAi::new(OpenAiOptions {
///         pacer: Some(pacer.clone()),
///         ..OpenAiOptions::new("sk-admin-test-not-a-real-key".to_owned().into())
///     })
/// };
/// let (completions, images) = (client()?, client()?);
/// # Ok::<(), usage_providers::InvalidOptions>(())
/// ```
#[derive(Clone)]
pub struct Pacer(Arc<Shared>);

struct Shared {
    pace: Pace,
    limiter: RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<std::time::Instant>>,
    /// No request before this.
    held_until: Mutex<Option<Instant>>,
}

impl Pacer {
    /// A full bucket.
    ///
    /// # Errors
    ///
    /// [`InvalidOptions::Pace`] for a pace of nothing.
    pub fn new(pace: Pace) -> Result<Self, InvalidOptions> {
        let positive = |rate| NonZeroU32::new(rate).ok_or(InvalidOptions::Pace);
        let quota = Quota::per_minute(positive(pace.requests_per_minute)?).allow_burst(positive(pace.burst)?);
        Ok(Self(Arc::new(Shared {
            pace,
            limiter: RateLimiter::direct_with_clock(quota, RuntimeClock),
            held_until: Mutex::new(None),
        })))
    }

    /// Takes a token; or says how long to wait before asking for it again.
    pub(crate) fn take(&self) -> Option<Duration> {
        let wait = self.held_for().or_else(|| {
            let too_early = self.0.limiter.check().err()?;
            Some(too_early.wait_time_from(RuntimeClock.now()))
        })?;
        // A wait of nothing would have the caller spin.
        Some(wait.max(Duration::from_millis(1)))
    }

    /// Lets nobody take a token for this long, or longer if that was asked for before.
    pub(crate) fn hold_back(&self, wait: Duration) {
        let until = Instant::now().checked_add(wait);
        let mut held_until = self.0.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        // `None` is before any time.
        *held_until = (*held_until).max(until);
    }

    fn held_for(&self) -> Option<Duration> {
        let held_until = *self.0.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        Some(held_until?.saturating_duration_since(Instant::now())).filter(|wait| !wait.is_zero())
    }
}

impl fmt::Debug for Pacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pacer")
            .field("pace", &self.0.pace)
            .finish_non_exhaustive()
    }
}

/// The runtime's clock, so that a test that pauses it pauses the pace too.
#[derive(Clone, Copy, Debug)]
struct RuntimeClock;

impl Clock for RuntimeClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        Instant::now().into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn time_of(pacer: &Pacer, requests: usize) -> Duration {
        let start = Instant::now();
        for _ in 0..requests {
            while let Some(wait) = pacer.take() {
                tokio::time::sleep(wait).await;
            }
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_the_rest_is_even() {
        let pacer = Pacer::new(Pace {
            requests_per_minute: 60,
            burst: 3,
        })
        .unwrap();
        assert_eq!(time_of(&pacer, 3).await, Duration::ZERO);
        let ten = time_of(&pacer, 10).await;
        assert!(
            (Duration::from_secs(10)..Duration::from_millis(10_100)).contains(&ten),
            "{ten:?}"
        );
    }

    #[test]
    fn a_pace_of_nothing_is_refused() {
        for (requests_per_minute, burst) in [(0, 1), (1, 0)] {
            assert!(
                Pacer::new(Pace {
                    requests_per_minute,
                    burst,
                })
                .is_err()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clones_take_from_one_bucket_and_wait_together() {
        let pace = Pace {
            requests_per_minute: 60,
            burst: 3,
        };
        let (one, other) = (Pacer::new(pace).unwrap(), Pacer::new(pace).unwrap());
        let clone = one.clone();
        assert_eq!(time_of(&one, 2).await + time_of(&clone, 1).await, Duration::ZERO);
        assert!(clone.take().is_some(), "the burst is spent");
        assert_eq!(time_of(&other, 3).await, Duration::ZERO);

        tokio::time::sleep(Duration::from_secs(3)).await;
        one.hold_back(Duration::from_secs(30));
        one.hold_back(Duration::from_secs(5));
        assert_eq!(
            clone.take(),
            Some(Duration::from_secs(30)),
            "the longest wait holds"
        );
        assert_eq!(time_of(&clone, 3).await, Duration::from_secs(30));
        assert_eq!(clone.held_for(), None);
    }
}
