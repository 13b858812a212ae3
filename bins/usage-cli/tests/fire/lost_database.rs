//! A PostgreSQL server that goes away in the middle of a run.

use usage_testkit::{PostgresCluster, Proxy, Then};

use crate::fixture::{BACKFILL, DAYS, DatabaseKind, Finished, Place, Provider, finish, finished};

/// Enough rows in a chunk for COPY, so that it marks the transaction that writes them.
const GROUPS: u32 = 250;
/// The transaction that writes the second chunk.
const SECOND_CHUNK: [&str; 3] = ["COPY \"usage_events\"", "COPY \"usage_events\"", "COMMIT"];

#[test]
fn a_killed_server_leaves_whole_chunks_and_the_next_run_goes_on() {
    let provider = Provider::with_groups(GROUPS);
    let truth = provider.truth();
    // One that keeps what it has committed, as an operator's does.
    let cluster = PostgresCluster::start_durable().unwrap();
    let mut place = Place::on(cluster.create_database(), &provider);
    place.add_key().succeeds();
    let direct = place.database_url.clone();
    let proxy = Proxy::to(address_of(&direct));
    place.database_url = proxy.lead(&direct);

    proxy.when_client_sends(&SECOND_CHUNK, Then::HoldBefore);
    let run = impatient(&place).spawn().unwrap();
    proxy.wait_until_acted();
    cluster.kill_server();
    proxy.mend();
    let killed = finished(run);
    is_plain(&killed);

    cluster.restart_server();
    place.database_url = direct;
    assert_eq!(place.count("usage_coverage"), 2, "{killed:#?}");
    let resumed = place.run(&BACKFILL).succeeds();
    assert!(!resumed.stderr.contains("waiting"), "a dead holder: {resumed:#?}");
    place.holds(&truth);
}

#[test]
fn a_cut_before_the_commit_loses_the_chunk_and_nothing_else() {
    cut(Then::CutBefore, 2);
}

#[test]
fn a_cut_before_the_answer_to_the_commit_keeps_the_chunk() {
    cut(Then::CutBehind, 4);
}

/// Connections end in the middle of the second chunk's transaction, and no new ones can be made for the rest of the run.
fn cut(then: Then, windows_left: i64) {
    let provider = Provider::with_groups(GROUPS);
    let truth = provider.truth();
    let mut place = Place::with_key(DatabaseKind::Postgres, &provider);
    let direct = place.database_url.clone();
    let proxy = Proxy::to(address_of(&direct));
    place.database_url = proxy.lead(&direct);
    proxy.when_client_sends(&SECOND_CHUNK, then);
    let cut = finish(&mut impatient(&place));
    is_plain(&cut);

    place.database_url = direct;
    // The server may not have seen yet that nobody is there any more.
    crate::fixture::eventually("the open transaction ends", || {
        place.count("pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'") == 0
    });
    assert_eq!(place.count("usage_coverage"), windows_left, "{cut:#?}");
    let resumed = place.run(&BACKFILL).succeeds();
    assert!(!resumed.stderr.contains("waiting"), "{resumed:#?}");
    place.holds(&truth);
    assert_eq!(place.count("usage_revisions"), 0);
}

#[test]
fn six_cuts_between_the_first_byte_and_the_last_chunk_are_survived() {
    let provider = Provider::with_groups(GROUPS);
    let truth = provider.truth();
    // From the handshake of the first connection to the last chunk.
    let cuts = [0, 300, 2_000, 5_000, 9_000, 20_000];
    std::thread::scope(|scope| {
        for bytes in cuts {
            let (provider, truth) = (&provider, &truth);
            scope.spawn(move || {
                let mut place = Place::with_key(DatabaseKind::Postgres, provider);
                let direct = place.database_url.clone();
                let proxy = Proxy::to(address_of(&direct));
                place.database_url = proxy.lead(&direct);
                proxy.cut_after(bytes);
                is_plain(&finish(&mut impatient(&place)));

                place.database_url = direct;
                place.run(&BACKFILL).succeeds();
                place.holds(truth);
                assert_eq!(place.count("usage_revisions"), 0);
            });
        }
    });
}

/// Stopped for as long as it takes to be missed, and started again: the run goes on by itself, and does nothing twice.
#[test]
fn a_server_that_comes_back_is_waited_for_and_nothing_is_lost() {
    let provider = Provider::with_groups(GROUPS);
    let truth = provider.truth();
    let cluster = PostgresCluster::start_durable().unwrap();
    let mut place = Place::on(cluster.create_database(), &provider);
    place.add_key().succeeds();
    let direct = place.database_url.clone();
    let proxy = Proxy::to(address_of(&direct));
    place.database_url = proxy.lead(&direct);
    provider.simulator.clear_requests();

    proxy.when_client_sends(&SECOND_CHUNK, Then::HoldBefore);
    let run = place.command(&BACKFILL).spawn().unwrap();
    proxy.wait_until_acted();
    cluster.kill_server();
    proxy.mend();
    proxy.wait_for_clients(5);
    cluster.restart_server();
    let survived = finished(run).succeeds();

    assert!(
        survived.stderr.contains("the database went away; waiting up to "),
        "{survived:#?}"
    );
    place.database_url = direct;
    place.holds(&truth);
    assert_eq!(place.count("usage_revisions"), 0);
    assert_eq!(place.run_statuses(), ["succeeded"]);
    assert_eq!(
        provider.simulator.requests().len(),
        6,
        "nothing was asked for twice"
    );
}

#[test]
fn an_answer_that_was_cut_off_is_not_waited_for_in_vain() {
    for then in [Then::CutBefore, Then::CutBehind, Then::CutAtWork] {
        let provider = Provider::with_groups(GROUPS);
        let truth = provider.truth();
        let mut place = Place::with_key(DatabaseKind::Postgres, &provider);
        let direct = place.database_url.clone();
        let proxy = Proxy::to(address_of(&direct));
        place.database_url = proxy.lead(&direct);
        let backfill = [&BACKFILL[..], &["--format", "json"]].concat();
        proxy.when_client_sends(&SECOND_CHUNK, then);
        let run = place.command(&backfill).spawn().unwrap();
        proxy.wait_until_acted();
        proxy.mend();
        let report = finished(run).succeeds().json();
        assert_eq!(
            report["run"]["telemetry"]["storedEvents"], truth.rows,
            "{report:#}"
        );
        assert_eq!(report["run"]["telemetry"]["windowsProcessed"], DAYS, "{report:#}");
        assert_eq!(report["run"]["telemetry"]["unchangedEvents"], 0, "{report:#}");
        place.database_url = direct;
        place.holds(&truth);
        assert_eq!(place.run_statuses(), ["succeeded"]);
    }
}

#[test]
fn a_server_that_stays_away_ends_the_run_in_one_line() {
    let provider = Provider::with_groups(GROUPS);
    let mut place = Place::with_key(DatabaseKind::Postgres, &provider);
    let direct = place.database_url.clone();
    let proxy = Proxy::to(address_of(&direct));
    place.database_url = proxy.lead(&direct);
    proxy.when_client_sends(&SECOND_CHUNK, Then::CutBefore);
    let mut backfill = place.command(&BACKFILL);
    let gone = finish(backfill.env("USAGE_DATABASE_RETRY_SECONDS", "1")).ends_with(2);
    let errors = gone.fails_plainly();
    assert_eq!(errors.len(), 1, "{gone:#?}");
    assert!(
        errors[0].starts_with("the database postgres://127.0.0.1:")
            && errors[0].contains(" went away and did not come back within 1 s: ")
            && errors[0].ends_with("; run the command again once it is back"),
        "{gone:#?}"
    );
    assert_eq!(gone.stdout, "");
}

/// A backfill that waits for no database.
fn impatient(place: &Place) -> std::process::Command {
    let mut command = place.command(&BACKFILL);
    command.env("USAGE_DATABASE_RETRY_SECONDS", "0");
    command
}

#[track_caller]
fn is_plain(finished: &Finished) {
    let errors = finished.fails_plainly();
    assert_eq!(errors.len(), 1, "{finished:#?}");
    assert!(
        errors[0].starts_with("the database failed while ")
            || errors[0].starts_with("cannot open the database "),
        "{finished:#?}"
    );
    assert_eq!(finished.stdout, "", "{finished:#?}");
}

fn address_of(url: &str) -> std::net::SocketAddr {
    let (_, rest) = url.rsplit_once('@').unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}
