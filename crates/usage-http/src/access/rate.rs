//! How often a token may ask.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock, QuantaInstant};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// Requests of each token: so many a minute, and so many at once after a rest.
pub(crate) struct RateLimit {
    limiter: RateLimiter<i64, HashMapStateStore<i64>, DefaultClock, NoOpMiddleware<QuantaInstant>>,
}

impl RateLimit {
    /// With so many requests a minute, and so many at once.
    pub(crate) fn new(per_minute: NonZeroU32, at_once: NonZeroU32) -> Self {
        let quota = Quota::per_minute(per_minute).allow_burst(at_once);
        Self {
            limiter: RateLimiter::hashmap_with_clock(quota, DefaultClock::default()),
        }
    }

    /// Takes one request of the token, or says after how many seconds it has one.
    pub(crate) fn take(&self, token: i64) -> Result<(), u64> {
        self.limiter.check_key(&token).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            wait.as_secs() + 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_its_own_rate() {
        let count = |count| NonZeroU32::new(count).unwrap();
        let limit = RateLimit::new(count(1), count(2));
        assert_eq!(limit.take(1), Ok(()));
        assert_eq!(limit.take(1), Ok(()));
        let seconds = limit.take(1).unwrap_err();
        assert!((1..=61).contains(&seconds), "{seconds}");
        assert_eq!(limit.take(2), Ok(()), "another token is not slowed down");
    }
}
