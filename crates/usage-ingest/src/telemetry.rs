//! What a run did, in the names that operators of the system before this one know.

use std::collections::BTreeMap;

use serde::Serialize;
use usage_core::{Issue, Provider};
use usage_providers::Traffic;
use usage_store::{PricingNote, PricingNotes, WindowCounts, WritePath};

/// The counters of a run. Serialises to the JSON that runs, artefacts and `--format json` share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Telemetry {
    /// Provider keys that read something.
    pub processed_keys: u64,
    /// Provider keys that were used and read nothing: the provider refused them, was not reached, or sent nothing usable.
    pub failed_keys: u64,
    /// Windows stored completely, quiet ones among them.
    pub windows_processed: u64,
    /// Windows that the ledger kept as it had them, since their read failed or was refused.
    pub windows_failed: u64,
    /// Windows of the plan that another run had settled by the time this one held the account's lease, and that were
    /// not read again.
    pub windows_settled_meanwhile: u64,
    /// Rows inserted.
    pub stored_events: u64,
    /// Rows whose numbers changed.
    pub updated_events: u64,
    /// Rows that stood as they were read.
    pub unchanged_events: u64,
    /// Rows retracted.
    pub retracted_events: u64,
    /// Rows read but not stored, since their window failed.
    pub skipped_events: u64,
    /// Rows summed into another of the same identity.
    pub merged_events: u64,
    /// Revisions kept of what restatements replaced.
    pub revisions: u64,
    /// Costs inserted.
    pub stored_costs: u64,
    /// Costs whose amount or quantity changed.
    pub updated_costs: u64,
    /// Costs that stood as they were read.
    pub unchanged_costs: u64,
    /// Costs retracted.
    pub retracted_costs: u64,
    /// Events written that the price list has no price for.
    pub unpriced_events: u64,
    /// Events written that were priced by a default.
    pub fallback_priced_events: u64,
    /// Inserts through the unique index.
    pub constraint_inserts: u64,
    /// Updates through the unique index.
    pub constraint_updates: u64,
    /// Inserts by look-up, without the index.
    pub manual_fallback_inserts: u64,
    /// Updates by look-up, without the index.
    pub manual_fallback_updates: u64,
    /// Windows that took the manual path.
    pub manual_fallback_windows: u64,
    /// Provider keys that took the manual path.
    pub manual_fallback_keys: u64,
    /// Requests sent, retries among them.
    pub requests: u64,
    /// Requests sent again after a failure.
    pub retries: u64,
    /// Milliseconds spent waiting for the provider's limits or for the client's own pace.
    pub throttled_ms: u64,
    /// The same by provider.
    pub throttled_ms_by_provider: BTreeMap<String, u64>,
    /// How requests ended: how many, by provider, endpoint (`completions`, …, `costs`, `directory`) and status (`200`,
    /// `429`, …, `5xx`, `timeout`, `connect`, `error`). See [`usage_providers::RequestsByStatus`].
    pub requests_by_status: BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>,
    /// Issues by their code.
    pub issues_by_code: BTreeMap<String, u64>,
}

impl Telemetry {
    pub(crate) fn count_window(&mut self, counts: &WindowCounts) {
        self.windows_processed += 1;
        self.stored_events += counts.inserted;
        self.updated_events += counts.updated;
        self.unchanged_events += counts.unchanged;
        self.retracted_events += counts.retracted;
        self.merged_events += counts.merged;
        self.revisions += counts.revisions;
        match counts.path {
            WritePath::Constraint => {
                self.constraint_inserts += counts.inserted;
                self.constraint_updates += counts.updated;
            }
            WritePath::Manual => {
                self.manual_fallback_inserts += counts.inserted;
                self.manual_fallback_updates += counts.updated;
                self.manual_fallback_windows += 1;
            }
        }
    }

    /// As [`Telemetry::count_window`], of a window of costs.
    pub(crate) fn count_costs(&mut self, counts: &WindowCounts) {
        self.windows_processed += 1;
        self.stored_costs += counts.inserted;
        self.updated_costs += counts.updated;
        self.unchanged_costs += counts.unchanged;
        self.retracted_costs += counts.retracted;
        self.merged_events += counts.merged;
        self.revisions += counts.revisions;
    }

    pub(crate) fn count_pricing(&mut self, notes: &PricingNotes) {
        for (note, rows) in notes {
            match note {
                PricingNote::Unpriced(_) => self.unpriced_events += rows,
                PricingNote::Fallback(_) => self.fallback_priced_events += rows,
            }
        }
    }

    /// Adds the counters of another run.
    pub fn add(&mut self, other: &Self) {
        let Self {
            processed_keys,
            failed_keys,
            windows_processed,
            windows_failed,
            windows_settled_meanwhile,
            stored_events,
            updated_events,
            unchanged_events,
            retracted_events,
            skipped_events,
            merged_events,
            revisions,
            stored_costs,
            updated_costs,
            unchanged_costs,
            retracted_costs,
            unpriced_events,
            fallback_priced_events,
            constraint_inserts,
            constraint_updates,
            manual_fallback_inserts,
            manual_fallback_updates,
            manual_fallback_windows,
            manual_fallback_keys,
            requests,
            retries,
            throttled_ms,
            throttled_ms_by_provider,
            requests_by_status,
            issues_by_code,
        } = other;
        self.processed_keys += processed_keys;
        self.failed_keys += failed_keys;
        self.windows_processed += windows_processed;
        self.windows_failed += windows_failed;
        self.windows_settled_meanwhile += windows_settled_meanwhile;
        self.stored_events += stored_events;
        self.updated_events += updated_events;
        self.unchanged_events += unchanged_events;
        self.retracted_events += retracted_events;
        self.skipped_events += skipped_events;
        self.merged_events += merged_events;
        self.revisions += revisions;
        self.stored_costs += stored_costs;
        self.updated_costs += updated_costs;
        self.unchanged_costs += unchanged_costs;
        self.retracted_costs += retracted_costs;
        self.unpriced_events += unpriced_events;
        self.fallback_priced_events += fallback_priced_events;
        self.constraint_inserts += constraint_inserts;
        self.constraint_updates += constraint_updates;
        self.manual_fallback_inserts += manual_fallback_inserts;
        self.manual_fallback_updates += manual_fallback_updates;
        self.manual_fallback_windows += manual_fallback_windows;
        self.manual_fallback_keys += manual_fallback_keys;
        self.requests += requests;
        self.retries += retries;
        self.throttled_ms += throttled_ms;
        for (provider, throttled) in throttled_ms_by_provider {
            *self.throttled_ms_by_provider.entry(provider.clone()).or_default() += throttled;
        }
        for (provider, endpoints) in requests_by_status {
            let of_provider = self.requests_by_status.entry(provider.clone()).or_default();
            for (endpoint, statuses) in endpoints {
                let of_endpoint = of_provider.entry(endpoint.clone()).or_default();
                for (status, requests) in statuses {
                    *of_endpoint.entry(status.clone()).or_default() += requests;
                }
            }
        }
        for (code, number) in issues_by_code {
            *self.issues_by_code.entry(code.clone()).or_default() += number;
        }
    }

    /// Counts an issue by its code.
    pub fn count_issue(&mut self, issue: &Issue) {
        *self.issues_by_code.entry(issue.code.to_string()).or_default() += 1;
    }

    /// Adds what went to a provider, as [`Traffic::since`] has it.
    pub fn count_traffic(&mut self, provider: Provider, traffic: &Traffic) {
        let throttled_ms = u64::try_from(traffic.throttled.as_millis()).unwrap_or(u64::MAX);
        self.requests += traffic.requests;
        self.retries += traffic.retries;
        self.throttled_ms += throttled_ms;
        let provider = provider.to_string();
        *self.throttled_ms_by_provider.entry(provider.clone()).or_default() += throttled_ms;
        let endpoints = self.requests_by_status.entry(provider).or_default();
        for (endpoint, counts) in &traffic.by_status {
            let statuses = endpoints.entry((*endpoint).to_owned()).or_default();
            for (status, requests) in counts {
                *statuses.entry((*status).to_owned()).or_default() += requests;
            }
        }
    }
}
