//! Names of projects, API keys and users.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Map, Value};
use usage_core::{Directory, DirectoryEntry, DirectoryKind, IssueCode, Provider};

use super::OpenAi;
use super::cursor::CursorChain;
use super::page::invalid_body;
use crate::source::{DirectorySize, ReadError};
use crate::text::is_storable;
use crate::transport::{DecodeError, Request};

/// Entries of one page; the most that is offered.
const PAGE_LIMIT: usize = 100;
/// Pages of one list: a hundred thousand names, beyond which a list goes in circles.
const MOST_PAGES: usize = 1_000;

/// How many requests [`OpenAi::directory`] sends: one for each page of each list, and one for a list that is empty.
pub(super) fn requests(size: &DirectorySize) -> usize {
    let pages = |names: usize| names.div_ceil(PAGE_LIMIT).max(1);
    let keys: usize = size.keys_of_projects.iter().copied().map(pages).sum();
    pages(size.keys_of_projects.len()) + keys + pages(size.users)
}

impl OpenAi {
    /// Projects (archived ones too), the API keys of each, and users.
    pub(super) async fn directory(&self) -> Result<Directory, ReadError> {
        let mut entries = self
            .list(
                "organization/projects",
                &[("include_archived", "true")],
                DirectoryKind::Project,
                None,
            )
            .await?;
        let projects = entries.clone();
        for project in &projects {
            let path = format!("organization/projects/{}/api_keys", project.id);
            // Left out, the parameter would hide keys whose owner has left the project.
            let any_owner = [("owner_project_access", "any")];
            match self
                .list(&path, &any_owner, DirectoryKind::ApiKey, Some(&project.id))
                .await
            {
                Ok(keys) => entries.extend(keys),
                // An archived project may have no keys left to ask for; its own name is what matters.
                Err(error) if is_archived(project) && matches!(error.status, Some(403 | 404)) => {
                    tracing::warn!(
                        project = project.id,
                        "the API keys of an archived project could not be listed"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        entries.extend(
            self.list("organization/users", &[], DirectoryKind::User, None)
                .await?,
        );
        Ok(Directory { entries })
    }

    /// All pages of one list.
    async fn list(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        kind: DirectoryKind,
        project: Option<&str>,
    ) -> Result<Vec<DirectoryEntry>, ReadError> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let first = Request {
            path: path.to_owned(),
            parameters: parameters
                .iter()
                .map(owned)
                .chain([("limit".to_owned(), PAGE_LIMIT.to_string())])
                .collect(),
            about: format!("{} {path}", Provider::OpenAi),
            endpoint: "directory",
        };
        let mut chain = CursorChain::new(MOST_PAGES);
        let mut entries = Vec::new();
        let mut request = first.clone();
        loop {
            let owner = project.map(str::to_owned);
            let page = self
                .transport
                .get(&request, move |body| decode_names(body, kind, owner.as_deref()))
                .await?;
            let cursor = page
                .last_id
                .or_else(|| page.entries.last().map(|entry| entry.id.clone()));
            entries.extend(page.entries);
            let next = chain
                .next(page.has_more, cursor)
                .map_err(|fault| ReadError::new(fault.code, format!("{}: {}", first.about, fault.message)))?;
            let Some(after) = next else {
                return Ok(entries);
            };
            request = first.clone();
            request.parameters.push(("after".to_owned(), after));
        }
    }
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct NamePage {
    pub(crate) entries: Vec<DirectoryEntry>,
    pub(crate) has_more: bool,
    pub(crate) last_id: Option<String>,
}

/// Reads a page of names. An id must be usable as it is; everything else is taken if it is what it should be.
pub(crate) fn decode_names(
    body: &[u8],
    kind: DirectoryKind,
    project: Option<&str>,
) -> Result<NamePage, DecodeError> {
    let page: WirePage = serde_json::from_slice(body).map_err(|error| invalid_body(&error))?;
    let entries = page
        .data
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let id = text(entry, "id")
                .filter(|id| is_id(id))
                .ok_or_else(|| DecodeError {
                    code: IssueCode::TextInvalid,
                    message: format!("entry {} of the list has no usable id", index + 1),
                })?;
            Ok(DirectoryEntry {
                kind,
                id: id.to_owned(),
                name: text(entry, "name").map(storable),
                email: text(entry, "email").map(storable),
                project_id: project.map(str::to_owned),
                status: text(entry, "status").map(storable),
                created_at: ["created_at", "added_at"]
                    .iter()
                    .find_map(|name| entry.get(*name)?.as_i64())
                    .and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            })
        })
        .collect::<Result<_, DecodeError>>()?;
    Ok(NamePage {
        entries,
        has_more: page.has_more,
        last_id: page.last_id,
    })
}

#[derive(Deserialize)]
struct WirePage {
    data: Vec<Map<String, Value>>,
    has_more: bool,
    last_id: Option<String>,
}

fn is_archived(project: &DirectoryEntry) -> bool {
    project.status.as_deref() == Some("archived")
}

fn text<'a>(entry: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    entry.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Ids become parts of a path, so they hold nothing that a path could read otherwise.
fn is_id(id: &str) -> bool {
    id.len() <= 256
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// People may name things as they like; what no database stores becomes a space.
fn storable(text: &str) -> String {
    if is_storable(text) {
        text.to_owned()
    } else {
        text.replace(char::is_control, " ")
    }
}
