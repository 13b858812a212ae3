//! The counters of all runs together, and what the latest of them say.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use usage_store::RunTelemetry;

use super::proofs::{ParityProof, ReconciliationProof};

/// Provider, endpoint, and what is counted of it.
type ByEndpoint<T> = BTreeMap<String, BTreeMap<String, T>>;

/// What all runs did together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RunTotals {
    /// By provider, endpoint and status.
    pub(super) requests: ByEndpoint<BTreeMap<String, u64>>,
    /// By provider.
    pub(super) throttled_ms: BTreeMap<String, u64>,
    pub(super) manual_fallback_windows: u64,
    /// Runs that wrote windows and took the manual path for some, counted back from the latest that wrote any: by what the
    /// runs are of.
    manual_fallback_in_a_row: BTreeMap<Of, u64>,
    /// What went otherwise than planned in the latest run, by what the runs are of.
    last_issues: BTreeMap<Of, BTreeMap<String, u64>>,
    /// The latest comparison of each account and endpoint.
    pub(super) parity: ByEndpoint<ParityProof>,
    /// The latest variance of each account, as a share.
    pub(super) variance_ratio: BTreeMap<String, f64>,
    /// Runs whose counters cannot be read.
    pub(super) unreadable: u64,
}

/// What monitoring reads of a run's telemetry, which is that of [`super::CronTelemetry`]; older runs lack some of it.
///
/// Its parts are named one by one, since flattened ones would have every field of every run copied first.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Recorded {
    pass: Option<Mark>,
    windows_processed: u64,
    manual_fallback_windows: u64,
    throttled_ms_by_provider: BTreeMap<String, u64>,
    requests_by_status: ByEndpoint<BTreeMap<String, u64>>,
    issues_by_code: BTreeMap<String, u64>,
    parity: ByEndpoint<ParityProof>,
    reconciliation: BTreeMap<String, ReconciliationProof>,
}

/// Of which account a run of a pass is.
#[derive(Deserialize)]
struct Mark {
    account: String,
}

/// What a run is compared with: others of its kind, and a pass of an account with the passes of this account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    kind: String,
    account: Option<String>,
}

impl RunTotals {
    /// Leaves the accounts that are still read: no later pass says of another that all is well.
    pub(super) fn keep_accounts(&mut self, read: &BTreeSet<String>) {
        let is_kept = |of: &Of| of.account.as_ref().is_none_or(|account| read.contains(account));
        self.manual_fallback_in_a_row.retain(|of, _| is_kept(of));
        self.last_issues.retain(|of, _| is_kept(of));
    }

    /// The longest row of runs that took the manual path.
    pub(super) fn most_manual_fallback_in_a_row(&self) -> u64 {
        self.manual_fallback_in_a_row.values().copied().max().unwrap_or(0)
    }

    /// What went otherwise than planned in the latest runs, by kind and code: of a pass in those of all accounts.
    pub(super) fn last_issues(&self) -> BTreeMap<&str, BTreeMap<&str, u64>> {
        let mut sums: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for (of, issues) in &self.last_issues {
            let known = sums.entry(&of.kind).or_default();
            for (code, count) in issues {
                *known.entry(code).or_default() += count;
            }
        }
        sums
    }

    /// Adds a run; they come oldest first.
    pub(super) fn add(&mut self, run: &RunTelemetry) {
        let Ok(recorded) = serde_json::from_str::<Recorded>(&run.telemetry) else {
            self.unreadable += 1;
            return;
        };
        for (provider, ms) in recorded.throttled_ms_by_provider {
            *self.throttled_ms.entry(provider).or_default() += ms;
        }
        for (provider, endpoints) in recorded.requests_by_status {
            let known = self.requests.entry(provider).or_default();
            for (endpoint, statuses) in endpoints {
                let known = known.entry(endpoint).or_default();
                for (status, requests) in statuses {
                    *known.entry(status).or_default() += requests;
                }
            }
        }
        self.manual_fallback_windows += recorded.manual_fallback_windows;
        let of = Of {
            kind: run.kind.clone(),
            account: recorded.pass.as_ref().map(|mark| mark.account.clone()),
        };
        let in_a_row = self.manual_fallback_in_a_row.entry(of.clone()).or_default();
        if recorded.manual_fallback_windows > 0 {
            *in_a_row += 1;
        } else if recorded.windows_processed > 0 {
            *in_a_row = 0;
        }
        self.last_issues.insert(of, recorded.issues_by_code);
        for (account, endpoints) in recorded.parity {
            let mut known = self.parity.remove(&account).unwrap_or_default();
            // An endpoint whose exports are gone is forgotten; one whose windows are not over keeps what was proved last.
            let proofs = endpoints.into_iter().filter_map(|(endpoint, proof)| {
                let last = known.remove(&endpoint);
                let proof = if proof.compared { Some(proof) } else { last };
                Some((endpoint, proof?))
            });
            self.parity.insert(account, proofs.collect());
        }
        for (account, proof) in recorded.reconciliation {
            let ratio = proof.variance_ratio.and_then(|ratio| ratio.parse().ok());
            self.variance_ratio
                .extend(ratio.map(|ratio: f64| (account, ratio)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(runs: &[(&str, &str)]) -> RunTotals {
        let mut totals = RunTotals::default();
        for (id, (kind, telemetry)) in (1..).zip(runs) {
            totals.add(&RunTelemetry {
                id,
                kind: (*kind).to_owned(),
                telemetry: (*telemetry).to_owned(),
            });
        }
        totals
    }

    #[test]
    fn runs_add_up_and_the_latest_proof_stands() {
        let totals = totals(&[
            (
                "cron",
                r#"{"requestsByStatus":{"openai":{"costs":{"200":2}}},"throttledMsByProvider":{"openai":5},
                    "issuesByCode":{"UNAUTHORIZED":1},
                    "parity":{"openai/org-a":{"completions":{"compared":true,"differences":3},"images":{"compared":true}}},
                    "reconciliation":{"openai/org-a":{"varianceRatio":"0.0123"}}}"#,
            ),
            (
                "backfill",
                r#"{"requestsByStatus":{"openai":{"costs":{"200":1,"429":4}}},"unknown":1}"#,
            ),
            (
                "cron",
                r#"{"issuesByCode":{},"parity":{"openai/org-a":{"completions":{"compared":true,"differences":0},
                    "images":{"compared":false,"differences":9}}},
                    "reconciliation":{"openai/org-a":{"varianceRatio":null}}}"#,
            ),
            ("import", "{}"),
            ("backfill", "not JSON"),
        ]);
        let costs = &totals.requests["openai"]["costs"];
        assert_eq!((costs["200"], costs["429"]), (3, 4));
        assert_eq!(totals.throttled_ms["openai"], 5);
        assert!(totals.last_issues()["cron"].is_empty());
        let parity = &totals.parity["openai/org-a"];
        assert_eq!(
            (parity["completions"].differences, parity["images"].differences),
            (0, 0)
        );
        assert_eq!(totals.variance_ratio.len(), 1);
        assert!((totals.variance_ratio["openai/org-a"] - 0.0123).abs() < f64::EPSILON);
        assert_eq!(totals.unreadable, 1);
    }

    #[test]
    fn the_manual_path_is_counted_in_a_row_over_runs_that_wrote() {
        let manual = ("backfill", r#"{"windowsProcessed":3,"manualFallbackWindows":3}"#);
        let constraint = ("backfill", r#"{"windowsProcessed":3}"#);
        let nothing = ("cron", "{}");
        for (runs, in_a_row) in [
            (&[][..], 0),
            (&[manual], 1),
            (&[manual, nothing, manual, nothing], 2),
            (&[manual, manual, constraint], 0),
            (&[manual, constraint, manual], 1),
        ] {
            assert_eq!(totals(runs).most_manual_fallback_in_a_row(), in_a_row, "{runs:?}");
        }
    }

    #[test]
    fn an_account_says_nothing_of_another() {
        let pass = |account: &str, rest: &str| {
            format!(
                r#"{{"pass":{{"account":"{account}","due":"2025-10-01T02:00:00Z","complete":true}},{rest}}}"#
            )
        };
        let manual = r#""windowsProcessed":3,"manualFallbackWindows":3,"issuesByCode":{"UNAUTHORIZED":1}"#;
        let [bad, other] = [pass("openai/a", manual), pass("openai/b", manual)];
        let [well, good] = ["openai/a", "openai/b"].map(|account| pass(account, r#""windowsProcessed":3"#));
        let cron = |text| ("cron", text);
        // One pass over two accounts is no row of two, and one that is well heals no other.
        let mut two = totals(&[cron(bad.as_str()), cron(&other)]);
        assert_eq!(two.most_manual_fallback_in_a_row(), 1);
        assert_eq!(two.last_issues()["cron"]["UNAUTHORIZED"], 2);
        let one = totals(&[cron(bad.as_str()), cron(&good), cron(&bad), cron(&good)]);
        assert_eq!(one.most_manual_fallback_in_a_row(), 2);
        assert_eq!(one.last_issues()["cron"]["UNAUTHORIZED"], 1);
        let healed = totals(&[cron(bad.as_str()), cron(&good), cron(&well)]);
        assert_eq!(healed.most_manual_fallback_in_a_row(), 0);
        assert!(healed.last_issues()["cron"].is_empty());
        // Nobody reads it any more.
        two.keep_accounts(&["openai/a".to_owned()].into());
        assert_eq!(two.last_issues()["cron"]["UNAUTHORIZED"], 1);
        two.keep_accounts(&BTreeSet::new());
        assert_eq!(
            (two.most_manual_fallback_in_a_row(), two.last_issues().len()),
            (0, 0)
        );
    }
}
