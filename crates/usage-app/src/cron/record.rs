//! What a run of the kind `cron` records beside its telemetry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use usage_ingest::Telemetry;

use super::evidence::Evidence;
use crate::monitoring::Proofs;
use crate::text::{count, thousands};

/// The telemetry of a run of a pass: that of every run, and what the pass did beside reading.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PassRecord<'a> {
    #[serde(flatten)]
    pub(super) telemetry: &'a Telemetry,
    pub(super) pass: PassMark,
    /// What monitoring reads.
    #[serde(flatten)]
    pub(super) proofs: Proofs,
    pub(super) evidence: &'a Evidence,
}

/// To which pass a run belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassMark {
    /// The account, as `provider/organization`.
    pub account: String,
    /// When the pass was due, RFC 3339 in UTC; processes that share a pass have it in common.
    pub due: String,
    /// Whether everything was done for the account, with or without errors, so that no other process need do it in the same
    /// pass.
    pub complete: bool,
}

/// The part of a run's telemetry that says to which pass it belongs.
#[derive(Deserialize)]
struct Marked {
    pass: PassMark,
}

impl PassMark {
    /// The mark of a recorded run, if it is one of a pass that got as far as to say so.
    pub fn of(telemetry: &str) -> Option<Self> {
        serde_json::from_str::<Marked>(telemetry)
            .ok()
            .map(|marked| marked.pass)
    }
}

/// What holding the ledger against the provider's exports found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParityResult {
    /// Whether everything compared is equal.
    pub clean: bool,
    /// Windows in which everything was compared.
    pub windows_compared: u64,
    /// Of each endpoint with exports, `costs` among them, the windows in which everything was compared.
    #[serde(default)]
    pub windows_by_endpoint: BTreeMap<String, u64>,
    /// Groups that differ or that one side lacks, of usage and of costs.
    pub differences: u64,
    /// Of these, groups that the ledger lacks.
    pub missing_in_db: u64,
    /// Of these, groups that the export lacks.
    pub missing_in_csv: u64,
    /// Of these, groups with other numbers.
    pub mismatched: u64,
    /// Groups in which the export has what the ledger had before a restatement: the export is older.
    pub restated_since: u64,
    /// Windows of the export that the ledger never read, and groups of windows that it read in part.
    #[serde(default)]
    pub not_covered: u64,
    /// The report.
    pub report: Option<String>,
}

impl ParityResult {
    /// What was found, in one line.
    pub(crate) fn in_words(&self) -> String {
        let mut words = format!(
            "{} missing in the ledger, {} missing in the export, {} mismatched",
            thousands(self.missing_in_db),
            thousands(self.missing_in_csv),
            thousands(self.mismatched)
        );
        for (count, what) in [
            (self.not_covered, "not covered by the ledger"),
            (self.restated_since, "restated since the export"),
        ] {
            if count > 0 {
                words.extend([", ", &thousands(count), " ", what]);
            }
        }
        words
    }
}

/// What holding priced usage against the provider's costs found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconciliationResult {
    /// Whether nothing has to be looked at.
    pub clean: bool,
    /// Days compared.
    pub days_compared: usize,
    /// What the provider charged, in USD, as decimal text.
    pub charged: String,
    /// Of that, what was charged for usage that has a price, in USD, as decimal text: the variance is of this alone.
    #[serde(default)]
    pub compared: String,
    /// Why it is not reconciled, one line each; the report has all of it.
    #[serde(default)]
    pub complaints: Vec<String>,
    /// The variance in percent, as decimal text; none if nothing has both sides.
    pub variance_percent: Option<String>,
    /// Whether the variance passes the limit.
    pub passes_limit: bool,
    /// The report.
    pub report: Option<String>,
}

impl ReconciliationResult {
    /// What was found, in one line: how much of what was charged the variance is of, and what is not reconciled.
    pub(crate) fn in_words(&self) -> String {
        let mut words = format!(
            "{}, {} USD charged over {}, {} USD of it at known prices and {} % apart",
            if self.clean {
                "reconciled"
            } else {
                "NOT RECONCILED"
            },
            self.charged,
            count(self.days_compared as u64, "day"),
            self.compared,
            self.variance_percent.as_deref().unwrap_or("unknown")
        );
        for complaint in &self.complaints {
            words.extend(["; ", complaint]);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_says_to_which_pass_it_belongs() {
        let pass = PassMark {
            account: "openai/org-a".to_owned(),
            due: "2025-10-01T02:00:00Z".to_owned(),
            complete: true,
        };
        let record = PassRecord {
            telemetry: &Telemetry::default(),
            pass: pass.clone(),
            proofs: Proofs::default(),
            evidence: &Evidence::default(),
        };
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains("\"windowsProcessed\":0"), "{text}");
        assert_eq!(PassMark::of(&text), Some(pass));
        assert_eq!(PassMark::of("{}"), None);
    }
}
