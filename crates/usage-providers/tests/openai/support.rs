//! Servers, clients and bodies for the tests.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use usage_core::{
    Dimension, DimensionSet, Endpoint, IssueCode, ManualClock, ProjectFilter, WindowRange, parse_day,
    parse_instant,
};
use usage_providers::{
    OpenAi, OpenAiOptions, Pace, ReadError, RetryPolicy, UsageQuery, UsageRead, UsageSource,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

pub(crate) const KEY: &str = "sk-admin-test-not-a-real-key";
const DAY: i64 = 86_400;

/// A server whose n-th answer (from 0) is what the closure makes of n and the request.
pub(crate) async fn server(
    answer: impl Fn(usize, &Request) -> ResponseTemplate + Send + Sync + 'static,
) -> MockServer {
    struct Script<F>(F, std::sync::atomic::AtomicUsize);
    impl<F: Fn(usize, &Request) -> ResponseTemplate + Send + Sync> Respond for Script<F> {
        fn respond(&self, request: &Request) -> ResponseTemplate {
            let index = self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            (self.0)(index, request)
        }
    }
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(Script(answer, 0.into()))
        .mount(&server)
        .await;
    server
}

/// A server whose n-th answer is the n-th of these, the last one for ever.
pub(crate) async fn replies(answers: Vec<ResponseTemplate>) -> MockServer {
    server(move |index, _| answers[index.min(answers.len() - 1)].clone()).await
}

/// Quick and impatient, at noon of 2025-09-30.
pub(crate) fn options(base: &str) -> OpenAiOptions {
    OpenAiOptions {
        base_url: format!("{base}/v1").parse().unwrap(),
        pace: Pace {
            requests_per_minute: 600_000,
            burst: 10_000,
        },
        retry: RetryPolicy {
            attempts: 3,
            base: Duration::from_millis(1),
            ceiling: Duration::from_millis(2),
            ..RetryPolicy::default()
        },
        clock: Arc::new(ManualClock::new(parse_instant("2025-09-30T12:00:00Z").unwrap())),
        ..OpenAiOptions::new(KEY.to_owned().into())
    }
}

pub(crate) fn client(server: &MockServer) -> OpenAi {
    OpenAi::new(options(&server.uri())).unwrap()
}

/// Every project, grouped by all seven dimensions.
pub(crate) fn query(first: &str, last: &str) -> UsageQuery {
    UsageQuery {
        endpoint: Endpoint::Completions,
        windows: WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap(),
        filter: ProjectFilter::ALL,
        group_by: Endpoint::Completions.dimensions(),
    }
}

pub(crate) fn three_days() -> UsageQuery {
    query("2025-09-01", "2025-09-03")
}

pub(crate) async fn read(server: &MockServer, query: &UsageQuery) -> Result<UsageRead, ReadError> {
    client(server).read_usage(query).await
}

/// The code a read of three days fails with.
pub(crate) async fn failure(server: &MockServer) -> ReadError {
    read(server, &three_days()).await.unwrap_err()
}

/// The bucket of a day of September 2025.
pub(crate) fn bucket(day: i64, results: &Value) -> Value {
    let start = 1_756_684_800 + (day - 1) * DAY;
    json!({"object": "bucket", "start_time": start, "end_time": start + DAY, "results": results})
}

/// A row with every dimension filled.
pub(crate) fn row(input_tokens: i64) -> Value {
    json!({
        "object": "organization.usage.completions.result",
        "input_tokens": input_tokens, "output_tokens": 1, "num_model_requests": 1,
        "project_id": "proj_1", "user_id": "user-1", "api_key_id": "key_1", "model": "gpt-5",
        "batch": false, "service_tier": "default", "api_source": "unlabeled",
    })
}

pub(crate) fn page(buckets: &[Value], next_page: Option<&str>) -> ResponseTemplate {
    ok(&json!({
        "object": "page", "data": buckets, "has_more": next_page.is_some(), "next_page": next_page,
    }))
}

/// The answer to [`three_days`]: one row each.
pub(crate) fn three_buckets() -> ResponseTemplate {
    let bucket = |day: i64| bucket(day, &json!([row(day)]));
    page(&[bucket(1), bucket(2), bucket(3)], None)
}

pub(crate) fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

pub(crate) fn recorded(status: u16, body: &[u8]) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body, "application/json")
}

/// The path and decoded query of every request so far, as `path?name=value&…`.
pub(crate) async fn asked(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().map(line).collect()
}

/// One request as a line.
pub(crate) fn line(request: &Request) -> String {
    let pairs: Vec<_> = request
        .url
        .query_pairs()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{}?{}", request.url.path(), pairs.join("&"))
}

/// What each window holds: the input tokens of its rows, or the code of its issue.
pub(crate) fn outcome(read: &UsageRead) -> Vec<Result<Vec<i64>, IssueCode>> {
    read.windows
        .iter()
        .map(|window| match &window.rows {
            Ok(rows) => Ok(rows.iter().filter_map(|row| row.metrics.input_tokens).collect()),
            Err(issue) => Err(issue.code),
        })
        .collect()
}

pub(crate) fn codes(read: &UsageRead) -> Vec<IssueCode> {
    read.issues.iter().map(|issue| issue.code).collect()
}

pub(crate) fn set(dimensions: &[Dimension]) -> DimensionSet {
    dimensions.iter().copied().collect()
}
