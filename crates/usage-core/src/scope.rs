//! Scopes: what a read could see.

use std::collections::BTreeSet;
use std::fmt;

use crate::account::Account;
use crate::dimension::DimensionSet;
use crate::endpoint::Endpoint;
use crate::window::Width;

/// What a read could see: only rows inside its scope may be written or retracted by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whose usage.
    pub account: Account,
    /// Which surface.
    pub endpoint: Endpoint,
    /// How wide each window is.
    pub width: Width,
    /// Which projects the provider was asked for.
    pub filter: ProjectFilter,
    /// The dimensions the rows are grouped by. They never narrow a scope: a row that another grouping wrote is in it.
    pub grouped_by: DimensionSet,
}

/// The provider filter of a read: every project, or only some.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectFilter(BTreeSet<String>);

impl ProjectFilter {
    /// Every project, and usage that belongs to none.
    pub const ALL: Self = Self(BTreeSet::new());

    /// Only these projects; no project at all means [`ProjectFilter::ALL`].
    pub fn projects(ids: impl IntoIterator<Item = String>) -> Self {
        Self(ids.into_iter().collect())
    }

    /// Whether the read sees every project.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The project ids asked for, sorted; empty for every project.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a row of this project could be in the answer.
    pub fn admits(&self, project_id: Option<&str>) -> bool {
        self.is_all() || project_id.is_some_and(|id| self.0.contains(id))
    }

    /// Whether some row could be in the answers to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.is_all() || other.is_all() || !self.0.is_disjoint(&other.0)
    }

    /// Whether every row in the answer to the other is in the answer to this.
    pub fn includes(&self, other: &Self) -> bool {
        self.is_all() || (!other.is_all() && other.0.is_subset(&self.0))
    }

    /// The text a database stores: empty for every project, else the sorted ids joined by commas.
    pub fn canonical(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    }

    /// Reads [`ProjectFilter::canonical`]. Ids hold no comma: `normalize_project_id` refuses one.
    pub fn from_canonical(text: &str) -> Self {
        Self(
            text.split(',')
                .filter(|id| !id.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }
}

impl fmt::Display for ProjectFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            f.write_str("all projects")
        } else {
            f.write_str(&self.canonical())
        }
    }
}
