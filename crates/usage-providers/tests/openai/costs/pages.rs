//! Requests, pages, and whether what was asked for was applied.

use usage_core::{
    Dimension, DimensionSet, Endpoint, IssueCode, ProjectFilter, Severity, Width, WindowRange, parse_instant,
};
use usage_providers::{ArrayEncoding, OpenAi, OpenAiOptions, UsageQuery, UsageSource};
use wiremock::ResponseTemplate;

use super::{
    DAY, FIRST, bucket, bucket_at, codes, costs, dollars, on_the_first_day, outcome, page, read_one,
    three_days_of_costs,
};
use crate::support::{asked, client, options, replies, set, three_days};

const THREE_DAYS: &str =
    "/v1/organization/costs?start_time=1756684800&end_time=1756944000&bucket_width=1d&limit=3";

#[tokio::test]
async fn projects_and_groupings_follow_the_array_encoding() {
    for (array_encoding, lists) in [
        (
            ArrayEncoding::Repeated,
            "group_by=project_id&group_by=api_key_id&group_by=line_item&project_ids=proj_1&project_ids=proj_2",
        ),
        (
            ArrayEncoding::Brackets,
            "group_by[]=project_id&group_by[]=api_key_id&group_by[]=line_item\
             &project_ids[]=proj_1&project_ids[]=proj_2",
        ),
        (
            ArrayEncoding::Comma,
            "group_by=project_id,api_key_id,line_item&project_ids=proj_1,proj_2",
        ),
    ] {
        let server = replies(vec![on_the_first_day(&[dollars("1")])]).await;
        let client = OpenAi::new(OpenAiOptions {
            array_encoding,
            ..options(&server.uri())
        });
        let query = UsageQuery {
            filter: ProjectFilter::projects(["proj_2".to_owned(), "proj_1".to_owned()]),
            ..three_days_of_costs()
        };
        let reads = client.unwrap().read_costs(&query).await.unwrap();
        assert_eq!((reads.len(), codes(&reads[0])), (1, vec![]));
        assert_eq!(
            reads[0].started_at,
            parse_instant("2025-09-30T12:00:00Z").unwrap()
        );
        assert_eq!(asked(&server).await, [format!("{THREE_DAYS}&{lists}")]);
    }
}

#[tokio::test]
async fn a_page_holds_180_days_and_the_next_repeats_everything() {
    let starts: Vec<i64> = (0..200).map(|day| FIRST + day * DAY).collect();
    let buckets: Vec<_> = starts
        .iter()
        .map(|start| bucket_at(*start, &[dollars("0.10")]))
        .collect();
    let server = replies(vec![
        page(&buckets[..180], Some("p1")),
        page(&buckets[180..], None),
    ])
    .await;
    let query = UsageQuery {
        group_by: DimensionSet::EMPTY,
        ..costs("2025-09-01", "2026-03-19")
    };
    let read = read_one(&server, &query).await.unwrap();
    assert_eq!(outcome(&read), vec![Ok(vec!["0.10"]); 200]);
    let first = "/v1/organization/costs?start_time=1756684800&end_time=1773964800&bucket_width=1d&limit=180";
    assert_eq!(
        asked(&server).await,
        [first.to_owned(), format!("{first}&page=p1")]
    );
}

#[tokio::test]
async fn cursors_and_buckets_are_judged_as_those_of_usage() {
    let one = |day| bucket(day, &[dollars("1")]);
    let cursor_page = |cursor: &str| page(&[one(1)], Some(cursor));
    for (answers, code) in [
        (vec![cursor_page("a b")], IssueCode::CursorInvalid),
        (
            vec![cursor_page("https://api.example/v1?page=2")],
            IssueCode::CursorInvalid,
        ),
        (
            vec![
                ResponseTemplate::new(200).set_body_raw(r#"{"data":[],"has_more":true}"#, "application/json"),
            ],
            IssueCode::CursorMissing,
        ),
        (vec![cursor_page("a")], IssueCode::CursorRepeated),
        (vec![page(&[one(1), one(4)], None)], IssueCode::BucketOutOfRange),
        (
            vec![ResponseTemplate::new(200).set_body_raw(r#"{"data":["#, "application/json")],
            IssueCode::BodyInvalid,
        ),
    ] {
        let server = replies(answers).await;
        let error = read_one(&server, &three_days_of_costs()).await.unwrap_err();
        assert_eq!(error.issue.code, code);
    }
    let server = replies(vec![page(&[one(3), one(1), one(1)], None)]).await;
    let read = read_one(&server, &three_days_of_costs()).await.unwrap();
    assert_eq!(
        outcome(&read),
        [
            Err(IssueCode::BucketRepeated),
            Err(IssueCode::BucketMissing),
            Ok(vec!["1"])
        ]
    );
}

#[tokio::test]
async fn a_body_is_as_limited_as_one_of_usage() {
    let server = replies(vec![on_the_first_day(&[dollars("1")])]).await;
    let mut options = options(&server.uri());
    options.limits.body_limit = 100;
    let error = OpenAi::new(options)
        .unwrap()
        .read_costs(&three_days_of_costs())
        .await
        .unwrap_err();
    assert_eq!(error.issue.code, IssueCode::BodyTooLarge);
}

#[tokio::test]
async fn a_day_that_is_not_over_may_be_missing() {
    let server = replies(vec![page(&[], None)]).await;
    let read = read_one(&server, &costs("2025-09-29", "2025-09-30"))
        .await
        .unwrap();
    let severities = read.windows.iter().map(|window| {
        let issue = window.rows.as_ref().unwrap_err();
        (issue.code, issue.severity)
    });
    assert_eq!(
        severities.collect::<Vec<_>>(),
        [
            (IssueCode::BucketMissing, Severity::Error),
            (IssueCode::BucketMissing, Severity::Warning)
        ]
    );
}

#[tokio::test]
async fn an_outage_makes_the_endpoint_unavailable() {
    let server = replies(vec![ResponseTemplate::new(404)]).await;
    let error = read_one(&server, &three_days_of_costs()).await.unwrap_err();
    assert_eq!(
        (error.issue.code, error.status),
        (IssueCode::EndpointUnavailable, Some(404))
    );
    assert_eq!(asked(&server).await.len(), 1);
}

#[tokio::test]
async fn a_line_item_that_is_null_throughout_fails_the_read_and_a_project_is_a_warning() {
    for (field, value) in [
        ("project_id", "\"proj_1\""),
        ("line_item", "\"gpt-5-2025-08-07, input\""),
    ] {
        let without = dollars("1").replace(&format!("\"{field}\":{value}"), &format!("\"{field}\":null"));
        let server = replies(vec![on_the_first_day(&[without.clone(), without.clone()])]).await;
        let read = read_one(&server, &three_days_of_costs()).await;
        if field == "project_id" {
            assert_eq!(codes(&read.unwrap()), [IssueCode::DimensionEmpty]);
        } else {
            let error = read.unwrap_err();
            assert_eq!(error.issue.code, IssueCode::GroupingNotApplied);
            let told = format!("{field} was asked for and is null in all 2 rows");
            assert!(error.issue.message.contains(&told), "{error}");
        }

        let server = replies(vec![on_the_first_day(&[without, dollars("1")])]).await;
        let read = read_one(&server, &three_days_of_costs()).await.unwrap();
        assert_eq!(codes(&read), [], "some charges are the whole organisation's");
    }
}

#[tokio::test]
async fn an_api_key_that_is_null_throughout_is_a_warning() {
    let without = dollars("1").replace("\"key_1\"", "null");
    let server = replies(vec![on_the_first_day(&[without])]).await;
    let read = read_one(&server, &three_days_of_costs()).await.unwrap();
    assert_eq!(read.empty_dimensions, set(&[Dimension::ApiKeyId]));
    assert_eq!(read.grouped_by, Endpoint::Costs.dimensions());
    assert_eq!(codes(&read), [IssueCode::DimensionEmpty]);
    assert_eq!(read.issues[0].severity, Severity::Warning);
}

#[tokio::test]
async fn costs_are_read_as_costs_by_the_day_and_nothing_else_is() {
    let server = replies(vec![on_the_first_day(&[dollars("1")])]).await;
    let client = client(&server);
    let days = three_days_of_costs();
    let hours = UsageQuery {
        windows: WindowRange::new(days.windows.start(), days.windows.end(), Width::Hour).unwrap(),
        ..days.clone()
    };
    let by_model = UsageQuery {
        group_by: set(&[Dimension::Model]),
        ..days.clone()
    };
    let mut told = vec![client.read_usage(&days).await.unwrap_err()];
    for query in [three_days(), hours, by_model] {
        told.push(client.read_costs(&query).await.unwrap_err());
    }
    for (error, reason) in told.iter().zip([
        "the endpoint reports no usage",
        "the endpoint reports no costs",
        "the endpoint has no windows of 1h",
        "the endpoint cannot be grouped by model",
    ]) {
        assert_eq!(error.issue.code, IssueCode::RequestRefused);
        assert!(error.issue.message.ends_with(reason), "{error}");
    }
    assert_eq!(asked(&server).await.len(), 0);
}
