//! How a client is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;
use usage_core::{Clock, SystemClock};

use crate::base_url::BaseUrl;
use crate::transport::Pacer;

/// What [`crate::OpenAi`] is made from. Everything but the key has a default:
///
/// ```
/// use usage_providers::{OpenAi, OpenAiOptions};
///
/// let key = "sk-admin-test-not-a-real-key".to_owned().into();
/// let source = OpenAi::new(OpenAiOptions {
///     base_url: "http://127.0.0.1:8787/v1".parse()?,
///     ..OpenAiOptions::new(key)
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OpenAiOptions {
    /// Where the API is.
    pub base_url: BaseUrl,
    /// The admin key (`sk-admin-…`). Never printed.
    pub key: SecretString,
    /// How fast to ask; does not count if there is a `pacer`.
    pub pace: Pace,
    /// The pace of the account, shared by all its clients; without one, the client keeps `pace` by itself.
    pub pacer: Option<Pacer>,
    /// How often and how patiently to ask again.
    pub retry: RetryPolicy,
    /// When everything must be over. No request is sent and no wait begun that would pass it.
    pub deadline: Option<Instant>,
    /// Time-outs and the size of a body.
    pub limits: Limits,
    /// How lists are written into a query.
    pub array_encoding: ArrayEncoding,
    /// What time it is: tells open windows from closed ones, and reads dates in `Retry-After`.
    pub clock: Arc<dyn Clock>,
}

impl OpenAiOptions {
    /// The defaults, with this key.
    pub fn new(key: SecretString) -> Self {
        Self {
            base_url: BaseUrl::openai(),
            key,
            pace: Pace::default(),
            pacer: None,
            retry: RetryPolicy::default(),
            deadline: None,
            limits: Limits::default(),
            array_encoding: ArrayEncoding::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for OpenAiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiOptions")
            .field("base_url", &self.base_url)
            .field("key", &format_args!("[redacted]"))
            .field("pace", &self.pace)
            .field("pacer", &self.pacer)
            .field("retry", &self.retry)
            .field("deadline", &self.deadline)
            .field("limits", &self.limits)
            .field("array_encoding", &self.array_encoding)
            .finish_non_exhaustive()
    }
}

/// How fast a client asks: a token bucket that refills evenly. Retries take tokens too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Requests a minute in the long run; at least 1.
    pub requests_per_minute: u32,
    /// Requests that may follow each other at once; at least 1.
    pub burst: u32,
}

impl Default for Pace {
    /// 50 a minute in bursts of 10. `OpenAI` documents no limit; observers report about 60 a minute, shared by all
    /// admin endpoints.
    fn default() -> Self {
        Self {
            requests_per_minute: 50,
            burst: 10,
        }
    }
}

/// How often and how patiently a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent at most, the first time included; at least 1.
    pub attempts: u32,
    /// The longest wait that is obeyed when the provider asks for one.
    pub max_wait: Duration,
    /// The wait after the first failure when the provider asks for none; it doubles with every further one.
    pub base: Duration,
    /// Where the doubling ends.
    pub ceiling: Duration,
}

impl Default for RetryPolicy {
    /// Six attempts, waits of 0.5 s to 8 s unless the provider asks for another, which is obeyed up to 10 minutes.
    fn default() -> Self {
        Self {
            attempts: 6,
            max_wait: Duration::from_mins(10),
            base: Duration::from_millis(500),
            ceiling: Duration::from_secs(8),
        }
    }
}

/// Time-outs and the size of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long the provider may say nothing in the middle of an answer.
    pub read_timeout: Duration,
    /// How long one attempt may take from its start to the end of the body.
    pub request_timeout: Duration,
    /// How many bytes of a body are taken, counted after decompression.
    pub body_limit: usize,
}

impl Default for Limits {
    /// 10 s, 60 s, 5 minutes, 128 MiB: 31 windows of 4,000 groups are 92 MB.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_mins(1),
            request_timeout: Duration::from_mins(5),
            body_limit: 128 * 1024 * 1024,
        }
    }
}

/// How a list is written into a query. Clients of the live API use all three; the answer is verified in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArrayEncoding {
    /// `group_by=model&group_by=project_id`, as the published specification says.
    #[default]
    Repeated,
    /// `group_by[]=model&group_by[]=project_id`, as the official SDK sends it.
    Brackets,
    /// `group_by=model,project_id`
    Comma,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InvalidOptions {
    /// The key is empty or holds characters that a header cannot carry.
    #[error(
        "the key is empty or holds characters that no key has; copy it again from the provider's settings page"
    )]
    Key,
    /// A rate of nothing.
    #[error("requests per minute and burst must be at least 1")]
    Pace,
    /// The HTTP client could not be set up, for example since there are no root certificates.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_key() {
        let options = OpenAiOptions::new("sk-admin-test-not-a-real-key".to_owned().into());
        let text = format!("{options:?}");
        assert!(
            text.contains("[redacted]") && !text.contains("not-a-real"),
            "{text}"
        );
    }
}
