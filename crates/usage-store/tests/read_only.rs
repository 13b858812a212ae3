//! The role that may read the views and nothing else, on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::sync::Arc;

use usage_core::{ManualClock, parse_instant};
use usage_store::{Ledger, OpenMode, PUBLIC_VIEWS, StoreError};
use usage_testkit::{PostgresCluster, PostgresDatabase};

async fn open(url: &str) -> Ledger {
    let clock = Arc::new(ManualClock::new(parse_instant("2025-10-20T12:00:00Z").unwrap()));
    Ledger::open(url, clock, OpenMode::SetUpIfEmpty).await.unwrap()
}

/// What a role that can log in may select, `ok` or PostgreSQL's message, asked in a session of its own right.
fn select(database: &PostgresDatabase, login: &str, what: &str) -> String {
    let answer = database.execute(&format!(
        "CREATE TEMP TABLE answer (text text); \
         GRANT ALL ON answer TO PUBLIC; SET SESSION AUTHORIZATION \"{login}\"; \
         DO $$ BEGIN EXECUTE 'SELECT count(*) FROM {what}'; INSERT INTO answer VALUES ('ok'); \
         EXCEPTION WHEN OTHERS THEN INSERT INTO answer VALUES (SQLERRM); END $$; \
         RESET SESSION AUTHORIZATION; SELECT text FROM answer; DROP TABLE answer"
    ));
    answer.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_member_reads_the_views_and_nothing_else() {
    let cluster = PostgresCluster::start().unwrap();
    let database = cluster.create_database();
    let ledger = open(database.url()).await;
    assert!(ledger.grant_read_only("reporting").await.unwrap());
    assert!(
        !ledger.grant_read_only("reporting").await.unwrap(),
        "again changes nothing"
    );
    database.execute("CREATE ROLE alice LOGIN IN ROLE reporting");
    for view in PUBLIC_VIEWS {
        assert_eq!(select(&database, "alice", view), "ok");
    }
    for table in [
        "api_tokens",
        "provider_keys",
        "usage_events",
        "usage_revisions",
        "directory_names",
        "runs",
    ] {
        assert_eq!(
            select(&database, "alice", table),
            format!("permission denied for table {table}")
        );
    }
    assert_eq!(
        select(&database, "alice", "usage_best_width"),
        "permission denied for view usage_best_width"
    );
    assert_eq!(
        database.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'reporting'"),
        "f"
    );
}

#[tokio::test]
async fn a_name_is_a_name_and_never_a_statement() {
    let cluster = PostgresCluster::start().unwrap();
    let database = cluster.create_database();
    let ledger = open(database.url()).await;
    let name = "x\" NOLOGIN; DROP TABLE usage_events; --";
    assert!(ledger.grant_read_only(name).await.unwrap());
    assert!(!ledger.grant_read_only(name).await.unwrap());
    assert_eq!(database.execute("SELECT count(*) FROM usage_events"), "0");
    let made = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'x%'";
    assert_eq!(database.execute(made), name);
    for name in ["", "a\nb", "public", &"x".repeat(64)] {
        let error = ledger.grant_read_only(name).await.unwrap_err();
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_role_that_sees_the_tables_is_refused() {
    let cluster = PostgresCluster::start().unwrap();
    let database = cluster.create_database();
    let ledger = open(database.url()).await;
    database.execute("CREATE ROLE reader; GRANT SELECT ON provider_keys TO reader");
    for role in ["reader", "postgres"] {
        let error = ledger.grant_read_only(role).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the role {role} may read the ledger's tables already, so it is not read-only; name another"
            )
        );
    }
    let granted = "SELECT has_table_privilege('reader', 'usage_daily', 'SELECT')";
    assert_eq!(database.execute(granted), "f", "nothing was granted");
}

#[tokio::test]
async fn no_new_role_is_made_while_everybody_sees_a_table() {
    let cluster = PostgresCluster::start().unwrap();
    let database = cluster.create_database();
    let ledger = open(database.url()).await;
    database.execute("GRANT SELECT (id, mask) ON provider_keys TO PUBLIC");
    let error = ledger.grant_read_only("reporting").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "every role may read some of the ledger's tables, so reporting would not be read-only; run \
         `REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC` first"
    );
    let made = "SELECT count(*) FROM pg_roles WHERE rolname = 'reporting'";
    assert_eq!(database.execute(made), "0", "the role is not left behind");
    database.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC");
    assert!(ledger.grant_read_only("reporting").await.unwrap());
}

#[tokio::test]
async fn sqlite_names_the_other_way() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&format!("sqlite:{}", folder.path().join("usage.db").display())).await;
    let error = ledger.grant_read_only("reporting").await.unwrap_err();
    assert!(matches!(error, StoreError::Unsupported(_)), "{error}");
    assert!(error.to_string().contains("file:usage.db?mode=ro"), "{error}");
}
