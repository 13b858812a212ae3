//! Answers requests for names: projects, their API keys, users.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::key::KeyAccess;
use super::parameters::Parameters;
use super::shared::Shared;
use crate::organization::{ApiKey, KeyOwner, Organization, Project, User};

const DEFAULT_LIMIT: usize = 20;
const MOST: i64 = 100;

pub(super) async fn projects(
    State(shared): State<Arc<Shared>>,
    Extension(access): Extension<KeyAccess>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let mut parameters = Parameters::new(query.as_deref(), &shared.settings.array_encodings);
    let include_archived = parameters.boolean("include_archived")?.unwrap_or(false);
    let page = ListPage::take(parameters)?;
    let organization = shared.organization();
    let shown = organization
        .projects()
        .iter()
        .filter(|project| access.allows(&project.id))
        .filter(|project| include_archived || project.archived_at.is_none());
    page.of(shown, |project| &project.id, project_json)
}

pub(super) async fn api_keys(
    State(shared): State<Arc<Shared>>,
    Extension(access): Extension<KeyAccess>,
    Path(project_id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let mut parameters = Parameters::new(query.as_deref(), &shared.settings.array_encodings);
    let owner_access = parameters.text("owner_project_access")?;
    let page = ListPage::take(parameters)?;
    let is_wanted: fn(&&ApiKey) -> bool = match owner_access.as_deref() {
        // Without the parameter the provider leaves out some enabled keys.
        None | Some("active") => |key| key.owner_has_access,
        Some("inactive") => |key| !key.owner_has_access,
        Some("any") => |_| true,
        Some(other) => {
            let supported = ["active", "inactive", "any"];
            return Err(ApiError::unsupported_value(
                "owner_project_access",
                other,
                &supported,
            ));
        }
    };
    if !access.allows(&project_id) {
        return Err(ApiError::forbidden(format!(
            "You have insufficient permissions for this operation. This key may not read the project '{project_id}'."
        )));
    }
    let organization = shared.organization();
    let project = organization
        .projects()
        .iter()
        .find(|project| project.id == project_id)
        .ok_or_else(|| ApiError::not_found(format!("No such project: '{project_id}'.")))?;
    page.of(
        project.api_keys.iter().filter(is_wanted),
        |key| &key.id,
        |key| api_key_json(key, &organization),
    )
}

pub(super) async fn users(
    State(shared): State<Arc<Shared>>,
    Extension(access): Extension<KeyAccess>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let parameters = Parameters::new(query.as_deref(), &shared.settings.array_encodings);
    let page = ListPage::take(parameters)?;
    let organization = shared.organization();
    let owners: HashSet<&str> = organization
        .projects()
        .iter()
        .filter(|project| access.allows(&project.id))
        .flat_map(|project| &project.api_keys)
        .map(|key| key.owner.id())
        .collect();
    let shown = organization
        .users()
        .iter()
        .filter(|user| access == KeyAccess::Everything || owners.contains(user.id.as_str()));
    page.of(shown, |user| &user.id, user_json)
}

/// Which part of a list is asked for.
struct ListPage {
    after: Option<String>,
    limit: usize,
}

impl ListPage {
    /// Takes the last parameters of a request and refuses what is left over.
    fn take(mut parameters: Parameters<'_>) -> Result<Self, ApiError> {
        let after = parameters.text("after")?;
        let limit = parameters.integer("limit")?;
        parameters.finish()?;
        let limit = match limit {
            None => DEFAULT_LIMIT,
            Some(limit) if limit > MOST => {
                return Err(ApiError::bad_request(format!(
                    "Limit must be less than or equal to {MOST}."
                )));
            }
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| *limit > 0)
                .ok_or_else(|| ApiError::bad_request("Limit must be greater than or equal to 1."))?,
        };
        Ok(Self { after, limit })
    }

    /// The envelope of a list.
    fn of<'a, T: 'a>(
        &self,
        entries: impl Iterator<Item = &'a T>,
        id: impl Fn(&'a T) -> &'a str,
        json: impl Fn(&'a T) -> Value,
    ) -> Result<Json<Value>, ApiError> {
        let entries: Vec<&T> = entries.collect();
        let first = match &self.after {
            None => 0,
            Some(after) => {
                let position = entries.iter().position(|entry| id(entry) == after);
                1 + position.ok_or_else(|| {
                    let message = format!("Invalid value for 'after': no entry '{after}'.");
                    ApiError::invalid("after", "invalid_value", message)
                })?
            }
        };
        let rest = &entries[first..];
        let page = &rest[..rest.len().min(self.limit)];
        Ok(Json(json!({
            "object": "list",
            "data": page.iter().map(|entry| json(entry)).collect::<Vec<_>>(),
            "first_id": page.first().map(|entry| id(entry)),
            "last_id": page.last().map(|entry| id(entry)),
            "has_more": page.len() < rest.len(),
        })))
    }
}

fn project_json(project: &Project) -> Value {
    json!({
        "object": "organization.project",
        "id": project.id,
        "name": project.name,
        "created_at": project.created_at.timestamp(),
        "archived_at": project.archived_at.map(|at| at.timestamp()),
        "status": if project.archived_at.is_some() { "archived" } else { "active" },
        "external_key_id": null,
        "residency": null,
    })
}

fn api_key_json(key: &ApiKey, organization: &Organization) -> Value {
    let owner = match &key.owner {
        KeyOwner::User(id) => json!({
            "type": "user",
            "user": organization.users().iter().find(|user| user.id == *id).map(user_json),
        }),
        KeyOwner::ServiceAccount(id) => json!({
            "type": "service_account",
            "service_account": {
                "object": "organization.project.service_account",
                "id": id,
                "name": key.name,
                "role": "member",
                "created_at": key.created_at.timestamp(),
            },
        }),
    };
    json!({
        "object": "organization.project.api_key",
        "id": key.id,
        "name": key.name,
        "redacted_value": format!("sk-proj-****{}", last_characters(&key.id)),
        "created_at": key.created_at.timestamp(),
        "last_used_at": key.last_used_at.map(|at| at.timestamp()),
        "expires_at": null,
        "owner": owner,
        "owner_project_access": if key.owner_has_access { "active" } else { "inactive" },
    })
}

fn user_json(user: &User) -> Value {
    json!({
        "object": "organization.user",
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": if user.is_owner { "owner" } else { "reader" },
        "added_at": user.added_at.timestamp(),
        "is_service_account": false,
    })
}

fn last_characters(id: &str) -> &str {
    id.char_indices()
        .nth_back(3)
        .map_or(id, |(index, _)| &id[index..])
}
