//! Where a provider's API is.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The address that a provider's paths are appended to, as in the official SDKs.
///
/// The admin key is sent there, so it is `https`, or `http` to this machine only (127.0.0.0/8, `::1`, `localhost`).
/// It has neither user information nor a query nor a fragment.
///
/// ```
/// use usage_providers::BaseUrl;
///
/// assert_eq!(BaseUrl::openai().as_str(), "https://api.openai.com/v1");
/// let local: BaseUrl = "http://127.0.0.1:8787/v1/".parse()?;
/// assert_eq!(local.as_str(), "http://127.0.0.1:8787/v1");
/// assert!("http://api.openai.com/v1".parse::<BaseUrl>().is_err(), "the key would travel in the clear");
/// # Ok::<(), usage_providers::InvalidBaseUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// `https://api.openai.com/v1`
    pub fn openai() -> Self {
        Self("https://api.openai.com/v1".to_owned())
    }

    /// The address without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key travels unencrypted, which only ever happens inside this machine.
    pub(crate) fn is_plain_http(&self) -> bool {
        self.0.starts_with("http:")
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser drops tabs and line ends without a word; an address that needs that is a mistake.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidBaseUrl::NotAnAddress);
        }
        let url = Url::parse(text).map_err(|_| InvalidBaseUrl::NotAnAddress)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidBaseUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidBaseUrl::UserInformation);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBaseUrl::Query);
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(InvalidBaseUrl::Unencrypted);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no usable base address. The messages never repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    /// Not an absolute URL.
    #[error("the base URL is not a URL; write it like https://api.openai.com/v1")]
    NotAnAddress,
    /// Another scheme.
    #[error("the base URL must start with https:// (or http:// for this machine itself)")]
    Scheme,
    /// `http` to another machine.
    #[error(
        "the base URL is http to another machine, which would send the admin key in the clear; use https, or a \
         loopback address"
    )]
    Unencrypted,
    /// A user name or a password.
    #[error("the base URL holds a user name or password; leave it out, the admin key is the only credential")]
    UserInformation,
    /// A query or a fragment.
    #[error("the base URL has a query or fragment; end it with the path, like https://api.openai.com/v1")]
    Query,
}

/// Whether the URL leads to this machine itself, where nothing is sent in the clear.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_anywhere_and_http_on_this_machine() {
        for (text, kept) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            (
                "https://gateway.example/openai/v1//",
                "https://gateway.example/openai/v1",
            ),
            ("http://127.9.9.9:1/v1", "http://127.9.9.9:1/v1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("HTTP://LOCALHOST:80/v1", "http://localhost/v1"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().unwrap().as_str(), kept, "{text}");
        }
    }

    #[test]
    fn refuses_what_would_leak_the_key_or_cannot_be_meant() {
        use InvalidBaseUrl::{NotAnAddress, Query, Scheme, Unencrypted, UserInformation};
        for (text, error) in [
            ("", NotAnAddress),
            ("api.openai.com/v1", NotAnAddress),
            ("https://", NotAnAddress),
            (" https://api.openai.com/v1", NotAnAddress),
            ("https://api.openai\n.com/v1", NotAnAddress),
            ("ftp://127.0.0.1/v1", Scheme),
            ("file:///v1", Scheme),
            ("http://api.openai.com/v1", Unencrypted),
            ("http://127.0.0.1.example.com/v1", Unencrypted),
            ("http://localhost.example.com/v1", Unencrypted),
            ("http://10.0.0.1/v1", Unencrypted),
            ("http://[::ffff:10.0.0.1]/v1", Unencrypted),
            ("http://127.0.0.1@example.com/v1", UserInformation),
            ("https://user:password@api.openai.com/v1", UserInformation),
            ("https://api.openai.com/v1?key=1", Query),
            ("https://api.openai.com/v1#top", Query),
        ] {
            assert_eq!(text.parse::<BaseUrl>().unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn errors_are_one_line_and_repeat_nothing() {
        let message = "https://user:hunter2@example.com"
            .parse::<BaseUrl>()
            .unwrap_err()
            .to_string();
        assert!(
            !message.contains("hunter2") && !message.contains('\n'),
            "{message}"
        );
        assert!(!InvalidBaseUrl::Unencrypted.to_string().contains('\n'));
    }
}
