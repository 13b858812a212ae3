//! One request to a webhook or a dead-man's switch, and nothing believed of the answer but its status.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url, redirect};

use crate::error::AppError;
use crate::settings::SecretUrl;
use crate::text::hide_secrets;

/// Somebody who is told something.
pub(crate) struct Receiver {
    http: reqwest::Client,
    url: Url,
    shown: String,
    fingerprint: String,
    timeout: Duration,
}

/// Why somebody was not told, in one line that names the host only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{receiver} {reason}")]
pub(crate) struct NotTold {
    receiver: String,
    reason: String,
    /// Whether it was this very message that was refused, so that another one may be taken.
    pub(crate) may_take_another: bool,
}

impl Receiver {
    /// A client of its own for this URL: redirects are refused, and everything together takes no longer than `timeout`.
    pub(crate) fn new(url: &SecretUrl, timeout: Duration) -> Result<Self, AppError> {
        let shown = url.to_string();
        let cannot = |reason: String| AppError::Receiver {
            receiver: url.to_string(),
            reason,
        };
        // Err means that the process already has a provider, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("usage/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .timeout(timeout);
        if url.is_plain_http() {
            // A proxy, or a resolver that takes `localhost` elsewhere, would carry it off this machine.
            let loopback = [
                ([127, 0, 0, 1], 0).into(),
                ([0_u16, 0, 0, 0, 0, 0, 0, 1], 0).into(),
            ];
            builder = builder.no_proxy().resolve_to_addrs("localhost", &loopback);
        } else {
            builder = builder.https_only(true);
        }
        Ok(Self {
            http: builder.build().map_err(|error| cannot(cause(error)))?,
            url: Url::parse(url.expose()).map_err(|error| cannot(error.to_string()))?,
            shown,
            fingerprint: blake3::hash(url.expose().as_bytes()).to_hex()[..16].to_owned(),
            timeout,
        })
    }

    /// What the ledger calls it, from which nobody can tell the URL.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, json: String) -> Result<(), NotTold> {
        let request = self.http.post(self.url.clone());
        self.send(request.header(CONTENT_TYPE, "application/json").body(json))
            .await
    }

    /// Fetches the URL, with this behind its path.
    pub(crate) async fn get(&self, behind: Option<&str>) -> Result<(), NotTold> {
        let mut url = self.url.clone();
        if let Some(behind) = behind {
            let path = format!("{}/{behind}", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        self.send(self.http.get(url)).await
    }

    /// The body of the answer is dropped unread, however long it is.
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(), NotTold> {
        let (reason, may_take_another) = match request.send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => (refusal(answer.status()), refuses_message(answer.status())),
            Err(error) if error.is_timeout() => {
                let reason = format!("did not answer within {} s", self.timeout.as_secs());
                (reason, false)
            }
            Err(error) => (format!("cannot be reached: {}", cause(error)), false),
        };
        Err(NotTold {
            receiver: self.shown.clone(),
            reason,
            may_take_another,
        })
    }
}

fn refusal(status: StatusCode) -> String {
    if status.is_redirection() {
        format!(
            "answered with a redirect ({}), which is never followed",
            status.as_u16()
        )
    } else {
        format!("answered {}", status.as_u16())
    }
}

fn refuses_message(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
    )
}

/// The innermost cause: what lies around it repeats the URL.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    hide_secrets(&innermost.to_string())
}
