//! Admin keys: who may read what.

use std::fmt;

/// An admin key that the simulator accepts.
///
/// Keys have a label, which stands for them in the request log; the secret shows up nowhere.
///
/// ```
/// let key = usage_simulator::AdminKey::owner("sk-admin-test-not-a-real-key").labelled("first key");
/// assert_eq!(format!("{key:?}"), "AdminKey(first key)");
/// ```
#[derive(Clone)]
pub struct AdminKey {
    secret: String,
    label: String,
    pub(super) access: KeyAccess,
}

/// What a key may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyAccess {
    /// The whole organisation.
    Everything,
    /// These projects.
    Projects(Vec<String>),
    /// Nothing, since its user does not own the organisation.
    Nothing,
}

impl AdminKey {
    /// The key of an organisation owner, which reads everything. Its label is `owner`.
    pub fn owner(secret: impl Into<String>) -> Self {
        Self::new(secret, "owner", KeyAccess::Everything)
    }

    /// The admin key of somebody who does not own the organisation: every answer is 403. Its label is `member`.
    pub fn member(secret: impl Into<String>) -> Self {
        Self::new(secret, "member", KeyAccess::Nothing)
    }

    /// An admin key restricted to some projects: usage must be asked for by `project_ids`, and the directory shows
    /// these projects, their keys and the owners of their keys. Its label is `restricted`.
    pub fn restricted<T: Into<String>>(
        secret: impl Into<String>,
        projects: impl IntoIterator<Item = T>,
    ) -> Self {
        let projects = projects.into_iter().map(Into::into).collect();
        Self::new(secret, "restricted", KeyAccess::Projects(projects))
    }

    /// The key under another label.
    #[must_use]
    pub fn labelled(self, label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..self
        }
    }

    /// What the request log calls the key.
    pub fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn is(&self, secret: &str) -> bool {
        self.secret == secret
    }

    fn new(secret: impl Into<String>, label: &str, access: KeyAccess) -> Self {
        Self {
            secret: secret.into(),
            label: label.to_owned(),
            access,
        }
    }
}

impl KeyAccess {
    /// Whether the key may read the project.
    pub(super) fn allows(&self, project_id: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Projects(allowed) => allowed.iter().any(|id| id == project_id),
            Self::Nothing => false,
        }
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminKey({})", self.label)
    }
}
