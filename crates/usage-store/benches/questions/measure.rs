//! Asking, and how long it takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use usage_store::Ledger;

use crate::Outcome;
use crate::bare::{Bare, Prompt};
use crate::question::{Answer, Question};

/// How often each question is asked before the clock counts.
const WARM_UP: usize = 30;

/// How long answers took, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time within which so many of a hundred answers came.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(place).copied().unwrap_or_default()
    }
}

/// Asks a question so many times, one after another.
pub(crate) async fn one_client(
    ledger: &Ledger,
    question: Question,
    asks: usize,
    last: DateTime<Utc>,
) -> Outcome<Times> {
    for time in 0..WARM_UP {
        question.ask(ledger, time, last).await?;
    }
    let mut times = Vec::with_capacity(asks);
    for time in 0..asks {
        let started = Instant::now();
        question.ask(ledger, time, last).await?;
        times.push(started.elapsed());
    }
    Ok(Times::of(times))
}

/// As many clients, each of which asks as soon as it has its answer.
pub(crate) async fn clients(
    ledger: &Arc<Ledger>,
    question: Question,
    clients: usize,
    asks: usize,
    last: DateTime<Utc>,
) -> Outcome<Times> {
    let asks = asks.div_ceil(clients).max(4);
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let ledger = Arc::clone(ledger);
        tasks.spawn(async move {
            let mut times = Vec::with_capacity(asks);
            for time in 0..asks {
                let started = Instant::now();
                // An error as text: that of a benchmark cannot go from one thread to another.
                let answer = question.ask(&ledger, client + time, last).await;
                answer.map_err(|error| error.to_string())?;
                times.push(started.elapsed());
            }
            Ok::<_, String>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok(Times::of(times))
}

/// Asks the bare SQL the first few of the same, and fails if it answers otherwise than the ledger.
pub(crate) async fn bare(
    ledger: &Ledger,
    prompt: &mut Prompt,
    question: Question,
    bare: Bare,
    asks: usize,
    last: DateTime<Utc>,
) -> Outcome<Times> {
    let mut times = Vec::with_capacity(asks);
    for time in 0..asks {
        let started = Instant::now();
        let found: Answer = prompt.ask(question, time, last, bare)?;
        times.push(started.elapsed());
        let expected = question.ask(ledger, time, last).await?;
        if found != expected {
            return Err(format!(
                "{}: {found:?} in SQL, {expected:?} from the ledger",
                question.name()
            )
            .into());
        }
    }
    Ok(Times::of(times))
}
