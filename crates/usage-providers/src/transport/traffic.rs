//! What has gone over the wire.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::source::Traffic;

/// Counters that several reads may raise at once. Statistics: they order nothing, so relaxed is enough.
#[derive(Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    throttled_micros: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn count_request(&self, again: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if again {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_wait(&self, wait: Duration) {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.throttled_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn count_bytes(&self, bytes: usize) {
        self.bytes
            .fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            throttled: Duration::from_micros(self.throttled_micros.load(Ordering::Relaxed)),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
