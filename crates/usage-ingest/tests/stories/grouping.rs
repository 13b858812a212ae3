//! Groupings: refused, ignored, finer and coarser ones.

use chrono::TimeDelta;
use usage_core::{Dimension, DimensionSet, Dimensions, Endpoint, IssueCode, Severity};
use usage_ingest::Outcome;
use usage_simulator::{ArrayEncoding, Organization, Simulator};
use usage_store::{RevisionKind, RunStatus};

use crate::organizations::{group, real_month, three_projects, used};
use crate::world::{Database, Job, World, assert_clean, codes, day};

pub(crate) async fn a_refused_dimension_is_kept_in_coverage_and_not_asked_for_again(database: Database) {
    let api_source = DimensionSet::EMPTY.with(Dimension::ApiSource);
    let simulator = Simulator::builder()
        .organization(three_projects())
        .refuse_dimensions(api_source);
    let world = World::open(simulator, database).await;
    let report = world.backfill("2025-09-01", "2025-09-07").await;
    assert_eq!(codes(&report), [IssueCode::DimensionRefused]);
    assert_eq!(report.issues[0].severity, Severity::Warning);
    assert_eq!(
        report.outcome,
        Outcome::Clean,
        "a warning is counted, and no error"
    );
    assert_eq!(world.requests(), 3, "refused, without it, and the control total");
    world.assert_equals_truth("2025-09-01", "2025-09-07").await;
    for read in world.coverage().await {
        assert_eq!(read.refused, api_source);
        assert_eq!(
            read.grouped_by,
            Endpoint::Completions.dimensions().without(Dimension::ApiSource)
        );
    }

    let before = world.snapshot().await;
    let plan = world.plan(&Job::days("2025-09-01", "2025-09-07")).await;
    assert_eq!((plan.requests(), plan.settled), (0, 7));

    // The provider may have learned it since: a new run with a new client asks, and is content without.
    let again = world.run(&Job::again("2025-09-01", "2025-09-07")).await;
    assert_eq!(codes(&again), [IssueCode::DimensionRefused]);
    assert_eq!(again.outcome, Outcome::Clean);
    assert_eq!(again.telemetry.unchanged_events, 21);
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn a_grouping_that_is_ignored_writes_nothing(database: Database) {
    let simulator = Simulator::builder()
        .organization(real_month())
        .array_encodings([ArrayEncoding::Bracketed]);
    let world = World::open(simulator, database).await;
    let report = world.backfill("2025-09-01", "2025-10-01").await;
    assert_eq!(codes(&report), [IssueCode::GroupingNotApplied]);
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.telemetry.windows_failed, 31);
    assert_eq!(world.totals().await.events, 0);
    assert_eq!(world.coverage().await, []);
    let runs = world.ledger.runs(1).await.unwrap();
    assert_eq!(runs[0].status, RunStatus::Failed);
    assert!(
        runs[0].issues.contains("GROUPING_NOT_APPLIED"),
        "{}",
        runs[0].issues
    );
}

pub(crate) async fn a_finer_read_replaces_coarse_rows_without_force(database: Database) {
    let world = World::of(two_tiers(), database).await;
    let coarse = world.run(&coarse_job()).await;
    assert_clean(&coarse);
    let rows = world.events().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].event.dimensions.service_tier, None);
    assert_eq!(rows[0].event.metrics.input_tokens, Some(1_500));
    assert_eq!(
        world.plan(&coarse_job()).await.requests(),
        0,
        "as coarse as it was asked for"
    );

    let fine = world.backfill("2025-09-01", "2025-09-02").await;
    assert_clean(&fine);
    let telemetry = &fine.telemetry;
    assert_eq!((telemetry.stored_events, telemetry.retracted_events), (2, 1));
    world.assert_equals_truth("2025-09-01", "2025-09-02").await;
    let revisions = world.revisions().await;
    let retracted: Vec<_> = revisions
        .iter()
        .filter(|revision| revision.kind == RevisionKind::Retracted)
        .collect();
    assert_eq!(retracted.len(), 1);
    assert_eq!(retracted[0].before.event.metrics.input_tokens, Some(1_500));
    assert_eq!(retracted[0].before.run_id, coarse.run_id);
    assert_eq!(
        world.plan(&coarse_job()).await.requests(),
        0,
        "finer than asked for will do"
    );
}

pub(crate) async fn a_coarser_read_fails_and_changes_nothing(database: Database) {
    let world = World::of(two_tiers(), database).await;
    assert_clean(&world.backfill("2025-09-01", "2025-09-02").await);
    let before = (world.snapshot().await, world.coverage().await);
    let report = world
        .run(&Job {
            force: true,
            ..coarse_job()
        })
        .await;
    assert_eq!(codes(&report), [IssueCode::GroupingCoarser; 2]);
    assert_eq!(report.outcome, Outcome::Failed, "nothing was stored");
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (0, 2));
    assert_eq!(telemetry.skipped_events, 1);
    assert_eq!((world.snapshot().await, world.coverage().await), before);
}

/// One group in two service tiers on the first of September, and nothing on the second.
fn two_tiers() -> Organization {
    let mut organization = Organization::new("org-simulated");
    let log = organization.usage_mut(Endpoint::Completions);
    for (tier, tokens) in [("default", 1_000), ("flex", 500)] {
        let dimensions = Dimensions {
            service_tier: Some(tier.to_owned()),
            ..group("proj_one")
        };
        log.add(
            day("2025-09-01").start() + TimeDelta::hours(8),
            &dimensions,
            &used(tokens),
        );
    }
    organization.invent_directory();
    organization
}

fn coarse_job() -> Job<'static> {
    Job {
        group_by: Some(Endpoint::Completions.dimensions().without(Dimension::ServiceTier)),
        ..Job::days("2025-09-01", "2025-09-02")
    }
}
