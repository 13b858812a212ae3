//! What every page has: its title, the way to the others, who is signed in, the theme.

use super::assets::{ASSETS, Assets};

/// The places that the navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Explore,
    Restatements,
    Parity,
    Reconciliation,
    Runs,
    Budgets,
    Keys,
    Tokens,
    /// None of them.
    Elsewhere,
}

impl Section {
    /// The navigation, in groups.
    pub(crate) const GROUPS: [(&'static str, &'static [Self]); 3] = [
        ("Usage", &[Self::Overview, Self::Explore, Self::Budgets]),
        (
            "Proof",
            &[Self::Parity, Self::Reconciliation, Self::Restatements, Self::Runs],
        ),
        ("Access", &[Self::Keys, Self::Tokens]),
    ];

    /// The name that people read.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Explore => "Explore",
            Self::Restatements => "Restatements",
            Self::Parity => "Parity",
            Self::Reconciliation => "Reconciliation",
            Self::Runs => "Runs",
            Self::Budgets => "Budgets",
            Self::Keys => "Provider keys",
            Self::Tokens => "API tokens",
            Self::Elsewhere => "",
        }
    }

    /// Where it is.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Overview | Self::Elsewhere => "/",
            Self::Explore => "/explore",
            Self::Restatements => "/restatements",
            Self::Parity => "/parity",
            Self::Reconciliation => "/reconciliation",
            Self::Runs => "/runs",
            Self::Budgets => "/budgets",
            Self::Keys => "/keys",
            Self::Tokens => "/tokens",
        }
    }
}

/// Light or dark, if somebody chose; else what their system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    /// The themes, in the order of the switch.
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The name in cookie and stylesheet.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The name that people read.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::System => "Auto",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    /// The theme of this name; that of the system if there is none.
    pub(crate) fn parse(text: &str) -> Self {
        let known = Self::ALL.into_iter().find(|theme| theme.as_str() == text);
        known.unwrap_or(Self::System)
    }
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// The name of their token.
    pub(crate) name: String,
    /// Its role, in one word.
    pub(crate) role: &'static str,
    /// Whether they may start runs.
    pub(crate) may_operate: bool,
    /// Whether they may change keys and tokens.
    pub(crate) may_administer: bool,
}

/// What the last thing they did has come to.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    /// Whether it went well.
    pub(crate) is_good: bool,
    /// In a sentence.
    pub(crate) text: String,
}

/// What every page has.
#[derive(Clone, Debug)]
pub(crate) struct Chrome {
    /// What the page is called.
    pub(crate) title: String,
    /// Where it is in the navigation.
    pub(crate) section: Section,
    /// Who reads it; nobody on the page on which one signs in.
    pub(crate) who: Option<Who>,
    /// In which theme.
    pub(crate) theme: Theme,
    /// What a form must carry, so that no other site can send it.
    pub(crate) csrf: String,
    /// The path and query of the page, to come back to.
    pub(crate) here: String,
    /// What the last form has come to.
    pub(crate) notice: Option<Notice>,
}

impl Chrome {
    /// Where stylesheet, script and icon are.
    #[expect(clippy::unused_self, reason = "templates ask the page that they are of")]
    pub(crate) fn assets(&self) -> &'static Assets {
        &ASSETS
    }

    /// Whether this is the theme.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    pub(crate) fn is_theme(&self, theme: &Theme) -> bool {
        self.theme == *theme
    }

    /// Whether this is where the page is.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    pub(crate) fn is_at(&self, section: &Section) -> bool {
        self.section == *section
    }

    /// Whether whoever is signed in may start runs.
    pub(crate) fn may_operate(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.may_operate)
    }

    /// Whether whoever is signed in may change keys and tokens.
    pub(crate) fn may_administer(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.may_administer)
    }
}
