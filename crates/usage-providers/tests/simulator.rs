//! The client against the simulated provider, which was written to the same contract by other means.

use std::sync::Arc;

use usage_core::{
    Dimension, DimensionSet, DirectoryKind, Endpoint, IssueCode, ManualClock, ProjectFilter, Width,
    WindowRange, parse_day, parse_instant,
};
use usage_providers::{
    Access, ArrayEncoding, OpenAi, OpenAiOptions, Pace, UsageQuery, UsageRead, UsageSource,
};
use usage_simulator::{AdminKey, Generate, Organization, Simulator, SimulatorBuilder};

const KEY: &str = "sk-admin-test-not-a-real-key";
const MONTH: &str = include_str!("../../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv");

/// A simulator of the real month, seen ten days later.
fn simulator() -> SimulatorBuilder {
    let month =
        Organization::from_completions_csv("org-anon", MONTH.as_bytes()).expect("the export is readable");
    Simulator::builder()
        .organization(month)
        .key(AdminKey::owner(KEY))
        .clock(clock())
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(
        parse_instant("2025-10-11T00:00:00Z").expect("an instant"),
    ))
}

fn client(simulator: &Simulator, key: &str, array_encoding: ArrayEncoding) -> OpenAi {
    OpenAi::new(OpenAiOptions {
        base_url: simulator.base_url().parse().expect("a base URL"),
        array_encoding,
        pace: Pace {
            requests_per_minute: 600_000,
            burst: 10_000,
        },
        clock: clock(),
        ..OpenAiOptions::new(key.to_owned().into())
    })
    .expect("a client")
}

fn month(group_by: DimensionSet) -> UsageQuery {
    let day = |text| parse_day(text).expect("a day");
    UsageQuery {
        endpoint: Endpoint::Completions,
        windows: WindowRange::days(day("2025-09-01"), day("2025-10-01")).expect("a range"),
        filter: ProjectFilter::ALL,
        group_by,
    }
}

/// Rows, input, cached, output tokens, requests of models.
fn totals(read: &UsageRead) -> (usize, [i64; 4]) {
    let rows: Vec<_> = read
        .windows
        .iter()
        .flat_map(|window| window.rows.as_ref().expect("complete"))
        .collect();
    let sum = |value: fn(&usage_core::Metrics) -> Option<i64>| {
        rows.iter().filter_map(|row| value(&row.metrics)).sum()
    };
    let sums = [
        sum(|metrics| metrics.input_tokens),
        sum(|metrics| metrics.input_cached_tokens),
        sum(|metrics| metrics.output_tokens),
        sum(|metrics| metrics.num_model_requests),
    ];
    (rows.len(), sums)
}

const REAL_MONTH: [i64; 4] = [173_264_675, 56_648_320, 2_630_441, 1_437];

#[tokio::test]
async fn the_real_month_is_one_request_in_every_array_encoding() {
    let simulator = simulator().start().await.expect("a simulator");
    for encoding in [
        ArrayEncoding::Repeated,
        ArrayEncoding::Brackets,
        ArrayEncoding::Comma,
    ] {
        simulator.clear_requests();
        let client = client(&simulator, KEY, encoding);
        let read = client
            .read_usage(&month(Endpoint::Completions.dimensions()))
            .await
            .expect("a month");
        assert_eq!(read.windows.len(), 31);
        assert_eq!(totals(&read), (31, REAL_MONTH), "{encoding:?}");
        assert_eq!((simulator.requests().len(), client.traffic().requests), (1, 1));
        let used = read
            .windows
            .iter()
            .filter(|window| window.rows.as_ref().is_ok_and(|rows| !rows.is_empty()));
        assert_eq!(used.count(), 16);
    }
}

#[tokio::test]
async fn the_control_total_of_the_real_month_is_the_same() {
    let simulator = simulator().start().await.expect("a simulator");
    let read = client(&simulator, KEY, ArrayEncoding::default())
        .read_usage(&month(DimensionSet::EMPTY))
        .await
        .expect("a month");
    assert_eq!(totals(&read), (16, REAL_MONTH), "one row for each day with usage");
    assert_eq!(read.issues, []);
}

#[tokio::test]
async fn hours_come_page_by_page_and_sum_to_the_same() {
    let simulator = simulator().start().await.expect("a simulator");
    let client = client(&simulator, KEY, ArrayEncoding::default());
    let days = month(Endpoint::Completions.dimensions());
    let hours = UsageQuery {
        windows: WindowRange::new(days.windows.start(), days.windows.end(), Width::Hour).expect("a range"),
        ..days
    };
    let read = client.read_usage(&hours).await.expect("a month of hours");
    assert_eq!((read.windows.len(), totals(&read).1), (744, REAL_MONTH));
    assert_eq!(simulator.requests().len(), 5, "744 hours in pages of 168");
}

#[tokio::test]
async fn every_endpoint_is_the_same_in_every_width_and_grouping() {
    let organization = Organization::generate(&Generate {
        every_endpoint: true,
        idle_days_percent: 0,
        days: 3,
        ..Generate::default()
    });
    let day = |text| parse_day(text).expect("a day");
    let days = WindowRange::days(day("2025-09-01"), day("2025-09-03")).expect("a range");
    let expected = Endpoint::USAGE.map(|endpoint| organization.usage(endpoint).totals(days));
    let simulator = Simulator::builder()
        .organization(organization)
        .key(AdminKey::owner(KEY))
        .clock(clock())
        .start()
        .await
        .expect("a simulator");
    let client = client(&simulator, KEY, ArrayEncoding::default());
    for (endpoint, expected) in Endpoint::USAGE.into_iter().zip(&expected) {
        assert!(expected.active_windows == 3 && expected.rows > 3, "{endpoint}");
        for (width, pages) in [(Width::Day, 1), (Width::Hour, 1), (Width::Minute, 3)] {
            for group_by in [endpoint.dimensions(), DimensionSet::EMPTY] {
                let about = format!("{endpoint} {width:?} {group_by}");
                simulator.clear_requests();
                let query = UsageQuery {
                    endpoint,
                    windows: WindowRange::new(days.start(), days.end(), width).expect("a range"),
                    filter: ProjectFilter::ALL,
                    group_by,
                };
                let read = client.read_usage(&query).await.expect("three days");
                assert_eq!(read.issues, [], "{about}");
                assert_eq!(simulator.requests().len(), pages, "{about}");
                assert_eq!(
                    (read.windows.len(), read.grouped_by),
                    (query.windows.len(), group_by)
                );
                let rows: Vec<_> = read
                    .windows
                    .iter()
                    .flat_map(|window| window.rows.as_ref().expect("complete"))
                    .collect();
                for metric in endpoint.metrics().iter().copied() {
                    let sum: i64 = rows.iter().filter_map(|row| row.metrics.get(metric)).sum();
                    assert_eq!(sum, expected.metrics.get(metric).unwrap_or(0), "{about} {metric}");
                }
                match (width, group_by.is_empty()) {
                    (Width::Day, false) => assert_eq!(rows.len(), expected.rows, "{about}"),
                    (Width::Day, true) => assert_eq!(rows.len(), expected.active_windows, "{about}"),
                    _ => {}
                }
            }
        }
    }
}

#[tokio::test]
async fn an_encoding_that_the_provider_ignores_is_found_out() {
    let simulator = simulator()
        .array_encodings([usage_simulator::ArrayEncoding::Bracketed])
        .start()
        .await
        .expect("a simulator");
    let error = client(&simulator, KEY, ArrayEncoding::Repeated)
        .read_usage(&month(Endpoint::Completions.dimensions()))
        .await
        .expect_err("nothing was grouped");
    assert_eq!(error.issue.code, IssueCode::GroupingNotApplied);
}

#[tokio::test]
async fn a_dimension_that_the_provider_refuses_is_left_out() {
    let simulator = simulator()
        .refuse_dimensions(DimensionSet::EMPTY.with(Dimension::ApiSource))
        .start()
        .await
        .expect("a simulator");
    let asked: DimensionSet = Endpoint::Completions.dimensions();
    let read = client(&simulator, KEY, ArrayEncoding::default())
        .read_usage(&month(asked))
        .await
        .expect("a month");
    assert_eq!(read.grouped_by, asked.without(Dimension::ApiSource));
    assert_eq!(totals(&read), (31, REAL_MONTH));
    assert_eq!(simulator.requests().len(), 2);
}

#[tokio::test]
async fn a_failing_provider_is_asked_again() {
    let simulator = simulator().start().await.expect("a simulator");
    simulator.fail_next(1, 429, Some("0.01"));
    let client = client(&simulator, KEY, ArrayEncoding::default());
    let read = client
        .read_usage(&month(DimensionSet::EMPTY))
        .await
        .expect("a month");
    assert_eq!(totals(&read).1, REAL_MONTH);
    assert_eq!((client.traffic().requests, client.traffic().retries), (2, 1));
}

#[tokio::test]
async fn keys_are_told_apart() {
    let member = "sk-admin-test-of-a-member";
    let simulator = simulator()
        .key(AdminKey::member(member))
        .start()
        .await
        .expect("a simulator");
    let report = client(&simulator, KEY, ArrayEncoding::default())
        .check_key(&ProjectFilter::ALL)
        .await;
    assert!(
        report.endpoints[0].access.is_allowed() && report.directory.is_allowed(),
        "{report:?}"
    );
    assert!(
        DirectoryKind::ALL
            .iter()
            .all(|kind| report.names.ids(*kind).next().is_some()),
        "{report:?}"
    );
    for (key, code) in [
        ("sk-admin-test-unknown", IssueCode::Unauthorized),
        (member, IssueCode::Forbidden),
    ] {
        let report = client(&simulator, key, ArrayEncoding::default())
            .check_key(&ProjectFilter::ALL)
            .await;
        let Access::Refused(error) = &report.endpoints[0].access else {
            panic!("{report:?}");
        };
        assert_eq!(error.issue.code, code);
    }
}
