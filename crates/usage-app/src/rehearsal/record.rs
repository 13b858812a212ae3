//! The record of a rehearsal: what was asked for, what each pass found, and the verdict. It is the file that lets a
//! rehearsal go on after its process has died, and from which everything for people is written.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use usage_core::Endpoint;

use crate::cron::{ParityResult, ReconciliationResult};

/// A rehearsal, from its beginning to its verdict. All times are by its clock, UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    /// The version of this layout.
    pub version: u32,
    /// The program and its version.
    pub program: String,
    /// When it began, and when its first pass was due.
    pub begun_at: DateTime<Utc>,
    /// For how many hours.
    pub hours: u32,
    /// How many seconds lie between two passes.
    pub every_seconds: u64,
    /// The clock.
    pub clock: ClockUsed,
    /// Where it took place.
    pub place: Place,
    /// Issue codes that the operator has explained.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub explained: BTreeMap<String, String>,
    /// The first authenticated calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke: Option<Smoke>,
    /// The passes that were due so far, oldest first.
    pub passes: Vec<PassEntry>,
    /// What came of it; none while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// Which clock the rehearsal ran by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockUsed {
    /// How many times as fast as real time.
    pub scale: u32,
    /// When it showed the real time, if it ran faster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<DateTime<Utc>>,
}

/// Where a rehearsal takes place: what must be the same when it is gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The ledger's URL, its password masked.
    pub database: String,
    /// Base URLs by provider: a simulator is visible as such.
    pub providers: BTreeMap<String, String>,
    /// The accounts that were named; every one with a key if none.
    pub accounts: Vec<String>,
    /// The endpoints.
    pub endpoints: Vec<String>,
    /// How many days back gaps are filled.
    pub horizon_days: u32,
    /// The folder with the provider's exports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exports: Option<String>,
}

/// The first authenticated calls, before the first pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Smoke {
    /// The log, beside this file.
    pub file: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What the provider let each account's keys do.
    pub accounts: Vec<SmokeAccount>,
}

/// What the provider let an account's keys do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SmokeAccount {
    /// The account, as `provider/organization`.
    pub account: String,
    /// The endpoints that answered.
    pub available: Vec<String>,
    /// The endpoints that the organisation does not have or the key may not read.
    pub unavailable: Vec<String>,
    /// The endpoints of which no usable answer came, so that nobody knows; passes have to read them all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unclear: Vec<String>,
    /// Why nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One pass that was due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassEntry {
    /// When it was due.
    pub due: DateTime<Utc>,
    /// When it was begun: more than once if a process died or was stopped in the middle.
    pub begun_at: Vec<DateTime<Utc>>,
    /// What it had to read, by the coverage that it found when it was begun first.
    pub expected: Vec<ExpectedDays>,
    /// Its notes, beside this file.
    pub notes: String,
    /// What came of it; none while it is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<PassOutcome>,
}

/// UTC days that a pass has to read of one endpoint of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedDays {
    /// The account, as `provider/organization`.
    pub account: String,
    /// The endpoint.
    pub endpoint: String,
    /// The days, as first and last day of each stretch.
    pub days: Vec<(NaiveDate, NaiveDate)>,
}

/// What came of a pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PassOutcome {
    /// No process ran when it was due, nor until the next one was.
    Missed,
    /// It could not be run.
    Failed {
        /// When that was clear.
        at: DateTime<Utc>,
        /// Why.
        error: String,
    },
    /// It was run.
    Ran(Box<PassFacts>),
}

/// What a pass did and what the ledger holds of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassFacts {
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// Whether it says that everything went well.
    pub success: bool,
    /// The sums over the accounts, as `usage-cron run --format json` has them.
    pub telemetry: serde_json::Value,
    /// The counters that the checklist looks at.
    pub counters: Counters,
    /// What was to be read, and of it what the ledger says was read since the pass was due.
    pub windows: Vec<WindowTally>,
    /// Issues by code.
    pub issues: Vec<CodeCount>,
    /// Revisions, run by run of the pass.
    pub revisions: Vec<RunRevisions>,
    /// Revisions since the rehearsal began that runs of no pass of it left, run by run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub foreign_revisions: BTreeMap<i64, u64>,
    /// What holding the ledger against exports found, account by account.
    pub parity: BTreeMap<String, ParityResult>,
    /// What holding priced usage against the bill found, account by account.
    pub reconciliation: BTreeMap<String, ReconciliationResult>,
    /// What else happened.
    pub remarks: Vec<String>,
}

/// The counters of a pass that the checklist and the notes look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Windows stored.
    pub windows_processed: u64,
    /// Windows that the ledger kept as it had them.
    pub windows_failed: u64,
    /// Events inserted, updated, unchanged and retracted.
    pub events: [u64; 4],
    /// Costs inserted, updated, unchanged and retracted.
    pub costs: [u64; 4],
    /// Requests, retries among them.
    pub requests: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Requests that the provider answered with 429.
    pub throttled_requests: u64,
    /// Milliseconds spent waiting for the provider's limits or for the client's own pace.
    pub throttled_ms: u64,
    /// Windows that took the manual path.
    pub manual_fallback_windows: u64,
    /// Keys that took the manual path.
    pub manual_fallback_keys: u64,
}

/// How much of what was to be read was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowTally {
    /// The account, as `provider/organization`.
    pub account: String,
    /// The endpoint.
    pub endpoint: String,
    /// Days that were to be read.
    pub expected: u64,
    /// Of these, days that were read completely since the pass was due.
    pub read: u64,
    /// The first of those that were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_unread: Option<NaiveDate>,
}

/// How often an issue came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeCount {
    /// The code.
    pub code: String,
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// How often.
    pub count: u64,
    /// The first of them.
    pub message: String,
}

/// The revisions that a run left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRevisions {
    /// The run.
    pub run: i64,
    /// How the run ended.
    pub status: String,
    /// How many revisions it counted; none if it died before it could say so.
    pub counted: Option<u64>,
    /// How many the ledger has of it.
    pub kept: u64,
}

/// What came of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// When it was given.
    pub at: DateTime<Utc>,
    /// Whether every check passed.
    pub passed: bool,
    /// The checklist.
    pub checks: Vec<Check>,
}

/// One line of the checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What has to hold.
    pub name: String,
    /// Whether it does.
    pub passed: bool,
    /// By what, or why not.
    pub detail: String,
}

impl Rehearsal {
    /// The passes that are due in all, the one at its beginning included.
    pub fn planned_passes(&self) -> u64 {
        u64::from(self.hours) * 3_600 / self.every_seconds.max(1) + 1
    }

    /// When the pass of this number is due, counted from 0; none after the last one.
    pub(super) fn due(&self, number: usize) -> Option<DateTime<Utc>> {
        let number = u64::try_from(number).ok()?;
        if number >= self.planned_passes() {
            return None;
        }
        let after = i64::try_from(number.checked_mul(self.every_seconds)?).ok()?;
        self.begun_at.checked_add_signed(TimeDelta::try_seconds(after)?)
    }

    /// The passes whose outcome is known.
    pub(super) fn done(&self) -> usize {
        self.passes.iter().filter(|pass| pass.outcome.is_some()).count()
    }

    /// The endpoints of an account but those that the first call was refused.
    pub(super) fn available(&self, account: &str) -> Vec<Endpoint> {
        let smoke = self.smoke.iter().flat_map(|smoke| &smoke.accounts);
        let refused = smoke
            .filter(|answers| answers.account == account)
            .map(|answers| &answers.unavailable)
            .next();
        self.place
            .endpoints
            .iter()
            .filter(|endpoint| refused.is_none_or(|refused| !refused.contains(endpoint)))
            .filter_map(|endpoint| endpoint.parse().ok())
            .collect()
    }
}

impl PassEntry {
    /// Whether there is something to note: a pass that nobody was there to run leaves none.
    pub(super) fn has_notes(&self) -> bool {
        matches!(
            self.outcome,
            Some(PassOutcome::Ran(_) | PassOutcome::Failed { .. })
        )
    }

    /// What it did, if it was run.
    pub(super) fn facts(&self) -> Option<&PassFacts> {
        match &self.outcome {
            Some(PassOutcome::Ran(facts)) => Some(facts),
            _ => None,
        }
    }
}

impl ExpectedDays {
    /// Every day.
    pub(super) fn each(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        self.days
            .iter()
            .flat_map(|(first, last)| first.iter_days().take_while(move |day| day <= last))
    }

    /// Days as stretches; they must be in order.
    pub(super) fn stretches(days: impl IntoIterator<Item = NaiveDate>) -> Vec<(NaiveDate, NaiveDate)> {
        let mut stretches: Vec<(NaiveDate, NaiveDate)> = Vec::new();
        for day in days {
            match stretches.last_mut() {
                Some((_, last)) if last.succ_opt() == Some(day) => *last = day,
                _ => stretches.push((day, day)),
            }
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_kept_as_stretches() {
        let day = |text: &str| usage_core::parse_day(text).unwrap();
        let days = [
            day("2025-09-30"),
            day("2025-10-01"),
            day("2025-10-03"),
            day("2025-10-04"),
            day("2025-10-05"),
        ];
        let expected = ExpectedDays {
            account: "openai/org-a".to_owned(),
            endpoint: "completions".to_owned(),
            days: ExpectedDays::stretches(days),
        };
        assert_eq!(expected.days.len(), 2);
        assert_eq!(expected.each().collect::<Vec<_>>(), days);
    }
}
