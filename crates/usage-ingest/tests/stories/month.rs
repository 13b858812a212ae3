//! The real month: what the provider's own export of it says.

use usage_core::{DimensionSet, Endpoint, WindowState};
use usage_simulator::Simulator;
use usage_store::RunStatus;

use crate::organizations::{real_month, three_projects};
use crate::world::{Database, Job, World, assert_clean, day};

const FIRST: &str = "2025-09-01";
const LAST: &str = "2025-10-01";

pub(crate) async fn the_real_month_takes_two_requests(database: Database) {
    let world = World::of(real_month(), database).await;
    let job = Job::days(FIRST, LAST);
    let plan = world.plan(&job).await;
    assert_eq!((plan.requests(), plan.windows()), (2, 31));
    let report = world.work_off(&job, &plan).await;
    assert_clean(&report);
    assert_eq!(
        world.simulator.requests().len(),
        2,
        "one page and its control total"
    );

    let totals = world.totals().await;
    assert_eq!((totals.events, totals.windows_with_usage), (31, 16));
    let metrics = totals.metrics;
    assert_eq!(metrics.input_tokens, Some(173_264_675));
    assert_eq!(metrics.input_cached_tokens, Some(56_648_320));
    assert_eq!(metrics.output_tokens, Some(2_630_441));
    assert_eq!(metrics.num_model_requests, Some(1_437));
    world.assert_equals_truth(FIRST, LAST).await;

    let everything = Endpoint::Completions.dimensions();
    for stored in world.events().await {
        let dimensions = &stored.event.dimensions;
        assert_eq!(dimensions.present(), everything, "{dimensions:?}");
        assert_eq!(dimensions.api_source.as_deref(), Some("unlabeled"));
        assert_eq!((stored.revision, stored.run_id), (1, report.run_id));
    }
    let coverage = world.coverage().await;
    assert_eq!(coverage.len(), 31);
    assert_eq!(coverage.iter().filter(|read| read.event_count > 0).count(), 16);
    for read in &coverage {
        assert_eq!(read.state, WindowState::Settled);
        assert_eq!(read.grouped_by, Endpoint::Completions.dimensions());
        assert_eq!(
            (read.refused, read.empty),
            (DimensionSet::EMPTY, DimensionSet::EMPTY)
        );
    }

    let runs = world.ledger.runs(10).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].status, RunStatus::Succeeded);
    assert_eq!(runs[0].issues, "[]");
    assert_eq!(
        runs[0].telemetry,
        serde_json::to_string(&report.telemetry).unwrap()
    );
    insta::assert_json_snapshot!("the_report_of_the_real_month", report);
}

pub(crate) async fn a_month_read_already_is_not_asked_for_again(database: Database) {
    let world = World::of(real_month(), database).await;
    world.backfill(FIRST, LAST).await;
    world.simulator.clear_requests();
    let before = world.snapshot().await;

    let job = Job::days(FIRST, LAST);
    let plan = world.plan(&job).await;
    assert_eq!((plan.requests(), plan.windows(), plan.settled), (0, 0, 31));
    let report = world.work_off(&job, &plan).await;
    assert_clean(&report);
    assert_eq!(world.simulator.requests(), []);
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn reading_unchanged_data_again_changes_nothing(database: Database) {
    let world = World::of(real_month(), database).await;
    world.backfill(FIRST, LAST).await;
    let before = world.snapshot().await;
    world.set_time("2025-10-21T12:00:00Z");

    let report = world.run(&Job::again(FIRST, LAST)).await;
    assert_clean(&report);
    let telemetry = &report.telemetry;
    assert_eq!(telemetry.windows_processed, 31);
    assert_eq!(telemetry.unchanged_events, 31);
    assert_eq!(
        (
            telemetry.stored_events,
            telemetry.updated_events,
            telemetry.retracted_events,
            telemetry.revisions
        ),
        (0, 0, 0, 0)
    );
    assert_eq!(world.snapshot().await, before);
    let coverage = world.coverage().await;
    assert!(coverage.iter().all(|read| read.run_id == report.run_id));
}

pub(crate) async fn four_days_of_the_month_are_four_windows(database: Database) {
    let world = World::of(real_month(), database).await;
    let report = world.backfill("2025-09-02", "2025-09-05").await;
    assert_clean(&report);
    assert_eq!(
        (report.telemetry.stored_events, report.telemetry.windows_processed),
        (8, 4)
    );
    let coverage = world.coverage().await;
    assert_eq!(coverage.len(), 4);
    assert_eq!(coverage[0].window, day("2025-09-02"));
    assert_eq!(coverage[3].window, day("2025-09-05"));
    world.assert_equals_truth("2025-09-02", "2025-09-05").await;
}

pub(crate) async fn chunks_of_a_week_take_the_requests_that_were_planned(database: Database) {
    let world = World::of(real_month(), database).await;
    let job = Job {
        chunk_windows: Some(7),
        ..Job::days(FIRST, LAST)
    };
    let plan = world.plan(&job).await;
    let pages: Vec<(usize, usize)> = plan
        .chunks
        .iter()
        .map(|chunk| (chunk.pages, chunk.control_pages))
        .collect();
    assert_eq!(pages, [(1, 1); 5]);
    let report = world.work_off(&job, &plan).await;
    assert_clean(&report);
    assert_eq!(plan.requests(), 10);
    assert_eq!(world.simulator.requests().len(), plan.requests());
    assert_eq!(report.telemetry.requests, 10);
    world.assert_equals_truth(FIRST, LAST).await;
}

pub(crate) async fn rows_with_the_same_identity_are_summed(database: Database) {
    let simulator = Simulator::builder()
        .organization(three_projects())
        .split_every_nth_row(2);
    let world = World::open(simulator, database).await;
    let report = world.backfill("2025-09-01", "2025-09-07").await;
    assert_clean(&report);
    assert_eq!(
        report.telemetry.merged_events, 7,
        "one of three rows a day came as two"
    );
    assert_eq!(report.telemetry.stored_events, 21);
    world.assert_equals_truth("2025-09-01", "2025-09-07").await;
}
