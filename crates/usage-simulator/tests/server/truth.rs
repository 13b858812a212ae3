//! The truth changes while it is served: time passes, the provider restates.

use std::sync::Arc;

use usage_core::{Dimensions, Endpoint, ManualClock, Metrics, Window, parse_day, parse_instant};
use usage_simulator::Organization;

use crate::support::{DAY, FIRST, all_pages, real_month, serving, usage};

fn at(text: &str) -> chrono::DateTime<chrono::Utc> {
    parse_instant(text).unwrap()
}

/// One request an hour, on the hour, on the first of September.
fn hourly() -> Organization {
    let mut organization = Organization::new("org-hourly");
    let one = Metrics {
        num_model_requests: Some(1),
        ..Metrics::default()
    };
    for hour in 0..24 {
        let at = chrono::DateTime::from_timestamp(FIRST + hour * 3_600, 0).unwrap();
        let log = organization.usage_mut(Endpoint::Completions);
        log.add(at, &Dimensions::default(), &one);
    }
    organization
}

#[tokio::test]
async fn an_open_day_grows_as_the_clock_moves() {
    let clock = Arc::new(ManualClock::new(at("2025-08-31T23:59:59Z")));
    let simulator = serving(hourly()).clock(clock.clone()).start().await.unwrap();
    let read = async || usage(&simulator, "").await;

    assert!(read().await.buckets().is_empty(), "the day has not begun");
    clock.set(at("2025-09-01T00:00:00Z"));
    assert!(
        read().await.buckets().is_empty(),
        "without an end a query ends now, and now is exclusive"
    );
    for (now, requests) in [
        ("2025-09-01T00:00:01Z", 1),
        ("2025-09-01T11:59:59Z", 12),
        ("2025-09-01T12:00:00Z", 13),
        ("2025-09-02T00:00:00Z", 24),
    ] {
        clock.set(at(now));
        let answer = read().await;
        assert_eq!(answer.buckets().len(), 1, "{now}");
        assert_eq!(answer.sum("num_model_requests"), requests, "{now}");
    }
}

#[tokio::test]
async fn an_end_in_the_future_shows_no_bucket_that_has_not_begun() {
    let clock = Arc::new(ManualClock::new(at("2025-09-02T00:00:00Z")));
    let simulator = serving(hourly()).clock(clock.clone()).start().await.unwrap();
    let query = format!("end_time={}", FIRST + 5 * DAY);
    assert_eq!(
        usage(&simulator, &query).await.buckets().len(),
        2,
        "the second day begins now"
    );
}

#[tokio::test]
async fn a_query_without_an_end_keeps_the_end_it_began_with() {
    let clock = Arc::new(ManualClock::new(at("2025-09-10T12:00:00Z")));
    let simulator = serving(real_month()).clock(clock.clone()).start().await.unwrap();
    let first = usage(&simulator, "limit=7").await.next_page().unwrap();
    clock.set(at("2025-10-20T00:00:00Z"));
    let second = usage(
        &simulator,
        &format!("limit=7&page={}", crate::support::encode(&first)),
    )
    .await;
    assert_eq!((second.buckets().len(), second.next_page()), (3, None));
}

#[tokio::test]
async fn a_restated_window_is_served_restated() {
    let simulator = serving(real_month()).start().await.unwrap();
    let second = Window::day(parse_day("2025-09-02").unwrap());
    let before = usage(&simulator, "limit=31&group_by=service_tier").await;

    let changed = simulator.update(|organization| {
        let log = organization.usage_mut(Endpoint::Completions);
        log.scale(second, 200)
    });
    assert_eq!(changed, 2);
    let after = usage(&simulator, "limit=31&group_by=service_tier").await;
    for (old, new) in before.buckets().iter().zip(after.buckets()) {
        let is_restated = old["start_time"] == second.start_unix();
        assert_eq!(old != new, is_restated, "{old}");
    }
    let grown = after.sum("num_model_requests") - before.sum("num_model_requests");
    assert_eq!(grown, 274 + 14);

    simulator.update(|organization| {
        let log = organization.usage_mut(Endpoint::Completions);
        log.remove(second, |group| group.service_tier.as_deref() == Some("default"))
    });
    let shrunk = usage(&simulator, "limit=31&group_by=service_tier").await;
    assert_eq!(shrunk.results().len(), before.results().len() - 1);
}

#[tokio::test]
async fn what_is_served_is_what_the_export_says() {
    let simulator = serving(real_month()).start().await.unwrap();
    let all = "project_id,user_id,api_key_id,model,batch,service_tier";
    let query = format!("end_time={}&limit=7&group_by={all}", FIRST + 31 * DAY);
    let mut served = Vec::new();
    for page in all_pages(&simulator, &query).await {
        for bucket in page.buckets() {
            for row in bucket["results"].as_array().unwrap() {
                served.push(
                    [&bucket["start_time"], &row["service_tier"], &row["input_tokens"]]
                        .map(ToString::to_string),
                );
            }
        }
    }
    let range =
        usage_core::WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day("2025-10-01").unwrap());
    let csv = simulator.inspect(|organization| organization.completions_csv(range.unwrap()));
    let exported: Vec<[String; 3]> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|cells| !cells[4].is_empty())
        .map(|cells| {
            [
                cells[0].to_owned(),
                format!("{:?}", cells[10]),
                cells[11].to_owned(),
            ]
        })
        .collect();
    assert_eq!(served, exported);
}
