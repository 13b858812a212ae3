//! Leases: one run at a time reads an account.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use usage_core::IssueCode;
use usage_ingest::{Outcome, ProcessIdentity, RunReport, Step, Telemetry};
use usage_providers::{UsageQuery, UsageRead};
use usage_store::{Lease, LeaseAttempt, RunStatus};

use crate::actors::{Listener, Meddling};
use crate::organizations::three_projects;
use crate::world::{Database, Job, OWNER, World, assert_clean, codes, day};

const FIRST: &str = "2025-09-01";
const LAST: &str = "2025-09-07";
/// Longer than any test runs.
const LONG: Duration = Duration::from_hours(1);

pub(crate) async fn a_dead_holder_is_replaced_at_once(database: Database) {
    let world = World::of(three_projects(), database).await;
    // The process of these tests, as if its number had belonged to another before.
    let living = ProcessIdentity::current().to_string();
    let (identity, _) = living.split_once("start=").unwrap();
    take(&world, &format!("{identity}start=1"), None).await;

    let waited = Arc::new(AtomicBool::new(false));
    let listener = Listener({
        let waited = waited.clone();
        move |step: Step<'_>| {
            if matches!(step, Step::WaitingForLease { .. }) {
                waited.store(true, Ordering::Relaxed);
            }
        }
    });
    let report = world
        .run(&Job {
            progress: &listener,
            ..Job::days(FIRST, LAST)
        })
        .await;
    assert_clean(&report);
    assert!(!waited.load(Ordering::Relaxed));
    world.assert_equals_truth(FIRST, LAST).await;
}

pub(crate) async fn a_run_waits_until_another_is_done(database: Database) {
    let world = World::of(three_projects(), database).await;
    let lease = take(&world, &ProcessIdentity::current().to_string(), None).await;
    let (waits, mut waiting) = mpsc::unbounded_channel();
    let listener = Listener(move |step: Step<'_>| {
        if let Step::WaitingForLease { account, holder, .. } = step {
            waits.send(format!("{account} held by {holder}")).unwrap();
        }
    });
    let job = Job {
        progress: &listener,
        ..Job::days(FIRST, LAST)
    };
    let other = async {
        let told = waiting.recv().await.unwrap();
        assert!(told.starts_with("openai/org-first held by host="), "{told}");
        assert_eq!(world.simulator.requests(), [], "who waits asks nothing");
        world.ledger.release_lease(&lease).await.unwrap();
    };
    let (report, ()) = tokio::join!(world.run(&job), other);
    assert_clean(&report);
    assert!(waiting.try_recv().is_err(), "it said so once");
    world.assert_equals_truth(FIRST, LAST).await;
    assert_eq!(world.ledger.lease_holders().await.unwrap(), []);
}

pub(crate) async fn two_runs_at_once_count_nothing_twice(database: Database) {
    let world = World::of(three_projects(), database).await;
    let job = Job::again(FIRST, LAST);
    let (one, other) = tokio::join!(world.run(&job), world.run(&job));
    for report in [&one, &other] {
        assert_clean(report);
        assert_eq!(report.telemetry.windows_processed, 7);
    }
    let sum = |count: fn(&Telemetry) -> u64| count(&one.telemetry) + count(&other.telemetry);
    assert_eq!(sum(|telemetry| telemetry.stored_events), 21);
    assert_eq!(sum(|telemetry| telemetry.unchanged_events), 21);
    assert_eq!(world.requests(), 4);
    world.assert_equals_truth(FIRST, LAST).await;
    assert_eq!(world.revisions().await, []);
}

pub(crate) async fn who_waited_asks_nothing_about_what_was_settled_meanwhile(database: Database) {
    let world = World::of(three_projects(), database).await;
    let report = waiting_while_another_reads_until(&world, LAST).await;
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.requests, telemetry.windows_processed), (0, 0));
    assert_eq!(telemetry.windows_settled_meanwhile, 7);
    assert_eq!(world.requests(), 2, "those of the first run");
    world.assert_equals_truth(FIRST, LAST).await;
}

pub(crate) async fn who_waited_asks_for_what_was_left(database: Database) {
    let world = World::of(three_projects(), database).await;
    let report = waiting_while_another_reads_until(&world, "2025-09-04").await;
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.requests, telemetry.windows_processed), (2, 3));
    assert_eq!(telemetry.windows_settled_meanwhile, 4);
    let starts: Vec<String> = world
        .simulator
        .requests()
        .iter()
        .map(|request| request.value("start_time").unwrap().to_owned())
        .collect();
    let start = |date| day(date).start_unix().to_string();
    let (whole, rest) = (start(FIRST), start("2025-09-05"));
    assert_eq!(starts, [whole.clone(), whole, rest.clone(), rest]);
    world.assert_equals_truth(FIRST, LAST).await;
}

/// A run that has planned the whole week and waits while another one reads it up to a day.
async fn waiting_while_another_reads_until(world: &World, last: &str) -> RunReport {
    let (reads, mut reading) = watch::channel(false);
    let (waits, waiting) = watch::channel(false);
    let meddle = move |_: UsageQuery, read: UsageRead| {
        reads.send_replace(true);
        let mut waiting = waiting.clone();
        async move {
            waiting.wait_for(|waits| *waits).await.unwrap();
            Ok(read)
        }
    };
    let first = Job {
        readers: Some(vec![world.reader_through(Arc::new(Meddling {
            inner: world.client(OWNER),
            meddle,
        }))]),
        ..Job::days(FIRST, last)
    };
    let listener = Listener(move |step: Step<'_>| {
        if matches!(step, Step::WaitingForLease { .. }) {
            waits.send_replace(true);
        }
    });
    let second = async {
        reading.wait_for(|reads| *reads).await.unwrap();
        let job = Job {
            progress: &listener,
            ..Job::days(FIRST, LAST)
        };
        world.run(&job).await
    };
    let (first, second) = tokio::join!(world.run(&first), second);
    assert_clean(&first);
    assert_clean(&second);
    second
}

pub(crate) async fn a_lease_that_stays_held_ends_the_run(database: Database) {
    let world = World::of(three_projects(), database).await;
    let job = Job::days(FIRST, LAST);
    let plan = world.plan(&job).await;
    take(&world, "somebody else", None).await;
    // Nothing of this run goes over the wire, so its waiting can take place in virtual time.
    tokio::time::pause();
    let report = world.work_off(&job, &plan).await;
    tokio::time::resume();
    assert_eq!(codes(&report), [IssueCode::LeaseHeld]);
    assert!(
        report.issues[0].message.contains("openai/org-first")
            && report.issues[0].message.contains("somebody else"),
        "{}",
        report.issues[0]
    );
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(world.simulator.requests(), []);
    assert_eq!(world.coverage().await, []);
    assert_eq!(world.ledger.runs(1).await.unwrap()[0].status, RunStatus::Failed);
}

pub(crate) async fn a_run_can_be_stopped_while_it_waits_for_a_lease(database: Database) {
    let world = World::of(three_projects(), database).await;
    take(&world, "somebody else", None).await;
    let (stop, told) = watch::channel(false);
    let impatient = Listener(move |step: Step<'_>| {
        if matches!(step, Step::WaitingForLease { .. }) {
            stop.send_replace(true);
        }
    });
    let report = world
        .run(&Job {
            progress: &impatient,
            stop: told,
            ..Job::days(FIRST, LAST)
        })
        .await;
    assert_eq!(codes(&report), [IssueCode::Stopped]);
    assert_eq!(world.simulator.requests(), []);
}

pub(crate) async fn a_stolen_lease_leaves_nothing_half_written(database: Database) {
    let world = World::of(three_projects(), database).await;
    let reads = Arc::new(AtomicUsize::new(0));
    // Two reads a chunk: the third is the first of the second chunk.
    let meddle = {
        let (ledger, account_id) = (world.ledger.clone(), world.account.id);
        move |_: UsageQuery, read: UsageRead| {
            let (ledger, reads) = (ledger.clone(), reads.clone());
            async move {
                if reads.fetch_add(1, Ordering::Relaxed) == 2 {
                    let stolen = ledger.acquire_lease(account_id, "a thief", LONG, Some(1)).await;
                    assert!(matches!(stolen, Ok(LeaseAttempt::Acquired(_))), "{stolen:?}");
                }
                Ok(read)
            }
        }
    };
    let reader = world.reader_through(Arc::new(Meddling {
        inner: world.client(OWNER),
        meddle,
    }));
    let report = world
        .run(&Job {
            chunk_windows: Some(3),
            readers: Some(vec![reader]),
            ..Job::days(FIRST, LAST)
        })
        .await;
    assert_eq!(codes(&report), [IssueCode::LeaseLost]);
    assert_eq!(report.outcome, Outcome::Incomplete);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (3, 4));
    assert_eq!(world.requests(), 4, "nothing is asked once the lease is lost");
    assert_eq!(world.coverage().await.len(), 3);
    world.assert_equals_truth(FIRST, "2025-09-03").await;
    assert_eq!(
        world.ledger.lease_holders().await.unwrap(),
        [(world.account.id, "a thief".to_owned())],
        "the thief keeps what he has"
    );
}

async fn take(world: &World, holder: &str, dead: Option<i64>) -> Lease {
    let attempt = world
        .ledger
        .acquire_lease(world.account.id, holder, LONG, dead)
        .await;
    match attempt.unwrap() {
        LeaseAttempt::Acquired(lease) => lease,
        held @ LeaseAttempt::Held { .. } => panic!("{held:?}"),
    }
}
