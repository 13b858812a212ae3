//! Reads that may take long: so few at once that whoever asks for little always finds a connection, and none for nobody.

use std::sync::{Arc, Weak};
use std::time::Duration;

use diesel::sql_types::Text;
use diesel::{RunQueryDsl as _, sql_query};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connection::{self, AnyConnection};
use crate::error::StoreError;
use crate::ledger::{Ledger, blocking};
use crate::pool::LONGEST_TURN;

/// How many of the pool's connections they may have at once.
const MOST: usize = 2;

/// The turns of long reads, and how long a statement of theirs may take.
#[derive(Clone)]
pub(crate) struct LongReads {
    turns: Arc<Semaphore>,
    longest: Option<Duration>,
}

impl Default for LongReads {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(MOST)),
            longest: None,
        }
    }
}

impl LongReads {
    /// The same turns, for statements that take no longer.
    pub(crate) fn within(self, longest: Duration) -> Self {
        Self {
            longest: Some(longest),
            ..self
        }
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        match tokio::time::timeout(LONGEST_TURN, self.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            // Nobody closes it.
            Ok(Err(_)) | Err(_) => Err(StoreError::Busy(format!(
                "{MOST} others that take long were not answered within {} s",
                LONGEST_TURN.as_secs()
            ))),
        }
    }
}

/// Whether somebody still waits for what is being read.
pub(crate) struct Waiting(Weak<()>);

impl Waiting {
    /// Fails if nobody does any more; to be asked between the pieces of a read.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.0.strong_count() > 0 {
            return Ok(());
        }
        Err(StoreError::Busy(
            "nobody waits for the answer any more".to_owned(),
        ))
    }
}

impl Ledger {
    /// Reads one moment of the ledger, off the async threads, once it is its turn. Whoever gave up waiting still has the turn
    /// until the work noticed, so that no more of it goes on than may.
    pub(crate) async fn read_long<T: Send + 'static>(
        &self,
        work: impl Fn(&mut AnyConnection, &Waiting) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let somebody = Arc::new(());
        let waiting = Waiting(Arc::downgrade(&somebody));
        let turn = self.long.turn().await?;
        let (ledger, longest) = (self.clone(), self.long.longest);
        let done = blocking(move || {
            let _turn = turn;
            ledger.pool().read(|connection| {
                waiting.check()?;
                connection::read_transaction(connection, |connection| {
                    limit(connection, longest)?;
                    work(connection, &waiting)
                })
            })
        })
        .await;
        drop(somebody);
        done
    }
}

/// Lets the statements of a transaction take no longer, unless somebody set a limit for the server, the role or the session.
/// SQLite has no such limit: there it is the pieces that are short.
fn limit(connection: &mut AnyConnection, longest: Option<Duration>) -> Result<(), StoreError> {
    let (AnyConnection::Postgres(inner), Some(longest)) = (connection, longest) else {
        return Ok(());
    };
    sql_query(
        "SELECT set_config('statement_timeout', $1, true) WHERE current_setting('statement_timeout') = '0'",
    )
    .bind::<Text, _>(longest.as_millis().to_string())
    .execute(inner)
    .map_err(StoreError::query("limiting how long a statement may take"))
    .map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use usage_core::SystemClock;

    use super::*;
    use crate::ledger::OpenMode;

    #[tokio::test]
    async fn what_nobody_waits_for_has_its_turn_until_it_notices() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let clock = Arc::new(SystemClock);
        let ledger = Ledger::open(&url, clock, OpenMode::SetUpIfEmpty).await.unwrap();
        let (began, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (noticed, is_noticed) = mpsc::channel();
        let may_go_on = std::sync::Mutex::new(may_go_on);
        let read = ledger.read_long(move |_, waiting| {
            began.send(waiting.check().is_ok()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
            noticed.send(waiting.check().is_err()).unwrap();
            waiting.check()
        });
        assert!(
            tokio::time::timeout(Duration::from_millis(200), read)
                .await
                .is_err()
        );
        assert!(has_begun.recv().unwrap());
        assert_eq!(ledger.long.turns.available_permits(), MOST - 1);
        go_on.send(()).unwrap();
        assert!(is_noticed.recv().unwrap());
        // The turn is given up right behind the work.
        let all = u32::try_from(MOST).unwrap();
        drop(ledger.long.turns.acquire_many(all).await.unwrap());
    }
}
