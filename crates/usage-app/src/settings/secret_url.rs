//! URLs that are secrets: whoever has one may use it.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use usage_providers::is_loopback;

/// The URL of a webhook or of a dead-man's switch: `https`, or `http` to this machine only.
///
/// `Display` and `Debug` show the scheme and the host; the rest is what makes it a secret.
///
/// ```
/// use usage_app::settings::SecretUrl;
///
/// let url: SecretUrl = "https://hooks.example/services/not-a-real-hook".parse()?;
/// assert_eq!(url.to_string(), "https://hooks.example/(hidden)");
/// # Ok::<(), usage_app::settings::ParseSecretUrlError>(())
/// ```
#[derive(Clone)]
pub struct SecretUrl {
    whole: SecretString,
    shown: String,
    plain_http: bool,
}

impl SecretUrl {
    /// The whole URL, to be sent something and never to be shown.
    pub(crate) fn expose(&self) -> &str {
        self.whole.expose_secret()
    }

    /// Whether what is sent travels unencrypted, which only ever happens inside this machine.
    pub(crate) const fn is_plain_http(&self) -> bool {
        self.plain_http
    }
}

impl FromStr for SecretUrl {
    type Err = ParseSecretUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser drops tabs and line ends without a word; a URL that needs that is a mistake.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ParseSecretUrlError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| ParseSecretUrlError::NotAUrl)?;
        let plain_http = match url.scheme() {
            "https" => false,
            "http" if is_loopback(&url) => true,
            "http" => return Err(ParseSecretUrlError::Unencrypted),
            _ => return Err(ParseSecretUrlError::Scheme),
        };
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self {
            shown: format!("{}://{host}{port}/(hidden)", url.scheme()),
            plain_http,
            whole: url.to_string().into(),
        })
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no usable URL. The messages never repeat the text, which is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSecretUrlError {
    /// Not an absolute URL.
    #[error("the value is not a URL; write it like https://hooks.example/services/…")]
    NotAUrl,
    /// Another scheme.
    #[error("the URL must start with https:// (or http:// for this machine itself)")]
    Scheme,
    /// `http` to another machine.
    #[error(
        "the URL is http to another machine, which would send it in the clear; use https, or a loopback address"
    )]
    Unencrypted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_anywhere_and_http_on_this_machine_and_shows_the_host_only() {
        for (text, shown) in [
            (
                "https://hooks.example/services/hunter2",
                "https://hooks.example/(hidden)",
            ),
            ("https://hunter2@hooks.example", "https://hooks.example/(hidden)"),
            (
                "https://hooks.example:8443?key=hunter2",
                "https://hooks.example:8443/(hidden)",
            ),
            ("http://127.9.9.9:1/hunter2", "http://127.9.9.9:1/(hidden)"),
            ("HTTP://LOCALHOST/hunter2", "http://localhost/(hidden)"),
            ("http://[::1]:80/hunter2", "http://[::1]/(hidden)"),
        ] {
            let url: SecretUrl = text.parse().unwrap();
            assert_eq!(
                (url.to_string().as_str(), format!("{url:?}").as_str()),
                (shown, shown)
            );
            assert_eq!(url.is_plain_http(), shown.starts_with("http:"), "{text}");
        }
    }

    #[test]
    fn refuses_what_would_leak_it_or_cannot_be_meant_and_repeats_nothing() {
        use ParseSecretUrlError::{NotAUrl, Scheme, Unencrypted};
        for (text, expected) in [
            ("", NotAUrl),
            ("hooks.example/hunter2", NotAUrl),
            ("https://", NotAUrl),
            ("https://hooks.example/hunter2\tb", NotAUrl),
            ("ftp://127.0.0.1/hunter2", Scheme),
            ("http://hooks.example/hunter2", Unencrypted),
            ("http://127.0.0.1.example.com/hunter2", Unencrypted),
            ("http://10.0.0.1/hunter2", Unencrypted),
            ("http://127.0.0.1@example.com/hunter2", Unencrypted),
        ] {
            let error = text.parse::<SecretUrl>().unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
