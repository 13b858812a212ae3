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
        self.run(move |connection| {
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
            let before = count(connection, "usage_events")?;
            sql_query("VACUUM INTO ?")
                .bind::<Text, _>(&path)
                .execute(connection)
                .map_err(StoreError::query("copying the ledger"))?;
            let after = count(connection, "usage_events")?;
            let counts = check(&path, &state)?;
            // While nobody wrote, the copy must have exactly what the ledger has.
            if before == after && counts.events != after {
                return Err(StoreError::BadBackup(format!(
                    "it has {} events, the ledger {after}",
                    counts.events
                )));
            }
            Ok(counts)
        })
        .await
    }
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
    let torn: Count = sql_query(TORN)
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

/// Windows whose events are not as many as the read of every project found, unless a later read of some projects
/// changed them.
const TORN: &str = "SELECT count(*) AS count FROM usage_coverage c WHERE c.project_filter = '' \
    AND NOT EXISTS (SELECT 1 FROM usage_coverage l WHERE l.account_id = c.account_id AND l.endpoint = c.endpoint \
        AND l.width_seconds = c.width_seconds AND l.window_start = c.window_start AND l.project_filter <> '' \
        AND l.read_started_at >= c.read_started_at) \
    AND c.event_count <> (SELECT count(*) FROM usage_events e WHERE e.window_start = c.window_start \
        AND e.window_end = c.window_start + c.width_seconds AND e.account_id = c.account_id \
        AND e.endpoint = c.endpoint)";

fn count(connection: &mut AnyConnection, table: &str) -> Result<u64, StoreError> {
    let found: Count = sql_query(format!("SELECT count(*) AS count FROM {table}"))
        .get_result(connection)
        .map_err(StoreError::query("counting rows"))?;
    Ok(u64::try_from(found.count).unwrap_or_default())
}
