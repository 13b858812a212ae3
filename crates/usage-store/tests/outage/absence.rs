//! Connections that end, and a server that stays away.

use std::sync::Arc;
use std::time::Duration;

use usage_store::StoreError;
use usage_testkit::{PostgresCluster, Then};

use crate::world::{LONG, World, address_of, new_run, open, rows};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_ended_while_nobody_used_them_are_replaced() {
    let world = World::new().await;
    for _ in 0..3 {
        world.end_connections();
        world.ledger.start_run(new_run("backfill")).await.unwrap();
        world.end_connections();
        assert!(world.ledger.has_run("backfill").await.unwrap());
    }
    assert_eq!(world.database.execute("SELECT count(*) FROM runs"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_whose_answer_is_cut_off_is_read_again() {
    let world = World::new().await;
    world.direct.start_run(new_run("backfill")).await.unwrap();
    world.proxy.when_client_sends(&["FROM \"runs\""], Then::CutBehind);
    let runs = world.mending(world.ledger.runs(10)).await.unwrap();
    assert_eq!(runs.len(), 1);
}

/// The runs come in pages; the connections end while the first is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn no_run_passes_twice_when_a_fold_is_cut_off() {
    let world = Arc::new(World::new().await);
    world.database.execute(
        "INSERT INTO runs (kind, holder, status, started_at, finished_at, plan, telemetry, issues) \
         SELECT 'backfill', 'us', 'succeeded', n, n, '{}', '{}', '[]' FROM generate_series(1, 1200) n",
    );
    let there = world.clone();
    let passed = world
        .ledger
        .fold_run_telemetry(0, move |passed, _| {
            *passed += 1;
            if *passed == 1 {
                there.end_connections();
            }
        })
        .await
        .unwrap();
    assert_eq!(passed, 1200);
}

/// Killed in the middle of a transaction, with nothing of it committed, and started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_started_again_is_waited_for() {
    let cluster = PostgresCluster::start_durable().unwrap();
    let world = World::on(cluster.create_database()).await;
    world
        .proxy
        .when_client_sends(&["COPY \"usage_events\"", "COMMIT"], Then::HoldBefore);
    let outcomes = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                world.proxy.wait_until_acted();
                cluster.kill_server();
                world.proxy.mend();
                // It has asked a few times in vain when the server is there again.
                world.proxy.wait_for_clients(3);
                cluster.restart_server();
            });
            let read = world.read("2025-10-20T12:00:00Z", rows(300, 10));
            tokio::runtime::Handle::current().block_on(world.ledger.replace_windows(&world.lease, read))
        })
    });
    let counts = outcomes.unwrap().remove(0).result.unwrap();
    assert_eq!((counts.inserted, counts.unchanged, counts.revisions), (300, 0, 0));
    assert_eq!(world.database.execute("SELECT count(*) FROM usage_events"), "300");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_away_is_given_up_once_for_everybody() {
    let cluster = PostgresCluster::start_durable().unwrap();
    let database = cluster.create_database();
    let ledger = open(database.url(), Duration::from_secs(1)).await.unwrap();
    cluster.kill_server();
    let address = address_of(database.url());
    // The first waits for a second; those behind it do not wait another one, which nobody would see from here.
    for _ in 0..3 {
        let error = ledger.start_run(new_run("backfill")).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Lost { in_doubt: false, .. }),
            "{error:?}"
        );
        let line = error.to_string();
        assert!(
            line.starts_with(&format!(
                "the database postgres://{address}/test_1 went away and did not come back within 1 s: "
            )) && line.contains("Connection refused")
                && line.ends_with("; run the command again once it is back"),
            "{line}"
        );
    }
    cluster.restart_server();
    ledger.start_run(new_run("backfill")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_patience_a_loss_is_an_error_at_once() {
    let world = World::new().await;
    let ledger = open(world.database.url(), Duration::ZERO).await.unwrap();
    ledger.start_run(new_run("backfill")).await.unwrap();
    world.end_connections();
    let error = ledger
        .start_run(new_run("backfill"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("the database failed while beginning a transaction: "),
        "{error}"
    );
    ledger.start_run(new_run("backfill")).await.unwrap();
}

/// Of several servers, the one that takes writes.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_the_one_that_is_there_is_found() {
    let world = World::new().await;
    let address = address_of(world.database.url());
    let name = world.database.name();
    let several = format!(
        "postgres://postgres@127.0.0.1:1,{address},127.0.0.1:2/{name}?target_session_attrs=read-write"
    );
    let ledger = open(&several, LONG).await.unwrap();
    ledger.start_run(new_run("backfill")).await.unwrap();
    world.end_connections();
    ledger.start_run(new_run("backfill")).await.unwrap();
    assert_eq!(
        ledger.name(),
        format!("postgres://127.0.0.1:1,{address},127.0.0.1:2/{name}")
    );
    assert_eq!(world.database.execute("SELECT count(*) FROM runs"), "2");
}

/// As between the death of one leader and the election of the next.
#[tokio::test(flavor = "multi_thread")]
async fn who_begins_while_none_of_several_leads_waits_for_one() {
    let world = World::new().await;
    let name = world.database.name();
    let lead = |leads: bool| {
        let read_only = if leads { "off" } else { "on" };
        world.database.execute(&format!(
            "BEGIN READ WRITE; ALTER DATABASE {name} SET default_transaction_read_only = {read_only}; COMMIT"
        ));
    };
    lead(false);
    let url = format!(
        "{}?target_session_attrs=read-write",
        world.proxy.lead(world.database.url())
    );
    let impatient = open(&url, Duration::ZERO).await.unwrap_err().to_string();
    assert!(impatient.contains("session is read-only"), "{impatient}");
    let opened = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                world.proxy.wait_for_clients(3);
                lead(true);
            });
            tokio::runtime::Handle::current().block_on(open(&url, LONG))
        })
    });
    opened.unwrap().start_run(new_run("backfill")).await.unwrap();
}

/// Somebody set it so, and no waiting will change it.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_read_only_for_good_is_not_waited_for() {
    let world = World::new().await;
    let name = world.database.name();
    world.database.execute(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on"
    ));
    let ledger = open(world.database.url(), LONG).await.unwrap();
    let error = ledger
        .start_run(new_run("backfill"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot execute") && error.contains("in a read-only transaction"),
        "{error}"
    );
}
