//! The names of projects, keys and users, which a pass asks for once they are no longer young.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use usage_core::{DirectoryKind, Issue, Severity};
use usage_ingest::{Outcome, Plan, Reader, RunReport};
use usage_providers::DirectorySize;
use usage_store::{AccountScope, KnownName};

use super::account::Work;
use super::report::DirectoryReport;
use crate::commands::names;
use crate::error::AppError;

/// Names younger than this are not asked for again: a pass an hour would ask for every project's keys every time.
const NAMES_LAST: TimeDelta = TimeDelta::hours(20);

/// Whether names are asked for, and what that takes.
pub(super) struct NamesPlan {
    /// As many requests as the names take that the ledger knows; none if they are young.
    pub(super) requests: usize,
    known: Vec<KnownName>,
}

/// Looks how old the names of the account are; asks nothing.
pub(super) async fn plan(work: &Work<'_>, plan: &Plan) -> Result<NamesPlan, AppError> {
    let known = work.ledger.names(AccountScope::one(work.account)).await?;
    let latest = known.iter().map(|name| name.last_seen_at).max();
    let now = work.app.clock.now();
    let is_young = latest.is_some_and(|seen| (now - seen).abs() < NAMES_LAST);
    let requests = if is_young {
        0
    } else {
        let size = size(&known);
        readers(plan)
            .next()
            .map_or(0, |reader| reader.key.source.directory_requests(&size))
    };
    Ok(NamesPlan { requests, known })
}

/// Asks for the names, if that was planned. That they could not be read is a warning: no number depends on them.
pub(super) async fn refresh(
    work: &Work<'_>,
    plan: &Plan,
    names: &NamesPlan,
    run: &mut RunReport,
) -> Result<DirectoryReport, AppError> {
    let mut report = DirectoryReport::default();
    // A key that reads no usage reads no names.
    let in_vain = run.outcome == Outcome::Failed || *work.stop.borrow();
    if in_vain || names.requests == 0 {
        return Ok(report);
    }
    let before: BTreeSet<_> = names
        .known
        .iter()
        .map(|name| (name.kind, name.id.clone()))
        .collect();
    for Reader { key, .. } in readers(plan) {
        let traffic = key.source.traffic();
        let read = key.source.read_directory().await;
        let traffic = key.source.traffic().since(&traffic);
        run.telemetry.count_traffic(key.source.provider(), &traffic);
        match read {
            Ok(directory) => {
                report.refreshed = true;
                report.names = directory.entries.len();
                let seen: BTreeSet<_> = directory
                    .entries
                    .iter()
                    .map(|entry| (entry.kind, entry.id.clone()))
                    .collect();
                report.added = seen.difference(&before).count();
                report.gone = before.difference(&seen).count();
                names::save(work.app, work.ledger, work.account.id, directory).await?;
                break;
            }
            Err(error) => work.note(
                run,
                Issue {
                    severity: Severity::Warning,
                    message: format!("the names were not read: {}", error.issue.message),
                    ..error.issue
                },
            ),
        }
    }
    Ok(report)
}

/// Who can ask for the names, each for all of them: a key that is limited to projects may not.
fn readers(plan: &Plan) -> impl Iterator<Item = &Reader> {
    plan.readers.iter().filter(|reader| reader.filter.is_all())
}

/// How many names the ledger knows, those that the provider no longer has among them.
fn size(known: &[KnownName]) -> DirectorySize {
    let mut keys_of_projects: BTreeMap<&str, usize> = BTreeMap::new();
    let mut users = 0;
    for name in known {
        match name.kind {
            DirectoryKind::Project => {
                keys_of_projects.entry(&name.id).or_default();
            }
            DirectoryKind::ApiKey => {
                if let Some(project) = &name.project_id {
                    *keys_of_projects.entry(project).or_default() += 1;
                }
            }
            DirectoryKind::User => users += 1,
        }
    }
    DirectorySize {
        keys_of_projects: keys_of_projects.into_values().collect(),
        users,
    }
}
