//! When a request is sent again, how long it waits, and when it is given up.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use usage_core::{IssueCode, Severity};
use usage_providers::{OpenAi, OpenAiOptions, RetryPolicy, UsageSource};
use wiremock::ResponseTemplate;

use crate::support::{KEY, asked, client, failure, options, replies, three_buckets, three_days};

fn status(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
}

#[tokio::test]
async fn passing_failures_are_asked_again() {
    for code in [408, 409, 429, 500, 502, 503, 529] {
        let server = replies(vec![status(code), status(code), three_buckets()]).await;
        let client = client(&server);
        client.read_usage(&three_days()).await.unwrap();
        let traffic = client.traffic();
        assert_eq!((traffic.requests, traffic.retries), (3, 2), "{code}");
        let by_status = json!({"completions": {code.to_string(): 2, "200": 1}});
        assert_eq!(json!(traffic.by_status), by_status);
        let asked = asked(&server).await;
        assert!(asked.iter().all(|line| *line == asked[0]), "{asked:#?}");
    }
}

#[tokio::test]
async fn lasting_failures_are_not() {
    for (code, name) in [
        (400, IssueCode::RequestRefused),
        (401, IssueCode::Unauthorized),
        (403, IssueCode::Forbidden),
        (404, IssueCode::EndpointUnavailable),
        (422, IssueCode::RequestRefused),
        (301, IssueCode::RedirectRefused),
    ] {
        let server = replies(vec![status(code)]).await;
        let error = failure(&server).await;
        assert_eq!((error.issue.code, error.status), (name, Some(code)));
        assert_eq!(error.issue.severity, Severity::Error, "{code}");
        assert_eq!(asked(&server).await.len(), 1, "{code}");
    }
}

#[tokio::test]
async fn attempts_are_spent_and_then_told() {
    for (code, name) in [
        (408, IssueCode::Timeout),
        (429, IssueCode::Throttled),
        (500, IssueCode::ProviderError),
    ] {
        let server = replies(vec![status(code)]).await;
        let error = failure(&server).await;
        assert_eq!((error.issue.code, error.status), (name, Some(code)));
        assert!(error.issue.message.ends_with("(3 attempts)"), "{error}");
        assert_eq!(asked(&server).await.len(), 3, "{code}");
    }
}

#[tokio::test]
async fn the_provider_may_say_otherwise() {
    let server = replies(vec![
        status(503).insert_header("x-should-retry", "false"),
        three_buckets(),
    ])
    .await;
    assert_eq!(failure(&server).await.issue.code, IssueCode::ProviderError);
    assert_eq!(asked(&server).await.len(), 1);

    let server = replies(vec![
        status(400).insert_header("x-should-retry", "true"),
        three_buckets(),
    ])
    .await;
    client(&server).read_usage(&three_days()).await.unwrap();
    assert_eq!(asked(&server).await.len(), 2);
}

#[tokio::test]
async fn the_wait_that_is_asked_for_is_made_and_counted() {
    let server = replies(vec![
        status(429)
            .insert_header("retry-after-ms", "7")
            .insert_header("retry-after", "900"),
        status(503).insert_header("retry-after", "0.005"),
        three_buckets(),
    ])
    .await;
    let client = client(&server);
    client.read_usage(&three_days()).await.unwrap();
    assert_eq!(client.traffic().throttled, Duration::from_millis(12));
}

#[tokio::test]
async fn a_date_to_wait_for_is_one_of_the_providers_clock() {
    // Five hours away by our clock, one second by the provider's, which is the one that counts.
    let server = replies(vec![
        status(429)
            .insert_header("date", "Tue, 30 Sep 2025 17:00:00 GMT")
            .insert_header("retry-after", "Tue, 30 Sep 2025 17:00:01 GMT"),
        three_buckets(),
    ])
    .await;
    let client = client(&server);
    client.read_usage(&three_days()).await.unwrap();
    assert_eq!(client.traffic().throttled, Duration::from_secs(1));
}

#[tokio::test]
async fn a_wait_that_nobody_asked_for_is_no_throttling() {
    let server = replies(vec![status(500), three_buckets()]).await;
    let client = client(&server);
    client.read_usage(&three_days()).await.unwrap();
    assert_eq!(client.traffic().throttled, Duration::ZERO);
}

#[tokio::test]
async fn a_wait_beyond_the_longest_ends_the_read() {
    for (code, name) in [(429, IssueCode::Throttled), (503, IssueCode::ProviderError)] {
        let server = replies(vec![
            status(code).insert_header("retry-after", "601"),
            three_buckets(),
        ])
        .await;
        let error = failure(&server).await;
        assert_eq!(error.issue.code, name);
        assert!(
            error.issue.message.contains("601 s, longer than the 600 s"),
            "{error}"
        );
        assert_eq!(asked(&server).await.len(), 1);
    }
    // The provider's clock says noon, whatever ours says.
    let date = "Tue, 30 Sep 2025 12:10:01 GMT";
    let server = replies(vec![
        status(429)
            .insert_header("date", "Tue, 30 Sep 2025 12:00:00 GMT")
            .insert_header("retry-after", date),
        three_buckets(),
    ])
    .await;
    assert_eq!(failure(&server).await.issue.code, IssueCode::Throttled);
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_ends_the_read() {
    for (code, name) in [(429, IssueCode::Throttled), (503, IssueCode::DeadlinePassed)] {
        let server = replies(vec![
            status(code).insert_header("retry-after", "500"),
            three_buckets(),
        ])
        .await;
        let client = OpenAi::new(OpenAiOptions {
            deadline: Some(Instant::now() + Duration::from_mins(5)),
            ..options(&server.uri())
        });
        let error = client.unwrap().read_usage(&three_days()).await.unwrap_err();
        assert_eq!((error.issue.code, error.status), (name, Some(code)));
        assert_eq!(asked(&server).await.len(), 1);
    }
}

#[tokio::test]
async fn after_the_deadline_nothing_is_sent() {
    let server = replies(vec![three_buckets()]).await;
    let client = OpenAi::new(OpenAiOptions {
        deadline: Some(Instant::now()),
        ..options(&server.uri())
    })
    .unwrap();
    let error = client.read_usage(&three_days()).await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::DeadlinePassed);
    assert!(error.issue.message.ends_with("(not sent)"), "{error}");
    assert_eq!((client.traffic().requests, asked(&server).await.len()), (0, 0));
}

#[tokio::test]
async fn the_last_attempt_is_followed_by_no_wait() {
    let server = replies(vec![status(429).insert_header("retry-after", "600")]).await;
    let client = OpenAi::new(OpenAiOptions {
        retry: RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        },
        ..options(&server.uri())
    })
    .unwrap();
    let error = client.read_usage(&three_days()).await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::Throttled);
    assert_eq!(client.traffic().throttled, Duration::ZERO);
}

#[tokio::test]
async fn the_providers_words_are_passed_on_without_keys() {
    let message = format!(
        "Bad\nrequest, key {KEY}, also sk-proj-abc***def, {}",
        "x".repeat(500)
    );
    let body = json!({"error": {"message": message, "type": "t", "param": null, "code": null}});
    let server = replies(vec![status(422).set_body_json(&body)]).await;
    let told = failure(&server).await.issue.message;
    let start = "openai completions 2025-09-01T00:00:00Z..2025-09-04T00:00:00Z/1d: HTTP 422, the request was \
                 refused: Bad request, key [key], also sk-…, xxx";
    assert!(told.starts_with(start), "{told}");
    assert!(
        told.ends_with("x… (1 attempt)") && told.chars().count() < 450,
        "{told}"
    );
}

#[tokio::test]
async fn an_error_page_that_is_no_json_is_not_quoted() {
    let server = replies(vec![status(404).set_body_string("<html>not here</html>")]).await;
    let told = failure(&server).await.issue.message;
    assert!(
        told.ends_with("HTTP 404, there is nothing at this address (1 attempt)"),
        "{told}"
    );
}
