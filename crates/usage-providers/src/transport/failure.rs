//! What went wrong with a request, and what it is called.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Map, Value};
use usage_core::IssueCode;

use super::DecodeError;
use super::body::BodyFault;
use crate::source::ReadError;
use crate::text::sanitize;

/// How much of an error's body is read.
pub(crate) const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// A request that was given up.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// For the caller of the source.
    pub(crate) error: ReadError,
    /// What the provider said; empty if it did not answer.
    pub(crate) refusal: Refusal,
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The error that a provider sent: `{"error":{"message","type","param","code"}}`. Raw text, not for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What is wrong, in words.
    pub(crate) message: Option<String>,
    /// The parameter that is at fault.
    pub(crate) param: Option<String>,
}

impl Refusal {
    /// Takes what it can use from whatever the body is.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let envelope: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        match envelope.get("error") {
            Some(Value::Object(error)) => {
                let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
                Self {
                    message: text("message"),
                    param: text("param"),
                }
            }
            Some(Value::String(message)) => Self {
                message: Some(message.clone()),
                param: None,
            },
            _ => Self::default(),
        }
    }
}

/// One attempt that failed.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: IssueCode,
    pub(crate) message: String,
    pub(crate) status: Option<StatusCode>,
    pub(crate) may_retry: bool,
    /// How long the provider asks to wait.
    pub(crate) wait: Option<Duration>,
    pub(crate) refusal: Refusal,
}

impl Fault {
    pub(crate) fn new(code: IssueCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            status: None,
            may_retry: true,
            wait: None,
            refusal: Refusal::default(),
        }
    }

    pub(crate) fn deadline(message: &str) -> Self {
        Self::new(IssueCode::DeadlinePassed, message).into_final()
    }

    /// The request brought no answer.
    pub(crate) fn of_request(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::new(IssueCode::Timeout, "no answer in time")
        } else {
            Self::new(IssueCode::Network, format!("no connection: {}", cause(error)))
        }
    }

    pub(crate) fn of_body(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge(limit) => Self::new(
                IssueCode::BodyTooLarge,
                format!("the body is larger than {limit} bytes; ask for fewer windows at once (--chunk-days), or for \
                     wider ones"),
            )
            .into_final(),
            BodyFault::Transport(error) if error.is_timeout() => {
                Self::new(IssueCode::Timeout, "the body did not arrive in time")
            }
            BodyFault::Transport(error) => Self::new(
                IssueCode::BodyInvalid,
                format!("the body was cut off: {}", cause(&error)),
            ),
        }
    }

    pub(crate) fn of_decoding(error: DecodeError) -> Self {
        Self {
            may_retry: error.code == IssueCode::BodyInvalid,
            ..Self::new(error.code, error.message)
        }
    }

    /// The provider answered with an error. `words` are its explanation, fit for a message.
    pub(crate) fn of_status(
        status: StatusCode,
        should_retry: Option<bool>,
        wait: Option<Duration>,
        refusal: Refusal,
        words: &str,
    ) -> Self {
        let (code, meaning) = match status.as_u16() {
            300..=399 => (
                IssueCode::RedirectRefused,
                "redirects are not followed; check the base URL",
            ),
            401 => (IssueCode::Unauthorized, "the key is not accepted"),
            403 => (IssueCode::Forbidden, "the key may not read this"),
            404 => (IssueCode::EndpointUnavailable, "there is nothing at this address"),
            408 => (IssueCode::Timeout, "the provider gave up waiting"),
            429 => (IssueCode::Throttled, "too many requests"),
            500.. => (IssueCode::ProviderError, "the provider failed"),
            _ => (IssueCode::RequestRefused, "the request was refused"),
        };
        let colon = if words.is_empty() { "" } else { ": " };
        let usual = matches!(status.as_u16(), 408 | 409 | 429 | 500..);
        Self {
            status: Some(status),
            may_retry: should_retry.unwrap_or(usual),
            wait,
            refusal,
            ..Self::new(code, format!("HTTP {}, {meaning}{colon}{words}", status.as_u16()))
        }
    }

    pub(crate) fn into_final(mut self) -> Self {
        self.may_retry = false;
        self
    }

    /// The same attempt, judged otherwise.
    pub(crate) fn with(&self, code: IssueCode, message: String) -> Self {
        Self {
            code,
            message,
            status: self.status,
            may_retry: false,
            wait: self.wait,
            refusal: self.refusal.clone(),
        }
    }
}

/// The innermost error's words, fit for a message: the outer ones only repeat where it happened.
pub(crate) fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    sanitize(&innermost.to_string(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_it_can_from_any_error_body() {
        let refusal = |message: Option<&str>, param: Option<&str>| Refusal {
            message: message.map(str::to_owned),
            param: param.map(str::to_owned),
        };
        for (body, parsed) in [
            (
                r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#,
                refusal(Some("m"), Some("p")),
            ),
            (
                r#"{"error":{"message":"m","param":null}}"#,
                refusal(Some("m"), None),
            ),
            (r#"{"error":{"message":1,"param":["p"]}}"#, refusal(None, None)),
            (r#"{"error":"m"}"#, refusal(Some("m"), None)),
            ("<html>", refusal(None, None)),
            ("[]", refusal(None, None)),
            ("", refusal(None, None)),
        ] {
            assert_eq!(Refusal::parse(body.as_bytes()), parsed, "{body}");
        }
    }

    #[test]
    fn every_status_has_its_name_and_its_rule() {
        for (status, code, again) in [
            (302, IssueCode::RedirectRefused, false),
            (304, IssueCode::RedirectRefused, false),
            (400, IssueCode::RequestRefused, false),
            (401, IssueCode::Unauthorized, false),
            (403, IssueCode::Forbidden, false),
            (404, IssueCode::EndpointUnavailable, false),
            (408, IssueCode::Timeout, true),
            (409, IssueCode::RequestRefused, true),
            (422, IssueCode::RequestRefused, false),
            (429, IssueCode::Throttled, true),
            (500, IssueCode::ProviderError, true),
            (503, IssueCode::ProviderError, true),
            (529, IssueCode::ProviderError, true),
        ] {
            let of = |should_retry| {
                let status = StatusCode::from_u16(status).unwrap();
                Fault::of_status(status, should_retry, None, Refusal::default(), "")
            };
            assert_eq!((of(None).code, of(None).may_retry), (code, again), "{status}");
            assert!(of(Some(true)).may_retry && !of(Some(false)).may_retry, "{status}");
        }
    }
}
