//! `usage cleanup blank-metadata`

use std::fs;

use serde_json::{Value, json};
use usage_core::{Dimensions, Endpoint, Metrics, Window, parse_day};
use usage_simulator::Organization;

use super::{cleanup, every_sort, import, sums};
use crate::fixture::{DatabaseKind, ORGANIZATION, Place, Provider};

/// The days of the listed windows, with the input tokens of their blank rows.
fn listed(report: &Value) -> Vec<(String, Vec<i64>)> {
    let windows = report["doubled"].as_array().unwrap().iter();
    windows
        .map(|window| {
            let rows = window["rows"].as_array().unwrap().iter();
            let mut tokens: Vec<i64> = rows
                .map(|row| row["metrics"]["inputTokens"].as_i64().unwrap())
                .collect();
            tokens.sort_unstable();
            (window["windowStart"].as_str().unwrap().to_owned(), tokens)
        })
        .collect()
}

fn records(place: &Place<'_>) -> Vec<Value> {
    let Ok(folder) = fs::read_dir(place.work().join("audit/cleanup")) else {
        return Vec::new();
    };
    folder
        .map(|entry| serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap())
        .collect()
}

pub(crate) fn a_cleanup_deletes_exactly_what_counts_twice(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::new(kind, &provider);
    let nothing = cleanup(&place, &["--apply"]).succeeds().json();
    assert_eq!((&nothing["rows"], &nothing["deleted"]), (&json!(0), &Value::Null));
    import(&place, &every_sort(), &[]).ends_with(1);
    let before = place.events();

    let report = cleanup(&place, &[]).succeeds().json();
    let doubled = [
        ("2025-08-01T00:00:00Z".to_owned(), vec![300, 300]),
        ("2025-08-02T00:00:00Z".to_owned(), vec![10]),
    ];
    assert_eq!(listed(&report), doubled);
    assert_eq!(report["deleted"], Value::Null);
    let staying = &report["staying"];
    assert_eq!(
        (
            staying.as_array().unwrap().len(),
            &staying[0]["reason"],
            &staying[0]["rows"]
        ),
        (1, &json!("nothingElse"), &json!(2))
    );
    let tokens = |report: &Value, when: &str| report["sums"][0][when]["metrics"]["inputTokens"].clone();
    assert_eq!(
        (tokens(&report, "before"), tokens(&report, "after")),
        (json!(4_294_968_285_i64), json!(4_294_967_675_i64))
    );
    assert_eq!(place.events(), before, "nothing goes without --apply");
    assert_eq!(records(&place), Vec::<Value>::new());
    let text = place.run(&["cleanup", "blank-metadata"]).succeeds().stdout;
    assert!(text.starts_with("3 rows in 2 windows would be deleted"), "{text}");
    assert!(
        text.ends_with("nothing was deleted; --apply deletes them\n"),
        "{text}"
    );

    let applied = cleanup(&place, &["--apply", "--account", ORGANIZATION])
        .succeeds()
        .json();
    assert_eq!(listed(&applied), doubled);
    assert_eq!(
        (&applied["deleted"], &applied["revisions"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(tokens(&applied, "after"), 4_294_967_675_i64);
    assert_eq!(sums(&place), (7, 4_294_967_675, 4_294_967_326));
    let kept = "usage_revisions WHERE kind = 'cleaned' AND replaced_by_run = 2 AND project_id IS NULL \
                AND input_tokens IN (300, 10)";
    assert_eq!((place.count(kept), place.count("usage_revisions")), (3, 3));
    let after = place.events();
    assert!(
        after.lines().all(|line| before.contains(line)),
        "the others are as they were"
    );

    let records = records(&place);
    assert_eq!(records.len(), 1);
    assert_eq!(
        (&records[0]["state"], &records[0]["runId"], &records[0]["deleted"]),
        (&json!("deleted"), &json!(2), &json!(3))
    );
    assert_eq!(listed(&records[0]), doubled);
    let status = place.run(&["status", "--format", "json"]).succeeds().json();
    assert_eq!(
        (&status["runs"][0]["kind"], &status["runs"][0]["status"]),
        (&json!("cleanup"), &json!("succeeded"))
    );

    let again = place
        .run(&["cleanup", "blank-metadata", "--apply"])
        .succeeds()
        .stdout;
    assert!(again.starts_with("nothing to do: "), "{again}");
    let imported = import(&place, &every_sort(), &["--format", "json"])
        .ends_with(1)
        .json();
    assert_eq!(
        (&imported["rows"]["cleaned"], &imported["rows"]["inserted"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(place.events(), after);
    place.run(&["doctor"]).succeeds();
}

pub(crate) fn a_record_that_cannot_be_written_deletes_nothing(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::new(kind, &provider);
    import(&place, &every_sort(), &[]).ends_with(1);
    let before = place.events();
    fs::write(place.work().join("audit"), "a file where a folder should be").unwrap();
    let refused = cleanup(&place, &["--apply"]).ends_with(2);
    assert!(
        refused.stderr.starts_with("error: cannot write audit/cleanup: "),
        "{refused:#?}"
    );
    assert_eq!(place.events(), before);
    assert_eq!(place.count("usage_revisions"), 0);
    let status = place.run(&["status", "--format", "json"]).succeeds().json();
    assert_eq!(status["runs"][0]["status"], "failed");

    // The lease was given back, so the next one need not wait for it.
    let elsewhere = cleanup(&place, &["--apply", "--audit-dir", "evidence"]).succeeds();
    assert_eq!(
        (&elsewhere.json()["deleted"], elsewhere.stderr.as_str()),
        (&json!(3), "")
    );
    assert_eq!(
        fs::read_dir(place.work().join("evidence/cleanup"))
            .unwrap()
            .count(),
        1
    );
}

pub(crate) fn blank_rows_of_a_grouped_read_stay(kind: DatabaseKind) {
    let mut organization = Organization::new(ORGANIZATION);
    let day = Window::day(parse_day("2025-08-10").unwrap());
    let metrics = Metrics {
        input_tokens: Some(100),
        output_tokens: Some(10),
        input_cached_tokens: Some(0),
        input_uncached_tokens: Some(100),
        num_model_requests: Some(1),
        ..Metrics::default()
    };
    let blank = Dimensions {
        model: Some("gpt-5".to_owned()),
        ..Dimensions::default()
    };
    let detailed = Dimensions {
        project_id: Some("proj_a".to_owned()),
        api_key_id: Some("key_a".to_owned()),
        user_id: Some("user-1".to_owned()),
        ..blank.clone()
    };
    let log = organization.usage_mut(Endpoint::Completions);
    log.add(day.start(), &blank, &metrics);
    log.add(day.start(), &detailed, &metrics);
    let provider = Provider::of(organization);
    let place = Place::with_key(kind, &provider);
    let read = [
        "backfill",
        "--endpoint",
        "completions",
        "--start",
        "2025-08-10",
        "--end",
        "2025-08-10",
    ];
    place.run(&read).succeeds();
    assert_eq!(sums(&place), (2, 200, 20));

    let report = cleanup(&place, &["--apply"]).succeeds().json();
    assert_eq!((&report["rows"], &report["deleted"]), (&json!(0), &Value::Null));
    assert_eq!(
        (&report["staying"][0]["reason"], &report["staying"][0]["rows"]),
        (&json!("groupedRead"), &json!(1))
    );
    assert_eq!(sums(&place), (2, 200, 20));
    cleanup(&place, &["--account", "org-unknown"]).ends_with(2);
}
