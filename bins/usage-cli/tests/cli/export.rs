//! What went in comes out, in every form.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use usage_core::{Endpoint, NanoUsd, Width, WindowRange, parse_day};
use usage_simulator::{Generate, Organization};

use crate::fixture::{DatabaseKind, ORGANIZATION, Place, Provider, real_export};

const DIMENSIONS: [&str; 7] = [
    "projectId",
    "apiKeyId",
    "userId",
    "model",
    "serviceTier",
    "batch",
    "apiSource",
];

pub(crate) fn the_providers_own_export_comes_back_byte_for_byte(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    let original = fs::read_to_string(real_export()).unwrap();

    let to_a_file = place
        .run(&["export", "--format", "provider-csv", "--output", "september.csv"])
        .succeeds();
    assert_eq!((to_a_file.stdout.as_str(), to_a_file.stderr.as_str()), ("", ""));
    assert_eq!(
        fs::read_to_string(place.work().join("september.csv")).unwrap(),
        original
    );

    let to_standard_output = place.run(&["export", "--format", "provider-csv"]).succeeds();
    assert_eq!(to_standard_output.stdout, original);
    assert_eq!(to_standard_output.stderr, "");
}

pub(crate) fn every_dimension_is_filled_in(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    let events: Vec<Value> = place
        .events()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 31);
    for event in &events {
        assert_eq!(
            (&event["provider"], &event["account"], &event["endpoint"]),
            (&"openai".into(), &ORGANIZATION.into(), &"completions".into())
        );
        for dimension in DIMENSIONS {
            assert!(!event[dimension].is_null(), "{dimension} of {event:#}");
        }
    }
}

pub(crate) fn the_csv_has_the_same_sums(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();

    let mut from_json: BTreeMap<String, i64> = BTreeMap::new();
    for line in place.events().lines() {
        let event: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        for (name, value) in event {
            *from_json.entry(name).or_default() += value.as_i64().unwrap_or(0);
        }
    }
    let text = place.run(&["export", "--format", "csv"]).succeeds().stdout;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut from_csv: BTreeMap<String, i64> = names.iter().map(|name| ((*name).to_owned(), 0)).collect();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), names.len(), "{line}");
        for (name, cell) in names.iter().zip(cells) {
            *from_csv.get_mut(*name).unwrap() += cell.parse::<i64>().unwrap_or(0);
        }
    }
    assert_eq!(from_csv, from_json);
    assert_eq!(from_csv["inputTokens"], 173_264_675);
    assert_eq!(from_csv["numModelRequests"], 1_437);
}

#[test]
fn every_event_says_what_it_costs_by_which_price_or_why_it_has_none() {
    let place_of = |provider| Place::with_key(DatabaseKind::Sqlite, provider);
    let provider = Provider::of_the_real_month();
    let place = place_of(&provider);
    place.backfill_month(&[]).succeeds();
    let mut month = NanoUsd::ZERO;
    for event in place.events().lines() {
        let event: Value = serde_json::from_str(event).unwrap();
        let cost: NanoUsd = event["costUsd"].as_str().unwrap().parse().unwrap();
        month = month.checked_add(cost).unwrap();
        let price = event["priceId"].as_str().unwrap();
        assert!(price.starts_with("openai/"), "{price}");
        let is_free = event["serviceTier"] == "incentivized-tier";
        assert_eq!(cost == NanoUsd::ZERO, is_free, "{event:#}");
        assert!(event["catalogueVersion"].is_string() && event["unpricedReason"].is_null());
    }
    assert_eq!(month.to_string(), "163.7645785");

    let provider = Provider::of(every_endpoint());
    let place = place_of(&provider);
    let range = ["backfill", "--start", "2025-09-01", "--end", "2025-09-03"];
    place
        .run(&[&range[..], &["--endpoint", "vector_stores"]].concat())
        .succeeds();
    let events = place.events();
    assert!(!events.is_empty());
    for event in events.lines() {
        let event: Value = serde_json::from_str(event).unwrap();
        assert!(event["costUsd"].is_null() && event["priceId"].is_null());
        assert!(event["catalogueVersion"].is_string(), "{event:#}");
        assert_eq!(
            event["unpricedReason"],
            "stored bytes are a level, not a flow; the time basis of usage_bytes is not documented"
        );
    }
    place.execute("UPDATE usage_events SET price_ref = NULL");
    for event in place.events().lines() {
        let event: Value = serde_json::from_str(event).unwrap();
        for name in ["costUsd", "priceId", "catalogueVersion", "unpricedReason"] {
            assert!(
                event[name].is_null(),
                "{name} of what was never priced: {event:#}"
            );
        }
    }
}

#[test]
fn a_range_exports_its_days_only() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.backfill_month(&[]).succeeds();
    let days = ["--start", "2025-09-02", "--end", "2025-09-05"];
    let events = place
        .run(&[&["export", "--format", "jsonl"], &days[..]].concat())
        .succeeds()
        .stdout;
    assert_eq!(events.lines().count(), 8);
    let csv = place
        .run(&[&["export", "--format", "provider-csv"], &days[..]].concat())
        .succeeds()
        .stdout;
    let original = fs::read_to_string(real_export()).unwrap();
    let expected: Vec<&str> = original
        .lines()
        .filter(|line| {
            let start = line.split(',').nth(2).unwrap();
            start == "start_time_iso" || ("2025-09-02".."2025-09-06").contains(&start)
        })
        .collect();
    assert_eq!(csv.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn an_output_file_is_replaced_as_a_whole() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.backfill_month(&[]).succeeds();
    let path = place.work().join("events.jsonl");
    fs::write(&path, "x".repeat(1_000_000)).unwrap();
    place
        .run(&["export", "--format", "jsonl", "--output", "events.jsonl"])
        .succeeds();
    assert_eq!(fs::read_to_string(&path).unwrap(), place.events());
    let left: Vec<String> = place
        .files()
        .into_keys()
        .filter(|name| name.starts_with("work/") && !name.starts_with("work/ledger.db"))
        .collect();
    assert_eq!(left, ["work/events.jsonl"]);
}

#[test]
fn every_endpoint_comes_back_as_the_provider_exports_it() {
    let organization = every_endpoint();
    let provider = Provider::of(organization.clone());
    for (width, last_day) in [
        (Width::Day, "2025-09-03"),
        (Width::Hour, "2025-09-02"),
        (Width::Minute, "2025-09-01"),
    ] {
        let place = Place::with_key(DatabaseKind::Sqlite, &provider);
        place
            .run(&[
                "backfill",
                "--start",
                "2025-09-01",
                "--end",
                last_day,
                "--bucket-width",
                width.as_str(),
            ])
            .succeeds();
        let days = WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day(last_day).unwrap()).unwrap();
        let range = WindowRange::new(days.start(), days.end(), width).unwrap();
        for endpoint in Endpoint::USAGE {
            let ours = place
                .run(&[
                    "export",
                    "--format",
                    "provider-csv",
                    "--endpoint",
                    endpoint.as_str(),
                    "--bucket-width",
                    width.as_str(),
                ])
                .succeeds()
                .stdout;
            assert_eq!(
                ours,
                organization.usage_csv(endpoint, range),
                "{endpoint} by {width}"
            );
            assert!(
                ours.lines().any(|line| line.contains(",proj_")),
                "{endpoint} by {width} has usage"
            );
        }
    }
}

fn every_endpoint() -> Organization {
    Organization::generate(&Generate {
        organization: ORGANIZATION.to_owned(),
        days: 3,
        idle_days_percent: 0,
        every_endpoint: true,
        ..Generate::default()
    })
}

#[test]
fn the_providers_export_holds_one_endpoint() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.backfill_month(&[]).succeeds();
    let export = ["export", "--format", "provider-csv", "--endpoint", "completions"];
    place
        .run(&[&export[..], &["--endpoint", "images"]].concat())
        .refuses_with(
            "the provider's export holds one endpoint, and 2 are named; name one with --endpoint, or use --format csv",
        );
    let named = place.run(&export).succeeds().stdout;
    assert_eq!(named, fs::read_to_string(real_export()).unwrap());
}
