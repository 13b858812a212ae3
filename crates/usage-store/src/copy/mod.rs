//! The whole ledger into another, empty database, of the same kind or the other, verified row by row.
//!
//! What is copied comes from the databases' own catalogues, so that a table or column that a migration adds comes along
//! by itself. The source is read in one transaction that sees one moment of it; everything goes into the target in
//! another, which is committed only after both sides were read again and every field was found equal.

mod catalogue;
mod cells;
mod compare;
mod counters;
mod read;
mod target;
mod write;

use std::sync::Arc;

use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use crate::connection::{self, AnyConnection, Manager};
use crate::data_version;
use crate::error::{Retry, StoreError};
use crate::ledger::{Ledger, OpenMode, blocking};
use crate::migrate::{self, SchemaState};
use crate::rollups;
use catalogue::{Catalogue, Table};

/// Tables that are not copied, and why.
const LEFT_OUT: [(&str, &str); 7] = [
    (
        "__diesel_schema_migrations",
        "setting up the target wrote its own",
    ),
    (
        "data_versions",
        "they name states of the source's data, of which no answers are kept here",
    ),
    (
        "leases",
        "they say who writes the source now, by the clock of its database",
    ),
    ("usage_days", SUMS),
    ("usage_rollups", SUMS),
    ("usage_stale_days", SUMS),
    (
        "write_marks",
        "they say which transactions of the source's server took effect",
    ),
];

const SUMS: &str = "sums of days follow from the events and are made anew in the target";

/// A ledger that was copied and found equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCopy {
    /// The database that was read, without its password.
    pub source: String,
    /// The database that was written, without its password.
    pub target: String,
    /// Every table that was copied, in the order in which it was, also those without rows.
    pub tables: Vec<CopiedTable>,
    /// Tables of the source that were not copied, and why.
    pub left_out: Vec<(String, String)>,
    /// Whether somebody took a lease of the source while it was copied: what was stored after the copy began is not in it.
    pub source_was_written: bool,
}

/// A table whose rows are equal on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
}

impl LedgerCopy {
    /// How many rows the table has; 0 for one that was not copied.
    pub fn rows_of(&self, table: &str) -> u64 {
        let found = self.tables.iter().find(|copied| copied.name == table);
        found.map_or(0, |copied| copied.rows)
    }
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStep<'a> {
    /// It begins: so many rows are to be copied, then compared.
    Planned {
        /// Rows of all tables together.
        rows: u64,
    },
    /// Some more rows were copied or compared.
    Rows {
        /// How many since the last step.
        rows: u64,
    },
    /// Every row of a table was copied.
    Copied {
        /// Its name.
        table: &'a str,
        /// How many rows.
        rows: u64,
    },
    /// Every row of a table was read again on both sides and found equal.
    Compared {
        /// Its name.
        table: &'a str,
        /// How many rows.
        rows: u64,
    },
}

/// Who is told how far a copy is.
pub type CopyProgress = Arc<dyn Fn(CopyStep<'_>) + Send + Sync>;

impl Ledger {
    /// Copies the whole ledger, as it stands at one moment, into the database behind `target_url`, which is set up if it is
    /// empty, and reads both again to compare every field. All of it is committed at once, or nothing; it begins anew when
    /// a connection was lost, which progress shows as a second [`CopyStep::Planned`].
    ///
    /// Fails with the errors of [`Ledger::open`] unless the schema of this ledger is current, and with
    /// [`StoreError::CopyTarget`] if the target is this ledger, has rows, cannot take a row, or holds another value
    /// than was written.
    pub async fn copy_into(
        &self,
        target_url: &str,
        progress: CopyProgress,
    ) -> Result<LedgerCopy, StoreError> {
        let source_name = self.name().to_owned();
        self.run(move |source| is_current(source, &source_name)).await?;
        let manager = Manager::new(target_url)?;
        let (source_name, target_name) = (self.name().to_owned(), manager.name());
        self.once(move |source| {
            target::refuse_the_source(source, &source_name, &manager)?;
            target::make_private(&manager)
        })
        .await?;
        let target = Self::open_retrying(
            target_url,
            self.clock(),
            OpenMode::SetUpIfEmpty,
            self.pool().retry(),
        )
        .await
        .map_err(|error| target_error(&target_name, &error))?;
        let (source_ledger, target_ledger) = (self.clone(), target);
        blocking(move || {
            source_ledger.pool().read(|source| {
                let before = leases(source)?;
                let mut copy = connection::read_transaction(source, |source| {
                    // The source is not read by the target's transaction: each side waits for its own server.
                    let mut source_is_gone = false;
                    let copied = target_ledger.pool().write(|target| {
                        let copy = Copy {
                            source_name: source_ledger.name(),
                            target_name: target_ledger.name(),
                            progress: &progress,
                        };
                        copy.run(source, target).map_err(|error| {
                            source_is_gone = error.is_loss() && connection::is_gone(source);
                            if source_is_gone {
                                error.with_retry(Retry::Never)
                            } else {
                                error
                            }
                        })
                    });
                    copied.map_err(|error| {
                        if source_is_gone {
                            error.with_retry(Retry::Lost)
                        } else {
                            error
                        }
                    })
                })?;
                copy.source_was_written = leases(source)? != before;
                Ok(copy)
            })
        })
        .await
    }
}

/// One copy, inside the transactions of both sides.
struct Copy<'a> {
    source_name: &'a str,
    target_name: &'a str,
    progress: &'a CopyProgress,
}

impl Copy<'_> {
    fn run(&self, source: &mut AnyConnection, target: &mut AnyConnection) -> Result<LedgerCopy, StoreError> {
        target::be_patient(source)?;
        target::be_patient(target)?;
        let there = Catalogue::look(source)?;
        let here = Catalogue::look(target)?;
        let mut left_out = Vec::new();
        let tables = there
            .choose(&here, &mut left_out)
            .map_err(|reason| self.refuse(reason))?;
        target::lock(target, &tables).map_err(|error| {
            if error.is_loss() {
                error
            } else {
                target_error(self.target_name, &error)
            }
        })?;
        for table in &here.tables {
            if !is_left_out(&table.name) && count(target, &table.name)? > 0 {
                return Err(self.refuse(format!(
                    "its table {} has rows already; name an empty database",
                    table.name
                )));
            }
        }
        let mut planned = Vec::with_capacity(tables.len());
        for table in &tables {
            planned.push(count(source, &table.name)?);
        }
        (self.progress)(CopyStep::Planned {
            rows: planned.iter().sum(),
        });
        let mut copied = Vec::with_capacity(tables.len());
        for (table, expected) in tables.iter().zip(planned) {
            copied.push(self.table(source, target, table, expected)?);
        }
        for (table, copied) in tables.iter().zip(&copied) {
            let rows = compare::tables(source, target, table, self.progress)
                .map_err(|difference| difference.of(|reason| self.refuse(reason)))?;
            if rows != copied.rows {
                return Err(self.refuse(format!(
                    "{} has {rows} rows there instead of {}",
                    table.name, copied.rows
                )));
            }
            (self.progress)(CopyStep::Compared {
                table: &table.name,
                rows,
            });
        }
        rollups::settle(target)?;
        data_version::bump_all(target)?;
        Ok(LedgerCopy {
            source: self.source_name.to_owned(),
            target: self.target_name.to_owned(),
            tables: copied,
            left_out,
            source_was_written: false,
        })
    }

    fn table(
        &self,
        source: &mut AnyConnection,
        target: &mut AnyConnection,
        table: &Table,
        expected: u64,
    ) -> Result<CopiedTable, StoreError> {
        let rows = write::rows(source, target, table, self.progress)
            .map_err(|failure| failure.of(|reason| self.refuse(reason)))?;
        if rows != expected {
            return Err(self.refuse(format!(
                "{rows} of the {expected} rows of {} were read",
                table.name
            )));
        }
        if let Some(counter) = counters::last_number(source, table)? {
            counters::go_on_after(target, table, counter)?;
            let stands = counters::last_number(target, table)?;
            if stands != Some(counter) {
                return Err(self.refuse(format!(
                    "the next number of {} would be given out twice there",
                    table.name
                )));
            }
        }
        (self.progress)(CopyStep::Copied {
            table: &table.name,
            rows,
        });
        Ok(CopiedTable {
            name: table.name.clone(),
            rows,
        })
    }

    fn refuse(&self, reason: String) -> StoreError {
        StoreError::CopyTarget {
            database: self.target_name.to_owned(),
            reason,
        }
    }
}

fn is_left_out(table: &str) -> bool {
    LEFT_OUT.iter().any(|(name, _)| *name == table)
}

fn is_current(source: &mut AnyConnection, database: &str) -> Result<(), StoreError> {
    match migrate::state(source)? {
        SchemaState::Current => Ok(()),
        SchemaState::Older(pending) => Err(StoreError::OlderSchema { pending }),
        SchemaState::Newer(version) => Err(StoreError::NewerSchema { version }),
        SchemaState::Empty | SchemaState::Foreign => Err(StoreError::NotALedger {
            database: database.to_owned(),
            reason: "there is nothing to copy".to_owned(),
        }),
    }
}

/// What is wrong with the target, told as such: the same words are used of the ledger that is read.
fn target_error(database: &str, error: &StoreError) -> StoreError {
    StoreError::CopyTarget {
        database: database.to_owned(),
        reason: match error {
            StoreError::OlderSchema { .. } => {
                "its schema is older than this program; run `usage migrate` on it, or name an empty database"
                    .to_owned()
            }
            StoreError::NewerSchema { version } => {
                format!(
                    "it was set up by a newer version (migration {version} is unknown here); update this program"
                )
            }
            StoreError::NotALedger { reason, .. } | StoreError::Unreachable { reason, .. } => reason.clone(),
            other => other.to_string(),
        },
    }
}

/// The fencing number of each account: it grows whenever somebody takes the lease.
fn leases(connection: &mut AnyConnection) -> Result<Vec<(i64, i64)>, StoreError> {
    use diesel::prelude::*;
    use diesel::sql_types::BigInt;
    #[derive(QueryableByName)]
    struct Fencing {
        #[diesel(sql_type = BigInt)]
        account_id: i64,
        #[diesel(sql_type = BigInt)]
        fencing: i64,
    }
    let found: Vec<Fencing> = sql_query("SELECT account_id, fencing FROM leases ORDER BY account_id")
        .load(connection)
        .map_err(StoreError::query("reading the leases"))?;
    Ok(found
        .into_iter()
        .map(|row| (row.account_id, row.fencing))
        .collect())
}

fn count(connection: &mut AnyConnection, table: &str) -> Result<u64, StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let found: Count = sql_query(format!(
        "SELECT count(*) AS count FROM {}",
        catalogue::quoted(table)
    ))
    .get_result(connection)
    .map_err(StoreError::query("counting rows"))?;
    Ok(u64::try_from(found.count).unwrap_or_default())
}

/// A failure of either side, or what is wrong with the target; the caller knows which target.
enum Failure {
    Store(StoreError),
    Target(String),
}

impl Failure {
    fn of(self, target: impl FnOnce(String) -> StoreError) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Target(reason) => target(reason),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
