//! The metrics, each with where it comes from; `docs/MONITORING.md` says what they mean and what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use usage_store::{
    AccountScope, ClosedCoverage, Ledger, ProviderKey, RestatedEvents, RunCount, RunStatus, StoredAccount,
};

use super::coverage::{closed_coverage, filters_of_accounts, horizon, reach};
use super::exposition::{Family, render};
use super::runs::RunTotals;
use crate::error::AppError;
use crate::files::AtomicFile;

/// What the text is, as an HTTP header has it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many days back windows are expected, unless somebody says otherwise.
pub const DEFAULT_HORIZON_DAYS: u32 = 35;

/// The bounds by which durations of runs are counted, in seconds.
const DURATION_BOUNDS: [i64; 10] = [1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 21_600];

/// Kinds of runs that are shown from the beginning: growth from nothing cannot be seen in a number that was not there.
const EXPECTED_KINDS: [&str; 2] = ["backfill", "cron"];
/// Ends of runs that are shown from the beginning.
const RESULTS: [RunStatus; 4] = [
    RunStatus::Succeeded,
    RunStatus::Incomplete,
    RunStatus::Failed,
    RunStatus::Interrupted,
];
/// Ends of requests that are shown from the beginning.
const EXPECTED_STATUSES: [&str; 2] = ["200", "429"];

/// What the metrics depend on beside the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsOptions {
    /// How many UTC days before today every endpoint that was ever read should be covered.
    pub horizon_days: u32,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        Self {
            horizon_days: DEFAULT_HORIZON_DAYS,
        }
    }
}

/// Computes every metric from the ledger's tables and writes them in Prometheus' text format ([`CONTENT_TYPE`]).
///
/// Totals are over everything that the ledger ever recorded, so they never fall, whichever process is asked, on whatever
/// host; a process that ends takes none with it. Nothing is written. It looks at runs, revisions and coverage, never at the
/// events themselves.
///
/// ```no_run
/// # async fn example(ledger: &usage_store::Ledger) -> Result<(), usage_app::AppError> {
/// use usage_app::monitoring::{MetricsOptions, collect};
///
/// let text = collect(ledger, ledger.now(), &MetricsOptions::default()).await?;
/// assert!(text.contains("ingestion_runs_total{kind=\"backfill\",result=\"succeeded\"}"));
/// # Ok(())
/// # }
/// ```
pub async fn collect(
    ledger: &Ledger,
    now: DateTime<Utc>,
    options: &MetricsOptions,
) -> Result<String, AppError> {
    let keys = ledger.keys().await?;
    let mut totals = ledger
        .fold_run_telemetry(RunTotals::default(), |totals, run| totals.add(&run))
        .await?;
    let read = keys.iter().map(|key| key.account.account.to_string());
    totals.keep_accounts(&read.collect());
    let facts = Facts {
        now,
        options,
        accounts: ledger.accounts(AccountScope::All).await?,
        keys,
        runs: ledger.run_counts(&DURATION_BOUNDS).await?,
        totals,
        restated: ledger.restated_events(AccountScope::All).await?,
        coverage: closed_coverage(ledger, horizon(now, options.horizon_days)).await?,
    };
    render(facts.families())
}

/// Writes the text for the textfile collector of Prometheus' `node_exporter`, whose files end in `.prom`: whole or not at
/// all, so that the collector never reads half of it.
pub fn write_textfile(text: &str, path: &Path) -> Result<(), AppError> {
    let mut file = AtomicFile::create(path)?;
    file.writer()
        .write_all(text.as_bytes())
        .map_err(|source| AppError::Write {
            path: path.to_owned(),
            source,
        })?;
    file.commit()
}

/// What the ledger says.
struct Facts<'a> {
    now: DateTime<Utc>,
    options: &'a MetricsOptions,
    accounts: Vec<StoredAccount>,
    keys: Vec<ProviderKey>,
    runs: Vec<RunCount>,
    totals: RunTotals,
    restated: Vec<RestatedEvents>,
    coverage: Vec<ClosedCoverage>,
}

impl Facts<'_> {
    fn families(&self) -> Vec<Family> {
        let [missing, lag] = self.coverage_reach();
        vec![
            build_info(),
            self.run_results(),
            self.durations(),
            self.last_success(),
            self.last_run_issues(),
            self.unreadable_runs(),
            missing,
            lag,
            self.restatements(),
            self.manual_fallback_windows(),
            self.manual_fallback_in_a_row(),
            self.provider_keys(),
            self.requests(),
            self.throttled(),
            self.parity(),
            self.variance(),
        ]
    }

    fn run_results(&self) -> Family {
        let mut family = Family::counter("ingestion_runs_total", "Runs that have ended, by how they ended.");
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let kinds = self.runs.iter().map(|count| count.kind.as_str());
        for kind in kinds.chain(EXPECTED_KINDS) {
            for result in RESULTS {
                counts.insert((kind, result.as_str()), 0);
            }
        }
        for count in &self.runs {
            *counts
                .entry((count.kind.as_str(), count.status.as_str()))
                .or_default() += count.runs;
        }
        for ((kind, result), runs) in counts {
            family.add(&[("kind", kind), ("result", result)], number(runs));
        }
        family
    }

    fn durations(&self) -> Family {
        let mut family = Family::histogram(
            "ingestion_duration_seconds",
            "How long runs took, of those that said how they ended.",
        )
        .in_unit("seconds");
        let mut by_kind: BTreeMap<&str, Vec<&RunCount>> = BTreeMap::new();
        // Nobody knows when an interrupted run ended, only when it was found.
        let told = |count: &&RunCount| count.status != RunStatus::Interrupted;
        for count in self.runs.iter().filter(told) {
            by_kind.entry(&count.kind).or_default().push(count);
        }
        for (kind, counts) in by_kind {
            let within = |bound: i64| {
                let fits = |count: &&&RunCount| count.within_seconds.is_some_and(|within| within <= bound);
                let runs = counts.iter().filter(fits).map(|count| count.runs).sum::<u64>();
                (seconds(bound), runs)
            };
            family.add_histogram(
                &[("kind", kind)],
                &DURATION_BOUNDS.map(within),
                counts.iter().map(|count| count.runs).sum(),
                number(counts.iter().map(|count| count.seconds).sum()),
            );
        }
        family
    }

    fn last_success(&self) -> Family {
        let mut family = Family::gauge(
            "ingestion_last_success_timestamp_seconds",
            "When the latest run ended that stored everything it had planned, in Unix time.",
        )
        .in_unit("seconds");
        let mut latest: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
        for count in &self.runs {
            if count.status == RunStatus::Succeeded {
                let known = latest.entry(&count.kind).or_insert(count.last_finished_at);
                *known = (*known).max(count.last_finished_at);
            }
        }
        for (kind, at) in latest {
            family.add(&[("kind", kind)], seconds(at.timestamp()));
        }
        family
    }

    fn last_run_issues(&self) -> Family {
        let mut family = Family::gauge(
            "ingestion_last_run_issues",
            "What went otherwise than planned in the latest run of each kind, of a pass in that of each account, by code.",
        );
        for (kind, issues) in self.totals.last_issues() {
            for (code, count) in issues {
                family.add(&[("kind", kind), ("code", code)], number(count));
            }
        }
        family
    }

    fn unreadable_runs(&self) -> Family {
        let mut family = Family::gauge(
            "ingestion_runs_unreadable",
            "Recorded runs whose counters cannot be read, so that they are in no total.",
        );
        family.add(&[], number(self.totals.unreadable));
        family
    }

    fn coverage_reach(&self) -> [Family; 2] {
        let mut missing = Family::gauge(
            "ingestion_windows_missing",
            "UTC days between the horizon and yesterday that were not read completely after their end.",
        );
        let mut lag = Family::gauge(
            "ingestion_coverage_lag_seconds",
            "How long ago the windows end that were read without a gap after their end.",
        )
        .in_unit("seconds");
        let read_with = filters_of_accounts(&self.keys);
        let first_day = horizon(self.now, self.options.horizon_days);
        let nothing = BTreeSet::new();
        for coverage in &self.coverage {
            let account = &coverage.account;
            let filters = read_with.get(&account.id).unwrap_or(&nothing);
            let reach = reach(coverage, filters, first_day, self.now);
            let labels = [
                ("provider", account.account.provider().as_str()),
                ("account", account.account.organization()),
                ("endpoint", coverage.endpoint.as_str()),
            ];
            missing.add(&labels, number(reach.missing_days));
            lag.add(&labels, seconds(reach.lag.num_seconds()));
        }
        [missing, lag]
    }

    fn restatements(&self) -> Family {
        let mut family = Family::counter(
            "ingestion_restated_events_total",
            "Events and costs that the provider changed, took back or added after their window had been read completely.",
        );
        let covered = self.coverage.iter().map(|coverage| {
            let place = (coverage.account.id, coverage.endpoint);
            (place, 0)
        });
        let mut counts: BTreeMap<_, u64> = covered.collect();
        for restated in &self.restated {
            *counts
                .entry((restated.account_id, restated.endpoint))
                .or_default() += restated.events;
        }
        for ((account_id, endpoint), events) in counts {
            if let Some(known) = self.accounts.iter().find(|known| known.id == account_id) {
                let labels = [
                    ("provider", known.account.provider().as_str()),
                    ("account", known.account.organization()),
                    ("endpoint", endpoint.as_str()),
                ];
                family.add(&labels, number(events));
            }
        }
        family
    }

    fn manual_fallback_windows(&self) -> Family {
        let mut family = Family::counter(
            "manual_fallback_windows_total",
            "Windows that were written by look-up, since usage_admin_bucket_idx was missing.",
        );
        family.add(&[], number(self.totals.manual_fallback_windows));
        family
    }

    fn manual_fallback_in_a_row(&self) -> Family {
        let mut family = Family::gauge(
            "manual_fallback_consecutive_runs",
            "The latest runs of a kind and account in a row that wrote windows by look-up, of the one with most; 0 if the latest that wrote did not.",
        );
        family.add(&[], number(self.totals.most_manual_fallback_in_a_row()));
        family
    }

    fn provider_keys(&self) -> Family {
        let mut family = Family::gauge("provider_keys", "Provider keys, by what their last check found.");
        let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
        for key in &self.keys {
            let account = &key.account.account;
            let of_account = |status| (account.provider().as_str(), account.organization(), status);
            for status in ["active", "refused"] {
                counts.entry(of_account(status)).or_default();
            }
            *counts.entry(of_account(key.status.as_str())).or_default() += 1;
        }
        for ((provider, account, status), keys) in counts {
            let labels = [("provider", provider), ("account", account), ("status", status)];
            family.add(&labels, number(keys));
        }
        family
    }

    fn requests(&self) -> Family {
        let mut family = Family::counter(
            "provider_requests_total",
            "Requests to a provider, retries and control totals among them, by how they ended.",
        );
        let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
        let covered = self.coverage.iter().map(|coverage| {
            let provider = coverage.account.account.provider();
            (provider.as_str(), coverage.endpoint.as_str())
        });
        let asked = self.totals.requests.iter().flat_map(|(provider, endpoints)| {
            endpoints
                .keys()
                .map(|endpoint| (provider.as_str(), endpoint.as_str()))
        });
        for (provider, endpoint) in covered.chain(asked) {
            for status in EXPECTED_STATUSES {
                counts.insert((provider, endpoint, status), 0);
            }
        }
        for (provider, endpoints) in &self.totals.requests {
            for (endpoint, statuses) in endpoints {
                for (status, requests) in statuses {
                    counts.insert((provider, endpoint, status), *requests);
                }
            }
        }
        for ((provider, endpoint, status), requests) in counts {
            let labels = [("provider", provider), ("endpoint", endpoint), ("status", status)];
            family.add(&labels, number(requests));
        }
        family
    }

    fn throttled(&self) -> Family {
        let mut family = Family::counter(
            "provider_throttled_seconds_total",
            "Time that runs waited since the provider asked for it, or for the client's own pace.",
        )
        .in_unit("seconds");
        let known = self
            .accounts
            .iter()
            .map(|known| (known.account.provider().as_str(), 0));
        let mut waited: BTreeMap<&str, u64> = known.collect();
        for (provider, ms) in &self.totals.throttled_ms {
            waited.insert(provider, *ms);
        }
        for (provider, ms) in waited {
            family.add(&[("provider", provider)], number(ms) / 1_000.0);
        }
        family
    }

    fn parity(&self) -> Family {
        let mut family = Family::gauge(
            "parity_differences",
            "Groups that differ between the ledger and the provider's own export, by the latest comparison.",
        );
        for (account, endpoints) in &self.totals.parity {
            for (endpoint, proof) in endpoints {
                let labels = [("account", organization(account)), ("endpoint", endpoint)];
                family.add(&labels, number(proof.differences));
            }
        }
        family
    }

    fn variance(&self) -> Family {
        let mut family = Family::gauge(
            "cost_variance_ratio",
            "By how much priced usage is off what was charged, as a share, by the latest reconciliation.",
        )
        .in_unit("ratio");
        for (account, ratio) in &self.totals.variance_ratio {
            family.add(&[("account", organization(account))], *ratio);
        }
        family
    }
}

fn build_info() -> Family {
    let mut family = Family::gauge(
        "usage_build_info",
        "The program that computed these metrics; always 1.",
    );
    family.add(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    family
}

/// An account is recorded as `provider/organization`.
fn organization(account: &str) -> &str {
    account
        .split_once('/')
        .map_or(account, |(_, organization)| organization)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "samples are floating-point numbers; counts beyond 2^53 are rounded"
)]
const fn number(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "samples are floating-point numbers; seconds fit for millions of years"
)]
const fn seconds(seconds: i64) -> f64 {
    seconds as f64
}
