//! The client's own pace.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::options::Pace;

/// A token bucket.
pub(crate) struct Pacer {
    limiter: RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<std::time::Instant>>,
}

impl Pacer {
    /// `None` for a pace of nothing.
    pub(crate) fn new(pace: Pace) -> Option<Self> {
        let quota = Quota::per_minute(NonZeroU32::new(pace.requests_per_minute)?)
            .allow_burst(NonZeroU32::new(pace.burst)?);
        Some(Self {
            limiter: RateLimiter::direct_with_clock(quota, RuntimeClock),
        })
    }

    /// Takes a token; or says how long to wait before asking for it again.
    pub(crate) fn take(&self) -> Option<Duration> {
        let too_early = self.limiter.check().err()?;
        // A wait of nothing would have the caller spin.
        Some(
            too_early
                .wait_time_from(RuntimeClock.now())
                .max(Duration::from_millis(1)),
        )
    }
}

/// The runtime's clock, so that a test that pauses it pauses the pace too.
#[derive(Clone, Copy, Debug)]
struct RuntimeClock;

impl Clock for RuntimeClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        tokio::time::Instant::now().into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn time_of(pacer: &Pacer, requests: usize) -> Duration {
        let start = tokio::time::Instant::now();
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
                .is_none()
            );
        }
    }
}
