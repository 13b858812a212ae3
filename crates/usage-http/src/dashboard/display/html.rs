//! HTML that was made by the types of this module, to stand in lists of unlike values.

use std::fmt;

use askama::filters::HtmlSafe;

use super::Escaped;

/// A piece of HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Html(String);

impl Html {
    /// What a type writes that escapes what comes from outside.
    pub(crate) fn of(shown: impl HtmlSafe) -> Self {
        Self(shown.to_string())
    }

    /// A text.
    pub(crate) fn text(text: &str) -> Self {
        Self(Escaped(text).to_string())
    }

    /// A text of which every character counts: an id, a hash.
    pub(crate) fn code(text: &str) -> Self {
        Self(format!("<code>{}</code>", Escaped(text)))
    }

    /// A link within the dashboard.
    pub(crate) fn link(href: &str, text: &str) -> Self {
        Self(format!("<a href=\"{}\">{}</a>", Escaped(href), Escaped(text)))
    }

    /// One after the other.
    pub(crate) fn then(mut self, between: &str, other: &Self) -> Self {
        self.0.push_str(&Escaped(between).to_string());
        self.0.push_str(&other.0);
        self
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

/// A line of a list of facts.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) label: String,
    pub(crate) value: Html,
}

impl Fact {
    /// What it is, and how it is.
    pub(crate) fn new(label: &str, value: Html) -> Self {
        Self {
            label: label.to_owned(),
            value,
        }
    }
}
