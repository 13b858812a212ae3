//! What several pages have.

use crate::dashboard::display::Day;

/// From which day to which, and how else it could be.
pub(crate) struct RangeChoice {
    /// The first UTC day.
    pub(crate) first: Day,
    /// The last UTC day, included.
    pub(crate) last: Day,
    /// Ranges that are one click away.
    pub(crate) presets: Vec<Link>,
    /// The other parameters of the page, which a new range keeps.
    pub(crate) kept: Vec<(String, String)>,
}

/// A link of several of which one is the page itself.
pub(crate) struct Link {
    pub(crate) label: String,
    pub(crate) href: String,
    pub(crate) is_current: bool,
}

/// An option of a list.
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) is_chosen: bool,
}

/// How far something can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As it should be.
    Good,
    /// Somebody should know.
    Warn,
    /// Wrong.
    Bad,
    /// Nobody knows.
    Unknown,
}

impl Standing {
    /// The class in the stylesheet.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }

    /// A sign that needs no colour.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Warn => "!",
            Self::Bad => "✗",
            Self::Unknown => "?",
        }
    }
}

/// How something stands, in a word or two.
pub(crate) struct Badge {
    pub(crate) standing: Standing,
    pub(crate) text: String,
}

impl Badge {
    /// With its words.
    pub(crate) fn new(standing: Standing, text: impl Into<String>) -> Self {
        Self {
            standing,
            text: text.into(),
        }
    }
}

/// Where the other pages of a list are.
#[derive(Default)]
pub(crate) struct Pages {
    /// The first, unless this is it.
    pub(crate) first: Option<String>,
    /// The next, if there is one.
    pub(crate) next: Option<String>,
}
