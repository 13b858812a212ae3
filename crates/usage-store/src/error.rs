//! What can go wrong with a ledger, by what the caller can do about it.

use std::fmt;

use chrono::{DateTime, Utc};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::outage;

/// How many identities that stand more than once are counted.
pub(crate) const MOST_DUPLICATES: u64 = 1_000;

/// Why the ledger could not do what was asked. Messages are one line and hold no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The URL's scheme is neither `sqlite:` nor `postgres:`.
    #[error("unsupported database URL scheme `{0}`; use sqlite:PATH or postgres://…")]
    UnsupportedUrl(String),
    /// No connection to the database.
    #[error("cannot open the database {database}: {reason}")]
    Unreachable {
        /// Which database, without its password.
        database: String,
        /// What the driver said.
        reason: String,
    },
    /// The file or database holds something else.
    #[error("{database} is not a usage ledger: {reason}")]
    NotALedger {
        /// Which database, without its password.
        database: String,
        /// What is there instead.
        reason: String,
    },
    /// The schema is older than this program.
    #[error(
        "the ledger's schema is older than this program; run `usage migrate` ({pending} migrations are pending)"
    )]
    OlderSchema {
        /// How many migrations are to be run.
        pending: usize,
    },
    /// The schema is newer than this program.
    #[error(
        "the ledger was written by a newer version (migration {version} is unknown here); update this program"
    )]
    NewerSchema {
        /// The first migration that this program does not know.
        version: String,
    },
    /// Usage events with the same identity, which the unique index would refuse.
    #[error(
        "{} usage events stand more than once, for example {key} of {window_start:?}, so the unique index cannot be \
         made; read those windows again with `usage backfill --force`, which keeps one of each, then run `usage migrate`",
        up_to(*identities, MOST_DUPLICATES)
    )]
    DuplicateEvents {
        /// How many identities; 1,000 stands for at least so many.
        identities: u64,
        /// The first window with one, UTC.
        window_start: DateTime<Utc>,
        /// The dedupe key of one, in hexadecimal.
        key: String,
    },
    /// A sealed key was sealed with another master key.
    #[error("provider key {key_id} is sealed with another master key; set the master key it was added with")]
    WrongMasterKey {
        /// The id of the provider key.
        key_id: i64,
    },
    /// Nothing has this id.
    #[error("there is no {what} {id}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// The database, or what was named, cannot do this; the text says what to do instead.
    #[error("{0}")]
    Unsupported(String),
    /// A copy of the ledger is not whole.
    #[error("the copy is not usable and was not kept: {0}")]
    BadBackup(String),
    /// A ledger cannot be copied into this database; nothing of it was kept there.
    #[error("cannot copy into {database}: {reason}")]
    CopyTarget {
        /// Which database, without its password.
        database: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// What was to be added is there already.
    #[error("{0}")]
    AlreadyExists(String),
    /// Another process took the account's lease; nothing of the transaction was written.
    #[error("the lease of account {account_id} was lost to another process; nothing was written")]
    LeaseLost {
        /// The row id of the account.
        account_id: i64,
    },
    /// The connection to the server was lost, and waiting for it was in vain.
    #[error(
        "the database {database} went away {how}: {reason}{}; run the command again once it is back",
        if *in_doubt { "; what was being written may stand or not" } else { "" }
    )]
    Lost {
        /// Which database, without its password.
        database: String,
        /// For how long, or how often.
        how: String,
        /// What the driver said last.
        reason: String,
        /// Whether the answer to a COMMIT is missing, so that nobody knows whether it took effect.
        in_doubt: bool,
    },
    /// A row holds something this program never writes.
    #[error("the ledger holds an invalid {what}: {value}")]
    Corrupt {
        /// Which kind of value.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// Others have what is needed; it may be free in a moment.
    #[error("the database is busy: {0}; try again in a moment")]
    Busy(String),
    /// The database refused a statement.
    #[error("the database failed while {doing}: {reason}")]
    Query {
        /// What was being done.
        doing: &'static str,
        /// What the driver said.
        reason: String,
        /// What kind of refusal it was.
        retry: Retry,
    },
}

/// Whether the same transaction may succeed when run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Another transaction was in the way.
    Again,
    /// A row stayed locked for longer than the statement would wait.
    Locked,
    /// The connection is gone; another one may do.
    Lost,
    /// The statement took longer than it may.
    TooLong,
    /// The session may not write; the server may be a standby, and another one lead.
    ReadOnly,
    /// No.
    Never,
}

impl StoreError {
    /// Whether the database is away, or others have what is needed: the same may be done in a moment, and nothing is wrong with
    /// what was asked.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Busy(_) => true,
            Self::Query { retry, .. } => matches!(
                retry,
                Retry::Locked | Retry::Lost | Retry::TooLong | Retry::ReadOnly
            ),
            _ => false,
        }
    }

    /// Wraps a driver's error with what was being done.
    pub(crate) fn query(doing: &'static str) -> impl FnOnce(DieselError) -> Self {
        move |error| {
            let retry = match &error {
                lost if outage::is_loss(lost) => Retry::Lost,
                DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => Retry::ReadOnly,
                DieselError::DatabaseError(
                    DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::SerializationFailure,
                    _,
                ) => Retry::Again,
                // Diesel has no kind of its own for a lock time-out or a deadlock.
                DieselError::DatabaseError(_, info)
                    if info.message().contains("lock timeout")
                        || info.message().contains("database is locked") =>
                {
                    Retry::Locked
                }

                DieselError::DatabaseError(_, info) if info.message().contains("statement timeout") => {
                    Retry::TooLong
                }
                DieselError::DatabaseError(_, info) if info.message().contains("deadlock detected") => {
                    Retry::Again
                }
                // The unique index went between the look at it and the write: the next attempt takes the manual path.
                DieselError::DatabaseError(_, info)
                    if info
                        .message()
                        .contains("no unique or exclusion constraint matching")
                        || info
                            .message()
                            .contains("does not match any PRIMARY KEY or UNIQUE") =>
                {
                    Retry::Again
                }
                _ => Retry::Never,
            };
            Self::Query {
                doing,
                reason: one_line(&error.to_string()),
                retry,
            }
        }
    }

    /// A value that no version of this program writes.
    pub(crate) fn corrupt(what: &'static str, value: impl fmt::Display) -> Self {
        Self::Corrupt {
            what,
            value: value.to_string(),
        }
    }

    /// The same refusal, with what is known better by now about doing it again.
    pub(crate) fn with_retry(self, retry: Retry) -> Self {
        match self {
            Self::Query { doing, reason, .. } => Self::Query { doing, reason, retry },
            other => other,
        }
    }

    /// What the driver said, for a message that names the database itself.
    pub(crate) fn into_reason(self) -> String {
        match self {
            Self::Unreachable { reason, .. } => reason,
            Self::Query { doing, reason, .. } => format!("while {doing}: {reason}"),
            other => other.to_string(),
        }
    }

    /// Whether the connection is gone, or none could be made.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Query {
                    retry: Retry::Lost,
                    ..
                }
        )
    }

    /// Whether the session may not write.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(
            self,
            Self::Query {
                retry: Retry::ReadOnly,
                ..
            }
        )
    }

    /// Whether a row stayed locked for longer than the statement would wait.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(
            self,
            Self::Query {
                retry: Retry::Locked,
                ..
            }
        )
    }

    /// Whether the same transaction may succeed when run again.
    pub(crate) fn may_retry(&self) -> bool {
        matches!(
            self,
            Self::Query {
                retry: Retry::Again,
                ..
            }
        )
    }
}

/// Diesel's transaction helpers want a conversion; what was being done is unknown here, so callers map first.
impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        Self::query("committing a transaction")(error)
    }
}

/// A number that was counted up to a limit and no further.
pub(crate) fn up_to(number: u64, limit: u64) -> String {
    if number < limit {
        number.to_string()
    } else {
        format!("at least {limit}")
    }
}

/// Drivers send several lines; an error of ours is one.
pub(crate) fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_counted_to_its_limit_says_so() {
        for (identities, told) in [
            (
                1,
                "1 usage events stand more than once, for example 0f of 1970-01-01T00:00:00Z",
            ),
            (999, "999 usage events stand"),
            (1_000, "at least 1000 usage events stand"),
        ] {
            let error = StoreError::DuplicateEvents {
                identities,
                window_start: DateTime::UNIX_EPOCH,
                key: "0f".to_owned(),
            };
            assert!(error.to_string().starts_with(told), "{error}");
        }
    }
}
