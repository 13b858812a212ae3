//! Answers that are kept as long as they hold, for the many who ask the same thing of a dashboard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::{SummaryQuery, SummaryRow};
use crate::data_version::DataVersion;

/// How many questions are remembered.
const MOST_QUESTIONS: usize = 64;
/// How many rows of answers are kept in all: each may take a kilobyte.
const MOST_ROWS: usize = 8_000;

/// The answers of a ledger's process, the one that was asked for last in front.
#[derive(Default)]
pub(crate) struct KeptAnswers(Mutex<Vec<Arc<Slot>>>);

/// A question, and its answer if it was answered.
struct Slot {
    query: SummaryQuery,
    rows: AtomicUsize,
    answer: Arc<AsyncMutex<Option<Answer>>>,
}

#[derive(Clone)]
struct Answer {
    version: DataVersion,
    rows: Arc<Vec<SummaryRow>>,
}

/// The turn of whoever asks: others who ask the same wait for the answer.
pub(crate) struct Turn {
    slot: Arc<Slot>,
    answer: OwnedMutexGuard<Option<Answer>>,
}

impl KeptAnswers {
    /// Waits for whoever works on the same question.
    pub(crate) async fn turn(&self, query: &SummaryQuery) -> Turn {
        let slot = self.slot(query);
        let answer = Arc::clone(&slot.answer).lock_owned().await;
        Turn { slot, answer }
    }

    /// Keeps an answer for as long as the data have this version.
    pub(crate) fn keep(&self, mut turn: Turn, version: DataVersion, rows: &Arc<Vec<SummaryRow>>) {
        if rows.len() > MOST_ROWS {
            return;
        }
        *turn.answer = Some(Answer {
            version,
            rows: Arc::clone(rows),
        });
        turn.slot.rows.store(rows.len(), Ordering::Relaxed);
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = 0;
        // The one in front was just asked for, and fits.
        slots.retain(|slot| {
            kept += slot.rows.load(Ordering::Relaxed);
            kept <= MOST_ROWS || Arc::ptr_eq(slot, &turn.slot)
        });
    }

    fn slot(&self, query: &SummaryQuery) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = match slots.iter().position(|slot| slot.query == *query) {
            Some(place) => slots.remove(place),
            None => Arc::new(Slot {
                query: query.clone(),
                rows: AtomicUsize::new(0),
                answer: Arc::default(),
            }),
        };
        slots.insert(0, Arc::clone(&slot));
        slots.truncate(MOST_QUESTIONS);
        slot
    }
}

impl Turn {
    /// The answer, if the data still have the version that it was made from.
    pub(crate) fn answer(&self, version: DataVersion) -> Option<Arc<Vec<SummaryRow>>> {
        let answer = self.answer.as_ref()?;
        (answer.version == version).then(|| Arc::clone(&answer.rows))
    }
}
