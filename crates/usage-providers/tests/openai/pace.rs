//! One pace for all clients of an account.

use std::time::Duration;

use tokio::time::Instant;
use usage_core::IssueCode;
use usage_providers::{InvalidOptions, OpenAi, OpenAiOptions, Pace, Pacer, RetryPolicy, UsageSource};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{asked, options, replies, three_buckets, three_days};

/// A client that has half a minute.
fn hurried(server: &MockServer, pacer: Option<&Pacer>) -> OpenAi {
    OpenAi::new(OpenAiOptions {
        pacer: pacer.cloned(),
        deadline: Some(Instant::now() + Duration::from_secs(30)),
        retry: RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        },
        ..options(&server.uri())
    })
    .unwrap()
}

#[tokio::test]
async fn clients_of_an_account_share_its_pace() {
    let server = replies(vec![three_buckets()]).await;
    let pacer = Pacer::new(Pace {
        requests_per_minute: 1,
        burst: 1,
    })
    .unwrap();
    let (one, other) = (hurried(&server, Some(&pacer)), hurried(&server, Some(&pacer)));
    one.read_usage(&three_days()).await.unwrap();
    let error = other.read_usage(&three_days()).await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::DeadlinePassed);
    assert!(error.issue.message.ends_with("(not sent)"), "{error}");
    assert_eq!((asked(&server).await.len(), other.traffic().requests), (1, 0));

    hurried(&server, None).read_usage(&three_days()).await.unwrap();
    assert_eq!(asked(&server).await.len(), 2, "another account has its own pace");
}

#[tokio::test]
async fn a_wait_that_one_client_is_asked_for_holds_all_of_the_account_back() {
    for status in [429, 503] {
        let server = replies(vec![
            ResponseTemplate::new(status).insert_header("retry-after", "500"),
            three_buckets(),
        ])
        .await;
        let pacer = Pacer::new(options(&server.uri()).pace).unwrap();
        let (one, other) = (hurried(&server, Some(&pacer)), hurried(&server, Some(&pacer)));
        one.read_usage(&three_days()).await.unwrap_err();
        let error = other.read_usage(&three_days()).await.unwrap_err();
        assert_eq!(error.issue.code, IssueCode::DeadlinePassed, "{status}");
        assert_eq!(
            (asked(&server).await.len(), other.traffic().requests),
            (1, 0),
            "{status}"
        );
        hurried(&server, None).read_usage(&three_days()).await.unwrap();
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_to_be_obeyed_holds_nobody_back() {
    let server = replies(vec![
        ResponseTemplate::new(429).insert_header("retry-after", "601"),
        three_buckets(),
    ])
    .await;
    let pacer = Pacer::new(options(&server.uri()).pace).unwrap();
    let (one, other) = (hurried(&server, Some(&pacer)), hurried(&server, Some(&pacer)));
    one.read_usage(&three_days()).await.unwrap_err();
    other.read_usage(&three_days()).await.unwrap();
}

#[tokio::test]
async fn a_failure_that_is_no_limit_holds_nobody_back() {
    let server = replies(vec![ResponseTemplate::new(500), three_buckets()]).await;
    let pacer = Pacer::new(options(&server.uri()).pace).unwrap();
    let (one, other) = (hurried(&server, Some(&pacer)), hurried(&server, Some(&pacer)));
    one.read_usage(&three_days()).await.unwrap_err();
    other.read_usage(&three_days()).await.unwrap();
    assert_eq!(other.traffic().throttled, Duration::ZERO);
}

#[test]
fn a_pace_of_nothing_is_refused() {
    for (requests_per_minute, burst) in [(0, 1), (1, 0)] {
        let pace = Pace {
            requests_per_minute,
            burst,
        };
        assert!(matches!(Pacer::new(pace), Err(InvalidOptions::Pace)));
        let client = OpenAi::new(OpenAiOptions {
            pace,
            ..options("http://127.0.0.1:1")
        });
        assert!(matches!(client, Err(InvalidOptions::Pace)));
    }
}
