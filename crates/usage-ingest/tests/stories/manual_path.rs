//! Runs on a ledger whose unique index is missing.

use usage_core::{IssueCode, Severity};
use usage_ingest::Outcome;

use crate::organizations::real_month;
use crate::world::{Database, Job, World, assert_clean, codes};

const FIRST: &str = "2025-09-01";
const LAST: &str = "2025-10-01";

pub(crate) async fn without_the_index_a_run_is_counted_and_warned_of_once(database: Database) {
    let world = World::of(real_month(), database).await;
    world.sql("DROP INDEX usage_admin_bucket_idx");
    // Five chunks, one warning.
    let report = world
        .run(&Job {
            chunk_windows: Some(7),
            ..Job::days(FIRST, LAST)
        })
        .await;
    assert_eq!(codes(&report), [IssueCode::ManualFallback]);
    assert_eq!(report.issues[0].severity, Severity::Warning);
    assert!(
        report.issues[0].message.contains("usage migrate"),
        "{}",
        report.issues[0]
    );
    assert_eq!(report.outcome, Outcome::Clean);
    let telemetry = &report.telemetry;
    assert_eq!(
        (
            telemetry.manual_fallback_inserts,
            telemetry.manual_fallback_updates
        ),
        (31, 0)
    );
    assert_eq!(
        (telemetry.manual_fallback_windows, telemetry.manual_fallback_keys),
        (31, 1)
    );
    assert_eq!(
        (telemetry.constraint_inserts, telemetry.constraint_updates),
        (0, 0)
    );
    world.assert_equals_truth(FIRST, LAST).await;

    world.restate("2025-09-03", 150);
    let report = world.run(&Job::again(FIRST, LAST)).await;
    assert_eq!(
        report.telemetry.manual_fallback_updates,
        report.telemetry.updated_events
    );
    assert!(report.telemetry.updated_events > 0);
    world.assert_equals_truth(FIRST, LAST).await;

    assert!(world.ledger.migrate().await.unwrap().index_made);
    world.restate("2025-09-03", 90);
    let report = world.run(&Job::again(FIRST, LAST)).await;
    assert_clean(&report);
    assert_eq!(
        report.telemetry.constraint_updates,
        report.telemetry.updated_events
    );
    assert_eq!(report.telemetry.manual_fallback_windows, 0);
    world.assert_equals_truth(FIRST, LAST).await;
}
