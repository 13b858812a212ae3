//! From findings to incidents: which opened, which are still open, which ended.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use usage_core::Account;
use usage_store::{AccountScope, Incident, Ledger, NewIncident, StoreError};

use super::finding::{Finding, IncidentKind};

/// What a pass looked at, and what it found there.
#[derive(Clone, Debug)]
pub struct Pass {
    began_at: DateTime<Utc>,
    findings: Vec<Finding>,
    kinds: BTreeSet<IncidentKind>,
    accounts: BTreeSet<(IncidentKind, Account)>,
    subjects: BTreeSet<(IncidentKind, String)>,
    spared: BTreeSet<(IncidentKind, String)>,
}

impl Pass {
    /// A pass that has not looked at anything yet. What is seen by others after `began_at` it does not end.
    pub fn begun_at(began_at: DateTime<Utc>) -> Self {
        Self {
            began_at,
            findings: Vec::new(),
            kinds: BTreeSet::new(),
            accounts: BTreeSet::new(),
            subjects: BTreeSet::new(),
            spared: BTreeSet::new(),
        }
    }

    /// Everything of this kind was looked at: whatever of it is open and not found has ended.
    pub fn looked_at_all(&mut self, kind: IncidentKind) {
        self.kinds.insert(kind);
    }

    /// Everything of this kind was looked at in this account.
    pub fn looked_at(&mut self, kind: IncidentKind, account: &Account) {
        self.accounts.insert((kind, account.clone()));
    }

    /// This very thing was looked at, as [`Finding`] names it: the parity of one endpoint, or one key.
    pub fn looked_at_subject_of(&mut self, finding: &Finding) {
        self.subjects.insert((finding.kind, finding.subject.clone()));
    }

    /// The pass itself came to its end: that it failed ([`Finding::run_failed`] without an account) is over.
    pub fn looked_at_itself(&mut self) {
        self.looked_at_subject_of(&Finding::run_failed(None, ""));
    }

    /// Something is wrong. That counts as having looked at it.
    pub fn found(&mut self, finding: Finding) {
        let key = (finding.kind, &finding.subject);
        if !self
            .findings
            .iter()
            .any(|known| (known.kind, &known.subject) == key)
        {
            self.findings.push(finding);
        }
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// This very thing was not looked at, although the rest of its kind was.
    pub(crate) fn did_not_look_at(&mut self, finding: &Finding) {
        self.spare(finding.kind, finding.subject.clone());
    }

    /// What is not to be ended, whatever was looked at.
    pub(super) fn spare(&mut self, kind: IncidentKind, subject: String) {
        self.spared.insert((kind, subject));
    }

    /// Whether an open incident has ended: it was looked at and not found.
    fn ends(&self, kind: IncidentKind, subject: &str, account: Option<&Account>) -> bool {
        let this = (kind, subject.to_owned());
        let of_account = account.is_some_and(|account| self.accounts.contains(&(kind, account.clone())));
        let looked_at = self.kinds.contains(&kind) || of_account || self.subjects.contains(&this);
        let found = self
            .findings
            .iter()
            .any(|finding| finding.kind == kind && finding.subject == subject);
        looked_at && !found && !self.spared.contains(&this)
    }
}

/// What became of incidents in a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Opened by this pass; what others opened at the same time is among the next.
    pub opened: Vec<Incident>,
    /// Open before and still: found again, or not looked at.
    pub still_open: Vec<Incident>,
    /// Ended by this pass.
    pub ended: Vec<Incident>,
}

/// Opens an incident for each finding that has none, and ends those that were looked at and not found.
pub async fn settle(ledger: &Ledger, pass: &Pass) -> Result<Settled, StoreError> {
    let accounts = ledger.accounts(AccountScope::All).await?;
    let ids: BTreeMap<&Account, i64> = accounts.iter().map(|known| (&known.account, known.id)).collect();
    let owners: BTreeMap<i64, &Account> = accounts.iter().map(|known| (known.id, &known.account)).collect();
    let found = pass.findings.iter().map(|finding| NewIncident {
        kind: finding.kind.as_str(),
        subject: finding.subject.clone(),
        account_id: finding
            .account
            .as_ref()
            .and_then(|account| ids.get(account).copied()),
        message: finding.message.clone(),
        details: serde_json::Value::Object(finding.details.clone()).to_string(),
    });
    let raised = ledger.raise_incidents(found.collect()).await?;
    let opened: Vec<Incident> = raised
        .into_iter()
        .filter(|raised| raised.opened)
        .map(|raised| raised.incident)
        .collect();

    let open = ledger.open_incidents(AccountScope::All).await?;
    let over = open.iter().filter(|incident| {
        let owner = incident.account_id.and_then(|id| owners.get(&id).copied());
        // A kind that only a newer version knows is its own affair.
        IncidentKind::parse(&incident.kind).is_some_and(|kind| pass.ends(kind, &incident.subject, owner))
    });
    let ended = ledger
        .end_incidents(over.map(|incident| incident.id).collect(), pass.began_at)
        .await?;
    let told_apart: BTreeSet<i64> = opened.iter().chain(&ended).map(|incident| incident.id).collect();
    Ok(Settled {
        still_open: open
            .into_iter()
            .filter(|incident| !told_apart.contains(&incident.id))
            .collect(),
        opened,
        ended,
    })
}

#[cfg(test)]
mod tests {
    use usage_core::Provider;

    use super::*;

    /// What a pass that looked at something ends: the parity of `org-a` and `org-b`, and a key of `org-a`.
    fn ended_by(look: impl FnOnce(&mut Pass, &Account)) -> Vec<&'static str> {
        let account = |organization| Account::new(Provider::OpenAi, organization).unwrap();
        let (first, second) = (account("org-a"), account("org-b"));
        let mut pass = Pass::begun_at(DateTime::UNIX_EPOCH);
        look(&mut pass, &first);
        [
            ("a", Finding::parity(&first, "completions", 1)),
            ("b", Finding::parity(&second, "completions", 1)),
            ("key", Finding::invalid_key(&first, 1, None)),
            ("pass", Finding::run_failed(None, "no")),
        ]
        .into_iter()
        .filter(|(_, open)| pass.ends(open.kind, &open.subject, open.account.as_ref()))
        .map(|(name, _)| name)
        .collect()
    }

    #[test]
    fn only_what_was_looked_at_and_not_found_ends() {
        use IncidentKind::{InvalidKey, Parity, RunFailed};
        let nothing: [&str; 0] = [];
        assert_eq!(ended_by(|_, _| ()), nothing);
        assert_eq!(ended_by(|pass, _| pass.looked_at_all(Parity)), ["a", "b"]);
        assert_eq!(ended_by(|pass, account| pass.looked_at(Parity, account)), ["a"]);
        assert_eq!(
            ended_by(|pass, account| pass.looked_at(RunFailed, account)),
            nothing
        );
        assert_eq!(ended_by(|pass, _| pass.looked_at_all(RunFailed)), ["pass"]);
        assert_eq!(ended_by(|pass, _| pass.looked_at_itself()), ["pass"]);
        let key = |id| {
            move |pass: &mut Pass, account: &Account| {
                pass.looked_at_subject_of(&Finding::invalid_key(account, id, None));
            }
        };
        assert_eq!(ended_by(key(1)), ["key"]);
        assert_eq!(ended_by(key(2)), nothing);
        let found = |pass: &mut Pass, account: &Account| {
            pass.looked_at_all(Parity);
            pass.looked_at_all(InvalidKey);
            pass.found(Finding::parity(account, "completions", 2));
            pass.found(Finding::parity(account, "completions", 3));
            assert_eq!(pass.findings().len(), 1, "what is found twice is one finding");
        };
        assert_eq!(ended_by(found), ["b", "key"]);
    }
}
