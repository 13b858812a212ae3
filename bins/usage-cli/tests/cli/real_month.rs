//! A recorded month of a real organisation: its totals are known to the integer.

use serde_json::{Value, json};
use usage_simulator::ArrayEncoding;

use crate::fixture::{DatabaseKind, MONTH, Place, Provider};

/// The month's sums, as the provider's dashboard showed them.
fn month_totals() -> Value {
    json!({
        "events": 31,
        "windowsWithUsage": 16,
        "inputTokens": 173_264_675,
        "inputCachedTokens": 56_648_320,
        "outputTokens": 2_630_441,
        "numModelRequests": 1_437,
    })
}

fn totals(report: &Value) -> Value {
    let totals = &report["totals"][0];
    let mut chosen = json!({
        "events": totals["events"],
        "windowsWithUsage": totals["windowsWithUsage"],
    });
    for metric in [
        "inputTokens",
        "inputCachedTokens",
        "outputTokens",
        "numModelRequests",
    ] {
        chosen[metric] = totals["metrics"][metric].clone();
    }
    chosen
}

/// Counters of a run by name.
fn telemetry<const N: usize>(report: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| {
        let value = &report["run"]["telemetry"][name];
        value.as_u64().unwrap_or_else(|| panic!("{name}: {report:#}"))
    })
}

const CHANGES: [&str; 5] = [
    "storedEvents",
    "updatedEvents",
    "retractedEvents",
    "unchangedEvents",
    "revisions",
];

pub(crate) fn a_backfill_reads_the_real_month(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    let report = place
        .backfill_month(&["--label", "first-real-month", "--format", "json"])
        .succeeds()
        .json();
    assert_eq!(report["label"], "first-real-month");
    assert_eq!(totals(&report), month_totals());
    assert_eq!(report["coverage"], json!({ "settled": 31 }));
    assert_eq!(telemetry(&report, CHANGES), [31, 0, 0, 0, 0]);
    assert_eq!(telemetry(&report, ["windowsProcessed", "windowsFailed"]), [31, 0]);
    assert_eq!(report["run"]["issues"], json!([]));

    let status = place.run(&["status", "--format", "json"]).succeeds().json();
    let coverage = &status["coverage"][0];
    assert_eq!(totals(&status), month_totals());
    assert_eq!(status["totals"][0]["account"], "openai/org-anon");
    assert_eq!(
        (&coverage["firstDay"], &coverage["lastDay"], &coverage["windows"]),
        (&json!("2025-09-01"), &json!("2025-10-01"), &json!(31))
    );
    assert_eq!(status["runs"][0]["label"], "first-real-month");
    assert_eq!(status["runs"][0]["telemetry"], report["run"]["telemetry"]);
}

#[test]
fn the_encoding_of_lists_is_a_setting() {
    let provider = Provider::of_the_real_month_reading(ArrayEncoding::Bracketed);
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let refused = place.backfill_month(&[]).ends_with(2);
    assert!(
        refused.stderr.starts_with("error: GROUPING_NOT_APPLIED: ")
            && refused.stderr.contains("USAGE_OPENAI_ARRAY_ENCODING"),
        "{refused:#?}"
    );
    assert_eq!(place.events(), "");

    let month = [
        &["backfill", "--endpoint", "completions", "--format", "json"],
        &MONTH[..],
    ]
    .concat();
    let mut command = place.command(&month);
    command.env("USAGE_OPENAI_ARRAY_ENCODING", "brackets");
    let report = place.finish(&mut command, "").succeeds().json();
    assert_eq!(totals(&report), month_totals());

    let mut command = place.command(&["doctor"]);
    command.env("USAGE_OPENAI_ARRAY_ENCODING", "brackets");
    let doctor = place.finish(&mut command, "").succeeds();
    let shown = "USAGE_OPENAI_ARRAY_ENCODING = brackets (USAGE_OPENAI_ARRAY_ENCODING)";
    assert!(doctor.stdout.contains(shown), "{doctor:#?}");
}

pub(crate) fn the_same_again_asks_nothing(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    let before = place.contents();
    provider.simulator.clear_requests();

    let report = place.backfill_month(&["--format", "json"]).succeeds().json();
    assert_eq!(
        (&report["plan"]["requests"], &report["plan"]["settled"]),
        (&json!(0), &json!(31))
    );
    assert_eq!(telemetry(&report, ["requests", "windowsProcessed"]), [0, 0]);
    assert_eq!(totals(&report), month_totals());
    assert_eq!(provider.simulator.requests(), []);
    assert_eq!(place.contents(), before);
}

pub(crate) fn reading_again_by_force_changes_nothing(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    let before = place.contents();
    provider.simulator.clear_requests();

    let report = place
        .backfill_month(&["--force", "--format", "json"])
        .succeeds()
        .json();
    assert_eq!(telemetry(&report, CHANGES), [0, 0, 0, 31, 0]);
    assert_eq!(totals(&report), month_totals());
    assert_eq!(provider.simulator.requests().len(), 2);
    assert_eq!(place.contents(), before);
}

pub(crate) fn four_days_are_four_windows(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    let range = ["--start", "2025-09-02", "--end", "2025-09-05", "--format", "json"];
    let report = place
        .run(&[&["backfill", "--endpoint", "completions"], &range[..]].concat())
        .succeeds()
        .json();
    assert_eq!(
        (&report["from"], &report["to"]),
        (&json!("2025-09-02T00:00:00Z"), &json!("2025-09-06T00:00:00Z"))
    );
    assert_eq!(telemetry(&report, ["storedEvents", "windowsProcessed"]), [8, 4]);
    assert_eq!(place.events().lines().count(), 8);
}

pub(crate) fn requests_made_are_those_planned_and_those_counted(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    provider.simulator.clear_requests();
    let weekly = ["--chunk-days", "7", "--format", "json"];
    let planned = place
        .backfill_month(&[&weekly[..], &["--plan"]].concat())
        .succeeds()
        .json();
    assert_eq!(provider.simulator.requests(), [], "a plan asks nothing");
    assert_eq!(planned["run"], Value::Null);
    assert_eq!(planned["totals"][0]["events"], 0, "a plan stores nothing");

    let report = place.backfill_month(&weekly).succeeds().json();
    assert_eq!(report["plan"], planned["plan"]);
    let chunks = report["plan"]["chunks"].as_array().unwrap();
    let pages = |name: &str| {
        chunks
            .iter()
            .filter_map(|chunk| chunk[name].as_u64())
            .sum::<u64>()
    };
    assert_eq!((chunks.len(), pages("pages"), pages("controlPages")), (5, 5, 5));
    assert_eq!(report["plan"]["requests"], 10);
    assert_eq!(telemetry(&report, ["requests", "retries"]), [10, 0]);
    assert_eq!(provider.simulator.requests().len(), 10);
    assert_eq!(provider.simulator.count_requests("/usage/completions"), 10);
    assert_eq!(totals(&report), month_totals());
}
