//! A PostgreSQL server that goes away: what counts as that, and how long it is waited for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::StoreError;

/// For how long a PostgreSQL server that went away is waited for, unless somebody says otherwise: a leader that dies is
/// followed by another within about 30 s where Patroni has its defaults.
pub const DATABASE_RETRY: Duration = Duration::from_mins(1);

/// Between two attempts to reach it; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A server that is back is found within so long.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often one operation may lose a server that had answered it: whatever ends the server every time is not done for ever.
const MOST_LOSSES: u32 = 5;

/// What one database's connections know of its absence. All operations share one wait: what begins when the server has
/// long been gone does not wait as long again.
pub(crate) struct Outage {
    database: String,
    retry: Duration,
    absence: Mutex<Option<Absence>>,
}

#[derive(Clone, Copy)]
struct Absence {
    since: Instant,
    /// Whether people were told.
    told: bool,
}

impl Outage {
    pub(crate) fn new(database: String, retry: Duration) -> Self {
        Self {
            database,
            retry,
            absence: Mutex::new(None),
        }
    }

    pub(crate) fn retry(&self) -> Duration {
        self.retry
    }

    /// The patience of one operation.
    pub(crate) fn patience(&self) -> Patience<'_> {
        Patience {
            outage: self,
            gone_since: None,
            answered: false,
            losses: 0,
            pause: Duration::ZERO,
        }
    }

    /// Whether people have not been told yet that the server is away; now they have.
    fn is_news(&self) -> bool {
        match &mut *self.absence() {
            Some(absence) => !std::mem::replace(&mut absence.told, true),
            None => false,
        }
    }

    fn absence(&self) -> MutexGuard<'_, Option<Absence>> {
        self.absence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long one operation goes on trying.
pub(crate) struct Patience<'a> {
    outage: &'a Outage,
    gone_since: Option<Instant>,
    /// Whether the server answered the attempt at hand.
    answered: bool,
    losses: u32,
    pause: Duration,
}

impl Patience<'_> {
    /// The server is there, and does what this operation needs.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
        self.pause = Duration::ZERO;
        self.gone_since = None;
        let ended = self.outage.absence().take();
        if ended.is_some_and(|absence| absence.told) {
            tracing::info!(database = self.outage.database, "the database is back");
        }
    }

    /// Waits until it is worth another attempt; gives up with the error that tells people.
    ///
    /// The first attempt after an answer follows at once: mostly it was one connection that ended, not the server.
    pub(crate) fn wait(&mut self, error: StoreError, in_doubt: bool) -> Result<(), StoreError> {
        let retry = self.outage.retry;
        if retry.is_zero() {
            return Err(error);
        }
        self.losses += u32::from(std::mem::take(&mut self.answered));
        let now = Instant::now();
        let ours = *self.gone_since.get_or_insert(now);
        let everybodys = self
            .outage
            .absence()
            .get_or_insert(Absence {
                since: now,
                told: false,
            })
            .since;
        let lost = |how: String, error: StoreError| StoreError::Lost {
            database: self.outage.database.clone(),
            how,
            reason: error.into_reason(),
            in_doubt,
        };
        if self.losses >= MOST_LOSSES {
            return Err(lost(format!("{MOST_LOSSES} times in a row"), error));
        }
        let waited = now.duration_since(ours.min(everybodys));
        let Some(left) = retry.checked_sub(waited).filter(|left| !left.is_zero()) else {
            return Err(lost(
                format!("and did not come back within {} s", retry.as_secs()),
                error,
            ));
        };
        if !self.pause.is_zero() && self.outage.is_news() {
            let (database, seconds) = (self.outage.database.as_str(), left.as_secs());
            tracing::warn!(database, %error, "the database went away; waiting up to {seconds} s for it");
        }
        thread::sleep(self.pause.min(left));
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        Ok(())
    }
}

/// Whether the error says that the connection is gone, and with it the transaction. Where diesel has a kind for that, libpq
/// found the connection closed, whatever the server's last words and their language were.
pub(crate) fn is_loss(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _,
        ) => true,
        // What fails in the middle of a COPY has no kind.
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, info) => tells_of_loss(info.message()),
        DieselError::SerializationError(inner) => tells_of_loss(&inner.to_string()),
        DieselError::RollbackErrorOnCommit { commit_error, .. } => is_loss(commit_error),
        _ => false,
    }
}

/// libpq's own words, which the bundled one has in English alone.
fn tells_of_loss(message: &str) -> bool {
    const WORDS: [&str; 8] = [
        "server closed the connection unexpectedly",
        "no connection to the server",
        "could not receive data from server",
        "could not send data to server",
        "SSL connection has been closed unexpectedly",
        "SSL SYSCALL error",
        "terminating connection",
        "connection not open",
    ];
    WORDS.iter().any(|words| message.contains(words))
}

/// Whether a server that refuses a connection is about to accept them, or, of several, one of them about to lead: worth
/// waiting for by those who only begin, whom a mistyped address must be told at once.
pub(crate) fn is_coming(error: &StoreError) -> bool {
    const WORDS: [&str; 6] = [
        "the database system is starting up",
        "the database system is shutting down",
        "the database system is in recovery mode",
        "the database system is not yet accepting connections",
        "the database system is not accepting connections",
        "session is read-only",
    ];
    match error {
        StoreError::Unreachable { reason, .. } => WORDS.iter().any(|words| reason.contains(words)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss() -> StoreError {
        StoreError::Unreachable {
            database: "db".to_owned(),
            reason: "Connection refused".to_owned(),
        }
    }

    #[test]
    fn zero_is_no_patience_and_the_drivers_own_words() {
        let outage = Outage::new("db".to_owned(), Duration::ZERO);
        let error = outage.patience().wait(loss(), false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot open the database db: Connection refused"
        );
    }

    #[test]
    fn what_begins_in_an_outage_that_is_over_its_time_gives_up_at_once() {
        let outage = Outage::new("db".to_owned(), Duration::from_secs(7));
        let since = Instant::now().checked_sub(Duration::from_secs(8)).unwrap();
        *outage.absence() = Some(Absence { since, told: true });
        let error = outage.patience().wait(loss(), false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the database db went away and did not come back within 7 s: Connection refused; run the command again once it is back"
        );
        // Whoever reaches it ends the outage for everybody.
        outage.patience().answered();
        assert!(outage.patience().wait(loss(), false).is_ok());
    }

    #[test]
    fn what_ends_the_server_every_time_is_not_done_for_ever() {
        let outage = Outage::new("db".to_owned(), Duration::from_hours(1));
        let mut patience = outage.patience();
        let mut attempts = 0;
        let error = loop {
            attempts += 1;
            patience.answered();
            if let Err(error) = patience.wait(loss(), true) {
                break error;
            }
        };
        assert_eq!(attempts, 5);
        assert_eq!(
            error.to_string(),
            "the database db went away 5 times in a row: Connection refused; what was being written may stand or not; \
             run the command again once it is back"
        );
    }

    #[test]
    fn a_copy_that_breaks_off_is_a_loss_and_a_refusal_is_none() {
        let unknown = |message: &str| {
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
        };
        assert!(is_loss(&unknown(
            "server closed the connection unexpectedly\n\tThis probably means the server terminated"
        )));
        assert!(is_loss(&DieselError::SerializationError(Box::new(
            std::io::Error::other("no connection to the server")
        ))));
        assert!(is_loss(&DieselError::RollbackErrorOnCommit {
            rollback_error: Box::new(DieselError::NotInTransaction),
            commit_error: Box::new(DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection,
                Box::new("the words of any language".to_owned()),
            )),
        }));
        for refusal in [
            unknown("division by zero"),
            DieselError::NotFound,
            DieselError::RollbackErrorOnCommit {
                rollback_error: Box::new(unknown("no connection to the server")),
                commit_error: Box::new(unknown("could not serialize access")),
            },
        ] {
            assert!(!is_loss(&refusal), "{refusal}");
        }
    }
}
