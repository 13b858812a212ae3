//! Reading an account with its keys, chunk by chunk, and what it means when a read fails.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;
use tokio::time::Instant;
use usage_core::{Endpoint, Issue, IssueCode, Severity};
use usage_providers::{ReadError, Traffic};
use usage_store::{StoreError, WindowOutcome};

use super::{RECORDED_EVERY, Record, Work, to_json};
use crate::chunk::{self, ChunkError, ChunkResult};
use crate::lease::HeldLease;
use crate::plan::PlannedChunk;
use crate::reader::Reader;

/// Failed chunks in a row after which an account is given up: the provider or the network is down.
const FAILURES_IN_A_ROW: usize = 3;

/// Whether to go on with the chunks of a reader.
enum Next {
    GoOn,
    GiveUp(String),
}

/// A key that reads, and what the counters were before it did.
struct KeyAtWork {
    reader: Reader,
    has_read: bool,
    /// Failed chunks in a row.
    failures: usize,
    traffic_before: Traffic,
    manual_windows_before: u64,
}

impl Work<'_> {
    /// Works off the chunks of one reader.
    pub(super) async fn reader(
        &mut self,
        reader: &Reader,
        chunks: &[&PlannedChunk],
        lease: &HeldLease,
    ) -> Result<(), StoreError> {
        let mut key = self.begin_with_key(reader.clone());
        let worked = self.every_chunk(reader, &mut key, chunks, lease).await;
        self.be_done_with_key(&key);
        worked
    }

    async fn every_chunk(
        &mut self,
        reader: &Reader,
        key: &mut KeyAtWork,
        chunks: &[&PlannedChunk],
        lease: &HeldLease,
    ) -> Result<(), StoreError> {
        let mut answering: BTreeSet<Endpoint> = BTreeSet::new();
        let mut refused: BTreeMap<Endpoint, Issue> = BTreeMap::new();
        for (position, chunk) in chunks.iter().enumerate() {
            if refused.contains_key(&chunk.endpoint) {
                self.telemetry.windows_failed += chunk.windows.len() as u64;
                self.chunk_done(chunk, 0, None);
                continue;
            }
            let Some(processed) = self.process(key, chunk, lease).await else {
                break;
            };
            let next = match processed {
                Ok(result) => {
                    key.failures = 0;
                    key.has_read = true;
                    answering.insert(chunk.endpoint);
                    let events = self.count_chunk(&result);
                    self.chunk_done(chunk, events, Some(result.read_started_at));
                    Next::GoOn
                }
                Err(ChunkError::Read(error)) => {
                    key.failures += 1;
                    self.telemetry.windows_failed += chunk.windows.len() as u64;
                    self.chunk_done(chunk, 0, None);
                    match error.issue.code {
                        // What it means depends on whether the key reads anything else, which is known at the end.
                        IssueCode::Forbidden | IssueCode::EndpointUnavailable => {
                            refused.insert(chunk.endpoint, error.issue);
                            Next::GoOn
                        }
                        _ => self.judge(error, key.failures),
                    }
                }
                Err(ChunkError::Store { error, before }) => {
                    let told = before.outcomes.len() as u64 + before.failed_windows;
                    if before.outcomes.iter().any(|outcome| outcome.result.is_ok()) {
                        key.has_read = true;
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
            self.keep_on_record(key).await;
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
        Ok(())
    }

    fn begin_with_key(&self, reader: Reader) -> KeyAtWork {
        KeyAtWork {
            traffic_before: reader.key.source.traffic(),
            manual_windows_before: self.telemetry.manual_fallback_windows,
            has_read: false,
            failures: 0,
            reader,
        }
    }

    /// Brings the run's record up to date: a process that is killed leaves its counters behind, all but those of what it had
    /// in hand.
    async fn keep_on_record(&mut self, key: &KeyAtWork) {
        let now = Instant::now();
        if self
            .recorded_at
            .is_some_and(|recorded| now - recorded < RECORDED_EVERY)
        {
            return;
        }
        self.recorded_at = Some(now);
        let source = &key.reader.key.source;
        let mut telemetry = self.telemetry.clone();
        telemetry.count_traffic(source.provider(), &source.traffic().since(&key.traffic_before));
        let record = Record {
            telemetry: &telemetry,
            notes: &self.backfill.notes,
        };
        let (record, issues) = (to_json(&record), to_json(&self.issues));
        let recorded = self
            .backfill
            .ledger
            .record_progress(self.run_id, record, issues)
            .await;
        if let Err(error) = recorded {
            // What cannot be recorded now is at the end; a ledger that is gone fails the next chunk.
            tracing::debug!(%error, "what the run has done so far was not recorded");
        }
    }

    fn be_done_with_key(&mut self, key: &KeyAtWork) {
        let source = &key.reader.key.source;
        let traffic = source.traffic().since(&key.traffic_before);
        self.telemetry.count_traffic(source.provider(), &traffic);
        self.telemetry.processed_keys += u64::from(key.has_read);
        let took_manual_path = self.telemetry.manual_fallback_windows > key.manual_windows_before;
        self.telemetry.manual_fallback_keys += u64::from(took_manual_path);
        // A run that was stopped, or lost its lease, before it read anything says nothing about the key.
        self.telemetry.failed_keys += u64::from(!key.has_read && key.failures > 0);
    }

    /// Processes a chunk, with the next key if the provider does not accept this one; `None` if the run is told to stop
    /// while the chunk is being read.
    async fn process(
        &mut self,
        key: &mut KeyAtWork,
        chunk: &PlannedChunk,
        lease: &HeldLease,
    ) -> Option<Result<ChunkResult, ChunkError>> {
        loop {
            match self.process_with(&key.reader, chunk, lease).await? {
                Err(ChunkError::Read(error)) if error.issue.code == IssueCode::Unauthorized => {
                    let Some(next) = key.reader.with_next_key() else {
                        return Some(Err(ChunkError::Read(error)));
                    };
                    key.failures += 1;
                    self.be_done_with_key(key);
                    self.note(replaced_key(&key.reader, &next, &error.issue));
                    *key = self.begin_with_key(next);
                }
                processed => return Some(processed),
            }
        }
    }

    async fn process_with(
        &self,
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
        let is_costs = result.endpoint.is_costs();
        for WindowOutcome { result, pricing, .. } in &result.outcomes {
            self.telemetry.count_pricing(pricing);
            for (note, rows) in pricing {
                *self.pricing.entry(note.clone()).or_default() += rows;
            }
            match result {
                Ok(counts) => {
                    if is_costs {
                        self.telemetry.count_costs(counts);
                    } else {
                        self.telemetry.count_window(counts);
                    }
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
        self.backfill.ledger.has_coverage(&reader.account, endpoint).await
    }
}

/// The account is read all the same, so this is a warning.
fn replaced_key(refused: &Reader, next: &Reader, issue: &Issue) -> Issue {
    Issue {
        severity: Severity::Warning,
        message: format!(
            "{}: {} is not accepted, {} reads instead; see `usage keys check {}`: {}",
            refused.account.account, refused.key, next.key, refused.key.id, issue.message
        ),
        ..Issue::new(issue.code, "")
    }
}

/// Returns when the run is told to stop; never, when nobody can tell it any more.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
