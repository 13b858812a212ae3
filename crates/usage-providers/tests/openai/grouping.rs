//! Whether the grouping that was asked for was applied.

use serde_json::{Value, json};
use usage_core::{Dimension, Endpoint, IssueCode, Severity};
use usage_providers::{GroupingLimit, UsageQuery, UsageSource};
use wiremock::ResponseTemplate;

use crate::support::{
    asked, bucket, client, codes, failure, line, outcome, page, query, read, recorded, replies, row, server,
    set, three_buckets, three_days,
};

const REFUSED: &[u8] = include_bytes!("../../fixtures/openai/refused_api_source.json");
const REFUSED_IN_RANGE: &[u8] = include_bytes!("../../fixtures/openai/refused_time_range.json");

/// One row, some of whose fields are null.
fn nulls(fields: &[&str]) -> Value {
    let mut row = row(1);
    for field in fields {
        row[*field] = Value::Null;
    }
    row
}

fn days(results: &[Value; 3]) -> ResponseTemplate {
    let buckets: Vec<_> = (1..)
        .zip(results)
        .map(|(day, results)| bucket(day, results))
        .collect();
    page(&buckets, None)
}

#[tokio::test]
async fn a_model_or_project_that_is_null_throughout_fails_the_read() {
    for field in ["model", "project_id"] {
        let server = replies(vec![days(&[
            json!([nulls(&[field])]),
            json!([nulls(&[field])]),
            json!([]),
        ])])
        .await;
        let error = failure(&server).await;
        assert_eq!(error.issue.code, IssueCode::GroupingNotApplied);
        assert!(
            error.issue.message.contains(&format!("{field} was asked for")),
            "{error}"
        );
    }
}

/// One row of an endpoint with every dimension filled but these.
fn row_without(endpoint: Endpoint, missing: &[Dimension]) -> Value {
    let mut row = json!({});
    for metric in endpoint.required_metrics() {
        row[metric.as_str()] = json!(1);
    }
    for dimension in endpoint.dimensions().iter() {
        row[dimension.as_str()] = match dimension {
            _ if missing.contains(&dimension) => Value::Null,
            Dimension::Batch => json!(true),
            _ => json!("a"),
        };
    }
    row
}

#[tokio::test]
async fn what_is_null_throughout_is_judged_alike_at_every_endpoint() {
    for endpoint in Endpoint::USAGE {
        let query = UsageQuery {
            endpoint,
            group_by: endpoint.dimensions(),
            ..three_days()
        };
        for dimension in endpoint.dimensions().iter() {
            let rows = json!([row_without(endpoint, &[dimension])]);
            let server = replies(vec![days(&[rows.clone(), json!([]), rows])]).await;
            let outcome = read(&server, &query).await;
            if matches!(dimension, Dimension::ProjectId | Dimension::Model) {
                let error = outcome.unwrap_err();
                assert_eq!(
                    error.issue.code,
                    IssueCode::GroupingNotApplied,
                    "{endpoint} {dimension}"
                );
            } else {
                let read = outcome.unwrap();
                assert_eq!(read.empty_dimensions, set(&[dimension]), "{endpoint}");
                assert_eq!(
                    codes(&read),
                    [IssueCode::DimensionEmpty],
                    "{endpoint} {dimension}"
                );
            }
        }
        let all: Vec<_> = endpoint.dimensions().iter().collect();
        let rows = json!([row_without(endpoint, &all), row_without(endpoint, &[])]);
        let server = replies(vec![days(&[rows, json!([]), json!([])])]).await;
        assert_eq!(codes(&read(&server, &query).await.unwrap()), [], "{endpoint}");
    }
}

#[tokio::test]
async fn every_dimension_that_an_endpoint_can_do_without_may_be_refused() {
    for endpoint in Endpoint::USAGE {
        let query = UsageQuery {
            endpoint,
            group_by: endpoint.dimensions(),
            ..three_days()
        };
        for dimension in endpoint.dimensions().iter() {
            let server = server(move |_, request| {
                let asked = format!("group_by={dimension}");
                if line(request).split('&').any(|parameter| parameter == asked) {
                    let message =
                        format!("Invalid value: '{dimension}'. Supported values are: 'project_id'.");
                    ResponseTemplate::new(400)
                        .set_body_json(json!({"error": {"message": message, "param": "group_by[1]"}}))
                } else {
                    days(&[json!([row_without(endpoint, &[])]), json!([]), json!([])])
                }
            })
            .await;
            let outcome = read(&server, &query).await;
            if matches!(dimension, Dimension::ProjectId | Dimension::Model) {
                assert_eq!(outcome.unwrap_err().refused, Some(dimension), "{endpoint}");
            } else {
                let read = outcome.unwrap();
                assert_eq!(
                    read.grouped_by,
                    endpoint.dimensions().without(dimension),
                    "{endpoint}"
                );
                assert_eq!(
                    codes(&read),
                    [IssueCode::DimensionRefused],
                    "{endpoint} {dimension}"
                );
            }
        }
    }
}

#[tokio::test]
async fn one_row_with_a_value_is_enough_wherever_it_is() {
    let server = replies(vec![
        page(
            &[
                bucket(1, &json!([nulls(&["model", "batch"])])),
                bucket(2, &json!([])),
            ],
            Some("a"),
        ),
        page(&[bucket(3, &json!([row(1)]))], None),
    ])
    .await;
    let read = read(&server, &three_days()).await.unwrap();
    assert_eq!(codes(&read), []);
    assert!(read.empty_dimensions.is_empty());
}

#[tokio::test]
async fn other_dimensions_that_are_null_throughout_are_a_warning() {
    let rows = json!([nulls(&["api_source", "user_id"])]);
    let server = replies(vec![days(&[rows.clone(), rows, json!([])])]).await;
    let read = read(&server, &three_days()).await.unwrap();
    assert_eq!(
        read.empty_dimensions,
        set(&[Dimension::ApiSource, Dimension::UserId])
    );
    assert_eq!(
        read.grouped_by,
        three_days().group_by,
        "they were asked for and not refused"
    );
    assert_eq!(codes(&read), [IssueCode::DimensionEmpty]);
    assert_eq!(read.issues[0].severity, Severity::Warning);
}

#[tokio::test]
async fn a_range_without_rows_proves_nothing() {
    let server = replies(vec![days(&[json!([]), json!([]), json!([])])]).await;
    let read = read(&server, &three_days()).await.unwrap();
    assert_eq!(codes(&read), []);
    assert_eq!(outcome(&read), [Ok(vec![]), Ok(vec![]), Ok(vec![])]);
}

#[tokio::test]
async fn a_refused_dimension_is_left_out_and_not_asked_again() {
    let server = server(|_, request| {
        if line(request).contains("api_source") {
            recorded(400, REFUSED)
        } else {
            three_buckets()
        }
    })
    .await;
    let client = client(&server);
    let first = client.read_usage(&three_days()).await.unwrap();
    let granted = three_days().group_by.without(Dimension::ApiSource);
    assert_eq!(first.grouped_by, granted);
    assert_eq!(codes(&first), [IssueCode::DimensionRefused]);
    assert!(
        first.issues[0].message.ends_with("reading without api_source"),
        "{}",
        first.issues[0]
    );
    let rows = first.windows[0].rows.as_ref().unwrap();
    assert_eq!(
        rows[0].dimensions.api_source, None,
        "the server sends it all the same"
    );

    let second = client.read_usage(&three_days()).await.unwrap();
    assert_eq!((second.grouped_by, codes(&second)), (granted, vec![]));
    let asked = asked(&server).await;
    assert_eq!(asked.len(), 3, "one refusal, two reads");
    assert_eq!(asked[1], asked[0].replace("&group_by=api_source", ""));
    assert_eq!(asked[2], asked[1]);
}

#[tokio::test]
async fn a_refusal_in_the_middle_starts_again_from_the_first_page() {
    let server = server(|index, _| match index {
        0 => page(&[bucket(1, &json!([row(999)]))], Some("a")),
        1 => recorded(400, REFUSED),
        _ => three_buckets(),
    })
    .await;
    let read = read(&server, &three_days()).await.unwrap();
    assert_eq!(outcome(&read), [Ok(vec![1]), Ok(vec![2]), Ok(vec![3])]);
    let asked = asked(&server).await;
    assert!(
        asked[1].ends_with("&page=a") && !asked[2].contains("page="),
        "{asked:#?}"
    );
}

#[tokio::test]
async fn a_refusal_for_older_times_leaves_newer_ones_alone() {
    let server = server(|_, request| {
        let line = line(request);
        if line.contains("api_key_id") && line.contains("start_time=1756684800") {
            recorded(400, REFUSED_IN_RANGE)
        } else {
            page(&[], None)
        }
    })
    .await;
    let client = client(&server);
    let old = client.read_usage(&three_days()).await.unwrap();
    assert!(!old.grouped_by.contains(Dimension::ApiKeyId));
    let older = client
        .read_usage(&query("2025-08-01", "2025-08-03"))
        .await
        .unwrap();
    assert!(!older.grouped_by.contains(Dimension::ApiKeyId));
    let new = client
        .read_usage(&query("2025-12-06", "2025-12-07"))
        .await
        .unwrap();
    assert!(
        new.grouped_by.contains(Dimension::ApiKeyId),
        "2025-12-06 is where the provider begins"
    );
    assert_eq!(asked(&server).await.len(), 4);
}

#[tokio::test]
async fn a_refused_model_or_project_fails_the_read_by_name() {
    for (dimension, name) in [(Dimension::Model, "model"), (Dimension::ProjectId, "project_id")] {
        let body = json!({"error": {"message": format!("Invalid value: '{name}'."), "param": "group_by"}});
        let server = replies(vec![ResponseTemplate::new(400).set_body_json(&body)]).await;
        let error = failure(&server).await;
        assert_eq!(error.issue.code, IssueCode::RequestRefused);
        assert_eq!((error.status, error.refused), (Some(400), Some(dimension)));
        assert_eq!(asked(&server).await.len(), 1);
    }
}

#[tokio::test]
async fn a_provider_that_refuses_what_it_is_not_asked_is_not_asked_for_ever() {
    let server = replies(vec![recorded(400, REFUSED)]).await;
    let error = failure(&server).await;
    assert_eq!(
        (error.issue.code, error.refused),
        (IssueCode::RequestRefused, None)
    );
    assert_eq!(asked(&server).await.len(), 2);
}

#[tokio::test]
async fn the_endpoint_takes_all_seven_dimensions_at_once() {
    let server = replies(vec![three_buckets()]).await;
    assert_eq!(
        client(&server).grouping_limit(Endpoint::Completions),
        GroupingLimit {
            dimensions: Endpoint::Completions.dimensions(),
            at_once: 7,
        }
    );
}

#[tokio::test]
async fn a_grouping_by_one_dimension_is_verified_for_that_one_only() {
    let server = replies(vec![days(&[
        json!([nulls(&["project_id", "batch"])]),
        json!([]),
        json!([]),
    ])])
    .await;
    let query = UsageQuery {
        group_by: set(&[Dimension::Model]),
        ..three_days()
    };
    let read = read(&server, &query).await.unwrap();
    assert_eq!(
        (read.grouped_by, codes(&read)),
        (set(&[Dimension::Model]), vec![])
    );
}
