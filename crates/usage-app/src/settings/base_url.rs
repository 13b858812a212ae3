//! Base URLs of providers, as someone wrote them.

use std::fmt;

use super::mask::mask_url;
use crate::text::names_key;

/// Where a provider's API is, as someone wrote it; the provider's client decides whether it may be used.
///
/// `Debug` and `Display` hide a password or a key, should there be one.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Some proxies take a key as a part of the path.
    fn shown(&self) -> String {
        if names_key(&self.0) {
            "(hidden)".to_owned()
        } else {
            mask_url(&self.0)
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), f)
    }
}
