//! What is asked, to the letter.

use serde_json::json;
use usage_core::{DimensionSet, Endpoint, ProjectFilter, Width, WindowRange, parse_instant};
use usage_providers::{ArrayEncoding, OpenAi, OpenAiOptions, UsageQuery, UsageSource};

use crate::support::{KEY, asked, client, options, page, read, replies, three_buckets, three_days};

const THREE_DAYS: &str =
    "/v1/organization/usage/completions?start_time=1756684800&end_time=1756944000&bucket_width=1d&limit=3";

#[tokio::test]
async fn a_grouped_read_of_three_days_is_one_request() {
    let server = replies(vec![three_buckets()]).await;
    read(&server, &three_days()).await.unwrap();
    assert_eq!(
        asked(&server).await,
        [format!(
            "{THREE_DAYS}&group_by=project_id&group_by=api_key_id&group_by=user_id&group_by=model\
             &group_by=service_tier&group_by=batch&group_by=api_source"
        )]
    );
}

#[tokio::test]
async fn the_headers_are_the_key_json_gzip_and_our_own_name() {
    let server = replies(vec![three_buckets()]).await;
    read(&server, &three_days()).await.unwrap();
    let request = server.received_requests().await.unwrap().remove(0);
    let header = |name: &str| {
        request
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(request.method.as_str(), "GET");
    assert_eq!(header("authorization"), Some(format!("Bearer {KEY}")));
    assert_eq!(header("accept").as_deref(), Some("application/json"));
    assert_eq!(header("accept-encoding").as_deref(), Some("gzip"));
    assert_eq!(
        header("user-agent"),
        Some(format!("usage-providers/{}", env!("CARGO_PKG_VERSION")))
    );
}

#[tokio::test]
async fn a_control_total_asks_for_no_grouping() {
    let server = replies(vec![three_buckets()]).await;
    let query = UsageQuery {
        group_by: DimensionSet::EMPTY,
        ..three_days()
    };
    let total = read(&server, &query).await.unwrap();
    assert_eq!(asked(&server).await, [THREE_DAYS]);
    assert!(
        total.grouped_by.is_empty() && total.issues.is_empty(),
        "{:?}",
        total.issues
    );
    let rows = total.windows[0].rows.as_ref().unwrap();
    assert!(
        rows[0].dimensions.present().is_empty(),
        "identity depends on what was asked"
    );
}

#[tokio::test]
async fn projects_and_groupings_follow_the_array_encoding() {
    for (array_encoding, lists) in [
        (
            ArrayEncoding::Repeated,
            "group_by=project_id&group_by=model&project_ids=proj_1&project_ids=proj_2",
        ),
        (
            ArrayEncoding::Brackets,
            "group_by[]=project_id&group_by[]=model&project_ids[]=proj_1&project_ids[]=proj_2",
        ),
        (
            ArrayEncoding::Comma,
            "group_by=project_id,model&project_ids=proj_1,proj_2",
        ),
    ] {
        let server = replies(vec![three_buckets()]).await;
        let client = OpenAi::new(OpenAiOptions {
            array_encoding,
            ..options(&server.uri())
        });
        let query = UsageQuery {
            filter: ProjectFilter::projects(["proj_2".to_owned(), "proj_1".to_owned()]),
            group_by: crate::support::set(&[usage_core::Dimension::ProjectId, usage_core::Dimension::Model]),
            ..three_days()
        };
        client.unwrap().read_usage(&query).await.unwrap();
        assert_eq!(asked(&server).await, [format!("{THREE_DAYS}&{lists}")]);
    }
}

#[tokio::test]
async fn hours_and_minutes_go_on_page_by_page_with_the_same_parameters() {
    for (width, end, per_page, head) in [
        (
            Width::Hour,
            "2025-09-10T00:00:00Z",
            168,
            "end_time=1757462400&bucket_width=1h&limit=168&group_by=project_id",
        ),
        (
            Width::Minute,
            "2025-09-03T00:01:00Z",
            1_440,
            "end_time=1756857660&bucket_width=1m&limit=1440&group_by=project_id",
        ),
    ] {
        let start = parse_instant("2025-09-01T00:00:00Z").unwrap();
        let query = UsageQuery {
            endpoint: Endpoint::VectorStores,
            windows: WindowRange::new(start, parse_instant(end).unwrap(), width).unwrap(),
            group_by: Endpoint::VectorStores.dimensions(),
            ..three_days()
        };
        let windows: Vec<_> = query.windows.windows().collect();
        let pages: Vec<Vec<_>> = windows
            .chunks(per_page)
            .map(|windows| {
                windows
                    .iter()
                    .map(|window| {
                        json!({
                            "start_time": window.start_unix(), "end_time": window.end_unix(),
                            "results": [{"usage_bytes": 1, "project_id": "proj_1"}],
                        })
                    })
                    .collect()
            })
            .collect();
        let count = pages.len();
        let server = replies(
            (1..)
                .zip(&pages)
                .map(|(number, buckets)| {
                    page(
                        buckets,
                        (number < count).then_some(format!("p{number}")).as_deref(),
                    )
                })
                .collect(),
        )
        .await;
        let read = client(&server).read_usage(&query).await.unwrap();
        assert!(
            read.windows
                .iter()
                .all(|window| window.rows.as_ref().unwrap().len() == 1)
        );
        assert_eq!(read.windows.len(), windows.len());
        let first = format!("/v1/organization/usage/vector_stores?start_time=1756684800&{head}");
        let expected: Vec<_> = (0..count)
            .map(|number| match number {
                0 => first.clone(),
                _ => format!("{first}&page=p{number}"),
            })
            .collect();
        assert_eq!(asked(&server).await, expected);
    }
}

#[tokio::test]
async fn hours_and_minutes_are_asked_in_their_own_width_and_limit() {
    for (width, end, tail) in [
        (
            Width::Hour,
            "2025-09-10T00:00:00Z",
            "end_time=1757462400&bucket_width=1h&limit=168",
        ),
        (
            Width::Minute,
            "2025-09-01T00:10:00Z",
            "end_time=1756685400&bucket_width=1m&limit=10",
        ),
    ] {
        let server = replies(vec![page(&[], None)]).await;
        let start = parse_instant("2025-09-01T00:00:00Z").unwrap();
        let query = UsageQuery {
            windows: WindowRange::new(start, parse_instant(end).unwrap(), width).unwrap(),
            group_by: DimensionSet::EMPTY,
            ..three_days()
        };
        let read = client(&server).read_usage(&query).await.unwrap();
        assert_eq!(read.windows.len(), query.windows.len());
        let expected = format!("/v1/organization/usage/completions?start_time=1756684800&{tail}");
        assert_eq!(asked(&server).await, [expected]);
    }
}
