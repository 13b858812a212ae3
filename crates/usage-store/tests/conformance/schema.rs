//! The schema: ours, in step on both databases, and never somebody else's.

use usage_core::{Dimension, Metric};
use usage_store::{Ledger, OpenMode, SchemaState, StoreError};

use crate::fixture::{Fixture, sqlite_sql};

pub(crate) async fn an_empty_database_is_set_up_once(fixture: &Fixture) {
    let empty = fixture.empty_database();
    let inspected = Ledger::open(&empty.url, fixture.clock.clone(), OpenMode::Inspect)
        .await
        .unwrap();
    assert_eq!(inspected.schema_state().await.unwrap(), SchemaState::Empty);
    let many = (0..8).map(|_| {
        let (url, clock) = (empty.url.clone(), fixture.clock.clone());
        tokio::spawn(async move { Ledger::open(&url, clock, OpenMode::SetUpIfEmpty).await })
    });
    for opened in many.collect::<Vec<_>>() {
        let ledger = opened.await.unwrap().unwrap();
        assert_eq!(ledger.schema_state().await.unwrap(), SchemaState::Current);
        assert!(
            ledger.migrate().await.unwrap().versions.is_empty(),
            "nothing is left to run"
        );
    }
}

/// SQLite does not wait by itself for somebody who writes to a file that is to get a write-ahead log.
#[tokio::test]
async fn the_first_to_open_a_file_waits_for_who_writes_to_it() {
    let fixture = Fixture::sqlite().await;
    let empty = fixture.empty_database();
    let other = rusqlite::Connection::open(empty.url.strip_prefix("sqlite:").unwrap()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let letting_go = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        other.execute_batch("COMMIT").unwrap();
    });
    let ledger = Ledger::open(&empty.url, fixture.clock.clone(), OpenMode::SetUpIfEmpty)
        .await
        .unwrap();
    letting_go.join().unwrap();
    assert_eq!(ledger.schema_state().await.unwrap(), SchemaState::Current);
}

pub(crate) async fn a_newer_schema_is_refused(fixture: &Fixture) {
    fixture.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')");
    let error = Ledger::open(&fixture.url, fixture.clock.clone(), OpenMode::SetUpIfEmpty)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the ledger was written by a newer version (migration 99991231000001 is unknown here); update this program"
    );
    assert!(matches!(
        fixture.ledger.migrate().await,
        Err(StoreError::NewerSchema { .. })
    ));
}

pub(crate) async fn an_older_schema_names_the_command(fixture: &Fixture) {
    fixture.sql("DELETE FROM __diesel_schema_migrations");
    let error = Ledger::open(&fixture.url, fixture.clock.clone(), OpenMode::SetUpIfEmpty)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("run `usage migrate`"), "{error}");
}

pub(crate) async fn a_database_of_something_else_is_refused(fixture: &Fixture) {
    fixture.sql("DROP TABLE __diesel_schema_migrations");
    let error = Ledger::open(&fixture.url, fixture.clock.clone(), OpenMode::SetUpIfEmpty)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NotALedger { .. }), "{error}");
}

/// Both folders of migrations must make the tables that the program writes; this compares them with one list.
#[expect(clippy::unused_async, reason = "stories are async")]
pub(crate) async fn tables_hold_exactly_the_columns_the_program_knows(fixture: &Fixture) {
    let mut expected: Vec<String> = [
        "account_id",
        "endpoint",
        "window_start",
        "window_end",
        "dedupe_key",
    ]
    .into_iter()
    .chain(Dimension::USAGE.into_iter().map(Dimension::as_str))
    .chain(Metric::ALL.into_iter().map(Metric::as_str))
    .chain([
        "content_hash",
        "revision",
        "first_stored_at",
        "changed_at",
        "run_id",
        "cost_nano_usd",
        "price_ref",
    ])
    .map(str::to_owned)
    .collect();
    assert_eq!(columns(fixture, "usage_events"), expected);
    expected.splice(
        0..0,
        ["kind", "replaced_at", "replaced_by_run"].map(str::to_owned),
    );
    assert_eq!(columns(fixture, "usage_revisions"), expected);

    let all: Vec<String> = [
        "accounts",
        "api_tokens",
        "cost_events",
        "cost_revisions",
        "data_versions",
        "directory_names",
        "erased_names",
        "erasure_traces",
        "incidents",
        "leases",
        "prices",
        "provider_keys",
        "runs",
        "usage_coverage",
        "usage_days",
        "usage_rollups",
        "usage_stale_days",
        "write_marks",
    ]
    .into_iter()
    .map(|table| format!("{table}: {}", columns(fixture, table).join(", ")))
    .collect();
    insta::assert_snapshot!("other_tables", all.join("\n"));
}

#[expect(clippy::unused_async, reason = "stories are async")]
pub(crate) async fn the_bucket_index_is_the_identity(fixture: &Fixture) {
    let definition = if fixture.is_postgres() {
        fixture.sql("SELECT indexdef FROM pg_indexes WHERE indexname = 'usage_admin_bucket_idx'")
    } else {
        fixture.sql("SELECT sql FROM sqlite_master WHERE name = 'usage_admin_bucket_idx'")
    };
    assert!(
        definition.contains("UNIQUE") && definition.contains("(window_start, dedupe_key)"),
        "{definition}"
    );
}

fn columns(fixture: &Fixture, table: &str) -> Vec<String> {
    let listed = if fixture.is_postgres() {
        fixture.sql(&format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' \
             ORDER BY ordinal_position"
        ))
    } else {
        sqlite_sql(
            &fixture.url,
            &format!("SELECT name FROM pragma_table_info('{table}')"),
        )
    };
    listed
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}
