//! Which keys read an account, and what a key may do.

use std::collections::{BTreeMap, BTreeSet};

use usage_core::{Account, DirectoryKind, IssueCode, ProjectFilter};
use usage_providers::{Access, KeyReport, ReadError, UsageSource};
use usage_store::{AccountScope, KeyStatus, Ledger, ProviderKey, StoreError};

/// A key that reads, and those that stand in for it.
#[derive(Clone, Debug)]
pub struct ChosenKey<'a> {
    /// The key.
    pub key: &'a ProviderKey,
    /// Other usable keys of the account that can read the same, in the order given.
    pub spare: Vec<&'a ProviderKey>,
}

/// The keys that together read each account once.
///
/// A key for every project reads the whole account, so one of them is enough; otherwise each limited key reads what no
/// other one of the account includes. Two keys of one account never read the same usage twice: a second one that could
/// is kept for the case that the provider refuses the first.
pub fn choose_keys(keys: &[ProviderKey]) -> Vec<ChosenKey<'_>> {
    let usable = || keys.iter().filter(|key| key.status.is_usable());
    let mut chosen: BTreeMap<&Account, Vec<&ProviderKey>> = BTreeMap::new();
    for key in usable() {
        let of_account = chosen.entry(&key.account.account).or_default();
        if of_account.iter().any(|other| other.filter.includes(&key.filter)) {
            continue;
        }
        of_account.retain(|other| !key.filter.includes(&other.filter));
        of_account.push(key);
    }
    let can_replace = |other: &ProviderKey, key: &ProviderKey| {
        other.id != key.id && other.account == key.account && other.filter.includes(&key.filter)
    };
    chosen
        .into_values()
        .flatten()
        .map(|key| ChosenKey {
            spare: usable().filter(|other| can_replace(other, key)).collect(),
            key,
        })
        .collect()
}

/// What checking a key found.
#[derive(Clone, Debug)]
pub struct KeyCheck {
    /// What the provider answered.
    pub report: KeyReport,
    /// The status that the key deserves.
    pub status: KeyStatus,
}

/// Why nothing is known about a key.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The provider did not answer, which says nothing about the key.
    #[error("the key could not be checked: {0}")]
    NoAnswer(ReadError),
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks the provider what a key limited to these projects may do, and whether its projects already belong to another
/// account of the ledger.
///
/// The API does not say which organisation a key belongs to. Two accounts that share a project are one organisation
/// under two names, and would count every token twice.
pub async fn check_key(
    ledger: &Ledger,
    account: &Account,
    filter: &ProjectFilter,
    source: &dyn UsageSource,
) -> Result<KeyCheck, CheckError> {
    let report = source.check_key(filter).await;
    let refusals: Vec<&ReadError> = report
        .endpoints
        .iter()
        .filter_map(|answer| match &answer.access {
            Access::Allowed => None,
            Access::Refused(error) => Some(error),
        })
        .collect();
    // One endpoint that fails while others answer says as little about the key as one that it may not read.
    let answers = refusals.len() < report.endpoints.len();
    if let Some(error) = refusals.iter().copied().find(|error| !is_refusal(error))
        && !answers
    {
        return Err(CheckError::NoAnswer(error.clone()));
    }
    let status = if answers {
        let projects = report
            .names
            .ids(DirectoryKind::Project)
            .map(str::to_owned)
            .collect();
        match sharing_account(ledger, account, &projects).await? {
            Some((other, project)) => KeyStatus::Conflict(format!(
                "project {project} already belongs to account {other}: this key reads the same organization; \
                 add it with --organization {}",
                other.organization()
            )),
            None => KeyStatus::Active,
        }
    } else {
        KeyStatus::Refused(refusals.first().map(ToString::to_string).unwrap_or_default())
    };
    Ok(KeyCheck { report, status })
}

/// Whether the provider has judged the key, rather than failed to answer.
fn is_refusal(error: &ReadError) -> bool {
    matches!(
        error.issue.code,
        IssueCode::Unauthorized | IssueCode::Forbidden | IssueCode::EndpointUnavailable
    )
}

/// Another account of the ledger that knows one of the projects, or has usage of it, with the project.
async fn sharing_account(
    ledger: &Ledger,
    account: &Account,
    projects: &BTreeSet<String>,
) -> Result<Option<(Account, String)>, StoreError> {
    for other in ledger.accounts(AccountScope::All).await? {
        if other.account == *account || other.account.provider() != account.provider() {
            continue;
        }
        let scope = AccountScope::one(&other);
        let names = ledger.names(scope.clone()).await?;
        let named = names
            .into_iter()
            .filter(|name| name.kind == DirectoryKind::Project)
            .map(|name| name.id);
        let used = ledger.used_projects(scope).await?;
        if let Some(shared) = named.chain(used).find(|id| projects.contains(id)) {
            return Ok(Some((other.account, shared)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use usage_core::Provider;
    use usage_store::StoredAccount;

    use super::*;

    fn key(id: i64, organization: &str, projects: &[&str]) -> ProviderKey {
        let account = Account::new(Provider::OpenAi, organization).unwrap();
        ProviderKey {
            id,
            account: StoredAccount { id: 1, account },
            label: None,
            filter: ProjectFilter::projects(projects.iter().map(|id| (*id).to_owned())),
            mask: String::new(),
            master_key_id: String::new(),
            status: KeyStatus::Active,
            created_at: DateTime::UNIX_EPOCH,
            checked_at: None,
        }
    }

    fn check(keys: &[ProviderKey], expected: &[i64]) {
        let mut chosen: Vec<i64> = choose_keys(keys)
            .into_iter()
            .map(|chosen| chosen.key.id)
            .collect();
        chosen.sort_unstable();
        assert_eq!(chosen, expected);
    }

    #[test]
    fn one_key_for_everything_is_enough() {
        check(
            &[
                key(1, "org-a", &[]),
                key(2, "org-a", &[]),
                key(3, "org-a", &["proj_x"]),
            ],
            &[1],
        );
        check(&[key(1, "org-a", &["proj_x"]), key(2, "org-a", &[])], &[2]);
    }

    #[test]
    fn limited_keys_read_what_no_other_includes() {
        let keys = [
            key(1, "org-a", &["proj_x"]),
            key(2, "org-a", &["proj_y"]),
            key(3, "org-a", &["proj_x", "proj_z"]),
            key(4, "org-b", &["proj_x"]),
        ];
        check(&keys, &[2, 3, 4]);
    }

    #[test]
    fn refused_keys_are_not_used() {
        let refused = ProviderKey {
            status: KeyStatus::Refused("no".to_owned()),
            ..key(1, "org-a", &[])
        };
        check(&[refused, key(2, "org-a", &["proj_x"])], &[2]);
    }

    #[test]
    fn keys_that_can_read_the_same_stand_in() {
        let refused = ProviderKey {
            status: KeyStatus::Refused("no".to_owned()),
            ..key(4, "org-a", &[])
        };
        let keys = [
            key(1, "org-a", &["proj_x"]),
            key(2, "org-a", &[]),
            key(3, "org-b", &[]),
            refused,
            key(5, "org-a", &[]),
            key(6, "org-a", &[]),
        ];
        let chosen = choose_keys(&keys).into_iter();
        let chosen: Vec<(i64, Vec<i64>)> = chosen
            .map(|chosen| (chosen.key.id, chosen.spare.iter().map(|key| key.id).collect()))
            .collect();
        assert_eq!(chosen, [(2, vec![5, 6]), (3, vec![])]);
    }
}
