//! Providers and the accounts whose usage is counted.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

/// A company that sells LLM usage and reports it through an admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Provider {
    /// `OpenAI`, `https://api.openai.com/v1`.
    OpenAi,
}

impl Provider {
    /// Every provider this version reads.
    pub const ALL: [Self; 1] = [Self::OpenAi];

    /// The provider's name in settings, exports and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
        }
    }

    /// How long after a window's end the provider may still change it without it being news.
    ///
    /// Pullers of others read three trailing days again from `OpenAI`; nothing is documented.
    pub const fn settling_time(self) -> TimeDelta {
        match self {
            Self::OpenAi => TimeDelta::days(3),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = ParseAccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == text)
            .ok_or_else(|| ParseAccountError::UnknownProvider(text.to_owned()))
    }
}

/// The provider's organisation whose usage is counted: the identity of a ledger, whatever key reads it.
///
/// ```
/// use usage_core::{Account, Provider};
///
/// let account = Account::new(Provider::OpenAi, " ORG_AbC123 ")?;
/// assert_eq!(account.to_string(), "openai/org-AbC123");
/// assert_eq!(account, Account::new(Provider::OpenAi, "AbC123")?, "one organisation, one spelling");
/// # Ok::<(), usage_core::ParseAccountError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Account {
    provider: Provider,
    organization: String,
}

impl Account {
    /// Normalises the organisation's id, so that one organisation has one spelling: the `org-` prefix is added
    /// when missing and written in one way; the rest is case-sensitive and kept.
    pub fn new(provider: Provider, organization: &str) -> Result<Self, ParseAccountError> {
        match provider {
            Provider::OpenAi => prefixed(organization, "org", '-')
                .map(|organization| Self {
                    provider,
                    organization,
                })
                .ok_or_else(|| ParseAccountError::Organization(shown(organization))),
        }
    }

    /// Whose account it is.
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// The provider's id of the organisation, normalised.
    pub fn organization(&self) -> &str {
        &self.organization
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.organization)
    }
}

/// Normalises a project id of the provider (`proj_…` at `OpenAI`).
pub fn normalize_project_id(provider: Provider, text: &str) -> Result<String, ParseAccountError> {
    match provider {
        Provider::OpenAi => {
            prefixed(text, "proj", '_').ok_or_else(|| ParseAccountError::Project(shown(text)))
        }
    }
}

/// What an error may show of a text that is no id: it may be a key.
fn shown(text: &str) -> String {
    if text.to_ascii_lowercase().contains("sk-") {
        "(hidden)".to_owned()
    } else {
        text.to_owned()
    }
}

/// The text is no provider, organisation or project.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAccountError {
    /// No such provider.
    #[error("unknown provider `{0}`; this version reads: openai")]
    UnknownProvider(String),
    /// Not an organisation id.
    #[error(
        "`{0}` is not an organization id; it looks like org-AbC123 and stands in the provider's settings page"
    )]
    Organization(String),
    /// Not a project id.
    #[error("`{0}` is not a project id; it looks like proj_AbC123")]
    Project(String),
}

/// `prefix` + `separator` + the rest of `text`, whose own prefix may be missing or spelt otherwise. A key that was
/// pasted here by mistake is refused: ids are stored and printed.
fn prefixed(text: &str, prefix: &str, separator: char) -> Option<String> {
    let text = text.trim();
    let body = match text.get(..=prefix.len()) {
        Some(head) if head.ends_with(['-', '_']) && head[..prefix.len()].eq_ignore_ascii_case(prefix) => {
            &text[head.len()..]
        }
        _ => text,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let lower = body.to_ascii_lowercase();
    let looks_like_a_key = lower.starts_with("sk-") || lower.contains("-sk-") || lower.contains("_sk-");
    (!body.is_empty() && body.len() <= 128 && body.bytes().all(plain) && !looks_like_a_key)
        .then(|| format!("{prefix}{separator}{body}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_organization() {
        for text in ["", "  ", "org-", "org_", "org-a b", "org-a/b", "org-ä", "o\u{0}g"] {
            assert!(Account::new(Provider::OpenAi, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_key_pasted_by_mistake_is_refused_and_not_shown() {
        for text in [
            "sk-admin-test-not-a-real-key",
            "org-sk-admin-test-not-a-real-key",
            "SK-admin-not-a-real-key",
        ] {
            let error = Account::new(Provider::OpenAi, text).unwrap_err().to_string();
            assert!(!error.contains("not-a-real-key"), "{error}");
            assert!(normalize_project_id(Provider::OpenAi, text).is_err());
        }
    }

    #[test]
    fn projects_get_their_prefix() {
        for text in ["proj_x1", "PROJ-x1", "x1", " x1 "] {
            assert_eq!(normalize_project_id(Provider::OpenAi, text).unwrap(), "proj_x1");
        }
    }
}
