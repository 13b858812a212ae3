//! Passes of one process: those of the schedule and those that somebody asks for, one at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::Instant;
use usage_core::Account;
use usage_ingest::LEASE_DURATION;

use super::serve::wait_until;
use super::{LoggedProgress, PassOptions, PassReport, run_pass};
use crate::alerting::{Ping, ping, report_failed_pass};
use crate::error::AppError;
use crate::monitoring::{self, MetricsOptions};
use crate::wiring::{App, Exit};

/// What surrounds a pass, none of which changes its result.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// How long a pass may take: no request is sent and no wait begun that would pass it.
    pub deadline: Option<Duration>,
    /// A file for the textfile collector of Prometheus, written after each pass.
    pub textfile: Option<PathBuf>,
}

/// How long after a pass accounts that another process held are looked at again.
const HELD_AGAIN: Duration = LEASE_DURATION;
/// How long after it a pass that could not be run at all is run again; then the next one is waited for.
const FAILED_AGAIN: [Duration; 3] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
];

/// Runs one pass, logged step by step, and tells the dead-man's switch and the textfile of it.
///
/// # Errors
///
/// As [`run_pass`].
pub async fn run_surrounded_pass(
    app: App,
    options: &PassOptions,
    surroundings: &Surroundings,
    stop: watch::Receiver<bool>,
) -> Result<PassReport, AppError> {
    let app = App {
        deadline: surroundings.deadline.map(|deadline| Instant::now() + deadline),
        ..app
    };
    let began_at = app.clock.now();
    ping(&app, Ping::Started).await;
    let mut report = match run_pass(&app, options, &LoggedProgress, stop).await {
        Ok(report) => report,
        Err(error) => {
            ping(&app, Ping::Failed).await;
            report_failed_pass(&app, began_at, &error).await;
            return Err(error);
        }
    };
    // A pass that found another at work has proved nothing: the one at work tells the switch itself, or is dead.
    let outcome = match report.exit() {
        Exit::Clean if report.success => Some(Ping::Succeeded),
        Exit::Clean => None,
        Exit::Findings | Exit::Failed => Some(Ping::Failed),
    };
    if let Some(outcome) = outcome {
        report.notes.extend(ping(&app, outcome).await);
    }
    if let Some(file) = &surroundings.textfile
        && let Err(error) = write_metrics(&app, file, options.horizon_days).await
    {
        tracing::warn!("the metrics were not written: {error}");
        report
            .notes
            .push(format!("the metrics were not written: {error}"));
    }
    Ok(report)
}

async fn write_metrics(app: &App, file: &Path, horizon_days: u32) -> Result<(), AppError> {
    let ledger = app.ledger().await?;
    let text = monitoring::collect(&ledger, app.clock.now(), &MetricsOptions { horizon_days }).await?;
    monitoring::write_textfile(&text, file)
}

/// What became of a pass, for everybody who waited for it.
pub type PassEnd = Result<Arc<PassReport>, Arc<AppError>>;

/// The passes of one process, one at a time.
///
/// Leases keep processes apart, but to a lease this process is one holder, whoever asked.
pub struct Passes {
    app: App,
    options: PassOptions,
    surroundings: Surroundings,
    stop: watch::Receiver<bool>,
    ended: AtomicU64,
    turn: Arc<Mutex<Option<Latest>>>,
}

/// As long as it lives, no pass of the process begins.
pub struct Turn(
    #[expect(dead_code, reason = "it is held, and never looked at")] OwnedMutexGuard<Option<Latest>>,
);

/// The pass that ended last.
struct Latest {
    /// The how manieth it was.
    number: u64,
    end: PassEnd,
}

impl Passes {
    /// Passes of these options, whose `due` each pass brings along. They end early, and cleanly, once `stop` is true.
    pub fn new(
        app: App,
        options: PassOptions,
        surroundings: Surroundings,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            app,
            options,
            surroundings,
            stop,
            ended: AtomicU64::new(0),
            turn: Arc::new(Mutex::new(None)),
        }
    }

    /// A pass that the schedule wants, after the one under way, if there is one: what that one has read since this one was
    /// due is not read again.
    pub async fn scheduled(&self, due: DateTime<Utc>) -> PassEnd {
        let mut latest = self.turn.lock().await;
        self.run(&mut latest, Some(due), &self.options.accounts).await
    }

    /// A pass that the schedule wants, followed to its end, which is at the latest when the next one is due: accounts that
    /// another process held are looked at again, since it may have died at any time, and a pass that could not be run at all
    /// is run again, a few times. Failures are logged.
    pub async fn scheduled_to_the_end(&self, due: DateTime<Utc>, next: Option<DateTime<Utc>>) {
        let next = next.unwrap_or(due + TimeDelta::days(366));
        let mut stop = self.stop.clone();
        let mut failures = FAILED_AGAIN.into_iter();
        let mut accounts = self.options.accounts.clone();
        loop {
            let end = {
                let mut latest = self.turn.lock().await;
                self.run(&mut latest, Some(due), &accounts).await
            };
            let again = match end {
                Ok(report) => {
                    accounts = report.held();
                    if accounts.is_empty() {
                        return;
                    }
                    HELD_AGAIN
                }
                Err(error) => {
                    tracing::error!("the pass could not be run: {error}");
                    let Some(again) = failures.next() else { return };
                    again
                }
            };
            tokio::select! {
                () = tokio::time::sleep(again) => {}
                _ = wait_until(self.app.clock.as_ref(), next, &mut stop) => return,
            }
        }
    }

    /// A pass that somebody asks for. If one is under way, that is the one: whoever asks gets its result.
    pub async fn requested(&self) -> PassEnd {
        let ended = self.ended.load(Ordering::SeqCst);
        let mut latest = self.turn.lock().await;
        if let Some(latest) = &*latest
            && latest.number > ended
        {
            return latest.end.clone();
        }
        self.run(&mut latest, None, &self.options.accounts).await
    }

    /// A turn for another run of this process, unless a pass, or another such run, is under way. Passes wait for its end.
    pub fn turn(&self) -> Option<Turn> {
        self.turn.clone().try_lock_owned().ok().map(Turn)
    }

    /// Returns once no pass, and no other run that took a turn, is under way.
    pub async fn ended(&self) {
        drop(self.turn.lock().await);
    }

    async fn run(
        &self,
        latest: &mut Option<Latest>,
        due: Option<DateTime<Utc>>,
        accounts: &[Account],
    ) -> PassEnd {
        let options = PassOptions {
            due,
            accounts: accounts.to_vec(),
            ..self.options.clone()
        };
        let pass = run_surrounded_pass(self.app.clone(), &options, &self.surroundings, self.stop.clone());
        // On the heap, since whoever waits for a pass would be as large as the pass.
        let end = Box::pin(pass).await.map(Arc::new).map_err(Arc::new);
        let number = self.ended.fetch_add(1, Ordering::SeqCst) + 1;
        *latest = Some(Latest {
            number,
            end: end.clone(),
        });
        end
    }
}
