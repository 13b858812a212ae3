//! What must hold of a fixture, from the file to the ledger. Each check returns what does not hold, in words.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::place::{DatabaseKind, Place};
use crate::provider::{Provider, Recording};
use crate::settings::Fixtures;

/// What was found about one fixture.
pub(crate) struct Verdict {
    pub(crate) fixture: String,
    /// The totals, as `usage fixtures summarize` has them.
    pub(crate) summary: Value,
    pub(crate) findings: Vec<String>,
}

/// The metrics whose sums file and ledger must agree on.
const METRICS: [&str; 17] = [
    "inputTokens",
    "outputTokens",
    "inputCachedTokens",
    "inputUncachedTokens",
    "inputCacheWriteTokens",
    "inputTextTokens",
    "outputTextTokens",
    "inputCachedTextTokens",
    "inputAudioTokens",
    "outputAudioTokens",
    "numModelRequests",
    "images",
    "characters",
    "seconds",
    "usageBytes",
    "numSessions",
    "numRequests",
];

/// Everything that tells one usage event from another in one account and endpoint.
const IDENTITY: [&str; 13] = [
    "windowStart",
    "windowEnd",
    "projectId",
    "apiKeyId",
    "userId",
    "model",
    "serviceTier",
    "batch",
    "apiSource",
    "vectorStoreId",
    "size",
    "source",
    "contextLevel",
];

/// Holds one fixture to the contract.
pub(crate) fn check(fixtures: &Fixtures, fixture: &Path) -> Verdict {
    let mut verdict = Verdict {
        fixture: fixture.file_name().unwrap().to_string_lossy().into_owned(),
        summary: Value::Null,
        findings: Vec::new(),
    };
    let nowhere = Place::new(DatabaseKind::Sqlite, "http://127.0.0.1:1/v1".to_owned());
    let summarized = nowhere.run(
        &[
            "fixtures",
            "summarize",
            fixture.to_str().unwrap(),
            "--expected",
            fixtures.totals.to_str().unwrap(),
            "--tolerance",
            &fixtures.tolerance,
            "--format",
            "json",
        ],
        &[],
    );
    if summarized.code == Some(2) {
        verdict.findings.push(summarized.stderr);
        return verdict;
    }
    let report = summarized.json()["fixtures"][0].take();
    for issue in report["issues"].as_array().unwrap() {
        if issue["severity"] == "error" {
            verdict
                .findings
                .push(format!("{}: {}", issue["code"], issue["message"]));
        }
    }
    for mismatch in report["mismatches"].as_array().unwrap() {
        verdict.findings.push(format!(
            "{}: expected {}, found {}",
            mismatch["field"], mismatch["expected"], mismatch["found"]
        ));
    }
    verdict.summary = report["summary"].clone();
    if verdict.summary.is_null() {
        return verdict;
    }
    let recording = Recording::read(fixture);
    let provider = Provider::of(&recording);
    for kind in [DatabaseKind::Sqlite, DatabaseKind::Postgres] {
        let found = check_ledger(kind, &recording, &provider, &verdict.summary);
        verdict
            .findings
            .extend(found.into_iter().map(|finding| format!("{kind:?}: {finding}")));
    }
    verdict
}

/// Reads the fixture's pages over HTTP into a ledger, twice, and compares.
fn check_ledger(
    kind: DatabaseKind,
    recording: &Recording,
    provider: &Provider,
    summary: &Value,
) -> Vec<String> {
    let place = Place::new(kind, provider.base_url());
    place.add_key("org-golden");
    let [first, last] = [recording.start, recording.end - 1]
        .map(|at| usage_core::format_instant(instant(at))[..10].to_owned());
    let days = ((recording.end - recording.start) / 86_400).max(1).to_string();
    let width = match recording.width {
        60 => "1m",
        3_600 => "1h",
        _ => "1d",
    };
    let backfill = [
        "backfill",
        "--endpoint",
        recording.endpoint.as_str(),
        "--start",
        &first,
        "--end",
        &last,
        "--bucket-width",
        width,
        "--chunk-days",
        &days,
        "--format",
        "json",
    ];
    let mut findings = Vec::new();
    let mut expect = |what: &str, found: &Value, expected: &Value| {
        if found != expected {
            findings.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    let run = place.run(&backfill, &[]);
    if run.code != Some(0) {
        return vec![format!(
            "a backfill of the pages ends with {:?}: {}",
            run.code, run.stderr
        )];
    }
    let report = run.json();
    expect(
        "stored events",
        &report["run"]["telemetry"]["storedEvents"],
        &summary["eventCount"],
    );
    let again = place
        .run(&[&backfill[..], &["--force"]].concat(), &[])
        .ends_with(0)
        .json();
    let telemetry = &again["run"]["telemetry"];
    expect(
        "unchanged events of a second read",
        &telemetry["unchangedEvents"],
        &summary["eventCount"],
    );
    for changed in ["storedEvents", "updatedEvents", "retractedEvents", "revisions"] {
        expect(
            &format!("{changed} of a second read"),
            &telemetry[changed],
            &Value::from(0),
        );
    }
    let export = ["export", "--format", "jsonl", "--bucket-width", width];
    let exported = place.run(&export, &[]).ends_with(0).stdout;
    let events: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    expect(
        "events in the ledger",
        &Value::from(events.len()),
        &summary["eventCount"],
    );
    for metric in METRICS {
        expect(metric, &sum(&events, metric), &summary["metrics"][metric]);
    }
    findings.extend(unlisted(&place, &events));
    findings.extend(repeated_identities(&events));
    findings.extend(events.iter().flat_map(broken_event));
    findings
}

/// The sum over the events that report the metric; null if none does.
fn sum(events: &[Value], metric: &str) -> Value {
    let reported: Vec<i64> = events.iter().filter_map(|event| event[metric].as_i64()).collect();
    match reported.as_slice() {
        [] => Value::Null,
        some => Value::from(some.iter().sum::<i64>()),
    }
}

/// Service tier and batch are part of an identity: the same model at two tiers is two events.
fn repeated_identities(events: &[Value]) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for event in events {
        let identity = IDENTITY.map(|field| event[field].to_string()).join("|");
        *seen.entry(identity).or_default() += 1;
    }
    seen.into_iter()
        .filter(|(_, times)| *times > 1)
        .map(|(identity, times)| format!("{times} events are {identity}"))
        .collect()
}

/// Every event is priced, or listed as unpriced with its reason; nothing is listed that is priced.
fn unlisted(place: &Place, events: &[Value]) -> Vec<String> {
    type Kinds = BTreeMap<[String; 4], u64>;
    let kind = |row: &Value, reason: &str| {
        [&row["model"], &row["serviceTier"], &row["batch"], &row[reason]].map(Value::to_string)
    };
    let mut unpriced = Kinds::new();
    for event in events.iter().filter(|event| event["costUsd"].is_null()) {
        *unpriced.entry(kind(event, "unpricedReason")).or_default() += 1;
    }
    let code = i32::from(!unpriced.is_empty());
    let check = place.run(&["prices", "check", "--format", "json"], &[]);
    let report = check.ends_with(code).json();
    let mut listed = Kinds::new();
    for line in report["unpriced"].as_array().unwrap() {
        *listed.entry(kind(line, "reason")).or_default() += line["events"].as_u64().unwrap();
    }
    if listed == unpriced {
        return Vec::new();
    }
    vec![format!(
        "unpriced are {unpriced:?}, and listed as such {listed:?}"
    )]
}

/// What does not hold within one event of the ledger.
fn broken_event(event: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    let number = |name: &str| event[name].as_i64();
    let at = || IDENTITY.map(|field| event[field].to_string()).join("|");
    if let (Some(input), Some(cached), Some(uncached)) = (
        number("inputTokens"),
        number("inputCachedTokens"),
        number("inputUncachedTokens"),
    ) {
        let written = number("inputCacheWriteTokens").unwrap_or(0);
        if input != cached + uncached + written {
            findings.push(format!(
                "{}: {input} input tokens are not {cached} cached, {written} written and {uncached} uncached",
                at()
            ));
        }
    }
    if event["endpoint"] == "completions" {
        for field in [
            "projectId",
            "apiKeyId",
            "userId",
            "serviceTier",
            "numModelRequests",
            "inputCachedTokens",
        ] {
            if event[field].is_null() {
                findings.push(format!("{}: {field} is not there", at()));
            }
        }
    }
    // A cost says by which price, and what has no price has no cost but a reason: unpriced is not free.
    let has_cost = !event["costUsd"].is_null();
    if has_cost == event["priceId"].is_null() || has_cost != event["unpricedReason"].is_null() {
        findings.push(format!(
            "{}: cost {} by price {}",
            at(),
            event["costUsd"],
            event["priceId"]
        ));
    }
    findings
}

fn instant(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(seconds, 0).unwrap()
}
