//! What only PostgreSQL can show: TLS, and a writer who ignores the lease.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use usage_core::{
    Account, DimensionSet, Dimensions, Directory, DirectoryEntry, DirectoryKind, Endpoint, ManualClock,
    Metrics, ProjectFilter, Provider, Scope, UsageRow, Width, Window, parse_day, parse_instant,
};
use usage_store::{
    AccountScope, EventQuery, LeaseAttempt, Ledger, OpenMode, Replacement, StoreError, WindowCounts,
    WindowRows, WritePath,
};
use usage_testkit::{PostgresCluster, PostgresDatabase};

#[tokio::test]
async fn connects_over_tls_and_verifies_the_server() {
    let cluster = PostgresCluster::start().unwrap();
    let database = cluster.create_database();
    // libpq compares the certificate's name with the host of the URL.
    let secured = |options: &str| format!("{}?{options}", database.url().replace("127.0.0.1", "localhost"));
    let refused = open(&secured("sslmode=require")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable { .. }), "{refused}");

    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write_file(&database, "server.crt", &cert.pem());
    write_file(&database, "server.key", &signing_key.serialize_pem());
    database.execute("ALTER SYSTEM SET ssl = on");
    database.execute("SELECT pg_reload_conf()");

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.crt");
    std::fs::write(&root, cert.pem()).unwrap();
    let url = secured(&format!("sslmode=verify-full&sslrootcert={}", root.display()));
    let ledger = eventually(async || open(&url).await.ok()).await;
    ledger.add_account(account()).await.unwrap();
    let encrypted = database.execute("SELECT count(*) FROM pg_stat_ssl WHERE ssl");
    assert_ne!(encrypted.trim(), "0");

    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&root, other.cert.pem()).unwrap();
    let refused = open(&url).await.unwrap_err();
    assert!(
        refused.to_string().contains("certificate verify failed"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_without_the_lease_is_tripped_over_not_doubled_in_bulk() {
    // From 200 rows on, new ones go through COPY.
    without_the_lease(500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_without_the_lease_is_tripped_over_not_doubled_in_small() {
    without_the_lease(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_index_two_writers_at_once_leave_each_row_once() {
    let database = PostgresCluster::shared().create_database();
    let ledger = open(database.url()).await.unwrap();
    let stored = store(&ledger, "2025-10-20T12:00:00Z", 300).await;
    assert_eq!(stored.path, WritePath::Constraint);
    database.execute("CREATE TABLE aside AS SELECT * FROM usage_events");
    database.execute("DELETE FROM usage_events");
    database.execute("DELETE FROM usage_coverage");
    database.execute("DROP INDEX usage_admin_bucket_idx");

    // The other writer has no lease; it has written and not committed when ours begins.
    let counts = beside(
        &database,
        "BEGIN; INSERT INTO usage_events SELECT * FROM aside; SELECT pg_sleep(1); COMMIT",
        || store(&ledger, "2025-10-20T13:00:00Z", 300),
    )
    .await;
    assert_eq!(counts.path, WritePath::Manual);
    assert_eq!((counts.inserted, counts.updated, counts.unchanged), (0, 0, 300));
    let totals = ledger.totals(EventQuery::daily(AccountScope::All)).await.unwrap();
    assert_eq!(totals.events, 300);
    assert!(ledger.migrate().await.unwrap().index_made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_paused_in_the_middle_of_writing_keeps_its_lease_and_blocks_nobody() {
    let database = PostgresCluster::shared().create_database();
    let ledger = open(database.url()).await.unwrap();
    let stored = ledger.add_account(account()).await.unwrap();
    let lease = Duration::from_millis(1);
    ledger
        .acquire_lease(stored.id, "paused", lease, None)
        .await
        .unwrap();

    std::thread::scope(|scope| {
        scope
            .spawn(|| database.execute("BEGIN; SELECT 1 FROM leases FOR UPDATE; SELECT pg_sleep(5); COMMIT"));
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let count = format!(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = '{}'",
                    database.name()
                );
                eventually(async || (database.execute(&count).trim() == "1").then_some(())).await;
                let attempt = ledger
                    .acquire_lease(stored.id, "another", lease, None)
                    .await
                    .unwrap();
                assert!(
                    matches!(&attempt, LeaseAttempt::Held { holder, .. } if holder == "paused"),
                    "{attempt:?}"
                );
                eventually(async || (database.execute(&count).trim() == "0").then_some(())).await;
            });
        });
    });
    let attempt = ledger
        .acquire_lease(stored.id, "another", lease, None)
        .await
        .unwrap();
    assert!(matches!(attempt, LeaseAttempt::Acquired(_)), "{attempt:?}");
}

/// As behind a network that was parted: what is sent is taken by nobody any more, and nobody says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_way_to_the_server_that_takes_nothing_any_more_ends_the_statement() {
    let database = PostgresCluster::shared().create_database();
    let (way, server) = database.url().rsplit_once('@').unwrap();
    let (server, name) = server.split_once('/').unwrap();
    let address = silent_from(server, "nobody takes this");
    let url = format!("{way}@{address}/{name}?tcp_user_timeout=500");
    let clock = Arc::new(ManualClock::new(parse_instant("2025-10-20T12:00:00Z").unwrap()));
    let ledger = Ledger::open_retrying(&url, clock, OpenMode::SetUpIfEmpty, Duration::ZERO)
        .await
        .unwrap();
    let stored = ledger.add_account(account()).await.unwrap();
    // More than the systems of both sides take on behalf of a reader that does not read.
    let entries = (0..200).map(|number| DirectoryEntry {
        kind: DirectoryKind::Project,
        id: format!("proj_{number}"),
        name: Some("nobody takes this ".repeat(10_000)),
        email: None,
        project_id: None,
        status: None,
        created_at: None,
    });
    let directory = Directory {
        entries: entries.collect(),
    };
    let error = ledger.save_directory(stored.id, directory).await.unwrap_err();
    // libpq's own words differ with what it was doing; without the limit there would be no end.
    let line = error.to_string();
    assert!(
        line.starts_with("the database failed while storing names: "),
        "{line}"
    );
}

/// A proxy whose connections read nothing more once this has come from the client, and stay open.
fn silent_from(server: &str, text: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = server.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut server = TcpStream::connect(&server).unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(length @ 1..) = client.read(&mut buffer) {
                    let taken = &buffer[..length];
                    if taken.windows(text.len()).any(|window| window == text.as_bytes()) {
                        loop {
                            std::thread::park();
                        }
                    }
                    server.write_all(taken).unwrap();
                }
            });
        }
    });
    address
}

/// Somebody inserts the very rows that a read is about to insert, after the read compared and before it wrote.
async fn without_the_lease(rows: i64) {
    let database = PostgresCluster::shared().create_database();
    let ledger = open(database.url()).await.unwrap();
    let stored = store(&ledger, "2025-10-20T12:00:00Z", rows).await;
    assert_eq!(stored.inserted, u64::try_from(rows).unwrap());
    database.execute("CREATE TABLE aside AS SELECT * FROM usage_events");
    database.execute("DELETE FROM usage_events");
    database.execute("DELETE FROM usage_coverage");

    let counts = beside(
        &database,
        "INSERT INTO usage_events SELECT * FROM aside; SELECT pg_sleep(1)",
        || store(&ledger, "2025-10-20T13:00:00Z", rows),
    )
    .await;
    assert_eq!((counts.inserted, counts.updated), (0, 0));
    assert_eq!(counts.unchanged, u64::try_from(rows).unwrap());
    let totals = ledger.totals(EventQuery::daily(AccountScope::All)).await.unwrap();
    assert_eq!(totals.events, u64::try_from(rows).unwrap());
}

/// A process that rests holds no session that the server counts, and asks on when somebody comes again.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_rest_are_closed_when_told() {
    let database = PostgresCluster::shared().create_database();
    let ledger = open(database.url()).await.unwrap();
    store(&ledger, "2025-10-20T12:00:00Z", 1).await;
    let sessions = || {
        let ours = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
            database.name()
        );
        database.execute(&ours).trim().to_owned()
    };
    assert_eq!(sessions(), "1");
    assert_eq!(ledger.close_rested(Duration::from_hours(1)).await.unwrap(), 0);
    assert_eq!(ledger.close_rested(Duration::ZERO).await.unwrap(), 1);
    eventually(async || (sessions() == "0").then_some(())).await;
    assert_eq!(ledger.close_rested(Duration::ZERO).await.unwrap(), 0);
    let totals = ledger.totals(EventQuery::daily(AccountScope::All)).await.unwrap();
    assert_eq!(totals.events, 1);
}

#[expect(clippy::unused_async, reason = "it awaits inside a blocking section")]
/// Does our work while the statement of another sleeps.
async fn beside<T>(database: &PostgresDatabase, statement: &str, ours: impl AsyncFnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| database.execute(statement));
        let done = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let sleeping = format!(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = '{}'",
                    database.name()
                );
                eventually(async || (database.execute(&sleeping).trim() == "1").then_some(())).await;
                ours().await
            })
        });
        other.join().unwrap();
        done
    })
}

async fn store(ledger: &Ledger, read_at: &str, rows: i64) -> WindowCounts {
    let stored = ledger.add_account(account()).await.unwrap();
    let held = ledger
        .acquire_lease(stored.id, "us", Duration::from_mins(5), Some(1))
        .await
        .unwrap();
    let LeaseAttempt::Acquired(lease) = held else {
        panic!("{held:?}")
    };
    let rows = (0..rows).map(|number| UsageRow {
        dimensions: Dimensions {
            model: Some(format!("model-{number}")),
            ..Dimensions::default()
        },
        metrics: Metrics {
            input_tokens: Some(number),
            ..Metrics::default()
        },
    });
    let replacement = Replacement {
        scope: Scope {
            account: account(),
            endpoint: Endpoint::Completions,
            width: Width::Day,
            filter: ProjectFilter::ALL,
            grouped_by: Endpoint::Completions.dimensions(),
        },
        refused: DimensionSet::EMPTY,
        empty: DimensionSet::EMPTY,
        read_started_at: parse_instant(read_at).unwrap(),
        run_id: 1,
        accept_retractions: false,
        windows: vec![WindowRows {
            window: Window::day(parse_day("2025-09-01").unwrap()),
            rows: rows.collect(),
        }],
    };
    let outcomes = ledger.replace_windows(&lease, replacement).await.unwrap();
    outcomes.into_iter().next().unwrap().result.unwrap()
}

async fn open(url: &str) -> Result<Ledger, StoreError> {
    let clock = Arc::new(ManualClock::new(parse_instant("2025-10-20T12:00:00Z").unwrap()));
    Ledger::open(url, clock, OpenMode::SetUpIfEmpty).await
}

fn account() -> Account {
    Account::new(Provider::OpenAi, "org-first").unwrap()
}

/// Writes a file into the server's data directory, readable by the server alone.
fn write_file(database: &PostgresDatabase, name: &str, text: &str) {
    database.execute(&format!(
        "COPY (SELECT unnest(string_to_array('{}', E'\\n'))) TO PROGRAM 'umask 077; cat > {name}'",
        text.trim_end()
    ));
}

/// Asks again until there is an answer, for as long as a loaded machine may need.
async fn eventually<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no answer within 30 s");
}
