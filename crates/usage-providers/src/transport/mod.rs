//! One GET request until it is answered, refused, or given up: pace, time-outs, retries, body limit.

mod body;
mod failure;
mod pace;
mod retry;
mod traffic;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use usage_core::{CLOCK_TOLERANCE, Clock, IssueCode, format_instant};

use self::body::BodyFault;
use self::failure::{Fault, cause};
use self::retry::{backoff, parse_date, parse_retry_after};
use self::traffic::{Counters, OpenRequest, RequestEnd};
use crate::options::{InvalidOptions, OpenAiOptions, RetryPolicy};
use crate::source::{ReadError, Traffic};
use crate::text::sanitize;

pub(crate) use self::failure::{Failure, Refusal};
pub use self::pace::Pacer;

/// Why the body of an answer is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// `BODY_INVALID` is asked for again, everything else is final.
    pub(crate) code: IssueCode,
    /// What is wrong, without a word of the body.
    pub(crate) message: String,
}

/// A request as the transport needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The path below the base URL, without a slash in front. Its parts hold no reserved characters.
    pub(crate) path: String,
    /// The query, in order.
    pub(crate) parameters: Vec<(String, String)>,
    /// What the request is about, for messages: provider, endpoint, range.
    pub(crate) about: String,
    /// What it is counted under.
    pub(crate) endpoint: &'static str,
}

pub(crate) struct Transport {
    http: reqwest::Client,
    base_url: reqwest::Url,
    key: SecretString,
    pacer: Pacer,
    retry: RetryPolicy,
    deadline: Option<Instant>,
    body_limit: usize,
    clock: Arc<dyn Clock>,
    traffic: Counters,
}

impl Transport {
    pub(crate) fn new(options: &OpenAiOptions) -> Result<Self, InvalidOptions> {
        let client_error = |error: &dyn std::error::Error| InvalidOptions::Client(cause(error));
        // Err means that the process already has a provider, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base_url =
            reqwest::Url::parse(options.base_url.as_str()).map_err(|error| client_error(&error))?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(&options.key)?)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(options.limits.connect_timeout)
            .read_timeout(options.limits.read_timeout)
            .timeout(options.limits.request_timeout);
        if options.base_url.is_plain_http() {
            // A proxy, or a resolver that takes `localhost` elsewhere, would carry the key off this machine.
            let loopback = [
                ([127, 0, 0, 1], 0).into(),
                ([0_u16, 0, 0, 0, 0, 0, 0, 1], 0).into(),
            ];
            builder = builder.no_proxy().resolve_to_addrs("localhost", &loopback);
        } else {
            builder = builder.https_only(true);
        }
        Ok(Self {
            http: builder.build().map_err(|error| client_error(&error))?,
            base_url,
            key: options.key.clone(),
            pacer: match &options.pacer {
                Some(shared) => shared.clone(),
                None => Pacer::new(options.pace)?,
            },
            retry: options.retry,
            deadline: options.deadline,
            body_limit: options.limits.body_limit,
            clock: Arc::clone(&options.clock),
            traffic: Counters::default(),
        })
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic.snapshot()
    }

    /// Sends the request, again if need be, and decodes the body of the answer on a thread that may block.
    pub(crate) async fn get<T, D>(&self, request: &Request, decode: D) -> Result<T, Failure>
    where
        T: Send + 'static,
        D: Fn(&[u8]) -> Result<T, DecodeError> + Clone + Send + 'static,
    {
        let url = self.url(request);
        let attempts = self.retry.attempts.max(1);
        let mut attempt = 1;
        loop {
            self.wait_for_pace()
                .await
                .map_err(|fault| failure_of(fault, request, attempt - 1))?;
            let open = self.traffic.begin_request(request.endpoint, attempt > 1);
            let fault = match self.attempt(url.clone(), open, decode.clone()).await {
                Ok(answer) => {
                    tracing::debug!(about = request.about, attempt, "answered");
                    return Ok(answer);
                }
                Err(fault) => fault,
            };
            let wait = fault.wait.unwrap_or_else(|| backoff(&self.retry, attempt));
            let throttled = fault.wait.is_some() || fault.status == Some(StatusCode::TOO_MANY_REQUESTS);
            // A wait that nobody obeys must not silence the others: each is told, and gives up, by itself.
            if throttled && wait <= self.retry.max_wait {
                self.pacer.hold_back(wait);
            }
            if !fault.may_retry || attempt == attempts {
                return Err(failure_of(fault, request, attempt));
            }
            if let Err(fault) = self.check_wait(wait, &fault) {
                return Err(failure_of(fault, request, attempt));
            }
            tracing::debug!(
                about = request.about,
                attempt,
                code = fault.code.as_str(),
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "asking again"
            );
            if throttled {
                self.traffic.count_wait(wait);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    fn url(&self, request: &Request) -> reqwest::Url {
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(request.path.split('/'));
        }
        url.query_pairs_mut()
            .extend_pairs(request.parameters.iter().map(|(name, value)| (name, value)));
        url
    }

    async fn wait_for_pace(&self) -> Result<(), Fault> {
        while let Some(wait) = self.pacer.take() {
            if self.passes_deadline(wait) {
                return Err(Fault::deadline(
                    "the next request has to wait its turn beyond the deadline",
                ));
            }
            self.traffic.count_wait(wait);
            tokio::time::sleep(wait).await;
        }
        if self.passes_deadline(Duration::ZERO) {
            return Err(Fault::deadline("the deadline has passed"));
        }
        Ok(())
    }

    /// Sends the request once, within the deadline.
    async fn attempt<T, D>(&self, url: reqwest::Url, mut open: OpenRequest<'_>, decode: D) -> Result<T, Fault>
    where
        T: Send + 'static,
        D: Fn(&[u8]) -> Result<T, DecodeError> + Send + 'static,
    {
        let body = async {
            let response = self.http.get(url).send().await.map_err(|error| {
                open.ended(RequestEnd::of(&error));
                Fault::of_request(&error)
            })?;
            let status = response.status();
            if !status.is_success() {
                open.ended(RequestEnd::Answered(status));
                return Err(self.refusal(response).await);
            }
            self.check_clock(response.headers()).inspect_err(|_| {
                open.ended(RequestEnd::Answered(status));
            })?;
            let body = body::read(response, self.body_limit, &self.traffic).await;
            open.ended(match &body {
                Ok(_) => RequestEnd::Answered(status),
                Err(BodyFault::TooLarge(_)) => RequestEnd::Error,
                Err(BodyFault::Transport(error)) => RequestEnd::of(error),
            });
            body.map_err(Fault::of_body)
        };
        let body = match self.deadline {
            Some(deadline) => {
                let Ok(body) = tokio::time::timeout_at(deadline, body).await else {
                    open.ended(RequestEnd::Timeout);
                    return Err(Fault::deadline(
                        "the deadline passed before the answer was complete",
                    ));
                };
                body?
            }
            None => body.await?,
        };
        // Counted before the answer is decoded, which is no affair of the provider's.
        drop(open);
        // Tens of megabytes are decoded: that must not hold up a lease that has to be renewed meanwhile.
        match tokio::task::spawn_blocking(move || decode(&body)).await {
            Ok(decoded) => decoded.map_err(Fault::of_decoding),
            // A bug in here must stay a panic, not turn into a fault of the provider's.
            Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
            Err(_) => Err(Fault::new(IssueCode::Network, "the program is shutting down").into_final()),
        }
    }

    /// Refuses the answer if this machine's clock is ahead of the provider's. Usage that is still to come would count as read
    /// after its end, and nobody would read it again; a clock that is behind only has days read more often.
    fn check_clock(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(here), Some(sent)) = (self.clock.machine_now(), text("date").and_then(parse_date)) else {
            return Ok(());
        };
        // An answer that was kept on its way is as old as it says.
        let age: u32 = text("age").and_then(|age| age.trim().parse().ok()).unwrap_or(0);
        let there = sent + TimeDelta::seconds(age.into());
        if here - there <= CLOCK_TOLERANCE {
            return Ok(());
        }
        let message = format!(
            "this machine's clock shows {} and the provider's {}; set it, for example by NTP, since days that are not over \
             would count as read",
            format_instant(here),
            format_instant(there)
        );
        Err(Fault::new(IssueCode::ClockAhead, message).into_final())
    }

    /// The fault that an answer other than success stands for.
    async fn refusal(&self, response: reqwest::Response) -> Fault {
        let status = response.status();
        let headers = response.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // A date is one of the provider's clock, which need not agree with ours.
        let now = text("date")
            .and_then(parse_date)
            .unwrap_or_else(|| self.clock.now());
        let wait = parse_retry_after(text("retry-after-ms"), text("retry-after"), now);
        let should_retry = text("x-should-retry")
            .map(str::trim)
            .and_then(|value| value.parse().ok());
        // A failure to read the explanation must not hide the status.
        let body = body::read(response, failure::ERROR_BODY_LIMIT, &self.traffic).await;
        let refusal = body.map_or_else(|_| Refusal::default(), |body| Refusal::parse(&body));
        let words = sanitize(
            refusal.message.as_deref().unwrap_or_default(),
            self.key.expose_secret(),
        );
        Fault::of_status(status, should_retry, wait, refusal, &words)
    }

    /// Whether the wait may be made; if not, what the read ends with.
    fn check_wait(&self, wait: Duration, fault: &Fault) -> Result<(), Fault> {
        let throttled = fault.status == Some(StatusCode::TOO_MANY_REQUESTS);
        let seconds = wait.as_secs_f64();
        if self.passes_deadline(wait) {
            let code = if throttled {
                IssueCode::Throttled
            } else {
                IssueCode::DeadlinePassed
            };
            return Err(fault.with(
                code,
                format!(
                    "{}; the next attempt in {seconds:.1} s would be after the deadline",
                    fault.message
                ),
            ));
        }
        if wait > self.retry.max_wait {
            let longest = self.retry.max_wait.as_secs_f64();
            return Err(fault.with(
                fault.code,
                format!(
                    "{}; it asks to wait {seconds:.0} s, longer than the {longest:.0} s that are obeyed",
                    fault.message
                ),
            ));
        }
        Ok(())
    }

    fn passes_deadline(&self, wait: Duration) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline.saturating_duration_since(Instant::now()) <= wait)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("base_url", &self.base_url.as_str())
            .field("key", &format_args!("[redacted]"))
            .field("retry", &self.retry)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

fn headers(key: &SecretString) -> Result<HeaderMap, InvalidOptions> {
    let key = key.expose_secret();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(InvalidOptions::Key);
    }
    let mut authorization =
        HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| InvalidOptions::Key)?;
    authorization.set_sensitive(true);
    Ok(HeaderMap::from_iter([
        (AUTHORIZATION, authorization),
        (ACCEPT, HeaderValue::from_static("application/json")),
    ]))
}

fn failure_of(fault: Fault, request: &Request, attempts: u32) -> Failure {
    let tries = match attempts {
        0 => "not sent".to_owned(),
        1 => "1 attempt".to_owned(),
        more => format!("{more} attempts"),
    };
    let mut error = ReadError::new(
        fault.code,
        format!("{}: {} ({tries})", request.about, fault.message),
    );
    error.status = fault.status.map(|status| status.as_u16());
    Failure {
        error,
        refusal: fault.refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_marked_so_that_no_layer_below_logs_it() {
        let key = "sk-admin-test-not-a-real-key".to_owned().into();
        let headers = headers(&key).unwrap();
        assert!(headers[AUTHORIZATION].is_sensitive());
        assert!(!format!("{headers:?}").contains("not-a-real"));
    }
}
