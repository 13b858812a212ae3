//! Names, and the ids behind them.

use std::fmt;

use askama::filters::HtmlSafe;

use super::{Absent, Escaped};

/// What a provider's id names. The id is one click away from the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The provider's id; none if the row has no such thing.
    pub(crate) id: Option<String>,
    /// What people call it, if anybody knows.
    pub(crate) name: Option<String>,
}

impl Named {
    /// With the name that the directory has, if it has one.
    pub(crate) fn new(id: Option<&str>, name: Option<&str>) -> Self {
        Self {
            id: id.map(str::to_owned),
            name: name.filter(|name| !name.is_empty()).map(str::to_owned),
        }
    }

    /// The name, else the id, as plain text.
    pub(crate) fn label(&self) -> &str {
        match (&self.name, &self.id) {
            (Some(name), _) => name,
            (None, Some(id)) => id,
            (None, None) => "none",
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.id) {
            (Some(name), Some(id)) if name != id => write!(
                f,
                "<details class=\"named\"><summary>{}</summary><code>{}</code></details>",
                Escaped(name),
                Escaped(id)
            ),
            (_, Some(id)) => write!(f, "<code>{}</code>", Escaped(id)),
            (Some(name), None) => Escaped(name).fmt(f),
            (None, None) => Absent("none").fmt(f),
        }
    }
}

impl HtmlSafe for Named {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_one_click_behind_the_name() {
        let known = Named::new(Some("proj_1"), Some("Search & <Rank>"));
        assert_eq!(
            known.to_string(),
            "<details class=\"named\"><summary>Search &amp; &lt;Rank&gt;</summary><code>proj_1</code></details>"
        );
        assert_eq!(
            Named::new(Some("proj_1"), None).to_string(),
            "<code>proj_1</code>"
        );
        assert_eq!(Named::new(Some("proj_1"), Some("")).label(), "proj_1");
        assert!(Named::new(None, None).to_string().contains("none"));
    }
}
