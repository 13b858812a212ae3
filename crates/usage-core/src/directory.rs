//! The directory: names for the ids that usage rows carry.

use chrono::{DateTime, Utc};

/// What kind of thing an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum DirectoryKind {
    /// A project.
    Project,
    /// An API key of a project.
    ApiKey,
    /// A user of the organisation.
    User,
}

impl DirectoryKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Project, Self::ApiKey, Self::User];

    /// The text a database stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::ApiKey => "api_key",
            Self::User => "user",
        }
    }
}

/// One name that the provider knows. Deleted ones vanish there, so the ledger keeps its own copy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct DirectoryEntry {
    /// What the id names.
    pub kind: DirectoryKind,
    /// The provider's id.
    pub id: String,
    /// The name people gave it.
    pub name: Option<String>,
    /// The e-mail address of a user.
    pub email: Option<String>,
    /// The project of an API key.
    pub project_id: Option<String>,
    /// `active` or `archived`, for projects; an open list.
    pub status: Option<String>,
    /// When the provider created it, UTC.
    pub created_at: Option<DateTime<Utc>>,
}

/// Everything one read of the directory returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// The names, in no particular order.
    pub entries: Vec<DirectoryEntry>,
}

impl Directory {
    /// The ids of one kind.
    pub fn ids(&self, kind: DirectoryKind) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(move |entry| entry.kind == kind)
            .map(|entry| entry.id.as_str())
    }
}
