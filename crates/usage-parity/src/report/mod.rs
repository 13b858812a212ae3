//! What a comparison found, for scripts and for people.

mod costs_json;
mod costs_text;
mod json;
mod text;
mod words;

use std::collections::BTreeMap;

use serde::Serialize;
use usage_core::Account;

pub(crate) use json::Object;

/// What a report says besides what the comparison found.
#[derive(Clone, Debug)]
pub struct ReportFacts {
    /// The program and its version.
    pub program: String,
    /// The account whose ledger it is; none without a ledger.
    pub account: Option<Account>,
    /// The label of the comparison.
    pub label: Option<String>,
    /// Whether equality after summing over a dimension that the ledger lacks counts as clean.
    pub allow_coarse: bool,
    /// Files that lay in the folder and are no usage exports, and why they were passed over.
    pub skipped_files: BTreeMap<String, String>,
    /// Where the numbers of the ledger come from.
    pub ledger: LedgerFacts,
}

/// Where the numbers of a ledger come from.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerFacts {
    /// The database, without its password.
    pub database: String,
    /// The runs that last changed the events compared or read their windows.
    pub runs: Vec<RunFact>,
    /// Restatements in the windows looked at.
    pub restatements: RestatementCounts,
}

/// A run behind the numbers of a ledger.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFact {
    /// Its number.
    pub id: i64,
    /// What it was.
    pub kind: String,
    /// Its label.
    pub label: Option<String>,
    /// How it ended.
    pub status: String,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
}

/// How many events were restated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestatementCounts {
    /// Their numbers changed.
    pub changed: u64,
    /// The provider took them back.
    pub retracted: u64,
    /// The provider added them.
    pub added: u64,
    /// An operator deleted them with `usage cleanup`.
    pub cleaned: u64,
}
