//! A run: works off a plan, account by account, and records what it did.

mod reading;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::Instant;
use usage_core::{Issue, IssueCode, Severity};
use usage_store::{Ledger, NewRun, PricingNote, PricingNotes, RunStatus, StoreError, StoredAccount};

use crate::lease::HeldLease;
use crate::plan::{Plan, PlannedChunk};
use crate::process::ProcessIdentity;
use crate::progress::{Progress, Step};
use crate::telemetry::Telemetry;

/// How long a run on another host may go without a lease before it counts as gone.
const UNSEEN_FOR: TimeDelta = TimeDelta::days(1);
/// What a run has done so far is recorded at most this often, so that it costs nothing beside what is stored.
const RECORDED_EVERY: Duration = Duration::from_millis(250);

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
    /// What the run's record says beside its telemetry, from the start.
    pub notes: Map<String, Value>,
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

/// Works off the plan, account by account, each planned again once its lease is held: what others settled meanwhile is
/// not read again. Fails only when the ledger does; everything else is in the report.
pub async fn run(backfill: Backfill<'_>, plan: &Plan) -> Result<RunReport, StoreError> {
    work_off(backfill, plan, None).await
}

/// As [`run`], for a plan of one account, whose lease the caller holds and keeps.
pub async fn run_under_lease(
    backfill: Backfill<'_>,
    plan: &Plan,
    lease: &HeldLease,
) -> Result<RunReport, StoreError> {
    work_off(backfill, plan, Some(lease)).await
}

async fn work_off(
    backfill: Backfill<'_>,
    plan: &Plan,
    held: Option<&HeldLease>,
) -> Result<RunReport, StoreError> {
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
            notes: to_json(&backfill.notes),
        })
        .await?;
    backfill.progress.step(Step::Begun { run_id });
    let mut work = Work {
        backfill,
        plan,
        us,
        run_id,
        windows: plan.windows(),
        telemetry: Telemetry::default(),
        pricing: PricingNotes::new(),
        issues: Vec::new(),
        recorded_at: None,
    };
    let worked = work.every_account(held).await;
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
            to_json(&Record {
                telemetry: &report.telemetry,
                notes: &work.backfill.notes,
            }),
            to_json(&report.issues),
        )
        .await;
    worked?;
    recorded?;
    Ok(report)
}

/// The telemetry of a run with the notes beside it.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    telemetry: &'a Telemetry,
    #[serde(flatten)]
    notes: &'a Map<String, Value>,
}

/// Marks the runs whose process is gone: seen to be dead on this host, or, on another one, without a lease for so long
/// that it cannot be waiting for one.
pub async fn mark_dead_runs(ledger: &Ledger, us: &ProcessIdentity) -> Result<(), StoreError> {
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

/// What must be told about prices, as warnings: one for each reason, and of each kind one for the reasons beyond
/// the first twenty.
pub fn price_issues(notes: &PricingNotes) -> Vec<Issue> {
    const MOST: usize = 20;
    let (unpriced, fallback): (Vec<_>, Vec<_>) = notes
        .iter()
        .partition(|(note, _)| matches!(note, PricingNote::Unpriced(_)));
    let told = unpriced.iter().take(MOST).chain(fallback.iter().take(MOST));
    let mut issues: Vec<Issue> = told
        .map(|(note, events)| {
            let events = match events {
                1 => "1 event".to_owned(),
                many => format!("{many} events"),
            };
            match note {
                PricingNote::Unpriced(reason) => Issue::new(
                    IssueCode::Unpriced,
                    format!("{events} without a price: {reason}; see `usage prices check`"),
                ),
                PricingNote::Fallback(what) => {
                    Issue::new(IssueCode::PricingFallback, format!("{events} priced: {what}"))
                }
            }
        })
        .collect();
    for (code, what, notes) in [
        (IssueCode::Unpriced, "without a price", &unpriced),
        (IssueCode::PricingFallback, "priced by a default", &fallback),
    ] {
        let events: u64 = notes.iter().skip(MOST).map(|(_, events)| **events).sum();
        if events > 0 {
            let more = notes.len() - MOST;
            let message =
                format!("{events} more events {what}, for {more} more reasons; see `usage prices check`");
            issues.push(Issue::new(code, message));
        }
    }
    issues
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
    /// Windows to be read, as far as is known.
    windows: usize,
    telemetry: Telemetry,
    /// What must be told about the prices of what was written.
    pricing: PricingNotes,
    issues: Vec<Issue>,
    /// When its record was last brought up to date.
    recorded_at: Option<Instant>,
}

impl Work<'_> {
    async fn every_account(&mut self, held: Option<&HeldLease>) -> Result<(), StoreError> {
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
            if let Some(lease) = held.filter(|lease| lease.lease.account_id == account.id) {
                self.account(account, lease).await?;
                continue;
            }
            let ledger = self.backfill.ledger;
            let taken = HeldLease::take(
                ledger,
                account,
                &self.us,
                self.backfill.progress,
                &self.backfill.stop,
            )
            .await?;
            match taken {
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
        self.tell_about_prices();
        let done = self.telemetry.windows_processed + self.telemetry.windows_failed;
        let left = (self.windows as u64).saturating_sub(done);
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

    /// One warning for each reason, however many events have it.
    fn tell_about_prices(&mut self) {
        let notes = std::mem::take(&mut self.pricing);
        for issue in price_issues(&notes) {
            self.note(issue);
        }
    }

    async fn account(&mut self, account: &StoredAccount, lease: &HeldLease) -> Result<(), StoreError> {
        let plan = self.plan_again(account).await?;
        for (index, reader) in plan.readers.iter().enumerate() {
            if reader.account != *account {
                continue;
            }
            let chunks: Vec<&PlannedChunk> =
                plan.chunks.iter().filter(|chunk| chunk.reader == index).collect();
            self.reader(reader, &chunks, lease).await?;
        }
        Ok(())
    }

    /// The account's plan now that nobody else reads it: another run may have settled windows since the plan was made.
    async fn plan_again(&mut self, account: &StoredAccount) -> Result<Plan, StoreError> {
        let again = self.plan.again(self.backfill.ledger, account).await?;
        let planned = self.plan.windows_of(account);
        let settled = planned.saturating_sub(again.windows());
        if settled > 0 {
            self.telemetry.windows_settled_meanwhile += settled as u64;
            self.backfill.progress.step(Step::SettledMeanwhile {
                account: &account.account.to_string(),
                windows: settled,
            });
        }
        self.windows = (self.windows + again.windows()).saturating_sub(planned);
        if again.in_future > 0 {
            self.note(Issue::new(
                IssueCode::ReadInFuture,
                format!(
                    "{}: the ledger has reads of {} windows that were made later than now, by a clock that was wrong; they are \
                     made again",
                    account.account, again.in_future
                ),
            ));
        }
        Ok(again)
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
        } else if self.telemetry.windows_processed == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_unpriced_models_do_not_hide_what_a_default_priced() {
        let mut notes: PricingNotes = (0..25)
            .map(|model| {
                (
                    PricingNote::Unpriced(format!("no price for the model `m{model:02}`")),
                    1,
                )
            })
            .collect();
        notes.insert(PricingNote::Fallback("`x` by the default d".to_owned()), 3);
        let issues = price_issues(&notes);
        assert_eq!(issues.len(), 22);
        let told = |code, message: &str| {
            issues
                .iter()
                .any(|issue| issue.code == code && issue.message.starts_with(message))
        };
        assert!(told(
            IssueCode::PricingFallback,
            "3 events priced: `x` by the default d"
        ));
        assert!(told(
            IssueCode::Unpriced,
            "1 event without a price: no price for the model `m00`"
        ));
        assert!(told(
            IssueCode::Unpriced,
            "5 more events without a price, for 5 more reasons"
        ));
    }
}
