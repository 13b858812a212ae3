//! Trouble: refused keys, a provider that is down, a run that is told to stop.

use std::sync::Arc;

use tokio::sync::watch;
use usage_core::{IssueCode, Severity};
use usage_ingest::{Outcome, Step};
use usage_simulator::AdminKey;
use usage_store::RunStatus;

use crate::actors::Listener;
use crate::organizations::{real_month, three_projects};
use crate::world::{ATTEMPTS, Database, Job, OWNER, World, assert_clean, codes, day};

const FIRST: &str = "2025-09-01";
const LAST: &str = "2025-10-01";

pub(crate) async fn a_refused_key_is_asked_once_and_nothing_is_written(database: Database) {
    let world = World::of(real_month(), database).await;
    assert!(world.simulator.revoke_key("owner"));
    let report = world.run(&weekly()).await;
    assert_eq!(codes(&report), [IssueCode::Unauthorized]);
    assert!(!report.issues[0].message.contains(OWNER), "{}", report.issues[0]);
    assert_eq!(report.outcome, Outcome::Failed);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.processed_keys, telemetry.failed_keys), (0, 1));
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (0, 31));
    assert_eq!(world.simulator.requests().len(), 1);
    assert_eq!(world.totals().await.events, 0);
    assert_eq!(world.coverage().await, []);
    assert_eq!(world.ledger.runs(1).await.unwrap()[0].status, RunStatus::Failed);
}

pub(crate) async fn a_key_revoked_on_the_way_keeps_what_was_read(database: Database) {
    let world = Arc::new(World::of(real_month(), database).await);
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
    assert_eq!(codes(&report), [IssueCode::Unauthorized]);
    assert_eq!(report.outcome, Outcome::Incomplete);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (7, 24));
    assert_eq!((telemetry.processed_keys, telemetry.failed_keys), (1, 0));
    assert_eq!(world.simulator.requests().len(), 3);
    assert_eq!(world.coverage().await.len(), 7);
    world.assert_equals_truth(FIRST, "2025-09-07").await;
    assert_eq!(
        world.ledger.runs(1).await.unwrap()[0].status,
        RunStatus::Incomplete
    );
}

pub(crate) async fn an_account_that_may_not_be_read_fails_though_another_one_is(database: Database) {
    let world = World::of(three_projects(), database).await;
    let member = "sk-admin-test-of-a-member";
    world.simulator.add_key(AdminKey::member(member));
    world.add_key_of("org-second", member).await;
    let report = world.backfill("2025-09-01", "2025-09-07").await;
    assert_eq!(codes(&report), [IssueCode::Forbidden]);
    assert_eq!(report.issues[0].severity, Severity::Error);
    assert_eq!(report.outcome, Outcome::Incomplete);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.processed_keys, telemetry.failed_keys), (1, 1));
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (7, 7));
    world.assert_equals_truth("2025-09-01", "2025-09-07").await;
}

pub(crate) async fn a_provider_that_is_down_is_given_up_and_the_next_run_completes(database: Database) {
    let world = World::of(real_month(), database).await;
    let until_given_up = 3 * ATTEMPTS as usize;
    world.simulator.fail_next(until_given_up, 500, None);
    let report = world.run(&weekly()).await;
    assert_eq!(codes(&report), [IssueCode::ProviderError; 3]);
    assert_eq!(report.outcome, Outcome::Failed);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (0, 31));
    assert_eq!((telemetry.requests, telemetry.retries), (6, 3));
    assert_eq!(telemetry.issues_by_code["PROVIDER_ERROR"], 3);
    assert_eq!(world.simulator.requests().len(), until_given_up);
    assert_eq!(world.coverage().await, []);

    assert_clean(&world.backfill(FIRST, LAST).await);
    world.assert_equals_truth(FIRST, LAST).await;
}

pub(crate) async fn one_failed_chunk_does_not_stop_the_others(database: Database) {
    let world = World::of(real_month(), database).await;
    world.simulator.fail_next(ATTEMPTS as usize, 503, None);
    let report = world.run(&weekly()).await;
    assert_eq!(codes(&report), [IssueCode::ProviderError]);
    assert_eq!(report.issues[0].severity, Severity::Error);
    assert_eq!(report.outcome, Outcome::Incomplete);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (24, 7));
    assert_eq!(world.coverage().await[0].window, day("2025-09-08"));

    let job = weekly();
    let plan = world.plan(&job).await;
    assert_eq!(
        (plan.windows(), plan.settled),
        (7, 24),
        "coverage is the checkpoint"
    );
    assert_clean(&world.work_off(&job, &plan).await);
    world.assert_equals_truth(FIRST, LAST).await;
}

pub(crate) async fn a_run_told_to_stop_before_it_begins_asks_nothing(database: Database) {
    let world = World::of(three_projects(), database).await;
    let (_stop, told) = watch::channel(true);
    let report = world
        .run(&Job {
            stop: told,
            ..Job::days("2025-09-01", "2025-09-07")
        })
        .await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(codes(&report), [IssueCode::Stopped]);
    assert!(report.issues[0].message.contains("7 windows to go"));
    assert_eq!(report.telemetry.failed_keys, 0, "nobody refused the key");
    assert_eq!(world.simulator.requests(), []);
    assert_eq!(world.coverage().await, []);
    let runs = world.ledger.runs(1).await.unwrap();
    assert_eq!((runs[0].id, runs[0].status), (report.run_id, RunStatus::Failed));
    assert!(runs[0].finished_at.is_some());
}

pub(crate) async fn a_run_told_to_stop_on_the_way_keeps_what_it_stored(database: Database) {
    let world = World::of(real_month(), database).await;
    let (stop, told) = watch::channel(false);
    let stop_after_the_first = Listener(move |step: Step<'_>| {
        if matches!(step, Step::ChunkDone { .. }) {
            stop.send_replace(true);
        }
    });
    let report = world
        .run(&Job {
            progress: &stop_after_the_first,
            stop: told,
            ..weekly()
        })
        .await;
    assert_eq!(report.outcome, Outcome::Incomplete);
    assert_eq!(codes(&report), [IssueCode::Stopped]);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.processed_keys, telemetry.failed_keys), (1, 0));
    assert_eq!((telemetry.windows_processed, telemetry.requests), (7, 2));
    assert_eq!(world.simulator.requests().len(), 2);
    world.assert_equals_truth(FIRST, "2025-09-07").await;
    let runs = world.ledger.runs(1).await.unwrap();
    assert_eq!(runs[0].status, RunStatus::Incomplete);
    assert!(runs[0].finished_at.is_some());
    assert_eq!(
        world.ledger.lease_holders().await.unwrap(),
        [],
        "the lease was given back"
    );

    assert_clean(&world.backfill(FIRST, LAST).await);
    world.assert_equals_truth(FIRST, LAST).await;
}

/// The real month in chunks of seven days.
fn weekly() -> Job<'static> {
    Job {
        chunk_windows: Some(7),
        ..Job::days(FIRST, LAST)
    }
}
