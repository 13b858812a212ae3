//! A copy of a SQLite ledger that is whole, taken while others write.

use std::path::Path;

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, RunQueryDsl, sql_query};

use crate::connection::{AnyConnection, Manager};
use crate::error::StoreError;
use crate::ledger::Ledger;
use crate::migrate::{self, SchemaState};

/// What a copy holds, counted in the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupCounts {
    /// Usage events.
    pub events: u64,
    /// Windows that were read completely.
    pub windows: u64,
    /// Provider keys, sealed as they stand.
    pub keys: u64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct DataVersion {
    #[diesel(sql_type = BigInt)]
    data_version: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Ledger {
    /// Copies a SQLite ledger, also one of an older schema, as it stands at one moment into `path`, which must be an
    /// empty file or none, and checks the copy: SQLite's own check, the schema, and that each window has as many events
    /// as were read. Writers are not held up.
    ///
    /// The caller makes the copy last and gives it its name. Fails with [`StoreError::Unsupported`] on PostgreSQL and
    /// with [`StoreError::BadBackup`] if the copy is not whole.
    pub async fn copy_to(&self, path: &Path) -> Result<BackupCounts, StoreError> {
        let path = path.to_str().map(str::to_owned).ok_or_else(|| {
            StoreError::Unsupported("SQLite takes only paths that are UTF-8; name another file".to_owned())
        })?;
        let database = self.name().to_owned();
        self.once(move |connection| {
            if matches!(connection, AnyConnection::Postgres(_)) {
                return Err(StoreError::Unsupported(
                    "a PostgreSQL ledger is backed up by its server's own tools, as in `pg_dump --format=custom`"
                        .to_owned(),
                ));
            }
            let state = match migrate::state(connection)? {
                SchemaState::Newer(version) => return Err(StoreError::NewerSchema { version }),
                SchemaState::Empty | SchemaState::Foreign => {
                    return Err(StoreError::NotALedger {
                        database,
                        reason: "there is nothing to copy".to_owned(),
                    });
                }
                state => state,
            };
            let held = Held::look(connection)?;
            sql_query("VACUUM INTO ?")
                .bind::<Text, _>(&path)
                .execute(connection)
                .map_err(StoreError::query("copying the ledger"))?;
            let counts = check(&path, &state)?;
            held.compare(connection, counts.events)?;
            Ok(counts)
        })
        .await
    }
}

/// What a ledger held before it was copied.
struct Held {
    events: u64,
    /// Stays the same exactly as long as no other connection, of this process or another, commits.
    version: i64,
}

impl Held {
    fn look(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        let version = data_version(connection)?;
        let events = count(connection, "usage_events")?;
        Ok(Self { events, version })
    }

    /// While nobody wrote, the copy must have exactly what the ledger has. That as many events are there as before does
    /// not mean that nobody wrote: as many may have come as went.
    fn compare(&self, connection: &mut AnyConnection, copied: u64) -> Result<(), StoreError> {
        if copied == self.events || data_version(connection)? != self.version {
            return Ok(());
        }
        Err(StoreError::BadBackup(format!(
            "it has {copied} events, the ledger {}",
            self.events
        )))
    }
}

fn data_version(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let found: DataVersion = sql_query("PRAGMA data_version")
        .get_result(connection)
        .map_err(StoreError::query("looking for other writers"))?;
    Ok(found.data_version)
}

fn check(path: &str, state: &SchemaState) -> Result<BackupCounts, StoreError> {
    let mut copy = Manager::new(&format!("sqlite:{path}"))?.open()?;
    let checked: Vec<Line> = sql_query("SELECT integrity_check AS line FROM pragma_integrity_check")
        .load(&mut copy)
        .map_err(StoreError::query("checking the copy"))?;
    match checked.as_slice() {
        [only] if only.line == "ok" => {}
        [] => return Err(StoreError::BadBackup("SQLite did not check it".to_owned())),
        [first, ..] => return Err(StoreError::BadBackup(crate::error::one_line(&first.line))),
    }
    if migrate::state(&mut copy)? != *state {
        return Err(StoreError::BadBackup("its schema is not the ledger's".to_owned()));
    }
    // A ledger of an older schema, which is copied before it is migrated, has no costs.
    let has_costs: Count =
        sql_query("SELECT count(*) AS count FROM sqlite_master WHERE name = 'cost_events'")
            .get_result(&mut copy)
            .map_err(StoreError::query("checking the copy"))?;
    let torn = if has_costs.count > 0 {
        format!("{TORN} + {COSTS}")
    } else {
        TORN.to_owned()
    };
    let torn: Count = sql_query(torn)
        .get_result(&mut copy)
        .map_err(StoreError::query("checking the copy"))?;
    if torn.count > 0 {
        return Err(StoreError::BadBackup(format!(
            "{} windows do not have as many events as were read; `usage doctor` says which",
            torn.count
        )));
    }
    Ok(BackupCounts {
        events: count(&mut copy, "usage_events")?,
        windows: count(&mut copy, "usage_coverage")?,
        keys: count(&mut copy, "provider_keys")?,
    })
}

/// Windows whose events or costs are not as many as the read of every project found, unless a later read of some projects
/// changed them.
const TORN: &str = "SELECT count(*) AS count FROM usage_coverage c WHERE c.project_filter = '' \
    AND NOT EXISTS (SELECT 1 FROM usage_coverage l WHERE l.account_id = c.account_id AND l.endpoint = c.endpoint \
        AND l.width_seconds = c.width_seconds AND l.window_start = c.window_start AND l.project_filter <> '' \
        AND l.read_started_at >= c.read_started_at) \
    AND c.event_count <> (SELECT count(*) FROM usage_events e WHERE e.window_start = c.window_start \
        AND e.window_end = c.window_start + c.width_seconds AND e.account_id = c.account_id \
        AND e.endpoint = c.endpoint)";
const COSTS: &str = "(SELECT count(*) FROM cost_events e WHERE e.window_start = c.window_start \
    AND e.window_end = c.window_start + c.width_seconds AND e.account_id = c.account_id AND e.endpoint = c.endpoint)";

fn count(connection: &mut AnyConnection, table: &str) -> Result<u64, StoreError> {
    let found: Count = sql_query(format!("SELECT count(*) AS count FROM {table}"))
        .get_result(connection)
        .map_err(StoreError::query("counting rows"))?;
    Ok(u64::try_from(found.count).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;

    use super::*;

    #[test]
    fn a_copy_is_compared_only_while_nobody_writes() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let open = || Manager::new(&url).unwrap().open().unwrap();
        let (mut ledger, mut other) = (open(), open());
        ledger
            .batch_execute(
                "PRAGMA journal_mode = WAL; CREATE TABLE usage_events (number INTEGER); \
                 INSERT INTO usage_events VALUES (1), (2)",
            )
            .unwrap();

        let held = Held::look(&mut ledger).unwrap();
        let copy = folder.path().join("copy.db");
        ledger
            .batch_execute(&format!("VACUUM INTO '{}'", copy.display()))
            .unwrap();
        assert!(held.compare(&mut ledger, 2).is_ok());
        let refused = held.compare(&mut ledger, 3).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the copy is not usable and was not kept: it has 3 events, the ledger 2"
        );

        // One comes before the copy and one goes after it.
        other
            .batch_execute("INSERT INTO usage_events VALUES (3)")
            .unwrap();
        other
            .batch_execute("DELETE FROM usage_events WHERE number = 1")
            .unwrap();
        assert_eq!(count(&mut ledger, "usage_events").unwrap(), held.events);
        assert!(held.compare(&mut ledger, 3).is_ok());
    }
}
