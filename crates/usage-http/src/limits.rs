//! How much a client may ask for, and how long it may take.

use std::num::NonZeroU32;
use std::time::Duration;

/// How much a client may ask for, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open at once. When there are so many, the one that has been idle longest makes room; if none is
    /// idle, whoever comes waits.
    pub connections: usize,
    /// How long the head of a request may take to arrive, and so how long a connection may be idle; a proxy should close
    /// its own sooner.
    pub head: Duration,
    /// How long the body of a request may take to arrive.
    pub body: Duration,
    /// The size of a request's body, in bytes.
    pub body_bytes: usize,
    /// How long a route may take to answer. A pass has its own deadline instead.
    pub answer: Duration,
    /// How long a client may read nothing of an answer.
    pub unread: Duration,
    /// For how long metrics and readiness are told again without being computed again.
    pub cached: Duration,
    /// How many calls of the API, and pages of the dashboard, a token may ask for in a minute.
    pub token_per_minute: NonZeroU32,
    /// How many of them at once, after a rest.
    pub token_at_once: NonZeroU32,
    /// How many tokens that turn out to be none are looked up in a minute, of all clients together.
    pub wrong_tokens_per_minute: NonZeroU32,
}

const REQUESTS_A_MINUTE: NonZeroU32 = NonZeroU32::new(600).unwrap();
const REQUESTS_AT_ONCE: NonZeroU32 = NonZeroU32::new(100).unwrap();
const WRONG_TOKENS_A_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();

impl Default for Limits {
    /// What suits people, Prometheus and a proxy before the server. The number of connections leaves a process with the
    /// usual 1,024 open files enough of them for its database.
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(30),
            body: Duration::from_secs(10),
            body_bytes: 64 * 1024,
            answer: Duration::from_secs(30),
            unread: Duration::from_secs(30),
            cached: Duration::from_secs(5),
            token_per_minute: REQUESTS_A_MINUTE,
            token_at_once: REQUESTS_AT_ONCE,
            wrong_tokens_per_minute: WRONG_TOKENS_A_MINUTE,
        }
    }
}
