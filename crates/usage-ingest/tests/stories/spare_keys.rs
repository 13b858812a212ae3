//! A key that the provider stops accepting, and the other keys of its account.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use usage_core::{IssueCode, ProjectFilter, Severity};
use usage_ingest::{Outcome, Reader, RunReport, Step};
use usage_providers::{UsageQuery, UsageRead};
use usage_simulator::AdminKey;
use usage_store::{KeyStatus, RunStatus};

use crate::actors::{Listener, Meddling};
use crate::organizations::real_month;
use crate::world::{Database, Job, OWNER, World, codes};

const FIRST: &str = "2025-09-01";
const LAST: &str = "2025-10-01";
const SECOND: &str = "sk-admin-test-second-not-a-real-key";

pub(crate) async fn a_refused_key_is_replaced_by_the_next_of_its_account(database: Database) {
    let world = with_two_keys(database).await;
    assert!(world.simulator.revoke_key("owner"));
    let report = world.run(&weekly()).await;
    assert_second_key_read_all(&world, &report).await;
    assert_eq!(
        (report.telemetry.processed_keys, report.telemetry.failed_keys),
        (1, 1)
    );
    assert_eq!(
        keys_that_asked(&world),
        [(None, 1), (Some("second".to_owned()), 10)]
    );
}

pub(crate) async fn a_key_revoked_between_two_chunks_is_replaced(database: Database) {
    let world = Arc::new(with_two_keys(database).await);
    let revoke = Listener({
        let world = world.clone();
        move |step: Step<'_>| {
            if matches!(step, Step::ChunkDone { .. }) {
                world.simulator.revoke_key("owner");
            }
        }
    });
    let report = world
        .run(&Job {
            progress: &revoke,
            ..weekly()
        })
        .await;
    assert_second_key_read_all(&world, &report).await;
    assert_eq!(
        (report.telemetry.processed_keys, report.telemetry.failed_keys),
        (2, 0)
    );
    assert_eq!(
        keys_that_asked(&world),
        [
            (Some("owner".to_owned()), 2),
            (None, 1),
            (Some("second".to_owned()), 8)
        ]
    );
}

/// The chunk whose control total was refused is read anew as a whole.
pub(crate) async fn a_key_revoked_within_a_chunk_is_replaced(database: Database) {
    let world = Arc::new(with_two_keys(database).await);
    let reads = AtomicUsize::new(0);
    let meddle = {
        let world = world.clone();
        move |_: UsageQuery, read: UsageRead| {
            // Two reads a chunk: the third is the first of the second chunk.
            if reads.fetch_add(1, Ordering::Relaxed) == 2 {
                assert!(world.simulator.revoke_key("owner"));
            }
            std::future::ready(Ok(read))
        }
    };
    let mut readers = world.readers().await;
    let reader = Reader {
        spare_keys: readers.remove(0).spare_keys,
        ..world.reader_through(Arc::new(Meddling {
            inner: world.client(OWNER),
            meddle,
        }))
    };
    let report = world
        .run(&Job {
            readers: Some(vec![reader]),
            ..weekly()
        })
        .await;
    assert_second_key_read_all(&world, &report).await;
    assert_eq!(
        keys_that_asked(&world),
        [
            (Some("owner".to_owned()), 3),
            (None, 1),
            (Some("second".to_owned()), 8)
        ]
    );
}

pub(crate) async fn an_account_fails_when_none_of_its_keys_is_accepted(database: Database) {
    let world = with_two_keys(database).await;
    for label in ["owner", "second"] {
        assert!(world.simulator.revoke_key(label));
    }
    let report = world.run(&weekly()).await;
    assert_eq!(codes(&report), [IssueCode::Unauthorized; 2]);
    let severities: Vec<Severity> = report.issues.iter().map(|issue| issue.severity).collect();
    assert_eq!(severities, [Severity::Warning, Severity::Error]);
    assert_eq!(report.outcome, Outcome::Failed);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.processed_keys, telemetry.failed_keys), (0, 2));
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (0, 31));
    assert_eq!(keys_that_asked(&world), [(None, 2)], "each was asked once");
    assert_eq!(world.coverage().await, []);
    assert_eq!(world.ledger.runs(1).await.unwrap()[0].status, RunStatus::Failed);
}

/// The real month, and a second key for everything.
async fn with_two_keys(database: Database) -> World {
    let world = World::of(real_month(), database).await;
    world
        .simulator
        .add_key(AdminKey::owner(SECOND).labelled("second"));
    world
        .add_labelled_key("finance", SECOND, ProjectFilter::ALL)
        .await;
    world
}

/// The run says which key was not accepted and is clean otherwise; what is known about the keys stays.
async fn assert_second_key_read_all(world: &World, report: &RunReport) {
    let [issue] = report.issues.as_slice() else {
        panic!("{:?}", report.issues);
    };
    assert_eq!(
        (issue.code, issue.severity),
        (IssueCode::Unauthorized, Severity::Warning)
    );
    let told = "openai/org-first: key 1 (first) is not accepted, key 2 (finance) reads instead; \
                see `usage keys check 1`: ";
    assert!(issue.message.starts_with(told), "{issue}");
    assert!(
        !issue.message.contains(OWNER) && !issue.message.contains(SECOND),
        "{issue}"
    );
    assert_eq!(report.outcome, Outcome::Clean);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (31, 0));
    assert_eq!(telemetry.requests, world.simulator.requests().len() as u64);
    world.assert_equals_truth(FIRST, LAST).await;
    for key in world.ledger.keys().await.unwrap() {
        assert_eq!(key.status, KeyStatus::Active, "a run judges no key");
    }
}

/// How many requests came from which key in a row, by the simulator's labels; none is a key that it does not know.
fn keys_that_asked(world: &World) -> Vec<(Option<String>, usize)> {
    let mut rows: Vec<(Option<String>, usize)> = Vec::new();
    for request in world.simulator.requests() {
        match rows.last_mut().filter(|(key, _)| *key == request.key) {
            Some((_, requests)) => *requests += 1,
            None => rows.push((request.key, 1)),
        }
    }
    rows
}

/// The real month in chunks of seven days.
fn weekly() -> Job<'static> {
    Job {
        chunk_windows: Some(7),
        ..Job::days(FIRST, LAST)
    }
}
