//! The day before which the provider has no API keys.

use serde_json::json;
use usage_core::{Dimension, DimensionSet, Endpoint, IssueCode, Severity};
use usage_providers::{CostsRead, UsageQuery, UsageSource};
use wiremock::{MockServer, Request, ResponseTemplate};

use super::{DAY, bucket_at, codes, costs, dollars, page};
use crate::support::{asked, client, line, recorded, server};

const REFUSED: &[u8] = include_bytes!("../../../fixtures/openai/refused_time_range.json");
/// 2025-12-06T00:00:00Z, which the refusal names.
const FLOOR: i64 = 1_764_979_200;

/// One row a day; what happens to a query that is grouped by API key and starts before the floor is the closure's.
async fn provider_with_floor(
    floor: i64,
    refuse: impl Fn() -> ResponseTemplate + Send + Sync + 'static,
) -> MockServer {
    server(move |_, request| {
        if is_by_key(request) && number(request, "start_time") < floor {
            refuse()
        } else {
            every_day(request)
        }
    })
    .await
}

fn is_by_key(request: &Request) -> bool {
    line(request).contains("group_by=api_key_id")
}

fn number(request: &Request, name: &str) -> i64 {
    let mut pairs = request.url.query_pairs();
    let (_, value) = pairs.find(|(found, _)| found == name).unwrap();
    value.parse().unwrap()
}

fn every_day(request: &Request) -> ResponseTemplate {
    let (start, end) = (number(request, "start_time"), number(request, "end_time"));
    let days = (0..(end - start) / DAY).map(|day| bucket_at(start + day * DAY, &[dollars("1")]));
    page(&days.collect::<Vec<_>>(), None)
}

fn refusal(message: &str) -> ResponseTemplate {
    ResponseTemplate::new(400).set_body_json(json!({"error": {"message": message, "param": "start_time"}}))
}

/// What is asked, with only what differs.
fn short(asked: &[String]) -> Vec<String> {
    asked
        .iter()
        .map(|line| {
            line.replace("/v1/organization/costs?start_time=", "")
                .replace("end_time=", "")
                .replace("bucket_width=1d&", "")
                .replace("group_by=", "")
        })
        .collect()
}

/// The first and the last day of each read, and what it is grouped by.
fn parts(reads: &[CostsRead]) -> Vec<(String, String, DimensionSet)> {
    reads
        .iter()
        .map(|read| {
            assert!(read.windows.iter().all(|window| window.rows.is_ok()));
            let day = |window: &usage_providers::CostsWindow| window.window.utc_day().to_string();
            let (first, last) = (read.windows.first().unwrap(), read.windows.last().unwrap());
            (day(first), day(last), read.grouped_by)
        })
        .collect()
}

fn part(first: &str, last: &str, grouped_by: DimensionSet) -> (String, String, DimensionSet) {
    (first.to_owned(), last.to_owned(), grouped_by)
}

fn all() -> DimensionSet {
    Endpoint::Costs.dimensions()
}

fn without_key() -> DimensionSet {
    all().without(Dimension::ApiKeyId)
}

#[tokio::test]
async fn a_range_across_the_floor_is_three_requests_and_two_when_it_is_known() {
    let server = provider_with_floor(FLOOR, || recorded(400, REFUSED)).await;
    let client = client(&server);
    let query = costs("2025-12-01", "2025-12-10");
    let reads = client.read_costs(&query).await.unwrap();
    let expected = [
        part("2025-12-01", "2025-12-05", without_key()),
        part("2025-12-06", "2025-12-10", all()),
    ];
    assert_eq!(parts(&reads), expected);
    let windows = reads
        .iter()
        .flat_map(|read| read.windows.iter().map(|window| window.window));
    assert!(windows.eq(query.windows.windows()));
    assert_eq!(codes(&reads[0]), [IssueCode::DimensionRefused]);
    assert_eq!(codes(&reads[1]), []);
    let issue = &reads[0].issues[0];
    assert_eq!(issue.severity, Severity::Warning);
    assert_eq!(
        issue.message,
        "openai costs 2025-12-01T00:00:00Z..2025-12-11T00:00:00Z/1d: HTTP 400, the request was refused: \
         group_by=api_key_id is not available for this time range. Try a start_time on or after 1764979200. \
         (1 attempt); reading 2025-12-01T00:00:00Z..2025-12-06T00:00:00Z/1d without api_key_id"
    );
    assert!(
        reads[0].windows[0].rows.as_ref().unwrap()[0]
            .group
            .api_key_id
            .is_none(),
        "the server sends it all the same"
    );

    let again = client.read_costs(&query).await.unwrap();
    assert_eq!(parts(&again), expected);
    assert!(again.iter().all(|read| read.issues.is_empty()));
    let refused = "1764547200&1765411200&limit=10&project_id&api_key_id&line_item";
    let before = "1764547200&1764979200&limit=5&project_id&line_item";
    let after = "1764979200&1765411200&limit=5&project_id&api_key_id&line_item";
    assert_eq!(
        short(&asked(&server).await),
        [refused, before, after, before, after]
    );
}

#[tokio::test]
async fn a_range_before_the_floor_is_one_read_and_so_is_one_after_it() {
    for (first, last, grouped_by, requests) in [
        ("2025-11-01", "2025-12-05", without_key(), 2),
        ("2025-12-06", "2025-12-31", all(), 1),
    ] {
        let server = provider_with_floor(FLOOR, || recorded(400, REFUSED)).await;
        let client = client(&server);
        for requests in [requests, requests + 1] {
            let reads = client.read_costs(&costs(first, last)).await.unwrap();
            assert_eq!(parts(&reads), [part(first, last, grouped_by)]);
            assert_eq!(asked(&server).await.len(), requests);
        }
    }
}

#[tokio::test]
async fn what_one_read_learned_others_of_the_client_know() {
    let server = provider_with_floor(FLOOR, || recorded(400, REFUSED)).await;
    let client = client(&server);
    client
        .read_costs(&costs("2025-11-01", "2025-11-30"))
        .await
        .unwrap();
    let reads = client
        .read_costs(&costs("2025-12-04", "2025-12-07"))
        .await
        .unwrap();
    assert_eq!(
        parts(&reads),
        [
            part("2025-12-04", "2025-12-05", without_key()),
            part("2025-12-06", "2025-12-07", all()),
        ]
    );
    assert_eq!(asked(&server).await.len(), 4, "refused, November, before, after");
}

#[tokio::test]
async fn a_floor_inside_a_day_rounds_up() {
    let floor = FLOOR + 1;
    let server = provider_with_floor(floor, move || {
        refusal(&format!(
            "group_by=api_key_id is not available for this time range. Try a start_time on or after {floor}."
        ))
    })
    .await;
    let reads = client(&server)
        .read_costs(&costs("2025-12-01", "2025-12-10"))
        .await
        .unwrap();
    assert_eq!(
        parts(&reads),
        [
            part("2025-12-01", "2025-12-06", without_key()),
            part("2025-12-07", "2025-12-10", all()),
        ]
    );
    assert_eq!(asked(&server).await.len(), 3);
}

/// Refusals that do not say since when.
const UNNAMED: [&str; 3] = [
    "group_by=api_key_id is not available for this time range.",
    "group_by=api_key_id is not available for this time range. Try a start_time on or after soon.",
    "group_by=api_key_id is not available for this time range. Try a start_time on or after 5.",
];

#[tokio::test]
async fn a_floor_that_is_not_named_is_found_in_few_requests() {
    for message in UNNAMED {
        let server = provider_with_floor(FLOOR, move || refusal(message)).await;
        let client = client(&server);
        let query = costs("2025-12-01", "2025-12-10");
        for requests in [7, 9] {
            let reads = client.read_costs(&query).await.unwrap();
            let expected = [
                part("2025-12-01", "2025-12-05", without_key()),
                part("2025-12-06", "2025-12-10", all()),
            ];
            assert_eq!(parts(&reads), expected, "{message}");
            assert_eq!(asked(&server).await.len(), requests);
        }
        let day = |number: i64| {
            let start = 1_764_547_200 + (number - 1) * DAY;
            format!("{start}&{}&limit=1&project_id&api_key_id&line_item", start + DAY)
        };
        assert_eq!(
            short(&asked(&server).await)[1..5],
            [day(10), day(5), day(7), day(6)],
            "the last, and then the one halfway"
        );
    }
}

#[tokio::test]
async fn a_range_before_a_floor_that_is_not_named_is_read_without_the_key() {
    let server = provider_with_floor(FLOOR, || refusal(UNNAMED[0])).await;
    let client = client(&server);
    for requests in [3, 4] {
        let reads = client
            .read_costs(&costs("2025-06-09", "2025-12-05"))
            .await
            .unwrap();
        assert_eq!(parts(&reads), [part("2025-06-09", "2025-12-05", without_key())]);
        assert_eq!(asked(&server).await.len(), requests);
    }
    let reads = client
        .read_costs(&costs("2025-12-05", "2025-12-06"))
        .await
        .unwrap();
    assert_eq!(
        parts(&reads),
        [
            part("2025-12-05", "2025-12-05", without_key()),
            part("2025-12-06", "2025-12-06", all()),
        ],
        "only what is known to be refused is not asked again"
    );
    assert_eq!(asked(&server).await.len(), 4 + 2);
}

#[tokio::test]
async fn no_floor_takes_more_requests_than_halving_does() {
    for floor in ["2025-06-10", "2025-08-30", "2025-12-05"] {
        let start = usage_core::Window::day(usage_core::parse_day(floor).unwrap()).start_unix();
        let server = provider_with_floor(start, || refusal(UNNAMED[0])).await;
        let query = costs("2025-06-09", "2025-12-05");
        assert_eq!(query.windows.len(), 180, "a page");
        let reads = client(&server).read_costs(&query).await.unwrap();
        let read = parts(&reads);
        assert_eq!((read.len(), read[1].0.as_str()), (2, floor));
        let requests = asked(&server).await.len();
        assert!(requests <= 1 + 9 + 2, "{requests}");
    }
}

#[tokio::test]
async fn a_provider_that_contradicts_itself_is_asked_once_where_it_begins() {
    let server = server(|_, request| {
        let is_range = number(request, "end_time") - number(request, "start_time") > DAY;
        if is_by_key(request) && is_range {
            refusal(UNNAMED[0])
        } else {
            every_day(request)
        }
    })
    .await;
    let reads = client(&server)
        .read_costs(&costs("2025-12-01", "2025-12-10"))
        .await
        .unwrap();
    let days: Vec<_> = parts(&reads)
        .into_iter()
        .map(|(first, last, grouped_by)| (first, last, grouped_by == all()))
        .collect();
    assert_eq!(days.last().unwrap().1, "2025-12-10");
    assert_eq!(asked(&server).await.len(), 1 + 4 + 1 + 1 + 1, "{days:?}");
}

#[tokio::test]
async fn a_floor_that_moves_is_followed() {
    let later = FLOOR + 2 * DAY;
    let server = server(move |_, request| match number(request, "start_time") {
        start if is_by_key(request) && start < FLOOR => recorded(400, REFUSED),
        start if is_by_key(request) && start < later => refusal(&format!(
            "group_by=api_key_id is not available for this time range. Try a start_time on or after {later}."
        )),
        _ => every_day(request),
    })
    .await;
    let client = client(&server);
    let query = costs("2025-12-01", "2025-12-10");
    let reads = client.read_costs(&query).await.unwrap();
    assert_eq!(
        parts(&reads),
        [
            part("2025-12-01", "2025-12-05", without_key()),
            part("2025-12-06", "2025-12-07", without_key()),
            part("2025-12-08", "2025-12-10", all()),
        ]
    );
    let again = client.read_costs(&query).await.unwrap();
    assert_eq!(
        parts(&again),
        [
            part("2025-12-01", "2025-12-07", without_key()),
            part("2025-12-08", "2025-12-10", all()),
        ]
    );
    assert_eq!(asked(&server).await.len(), 5 + 2);
}

#[tokio::test]
async fn a_refusal_for_all_times_leaves_the_key_out_of_everything() {
    let server = provider_with_floor(i64::MAX, || {
        ResponseTemplate::new(400)
            .set_body_json(json!({"error": {"message": "Invalid value: 'api_key_id'.", "param": "group_by"}}))
    })
    .await;
    let client = client(&server);
    for requests in [2, 3] {
        let reads = client
            .read_costs(&costs("2025-12-01", "2025-12-10"))
            .await
            .unwrap();
        assert_eq!(parts(&reads), [part("2025-12-01", "2025-12-10", without_key())]);
        assert_eq!(asked(&server).await.len(), requests);
    }
}

#[tokio::test]
async fn a_fault_after_the_floor_fails_the_whole() {
    let server = server(|_, request| match number(request, "start_time") {
        FLOOR => ResponseTemplate::new(403),
        _ if is_by_key(request) => recorded(400, REFUSED),
        _ => every_day(request),
    })
    .await;
    let query = costs("2025-12-01", "2025-12-10");
    let error = client(&server).read_costs(&query).await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::Forbidden);
    assert_eq!(asked(&server).await.len(), 3);
}

#[tokio::test]
async fn a_refused_project_or_line_item_fails_the_read_by_name() {
    for dimension in [Dimension::ProjectId, Dimension::LineItem] {
        let server = server(move |_, _| {
            refusal(&format!(
                "group_by={dimension} is not available for this time range. Try a start_time on or after 1764979200."
            ))
        })
        .await;
        let query = UsageQuery {
            group_by: without_key(),
            ..costs("2025-12-01", "2025-12-10")
        };
        let error = client(&server).read_costs(&query).await.unwrap_err();
        assert_eq!(
            (error.issue.code, error.refused),
            (IssueCode::RequestRefused, Some(dimension))
        );
        assert_eq!(asked(&server).await.len(), 1);
    }
}
