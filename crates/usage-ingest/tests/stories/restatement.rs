//! Days that change: while they are open, until they settle, and after.

use chrono::TimeDelta;
use usage_core::{Endpoint, IssueCode, WindowState};
use usage_ingest::Outcome;
use usage_simulator::faults::{Fault, Injection};
use usage_store::{RevisionKind, RunStatus};

use crate::organizations::{group, three_projects, used};
use crate::world::{Database, Job, World, assert_clean, codes, day};

/// The day after the seventh of September: it is provisional, those before the fifth are settled.
const EIGHTH: &str = "2025-09-08T06:00:00Z";

pub(crate) async fn a_restated_day_keeps_its_old_values(database: Database) {
    let world = World::of(three_projects(), database).await;
    world.set_time(EIGHTH);
    let first = world.backfill("2025-09-07", "2025-09-07").await;
    assert_clean(&first);
    assert_eq!(world.coverage().await[0].state, WindowState::Provisional);

    world.restate("2025-09-07", 110);
    world.set_time("2025-09-09T06:00:00Z");
    let second = world.backfill("2025-09-07", "2025-09-07").await;
    assert_clean(&second);
    assert_eq!(
        (second.telemetry.updated_events, second.telemetry.revisions),
        (3, 3)
    );
    world.assert_equals_truth("2025-09-07", "2025-09-07").await;
    for stored in world.events().await {
        assert_eq!((stored.revision, stored.run_id), (2, second.run_id));
    }
    let mut before: Vec<Option<i64>> = Vec::new();
    for revision in world.revisions().await {
        assert_eq!(revision.kind, RevisionKind::Changed);
        assert_eq!(revision.replaced_by_run, second.run_id);
        assert_eq!(
            (revision.before.revision, revision.before.run_id),
            (1, first.run_id)
        );
        before.push(revision.before.event.metrics.input_tokens);
    }
    before.sort_unstable();
    assert_eq!(before, [Some(200), Some(400), Some(1_000)]);
}

pub(crate) async fn a_settled_day_is_restated_only_when_read_again(database: Database) {
    let world = World::of(three_projects(), database).await;
    world.backfill("2025-09-01", "2025-09-07").await;
    world.restate("2025-09-03", 150);
    let before = world.snapshot().await;
    assert_clean(&world.backfill("2025-09-01", "2025-09-07").await);
    assert_eq!(world.snapshot().await, before, "a settled day is not asked for");

    let report = world.run(&Job::again("2025-09-01", "2025-09-07")).await;
    assert_clean(&report);
    let telemetry = &report.telemetry;
    assert_eq!(
        (
            telemetry.updated_events,
            telemetry.unchanged_events,
            telemetry.revisions
        ),
        (3, 18, 3)
    );
    world.assert_equals_truth("2025-09-01", "2025-09-07").await;
}

pub(crate) async fn growth_of_an_open_day_is_no_restatement(database: Database) {
    let mut organization = three_projects();
    let log = organization.usage_mut(Endpoint::Completions);
    for hour in [8, 18] {
        let at = day("2025-09-10").start() + TimeDelta::hours(hour);
        log.add(at, &group("proj_one"), &used(500));
    }
    let world = World::of(organization, database).await;
    let job = Job::days("2025-09-01", "2025-09-12");
    let plan_at = async |time: &str| {
        world.set_time(time);
        let plan = world.plan(&job).await;
        let first = plan.chunks[0].windows.windows().next().unwrap();
        (first, plan.windows(), plan.settled, plan.not_begun)
    };

    assert_eq!(
        plan_at("2025-09-10T12:00:00Z").await,
        (day("2025-09-01"), 10, 0, 2)
    );
    assert_clean(&world.run(&job).await);
    assert_eq!(world.inputs("2025-09-10").await, [("proj_one".to_owned(), 500)]);
    let end = day("2025-09-10").end_unix().to_string();
    for request in world.simulator.requests() {
        assert_eq!(
            request.value("end_time"),
            Some(end.as_str()),
            "the future is not asked for"
        );
    }

    // The sixth settled at midnight before the first read, the seventh had not by then.
    assert_eq!(
        plan_at("2025-09-10T20:00:00Z").await,
        (day("2025-09-07"), 4, 6, 2)
    );
    let grown = world.run(&job).await;
    assert_clean(&grown);
    assert_eq!(
        (grown.telemetry.updated_events, grown.telemetry.revisions),
        (1, 0)
    );
    assert_eq!(world.inputs("2025-09-10").await, [("proj_one".to_owned(), 1_000)]);

    assert_eq!(
        plan_at("2025-09-11T06:00:00Z").await,
        (day("2025-09-07"), 5, 6, 1)
    );
    assert_clean(&world.run(&job).await);
    assert_eq!(
        plan_at("2025-09-11T07:00:00Z").await,
        (day("2025-09-08"), 4, 7, 1),
        "the seventh was read after it settled"
    );
    assert_eq!(world.revisions().await, []);
    let states: Vec<WindowState> = world.coverage().await.iter().map(|read| read.state).collect();
    assert_eq!(states[..7], [WindowState::Settled; 7]);
    assert_eq!(states[7..10], [WindowState::Provisional; 3]);
    assert_eq!(states[10..], [WindowState::Open]);
}

pub(crate) async fn a_chunk_of_open_windows_has_no_control_total(database: Database) {
    let world = World::of(three_projects(), database).await;
    world.set_time("2025-09-07T12:00:00Z");
    let job = Job::days("2025-09-07", "2025-09-09");
    let plan = world.plan(&job).await;
    assert_eq!((plan.windows(), plan.not_begun), (1, 2));
    assert_eq!((plan.chunks[0].pages, plan.chunks[0].control_pages), (1, 0));
    assert_clean(&world.work_off(&job, &plan).await);
    assert_eq!(world.requests(), 1);
    world.assert_equals_truth("2025-09-07", "2025-09-07").await;
}

pub(crate) async fn a_day_that_closes_between_plan_and_run_has_its_control_total(database: Database) {
    let world = World::of(three_projects(), database).await;
    world.set_time("2025-09-07T23:59:00Z");
    let job = Job::days("2025-09-07", "2025-09-07");
    let plan = world.plan(&job).await;
    assert_eq!(plan.chunks[0].control_pages, 0);
    world.set_time("2025-09-08T00:01:00Z");
    assert_clean(&world.work_off(&job, &plan).await);
    assert_eq!(world.requests(), 2, "grouped, and without grouping");
    assert_eq!(world.coverage().await[0].state, WindowState::Provisional);
    world.assert_equals_truth("2025-09-07", "2025-09-07").await;
}

pub(crate) async fn a_provider_whose_clock_goes_wrong_makes_no_closed_day_of_an_open_one(database: Database) {
    let world = World::of(three_projects(), database).await;
    for (fault, now, state) in [
        // Five hours ahead, the provider believes that the day is over; by ours it is not.
        (Fault::ClockAhead, "2025-09-07T20:00:00Z", WindowState::Open),
        // Five hours behind, it believes that the day goes on, and leaves out what it has not seen yet.
        (
            Fault::ClockBehind,
            "2025-09-08T01:00:00Z",
            WindowState::Provisional,
        ),
    ] {
        world.set_time(now);
        world.simulator.inject(Injection::new(fault));
        let report = world.run(&Job::days("2025-09-07", "2025-09-07")).await;
        world.simulator.clear_faults();
        assert_clean(&report);
        let coverage = world.coverage().await;
        assert_eq!((coverage.len(), coverage[0].state), (1, state), "{fault:?}");
    }
    // Whatever was left out comes with the next read, before the day is settled.
    world.set_time("2025-09-09T00:00:00Z");
    assert_clean(&world.run(&Job::days("2025-09-07", "2025-09-07")).await);
    world.assert_equals_truth("2025-09-07", "2025-09-07").await;
}

pub(crate) async fn a_vanished_row_is_retracted_and_kept(database: Database) {
    let world = World::of(three_projects(), database).await;
    world.backfill("2025-09-01", "2025-09-07").await;
    world.remove("2025-09-03", |dimensions| {
        dimensions.project_id.as_deref() == Some("proj_two")
    });

    let report = world.run(&Job::again("2025-09-01", "2025-09-07")).await;
    assert_clean(&report);
    assert_eq!(
        (report.telemetry.retracted_events, report.telemetry.revisions),
        (1, 1)
    );
    world.assert_equals_truth("2025-09-01", "2025-09-07").await;
    let revisions = world.revisions().await;
    assert_eq!(revisions.len(), 1);
    assert_eq!(revisions[0].kind, RevisionKind::Retracted);
    assert_eq!(revisions[0].replaced_by_run, report.run_id);
    let before = &revisions[0].before.event;
    assert_eq!(before.window, day("2025-09-03"));
    assert_eq!(before.dimensions.project_id.as_deref(), Some("proj_two"));
    assert_eq!(before.metrics.input_tokens, Some(400));
}

pub(crate) async fn a_read_that_empties_a_day_is_held_until_accepted(database: Database) {
    let world = World::of(three_projects(), database).await;
    world.backfill("2025-09-01", "2025-09-07").await;
    world.remove("2025-09-03", |_| true);
    world.restate("2025-09-04", 120);
    let mut job = Job::again("2025-09-01", "2025-09-07");

    let held = world.run(&job).await;
    assert_eq!(codes(&held), [IssueCode::MassRetraction]);
    assert!(
        held.issues[0].message.contains("2025-09-03"),
        "{}",
        held.issues[0]
    );
    assert_eq!(held.outcome, Outcome::Incomplete);
    let telemetry = &held.telemetry;
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (6, 1));
    assert_eq!(
        (telemetry.retracted_events, telemetry.updated_events),
        (0, 3),
        "its neighbour is restated all the same"
    );
    assert_eq!(world.inputs("2025-09-03").await.len(), 3);
    assert_eq!(
        world.ledger.runs(1).await.unwrap()[0].status,
        RunStatus::Incomplete
    );

    job.accept_retractions = true;
    let accepted = world.run(&job).await;
    assert_clean(&accepted);
    assert_eq!(accepted.telemetry.retracted_events, 3);
    world.assert_equals_truth("2025-09-01", "2025-09-07").await;
    let kept = world.revisions().await;
    assert_eq!(
        kept.iter()
            .filter(|revision| revision.kind == RevisionKind::Retracted)
            .count(),
        3
    );
}
