//! What has gone over the wire.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;

use crate::source::{RequestsByStatus, Traffic};

/// Counters that several reads may raise at once. Statistics: they order nothing, so relaxed is enough.
#[derive(Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    throttled_micros: AtomicU64,
    bytes: AtomicU64,
    by_status: Mutex<RequestsByStatus>,
}

impl Counters {
    /// Counts a request that is about to be sent; how it ends is counted when the answer is dropped.
    pub(crate) fn begin_request(&self, endpoint: &'static str, again: bool) -> OpenRequest<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if again {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        OpenRequest {
            counters: self,
            endpoint,
            end: None,
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
            by_status: self
                .by_status
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

/// A request that was sent. However it ends, also when nobody waits for it any more, it is counted once.
pub(crate) struct OpenRequest<'a> {
    counters: &'a Counters,
    endpoint: &'static str,
    end: Option<RequestEnd>,
}

impl OpenRequest<'_> {
    /// Says how it ended; the first word stands.
    pub(crate) fn ended(&mut self, end: RequestEnd) {
        self.end.get_or_insert(end);
    }
}

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        let end = self.end.unwrap_or(RequestEnd::Error).as_str();
        let mut by_status = self
            .counters
            .by_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *by_status
            .entry(self.endpoint)
            .or_default()
            .entry(end)
            .or_default() += 1;
    }
}

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestEnd {
    /// With an answer that came whole, or was refused by its status.
    Answered(StatusCode),
    /// Without a whole answer in time.
    Timeout,
    /// Without a connection.
    NoConnection,
    /// Otherwise: cut off, too large, or nobody waited for the answer any more.
    Error,
}

impl RequestEnd {
    /// The request brought no answer.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            Self::NoConnection
        } else {
            Self::Error
        }
    }

    /// One of a few words, whatever a provider or a proxy in front of it answers.
    pub(crate) fn as_str(self) -> &'static str {
        const KNOWN: [(u16, &str); 22] = [
            (200, "200"),
            (204, "204"),
            (301, "301"),
            (302, "302"),
            (307, "307"),
            (308, "308"),
            (400, "400"),
            (401, "401"),
            (403, "403"),
            (404, "404"),
            (405, "405"),
            (407, "407"),
            (408, "408"),
            (409, "409"),
            (413, "413"),
            (422, "422"),
            (429, "429"),
            (500, "500"),
            (502, "502"),
            (503, "503"),
            (504, "504"),
            (529, "529"),
        ];
        match self {
            Self::Timeout => "timeout",
            Self::NoConnection => "connect",
            Self::Error => "error",
            Self::Answered(status) => {
                let known = KNOWN.into_iter().find(|(known, _)| *known == status.as_u16());
                known.map_or_else(|| class_of(status), |(_, name)| name)
            }
        }
    }
}

fn class_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn any_status_is_one_of_a_few_words() {
        let words: BTreeSet<&str> = (100..1_000)
            .map(|status| RequestEnd::Answered(StatusCode::from_u16(status).unwrap()).as_str())
            .collect();
        assert_eq!(words.len(), 22 + 5, "{words:?}");
        for (status, word) in [
            (200, "200"),
            (201, "2xx"),
            (418, "4xx"),
            (599, "5xx"),
            (999, "other"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(RequestEnd::Answered(status).as_str(), word);
        }
    }

    #[test]
    fn a_request_is_counted_once_however_it_ends() {
        let counters = Counters::default();
        let mut told_twice = counters.begin_request("completions", false);
        told_twice.ended(RequestEnd::Answered(StatusCode::TOO_MANY_REQUESTS));
        told_twice.ended(RequestEnd::Timeout);
        drop(told_twice);
        drop(counters.begin_request("completions", true));
        let counted = counters.snapshot();
        assert_eq!((counted.requests, counted.retries), (2, 1));
        let completions = &counted.by_status["completions"];
        assert_eq!(
            completions.iter().collect::<Vec<_>>(),
            [(&"429", &1), (&"error", &1)]
        );
    }
}
