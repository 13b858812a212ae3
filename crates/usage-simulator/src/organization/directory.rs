//! The directory: projects, API keys and users.

use std::collections::HashSet;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use usage_core::Endpoint;

use super::{Cost, Organization};

/// A project and its API keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// `proj_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// When it was created, UTC.
    pub created_at: DateTime<Utc>,
    /// When it was archived, UTC; `None` while it is active.
    pub archived_at: Option<DateTime<Utc>>,
    /// Its keys, oldest first.
    pub api_keys: Vec<ApiKey>,
}

/// An API key of a project. The simulator keeps no secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// `key_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// When it was created, UTC.
    pub created_at: DateTime<Utc>,
    /// When it was last used, UTC.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Who owns it.
    pub owner: KeyOwner,
    /// Whether the owner still has access to the project. A list that does not say which keys it wants leaves out
    /// keys whose owner has none.
    pub owner_has_access: bool,
}

/// Who owns an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// A user, by id.
    User(String),
    /// A service account, by id.
    ServiceAccount(String),
}

/// A user of the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `user-…`.
    pub id: String,
    /// The name on the profile; some have none.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: String,
    /// Whether the user owns the organisation (`owner`) or not (`reader`).
    pub is_owner: bool,
    /// When the user joined, UTC.
    pub added_at: DateTime<Utc>,
}

impl Organization {
    /// The projects, archived ones too, oldest first.
    pub fn projects(&self) -> &[Project] {
        &self.projects
    }

    /// The users, oldest first.
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Adds a project, or replaces the one with its id.
    pub fn add_project(&mut self, project: Project) {
        match self.project_mut(&project.id) {
            Some(place) => *place = project,
            None => self.projects.push(project),
        }
    }

    /// A project, to be renamed or given keys.
    pub fn project_mut(&mut self, id: &str) -> Option<&mut Project> {
        self.projects.iter_mut().find(|project| project.id == id)
    }

    /// Archives a project. It and its usage stay; lists leave it out unless asked for archived ones. Returns
    /// whether there is such a project.
    pub fn archive_project(&mut self, id: &str, at: DateTime<Utc>) -> bool {
        self.project_mut(id)
            .map(|project| project.archived_at = Some(at))
            .is_some()
    }

    /// Deletes an API key: its name vanishes, its usage stays. Returns whether there was such a key.
    pub fn delete_api_key(&mut self, id: &str) -> bool {
        let mut deleted = false;
        for project in &mut self.projects {
            project.api_keys.retain(|key| {
                let is_it = key.id == id;
                deleted |= is_it;
                !is_it
            });
        }
        deleted
    }

    /// Adds a user, or replaces the one with its id.
    pub fn add_user(&mut self, user: User) {
        match self.users.iter_mut().find(|known| known.id == user.id) {
            Some(place) => *place = user,
            None => self.users.push(user),
        }
    }

    /// Removes a user from the directory; usage stays. Returns whether there was such a user.
    pub fn remove_user(&mut self, id: &str) -> bool {
        let before = self.users.len();
        self.users.retain(|user| user.id != id);
        self.users.len() < before
    }

    /// The name of the project that a row of costs is of, as long as the directory has it.
    pub(crate) fn project_name(&self, cost: &Cost) -> Option<&str> {
        let id = cost.project_id.as_deref()?;
        let project = self.projects.iter().find(|project| project.id == id)?;
        Some(&project.name)
    }

    /// The e-mail address of the user that a row of costs is of, as long as the directory has it.
    pub(crate) fn user_email(&self, cost: &Cost) -> Option<&str> {
        let id = cost.user_id.as_deref()?;
        let user = self.users.iter().find(|user| user.id == id)?;
        Some(&user.email)
    }

    /// Invents an entry for every project, API key and user that usage names and the directory lacks: "Project 1",
    /// "Key 1", "User 1", …, in the order of their ids, so that the same usage always gets the same names.
    ///
    /// Everything invented is a month older than the first usage.
    pub fn invent_directory(&mut self) {
        let first_use = Endpoint::USAGE
            .into_iter()
            .filter_map(|endpoint| self.usage(endpoint).span())
            .min();
        let Some((first, _)) = first_use else {
            return;
        };
        let created_at = first - TimeDelta::days(30);
        self.invent_users(created_at);
        self.invent_projects(created_at);
        self.invent_api_keys(created_at);
    }

    fn invent_users(&mut self, added_at: DateTime<Utc>) {
        let known: HashSet<String> = self.users.iter().map(|user| user.id.clone()).collect();
        for id in self.used(|dimensions| dimensions.user_id.clone()) {
            if known.contains(&id) {
                continue;
            }
            let number = self.users.len() + 1;
            self.users.push(User {
                id,
                name: Some(format!("User {number}")),
                email: format!("user-{number}@example.test"),
                is_owner: number == 1,
                added_at,
            });
        }
    }

    fn invent_projects(&mut self, created_at: DateTime<Utc>) {
        let known: HashSet<String> = self.projects.iter().map(|project| project.id.clone()).collect();
        for id in self.used(|dimensions| dimensions.project_id.clone()) {
            if known.contains(&id) {
                continue;
            }
            let name = format!("Project {}", self.projects.len() + 1);
            self.projects.push(Project {
                id,
                name,
                created_at,
                archived_at: None,
                api_keys: Vec::new(),
            });
        }
    }

    fn invent_api_keys(&mut self, created_at: DateTime<Utc>) {
        let mut known: HashSet<String> = self
            .projects
            .iter()
            .flat_map(|project| &project.api_keys)
            .map(|key| key.id.clone())
            .collect();
        let used = self.used(|dimensions| {
            let key = dimensions.api_key_id.clone()?;
            Some((key, dimensions.project_id.clone()?, dimensions.user_id.clone()))
        });
        for (id, project_id, user_id) in used {
            // A key that several users share belongs to the first of them.
            if !known.insert(id.clone()) {
                continue;
            }
            let number = known.len();
            let owner = user_id.map_or_else(
                || KeyOwner::ServiceAccount(format!("user-service-{number}")),
                KeyOwner::User,
            );
            let key = ApiKey {
                id,
                name: format!("Key {number}"),
                created_at,
                last_used_at: None,
                owner,
                owner_has_access: true,
            };
            if let Some(project) = self.project_mut(&project_id) {
                project.api_keys.push(key);
            }
        }
    }

    /// What usage names, sorted, each once.
    fn used<T: Ord>(&self, name: impl Fn(&usage_core::Dimensions) -> Option<T>) -> Vec<T> {
        let mut names: Vec<T> = self
            .usage
            .iter()
            .flat_map(|log| log.tuples.iter())
            .filter_map(name)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl KeyOwner {
    /// The id of the user or service account.
    pub fn id(&self) -> &str {
        match self {
            Self::User(id) | Self::ServiceAccount(id) => id,
        }
    }
}

impl fmt::Display for KeyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
