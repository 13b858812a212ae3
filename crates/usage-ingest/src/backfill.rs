//! A run: works off a plan, account by account, and records what it did.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::watch;
use usage_core::{Endpoint, Issue, IssueCode, Severity};
use usage_providers::ReadError;
use usage_store::{
    AccountScope, CoverageQuery, Ledger, NewRun, RunStatus, StoreError, StoredAccount, WindowOutcome,
};

use crate::chunk::{self, ChunkError, ChunkResult};
use crate::lease::HeldLease;
use crate::plan::{Plan, PlannedChunk, Reader};
use crate::process::ProcessIdentity;
use crate::progress::{Progress, Step};
use crate::telemetry::Telemetry;

/// Failed chunks in a row after which an account is given up: the provider or the network is down.
const FAILURES_IN_A_ROW: usize = 3;

/// How long a run on another host may go without a lease before it counts as gone.
const UNSEEN_FOR: TimeDelta = TimeDelta::days(1);

/// What a run needs beside its plan.
pub struct Backfill<'a> {
    /// Where to.
    pub ledger: &'a Ledger,
    /// The kind under which it is recorded, for example `backfill`.
    pub kind: &'static str,
    /// The operator's name for it.
    pub label: Option<String>,
    /// First instant asked for, UTC.
    pub range_start: DateTime<Utc>,
    /// First instant after the range, UTC.
    pub range_end: DateTime<Utc>,
    /// Whether the operator accepts that a read takes most of a day away.
    pub accept_retractions: bool,
    /// Who listens.
    pub progress: &'a dyn Progress,
    /// Turns true when the run should stop after what it has in hand.
    pub stop: watch::Receiver<bool>,
}

/// How a run ended. An exit code follows from it: 0, 1, 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything planned was stored.
    Clean,
    /// Done, but with errors.
    Incomplete,
    /// Nothing could be done.
    Failed,
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// Its number in the ledger.
    pub run_id: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// The counters.
    pub telemetry: Telemetry,
    /// What went otherwise than planned, in the order it happened.
    pub issues: Vec<Issue>,
}

/// Works off the plan. Fails only when the ledger does; everything else is in the report.
pub async fn run(backfill: Backfill<'_>, plan: &Plan) -> Result<RunReport, StoreError> {
    let us = ProcessIdentity::current();
    mark_dead_runs(backfill.ledger, &us).await?;
    backfill.progress.step(Step::Planned {
        requests: plan.requests(),
        windows: plan.windows(),
    });
    let run_id = backfill
        .ledger
        .start_run(NewRun {
            kind: backfill.kind,
            label: backfill.label.clone(),
            range_start: backfill.range_start,
            range_end: backfill.range_end,
            holder: us.to_string(),
            plan: to_json(&plan.summary()),
        })
        .await?;
    let mut work = Work {
        backfill,
        plan,
        us,
        run_id,
        telemetry: Telemetry::default(),
        issues: Vec::new(),
        keys_that_read: 0,
    };
    let worked = work.every_account().await;
    if let Err(error) = &worked {
        // What was stored before the ledger failed stands; the record says so, if the ledger still takes it.
        tracing::debug!(%error, "the ledger failed during the run");
    }
    let report = work.report(worked.is_ok());
    let status = match report.outcome {
        Outcome::Clean => RunStatus::Succeeded,
        Outcome::Incomplete => RunStatus::Incomplete,
        Outcome::Failed => RunStatus::Failed,
    };
    let recorded = work
        .backfill
        .ledger
        .finish_run(
            run_id,
            status,
            to_json(&report.telemetry),
            to_json(&report.issues),
        )
        .await;
    worked?;
    recorded?;
    Ok(report)
}

/// Marks the runs whose process is gone: seen to be dead on this host, or, on another one, without a lease for so long
/// that it cannot be waiting for one.
async fn mark_dead_runs(ledger: &Ledger, us: &ProcessIdentity) -> Result<(), StoreError> {
    let holders = ledger.lease_holders().await?;
    for run in ledger.unfinished_runs().await? {
        let dead = run
            .holder
            .parse::<ProcessIdentity>()
            .is_ok_and(|process| process.is_dead(us));
        let holds_a_lease = holders.iter().any(|(_, holder)| *holder == run.holder);
        let long_ago = ledger.now() - run.started_at > UNSEEN_FOR;
        if dead || (!holds_a_lease && long_ago) {
            ledger.mark_interrupted(run.id).await?;
        }
    }
    Ok(())
}

fn to_json(value: &impl Serialize) -> String {
    // Only maps with keys that are no text can fail, and there are none.
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"unserializable\":\"{error}\"}}"))
}

/// A run at work.
struct Work<'a> {
    backfill: Backfill<'a>,
    plan: &'a Plan,
    us: ProcessIdentity,
    run_id: i64,
    telemetry: Telemetry,
    issues: Vec<Issue>,
    keys_that_read: usize,
}

/// Whether to go on with the chunks of a reader.
enum Next {
    GoOn,
    GiveUp(String),
}

impl Work<'_> {
    async fn every_account(&mut self) -> Result<(), StoreError> {
        let mut accounts: Vec<&StoredAccount> = Vec::new();
        for reader in self
            .plan
            .chunks
            .iter()
            .map(|chunk| &self.plan.readers[chunk.reader])
        {
            if !accounts.contains(&&reader.account) {
                accounts.push(&reader.account);
            }
        }
        for account in accounts {
            if self.stopped() {
                break;
            }
            let ledger = self.backfill.ledger;
            let held = HeldLease::take(
                ledger,
                account,
                &self.us,
                self.backfill.progress,
                &self.backfill.stop,
            )
            .await?;
            match held {
                Ok(lease) => {
                    let worked = self.account(account, &lease).await;
                    // A ledger that failed would be asked in vain; the lease of a process that ends is free at once
                    // on this host, and soon elsewhere.
                    if worked.is_ok() {
                        lease.release().await;
                    }
                    worked?;
                }
                Err(issue) => self.note(issue),
            }
        }
        self.warn_of_manual_path();
        let done = self.telemetry.windows_processed + self.telemetry.windows_failed;
        let left = (self.plan.windows() as u64).saturating_sub(done);
        let told = self.issues.iter().any(|issue| issue.code == IssueCode::Stopped);
        if self.stopped() && left > 0 && !told {
            self.note(Issue::new(
                IssueCode::Stopped,
                format!("told to stop with {left} windows to go; what was stored stays, and the same command goes on"),
            ));
        }
        Ok(())
    }

    /// One warning for the whole run, however many windows it took.
    fn warn_of_manual_path(&mut self) {
        let windows = self.telemetry.manual_fallback_windows;
        if windows > 0 {
            self.note(Issue::new(
                IssueCode::ManualFallback,
                format!(
                    "usage_admin_bucket_idx is missing, so {windows} windows were written by look-up, which is slower; \
                     `usage migrate` makes the index"
                ),
            ));
        }
    }

    async fn account(&mut self, account: &StoredAccount, lease: &HeldLease) -> Result<(), StoreError> {
        let plan = self.plan;
        for (index, reader) in plan.readers.iter().enumerate() {
            if reader.account != *account {
                continue;
            }
            let chunks: Vec<&PlannedChunk> =
                plan.chunks.iter().filter(|chunk| chunk.reader == index).collect();
            let before = reader.source.traffic();
            let worked = self.reader(reader, &chunks, lease).await;
            self.telemetry
                .count_traffic(reader.source.traffic().since(before));
            worked?;
        }
        Ok(())
    }

    async fn reader(
        &mut self,
        reader: &Reader,
        chunks: &[&PlannedChunk],
        lease: &HeldLease,
    ) -> Result<(), StoreError> {
        let mut failures = 0;
        let mut answering: BTreeSet<Endpoint> = BTreeSet::new();
        let manual_before = self.telemetry.manual_fallback_windows;
        let mut refused: BTreeMap<Endpoint, Issue> = BTreeMap::new();
        for (position, chunk) in chunks.iter().enumerate() {
            if refused.contains_key(&chunk.endpoint) {
                self.telemetry.windows_failed += chunk.windows.len() as u64;
                self.chunk_done(chunk, 0, None);
                continue;
            }
            let Some(processed) = self.process(reader, chunk, lease).await else {
                break;
            };
            let next = match processed {
                Ok(result) => {
                    failures = 0;
                    answering.insert(chunk.endpoint);
                    let events = self.count_chunk(&result);
                    self.chunk_done(chunk, events, Some(result.read_started_at));
                    Next::GoOn
                }
                Err(ChunkError::Read(error)) => {
                    failures += 1;
                    self.telemetry.windows_failed += chunk.windows.len() as u64;
                    self.chunk_done(chunk, 0, None);
                    match error.issue.code {
                        // What it means depends on whether the key reads anything else, which is known at the end.
                        IssueCode::Forbidden | IssueCode::EndpointUnavailable => {
                            refused.insert(chunk.endpoint, error.issue);
                            Next::GoOn
                        }
                        _ => self.judge(error, failures),
                    }
                }
                Err(ChunkError::Store { error, before }) => {
                    let told = before.outcomes.len() as u64 + before.failed_windows;
                    if before.outcomes.iter().any(|outcome| outcome.result.is_ok()) {
                        answering.insert(chunk.endpoint);
                    }
                    self.count_chunk(&before);
                    self.chunk_done(chunk, 0, None);
                    self.telemetry.windows_failed += (chunk.windows.len() as u64).saturating_sub(told);
                    let StoreError::LeaseLost { .. } = error else {
                        return Err(error);
                    };
                    self.note(Issue::new(
                        IssueCode::LeaseLost,
                        format!(
                            "{} {}: another process took the account's lease; what was written before stands, and \
                             coverage says what it is",
                            reader.account.account, chunk.windows
                        ),
                    ));
                    Next::GiveUp("the lease is lost".to_owned())
                }
            };
            if let Next::GiveUp(reason) = next {
                let left: usize = chunks[position + 1..]
                    .iter()
                    .map(|chunk| chunk.windows.len())
                    .sum();
                self.telemetry.windows_failed += left as u64;
                if left > 0 {
                    tracing::warn!(account = %reader.account.account, "{left} windows were not asked for: {reason}");
                }
                break;
            }
        }
        if answering.is_empty() && refused.len() > 1 {
            self.note_refused_key(refused);
            refused = BTreeMap::new();
        }
        for (endpoint, issue) in refused {
            let others_answer = answering.iter().any(|answering| *answering != endpoint);
            let issue = self.judge_refusal(reader, endpoint, issue, others_answer).await?;
            self.note(issue);
        }
        let read_something = !answering.is_empty();
        self.telemetry.processed_keys += u64::from(read_something);
        let took_manual_path = self.telemetry.manual_fallback_windows > manual_before;
        self.telemetry.manual_fallback_keys += u64::from(took_manual_path);
        // A run that was stopped, or lost its lease, before it read anything says nothing about the key.
        self.telemetry.failed_keys += u64::from(!read_something && failures > 0);
        self.keys_that_read += usize::from(read_something);
        Ok(())
    }

    /// Processes a chunk unless the run is told to stop while it is being read; `None` then.
    async fn process(
        &mut self,
        reader: &Reader,
        chunk: &PlannedChunk,
        lease: &HeldLease,
    ) -> Option<Result<ChunkResult, ChunkError>> {
        if self.stopped() {
            return None;
        }
        let mut stop = self.backfill.stop.clone();
        let work = chunk::process(
            self.backfill.ledger,
            &lease.lease,
            reader,
            chunk,
            self.run_id,
            self.backfill.accept_retractions,
        );
        tokio::select! {
            // A chunk that is done is counted, even if the run is told to stop at the same moment.
            biased;
            processed = work => Some(processed),
            // A transaction in progress ends on its own thread either way, whole or not at all.
            () = told_to_stop(&mut stop) => None,
        }
    }

    /// Counts what became of the windows; returns how many events the ledger has of those that were stored.
    fn count_chunk(&mut self, result: &ChunkResult) -> u64 {
        self.telemetry.windows_failed += result.failed_windows;
        self.telemetry.skipped_events += result.skipped_rows;
        for issue in &result.issues {
            self.note(issue.clone());
        }
        let mut events = 0;
        for WindowOutcome { result, .. } in &result.outcomes {
            match result {
                Ok(counts) => {
                    self.telemetry.count_window(counts);
                    events += counts.inserted + counts.updated + counts.unchanged;
                }
                Err(issue) => {
                    self.telemetry.windows_failed += 1;
                    self.note(issue.clone());
                }
            }
        }
        events
    }

    /// Says what a failed read means for the chunks behind it.
    fn judge(&mut self, error: ReadError, failures: usize) -> Next {
        let issue = error.issue;
        let next = match issue.code {
            IssueCode::Unauthorized | IssueCode::DeadlinePassed | IssueCode::Throttled => {
                Next::GiveUp(issue.code.to_string())
            }
            _ if failures >= FAILURES_IN_A_ROW => Next::GiveUp(format!(
                "{failures} reads in a row failed, the last with {}",
                issue.code
            )),
            _ => Next::GoOn,
        };
        self.note(issue);
        next
    }

    /// A key that may read nothing is one thing that went wrong, however many endpoints were asked for.
    fn note_refused_key(&mut self, refused: BTreeMap<Endpoint, Issue>) {
        let others: Vec<&str> = refused.keys().skip(1).map(|endpoint| endpoint.as_str()).collect();
        let others = others.join(", ");
        if let Some(issue) = refused.into_values().next() {
            self.note(Issue {
                message: format!("{}; nor any of {others}", issue.message),
                ..issue
            });
        }
    }

    /// Says what it means that the key may not read an endpoint: if it reads others, one that never worked is one that
    /// the account does not have.
    async fn judge_refusal(
        &self,
        reader: &Reader,
        endpoint: Endpoint,
        issue: Issue,
        others_answer: bool,
    ) -> Result<Issue, StoreError> {
        if !others_answer {
            return Ok(issue);
        }
        let severity = if self.has_worked(reader, endpoint).await? {
            Severity::Error
        } else {
            Severity::Warning
        };
        Ok(Issue {
            code: IssueCode::EndpointUnavailable,
            severity,
            message: issue.message,
        })
    }

    /// Whether the endpoint was ever read for the account.
    async fn has_worked(&self, reader: &Reader, endpoint: Endpoint) -> Result<bool, StoreError> {
        let query = CoverageQuery {
            scope: AccountScope::one(&reader.account),
            endpoint: Some(endpoint),
            windows: None,
        };
        Ok(!self.backfill.ledger.coverage(query).await?.is_empty())
    }

    fn note(&mut self, issue: Issue) {
        self.telemetry.count_issue(&issue);
        self.backfill.progress.step(Step::Issue(&issue));
        self.issues.push(issue);
    }

    fn chunk_done(&self, chunk: &PlannedChunk, events: u64, read_started_at: Option<DateTime<Utc>>) {
        self.backfill.progress.step(Step::ChunkDone {
            endpoint: chunk.endpoint,
            windows: chunk.windows,
            events,
            read_started_at,
        });
    }

    fn stopped(&self) -> bool {
        *self.backfill.stop.borrow()
    }

    fn report(&self, ledger_works: bool) -> RunReport {
        let errors = self.issues.iter().any(|issue| issue.severity == Severity::Error);
        let outcome = if !ledger_works {
            Outcome::Failed
        } else if !errors {
            Outcome::Clean
        } else if self.keys_that_read == 0 {
            Outcome::Failed
        } else {
            Outcome::Incomplete
        };
        RunReport {
            run_id: self.run_id,
            outcome,
            telemetry: self.telemetry.clone(),
            issues: self.issues.clone(),
        }
    }
}

/// Returns when the run is told to stop; never, when nobody can tell it any more.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
