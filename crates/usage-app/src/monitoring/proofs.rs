//! What a cron pass proved, as its run keeps it for monitoring.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use usage_core::{Account, Decimal, Endpoint};
use usage_ingest::Telemetry;
use usage_parity::reconcile::Variance;

/// Two more than a percentage has.
const RATIO_PLACES: u32 = 8;

/// The telemetry of a run of the kind `cron`: what such a run hands to [`usage_store::Ledger::finish_run`] as JSON.
///
/// The counters are those of this run alone. Every run of the ledger is added up, so what a pass did in runs of their own,
/// for example a backfill, must not be counted here again.
///
/// ```
/// use usage_app::monitoring::{CronTelemetry, ParityProof};
/// use usage_core::{Account, Endpoint, Provider};
/// use usage_parity::reconcile::Variance;
///
/// let account = Account::new(Provider::OpenAi, "org-anon")?;
/// let mut telemetry = CronTelemetry::default();
/// let equal = ParityProof { compared: true, ..ParityProof::default() };
/// telemetry.proofs.add_parity(&account, Endpoint::Completions, equal);
/// let variance = Variance {
///     charged: "100".parse()?,
///     priced: "101.23".parse()?,
///     absolute_difference: "1.23".parse()?,
///     percent: Some("1.23".parse()?),
/// };
/// telemetry.proofs.add_reconciliation(&account, &variance);
/// let json: serde_json::Value = serde_json::from_str(&telemetry.to_json())?;
/// assert_eq!(json["parity"]["openai/org-anon"]["completions"]["differences"], 0);
/// assert_eq!(json["reconciliation"]["openai/org-anon"]["varianceRatio"], "0.0123");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CronTelemetry {
    /// The counters that every run has.
    #[serde(flatten)]
    pub counters: Telemetry,
    /// What was proved.
    #[serde(flatten)]
    pub proofs: Proofs,
}

impl CronTelemetry {
    /// As the table of runs keeps it.
    pub fn to_json(&self) -> String {
        // Only maps with keys that are no text can fail, and there are none.
        serde_json::to_string(self).unwrap_or_else(|error| format!("{{\"unserializable\":\"{error}\"}}"))
    }
}

/// What was held against the provider's own numbers, as JSON beside the counters of a run.
///
/// Accounts are named as `provider/organization`. What was not looked at is left out: the result of an earlier run stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Proofs {
    /// The ledger against the provider's export, by account and endpoint; of an account whose exports were looked for and
    /// not found, nothing. What is absent was not looked at.
    pub parity: BTreeMap<String, BTreeMap<String, ParityProof>>,
    /// Priced usage against what the provider charged, by account.
    pub reconciliation: BTreeMap<String, ReconciliationProof>,
}

/// One comparison of the ledger with the provider's export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParityProof {
    /// Whether any window was compared; if not, the numbers mean nothing, and monitoring shows none.
    pub compared: bool,
    /// Groups that are not equal on both sides: `missing` and `mismatched` together, and those the ledger has too many.
    pub differences: u64,
    /// Groups of the export that the ledger lacks.
    pub missing: u64,
    /// Groups that both have, with other numbers.
    pub mismatched: u64,
}

/// One comparison of priced usage with what the provider charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReconciliationProof {
    /// By how much usage at its prices is off what was charged, as a share of what was charged: a decimal, `0.0123` for
    /// 1.23 %; the hundredth of [`usage_parity::reconcile::Variance::percent`]. `None` if nothing could be compared.
    pub variance_ratio: Option<String>,
}

impl ParityProof {
    /// Adds what was compared elsewhere of the same endpoint: windows, groups that the ledger and that the export lacks, and
    /// groups with other numbers.
    pub(crate) fn add(&mut self, windows: u64, [missing_in_db, missing_in_csv]: [u64; 2], mismatched: u64) {
        self.compared |= windows > 0;
        self.differences += missing_in_db + missing_in_csv + mismatched;
        self.missing += missing_in_db;
        self.mismatched += mismatched;
    }
}

impl Proofs {
    /// Keeps the result of a comparison with the provider's export.
    pub fn add_parity(&mut self, account: &Account, endpoint: Endpoint, proof: ParityProof) {
        self.parity
            .entry(account.to_string())
            .or_default()
            .insert(endpoint.to_string(), proof);
    }

    /// Keeps the result of a reconciliation.
    pub fn add_reconciliation(&mut self, account: &Account, variance: &Variance) {
        let ratio = variance
            .percent
            .as_ref()
            .and_then(|percent| percent.over(&Decimal::from(100), RATIO_PLACES));
        let proof = ReconciliationProof {
            variance_ratio: ratio.map(|ratio| ratio.to_string()),
        };
        self.reconciliation.insert(account.to_string(), proof);
    }
}
