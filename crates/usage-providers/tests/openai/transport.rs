//! Broken connections, broken bodies, large bodies, slow servers.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;
use usage_core::{Clock, IssueCode, parse_instant};
use usage_providers::{Limits, OpenAi, OpenAiOptions, Pace, RetryPolicy, UsageSource};
use wiremock::ResponseTemplate;

use crate::support::{
    KEY, asked, client, failure, options, read, recorded, replies, three_buckets, three_days,
};

const SPACES: &[u8] = include_bytes!("../../fixtures/openai/four_mebibytes_of_spaces.gz");

/// A server that answers every connection with these bytes and hangs up. Returns its base address.
async fn raw_server(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0_u8; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_asked_again_and_then_invalid() {
    let base =
        raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"object\":\"page\",\"data\":[").await;
    let client = OpenAi::new(options(&base)).unwrap();
    let error = client.read_usage(&three_days()).await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::BodyInvalid);
    assert!(error.issue.message.contains("the body was cut off"), "{error}");
    assert_eq!(client.traffic().requests, 3);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_asked_again() {
    let server = replies(vec![
        ResponseTemplate::new(200).set_body_string("<html>one moment</html>"),
        ResponseTemplate::new(200).set_body_string(r#"{"object":"page","data":["#),
        three_buckets(),
    ])
    .await;
    read(&server, &three_days()).await.unwrap();
    assert_eq!(asked(&server).await.len(), 3);

    let server = replies(vec![
        ResponseTemplate::new(200).set_body_string("<html>secret</html>"),
    ])
    .await;
    let error = failure(&server).await;
    assert_eq!(error.issue.code, IssueCode::BodyInvalid);
    assert!(!error.issue.message.contains("secret"), "{error}");
}

#[tokio::test]
async fn broken_compression_is_an_invalid_body() {
    let broken = recorded(200, &SPACES[..2_000]).insert_header("content-encoding", "gzip");
    let server = replies(vec![broken]).await;
    assert_eq!(failure(&server).await.issue.code, IssueCode::BodyInvalid);
    assert_eq!(asked(&server).await.len(), 3);
}

#[tokio::test]
async fn the_body_limit_counts_bytes_after_decompression() {
    let large = recorded(200, SPACES).insert_header("content-encoding", "gzip");
    let server = replies(vec![large]).await;
    let client = limited(&server.uri(), 1_000_000);
    let error = client.read_usage(&three_days()).await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::BodyTooLarge);
    assert!(
        error.issue.message.contains("larger than 1000000 bytes"),
        "{error}"
    );
    assert_eq!(asked(&server).await.len(), 1, "it would be as large again");
    assert!(client.traffic().bytes < 2_000_000, "the rest is not read");
}

#[tokio::test]
async fn the_body_limit_holds_with_and_without_an_announced_length() {
    let server = replies(vec![three_buckets()]).await;
    let error = limited(&server.uri(), 100)
        .read_usage(&three_days())
        .await
        .unwrap_err();
    assert_eq!(error.issue.code, IssueCode::BodyTooLarge);

    let body = r#"{"object":"page","data":[],"has_more":false,"next_page":null}"#;
    let length = body.len();
    let chunked = raw_server(format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
    ))
    .await;
    let code = |limit| {
        let client = limited(&chunked, limit);
        async move {
            client
                .read_usage(&three_days())
                .await
                .err()
                .map(|error| error.issue.code)
        }
    };
    assert_eq!(code(length - 1).await, Some(IssueCode::BodyTooLarge));
    assert_eq!(code(length).await, None, "exactly the limit is within it");
}

#[tokio::test]
async fn no_connection_is_a_network_failure_after_its_retries() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = OpenAi::new(options(&base)).unwrap();
    let error = client.read_usage(&three_days()).await.unwrap_err();
    assert_eq!((error.issue.code, error.status), (IssueCode::Network, None));
    assert!(
        error.issue.message.contains("refused") && error.issue.message.ends_with("(3 attempts)"),
        "{error}"
    );
    assert_eq!(client.traffic().requests, 3);
    assert_eq!(ends(&client), [("connect", 3)]);
}

#[tokio::test]
async fn this_machine_may_be_called_by_its_name() {
    let server = replies(vec![three_buckets()]).await;
    let base = server.uri().replace("127.0.0.1", "localhost");
    OpenAi::new(options(&base))
        .unwrap()
        .read_usage(&three_days())
        .await
        .unwrap();
    assert_eq!(asked(&server).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_network_failure() {
    let base = raw_server(b"").await;
    let client = OpenAi::new(options(&base)).unwrap();
    let error = client.read_usage(&three_days()).await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::Network);
    assert_eq!(ends(&client), [("error", 3)]);
}

#[tokio::test]
async fn a_slow_server_is_a_timeout() {
    let server = replies(vec![three_buckets().set_delay(Duration::from_mins(1))]).await;
    let short = Duration::from_millis(50);
    let usual = Limits::default();
    for limits in [
        Limits {
            request_timeout: short,
            ..usual
        },
        Limits {
            read_timeout: short,
            ..usual
        },
    ] {
        let client = OpenAi::new(OpenAiOptions {
            limits,
            retry: RetryPolicy {
                attempts: 2,
                ..options(&server.uri()).retry
            },
            ..options(&server.uri())
        })
        .unwrap();
        let error = client.read_usage(&three_days()).await.unwrap_err();
        assert_eq!(error.issue.code, IssueCode::Timeout);
        assert_eq!(client.traffic().requests, 2);
        assert_eq!(ends(&client), [("timeout", 2)]);
    }
}

#[tokio::test]
async fn the_deadline_cuts_an_answer_that_is_under_way() {
    let server = replies(vec![three_buckets().set_delay(Duration::from_mins(1))]).await;
    let client = OpenAi::new(OpenAiOptions {
        deadline: Some(Instant::now() + Duration::from_secs(2)),
        ..options(&server.uri())
    })
    .unwrap();
    let error = client.read_usage(&three_days()).await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::DeadlinePassed);
    assert_eq!(client.traffic().requests, 1);
    assert_eq!(ends(&client), [("timeout", 1)]);
}

#[tokio::test]
async fn redirects_are_refused_and_the_key_goes_nowhere() {
    let elsewhere = replies(vec![three_buckets()]).await;
    for status in [301, 302, 303, 307, 308] {
        let answer = ResponseTemplate::new(status).insert_header("location", elsewhere.uri().as_str());
        let server = replies(vec![answer]).await;
        let error = failure(&server).await;
        assert_eq!(
            (error.issue.code, error.status),
            (IssueCode::RedirectRefused, Some(status))
        );
    }
    assert_eq!(asked(&elsewhere).await.len(), 0);
}

#[tokio::test]
async fn the_pace_is_kept_and_its_waits_are_counted() {
    let server = replies(vec![three_buckets()]).await;
    let client = OpenAi::new(OpenAiOptions {
        pace: Pace {
            requests_per_minute: 6_000,
            burst: 1,
        },
        ..options(&server.uri())
    })
    .unwrap();
    client.read_usage(&three_days()).await.unwrap();
    assert_eq!(client.traffic().throttled, Duration::ZERO);
    // Asked for at once, one of the two has to wait its turn, however slow this machine is.
    let (first, second) = (three_days(), three_days());
    let (first, second) = tokio::join!(client.read_usage(&first), client.read_usage(&second));
    assert!(first.is_ok() && second.is_ok());
    assert!(client.traffic().throttled > Duration::ZERO);
    assert_eq!(client.traffic().requests, 3);
}

#[tokio::test]
async fn a_turn_beyond_the_deadline_is_not_waited_for() {
    let server = replies(vec![three_buckets()]).await;
    let client = OpenAi::new(OpenAiOptions {
        pace: Pace {
            requests_per_minute: 1,
            burst: 1,
        },
        deadline: Some(Instant::now() + Duration::from_secs(20)),
        ..options(&server.uri())
    })
    .unwrap();
    client.read_usage(&three_days()).await.unwrap();
    let error = client.read_usage(&three_days()).await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::DeadlinePassed);
    assert_eq!(asked(&server).await.len(), 1);
}

#[tokio::test]
async fn debug_output_never_shows_the_key() {
    let server = replies(vec![three_buckets()]).await;
    let text = format!("{:?} {:?}", client(&server), options(&server.uri()));
    assert!(text.contains("[redacted]") && !text.contains(KEY), "{text}");
}

#[test]
fn keys_that_no_header_carries_are_refused_without_being_repeated() {
    for key in ["", "sk admin", "sk-admin\n", "schlüssel"] {
        let error = OpenAi::new(OpenAiOptions::new(key.to_owned().into())).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the key is empty or holds characters"),
            "{error}"
        );
    }
}

fn limited(base: &str, body_limit: usize) -> OpenAi {
    OpenAi::new(OpenAiOptions {
        limits: Limits {
            body_limit,
            ..Limits::default()
        },
        ..options(base)
    })
    .unwrap()
}

/// How the requests of completions ended, and how many each way.
fn ends(client: &OpenAi) -> Vec<(&'static str, u64)> {
    let by_status = client.traffic().by_status;
    by_status["completions"]
        .iter()
        .map(|(status, requests)| (*status, *requests))
        .collect()
}

/// A machine's clock that shows noon of 2025-09-30.
struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> DateTime<Utc> {
        parse_instant("2025-09-30T12:00:00Z").unwrap()
    }

    fn machine_now(&self) -> Option<DateTime<Utc>> {
        Some(self.now())
    }
}

#[tokio::test]
async fn a_clock_that_is_ahead_of_the_providers_reads_nothing() {
    let read_at = async |date: &str, age: &str| {
        let answer = three_buckets()
            .insert_header("date", date)
            .insert_header("age", age);
        let server = replies(vec![answer]).await;
        let client = OpenAi::new(OpenAiOptions {
            clock: Arc::new(MachineClock),
            ..options(&server.uri())
        })
        .unwrap();
        let read = client.read_usage(&three_days()).await;
        (read.err().map(|error| error.issue), asked(&server).await.len())
    };
    for (date, age) in [
        ("Tue, 30 Sep 2025 11:50:00 GMT", "0"),
        // A clock that is behind has days read again, and harms nothing.
        ("Wed, 01 Oct 2025 23:00:00 GMT", "0"),
        // An answer that was kept on its way for an hour.
        ("Tue, 30 Sep 2025 11:00:00 GMT", "3600"),
        ("yesterday", "0"),
    ] {
        assert_eq!(read_at(date, age).await, (None, 1), "{date}");
    }
    let (issue, requests) = read_at("Tue, 30 Sep 2025 11:49:59 GMT", "0").await;
    let issue = issue.unwrap();
    assert_eq!((issue.code, requests), (IssueCode::ClockAhead, 1), "{issue}");
    assert!(
        issue.message.contains(
            "this machine's clock shows 2025-09-30T12:00:00Z and the provider's 2025-09-30T11:49:59Z"
        ),
        "{issue}"
    );
}
