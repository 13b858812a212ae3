//! When to send a request again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, UNIX_EPOCH};

use chrono::{DateTime, Utc};

use crate::options::RetryPolicy;

/// The wait that a provider asks for: `retry-after-ms` if it is there, else `retry-after` in seconds or as a date.
///
/// `None` when it asks for none, for one that is over, or in words that mean nothing; a wait beyond all measure is
/// [`Duration::MAX`].
pub(crate) fn parse_retry_after(
    milliseconds: Option<&str>,
    after: Option<&str>,
    now: DateTime<Utc>,
) -> Option<Duration> {
    let in_seconds = |text: &str, unit: f64| seconds(text.trim().parse::<f64>().ok()? / unit);
    milliseconds
        .and_then(|text| in_seconds(text, 1_000.0))
        .or_else(|| after.and_then(|text| in_seconds(text, 1.0).or_else(|| until(text.trim(), now))))
}

/// Reads a date of HTTP.
pub(crate) fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    let at = httpdate::parse_http_date(text.trim()).ok()?;
    let seconds = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

/// The wait before the attempt after this one (counted from 1): exponential, less up to a quarter, so that clients
/// that failed together do not come back together.
pub(crate) fn backoff(policy: &RetryPolicy, attempt: u32) -> Duration {
    // A hasher with random keys is all the randomness this needs.
    let draw = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0);
    let lost = f64::from(draw) / f64::from(u32::MAX) / 4.0;
    undisturbed_backoff(policy, attempt).mul_f64(1.0 - lost)
}

fn undisturbed_backoff(policy: &RetryPolicy, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1);
    2_u32
        .checked_pow(doublings)
        .and_then(|factor| policy.base.checked_mul(factor))
        .unwrap_or(policy.ceiling)
        .min(policy.ceiling)
}

fn seconds(wait: f64) -> Option<Duration> {
    (wait > 0.0).then(|| Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX))
}

fn until(date: &str, now: DateTime<Utc>) -> Option<Duration> {
    let wait = parse_date(date)? - now;
    wait.to_std().ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use usage_core::parse_instant;

    #[test]
    fn reads_every_form_of_retry_after() {
        let now = parse_instant("2025-10-01T12:00:00Z").unwrap();
        let ms = Duration::from_millis;
        for (milliseconds, after, wait) in [
            (None, None, None),
            (Some("250"), Some("9"), Some(ms(250))),
            (Some("soon"), Some("9"), Some(ms(9_000))),
            (None, Some(" 1.5 "), Some(ms(1_500))),
            (None, Some("0"), None),
            (None, Some("-3"), None),
            (None, Some("NaN"), None),
            (None, Some("1e300"), Some(Duration::MAX)),
            (None, Some("inf"), Some(Duration::MAX)),
            (None, Some("Wed, 01 Oct 2025 12:00:30 GMT"), Some(ms(30_000))),
            (None, Some("Wed, 01 Oct 2025 12:00:00 GMT"), None),
            (None, Some("Wed, 01 Oct 2025 11:00:00 GMT"), None),
            (None, Some("tomorrow"), None),
        ] {
            assert_eq!(
                parse_retry_after(milliseconds, after, now),
                wait,
                "{milliseconds:?} {after:?}"
            );
        }
    }

    #[test]
    fn backoff_doubles_up_to_its_ceiling() {
        let policy = RetryPolicy::default();
        let waits: Vec<_> = [1, 2, 3, 4, 5, 6, 40, u32::MAX]
            .map(|attempt| undisturbed_backoff(&policy, attempt).as_millis())
            .into();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000]);
    }

    #[test]
    fn jitter_takes_a_quarter_at_most() {
        let policy = RetryPolicy::default();
        for _ in 0..100 {
            let wait = backoff(&policy, 2);
            assert!(
                (Duration::from_millis(750)..=Duration::from_secs(1)).contains(&wait),
                "{wait:?}"
            );
        }
    }
}
