//! Injected faults of the way to the client: statuses, connections, encodings.

use std::io::ErrorKind;

use usage_core::{Clock, ManualClock, parse_instant};
use usage_simulator::Simulator;
use usage_simulator::faults::{Fault, Injection, When};

use crate::support::{
    DAY, FIRST, OWNER, Raw, encode, generated, later, raw, real_month, serving, usage_path,
};

const QUERY: &str = "limit=31&group_by=model";

async fn suffering(fault: Fault) -> Simulator {
    let builder = serving(real_month()).fault(Injection::new(fault));
    builder.start().await.unwrap()
}

async fn read(simulator: &Simulator) -> Raw {
    raw(simulator, &usage_path(QUERY), usize::MAX).await
}

/// What a healthy simulator answers.
async fn healthy() -> Raw {
    read(&serving(real_month()).start().await.unwrap()).await
}

#[tokio::test]
async fn statuses_come_with_the_envelope_and_the_wait() {
    for (fault, status, retry_after, milliseconds) in [
        (Fault::RetryAfterSeconds, 429, Some("1"), None),
        (Fault::RetryAfterDay, 429, Some("86400"), None),
        (
            Fault::RetryAfterDate,
            429,
            Some("Sat, 01 Nov 2025 00:00:02 GMT"),
            None,
        ),
        (Fault::RetryAfterMs, 429, None, Some("20")),
        (Fault::ServerError(500), 500, None, None),
        (Fault::ServerError(529), 529, None, None),
        (Fault::ServerError(9_999), 500, None, None),
        (Fault::Unauthorized, 401, None, None),
        (Fault::Forbidden, 403, None, None),
        (Fault::NotFound, 404, None, None),
    ] {
        let simulator = suffering(fault).await;
        let answer = read(&simulator).await;
        assert_eq!(answer.status(), status, "{fault}");
        assert_eq!(answer.header("retry-after"), retry_after, "{fault}");
        assert_eq!(answer.header("retry-after-ms"), milliseconds, "{fault}");
        assert!(answer.json()["error"]["message"].is_string(), "{fault}");
        assert_eq!(simulator.requests()[0].status, status, "{fault}: as logged");
    }
}

#[tokio::test]
async fn redirects_lead_to_the_same_query() {
    for (fault, origin) in [
        (Fault::RedirectOtherHost, "http://localhost:"),
        (Fault::RedirectSameHost, "/v1/"),
    ] {
        let simulator = suffering(fault).await;
        let answer = read(&simulator).await;
        let location = answer.header("location").unwrap();
        assert_eq!(answer.status(), 307, "{fault}");
        assert!(location.starts_with(origin), "{location}");
        let port = simulator.base_url();
        let port = port.rsplit(':').next().unwrap().replace("/v1", "");
        assert_eq!(
            location.contains(&port),
            fault == Fault::RedirectOtherHost,
            "{location}"
        );
        assert!(
            location.ends_with(&format!("/v1{}", usage_path(QUERY))),
            "{location}"
        );
    }
}

#[tokio::test]
async fn a_reset_before_the_body_leaves_nothing() {
    let simulator = suffering(Fault::ResetBeforeBody).await;
    let answer = read(&simulator).await;
    assert_eq!((answer.head.as_str(), answer.body.len()), ("", 0));
    assert_eq!(answer.error, Some(ErrorKind::ConnectionReset));
    assert_eq!(simulator.count_requests("/usage/completions"), 1, "it is logged");
}

#[tokio::test]
async fn a_body_that_ends_early_is_half_and_the_connection_is_reset_or_closed() {
    let whole = healthy().await;
    for (fault, error) in [
        (Fault::ResetInsideBody, Some(ErrorKind::ConnectionReset)),
        (Fault::ShortBody, None),
    ] {
        let answer = read(&suffering(fault).await).await;
        assert_eq!((answer.status(), answer.error), (200, error), "{fault}");
        assert_eq!(answer.content_length(), whole.body.len(), "{fault}");
        assert_eq!(answer.body, whole.body[..whole.body.len() / 2], "{fault}");
    }
}

#[tokio::test]
async fn complete_answers_may_hold_no_json() {
    let whole = healthy().await;
    let half = whole.body.len() / 2;
    for (fault, body) in [
        (Fault::TruncatedJson, &whole.body[..half]),
        (Fault::InvalidJson, &whole.body[1..]),
    ] {
        let answer = read(&suffering(fault).await).await;
        assert_eq!((answer.status(), answer.error), (200, None), "{fault}");
        assert_eq!(answer.content_length(), body.len(), "{fault}");
        assert_eq!(answer.body, body, "{fault}");
    }
    let html = read(&suffering(Fault::Html).await).await;
    assert_eq!(html.status(), 200);
    assert_eq!(html.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(html.text().starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn compressed_bodies_are_right_damaged_or_a_bomb() {
    let whole = healthy().await;
    let unpacked = async |fault| {
        let simulator = suffering(fault).await;
        rustls::crypto::ring::default_provider().install_default().ok();
        let url = format!("{}{}", simulator.base_url(), usage_path(QUERY));
        let mut response = reqwest::Client::new()
            .get(url)
            .bearer_auth(OWNER)
            .send()
            .await
            .unwrap();
        let mut bytes = Vec::new();
        let outcome = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() < 1 << 24 => bytes.extend_from_slice(&chunk),
                other => break other.map(|_| ()),
            }
        };
        (bytes, outcome.is_ok())
    };

    assert_eq!(unpacked(Fault::Gzip).await, (whole.body.clone(), true));
    let (start, is_whole) = unpacked(Fault::CorruptGzip).await;
    assert!(whole.body.starts_with(&start) && !is_whole);
    let (start, _) = unpacked(Fault::GzipBomb).await;
    assert!(start.len() >= 1 << 24 && start.iter().all(|byte| *byte == b' '));

    for fault in [Fault::Gzip, Fault::CorruptGzip, Fault::GzipBomb] {
        let answer = read(&suffering(fault).await).await;
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{fault}");
        assert_eq!(answer.content_length(), answer.body.len(), "{fault}");
        assert!(answer.body.len() < 2_000_000, "{fault}: {}", answer.body.len());
    }
}

#[tokio::test]
async fn a_slow_body_trickles() {
    let whole = healthy().await;
    let simulator = suffering(Fault::SlowBytes).await;
    let answer = raw(&simulator, &usage_path(QUERY), 2).await;
    assert_eq!(answer.content_length(), whole.body.len());
    assert!(answer.body.len() < whole.body.len());
    assert!(whole.body.starts_with(&answer.body));
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_huge_body_is_promised_and_begins() {
    let whole = healthy().await;
    let simulator = suffering(Fault::HugeBody).await;
    let answer = raw(&simulator, &usage_path(QUERY), 1 << 22).await;
    assert_eq!(answer.content_length(), (1 << 30) + whole.body.len());
    assert!(answer.body.len() >= 1 << 22);
    assert!(answer.body.iter().all(|byte| *byte == b' '));
}

#[tokio::test]
async fn silence_lasts_until_the_simulator_stops() {
    let simulator = suffering(Fault::Silence).await;
    let address = simulator.base_url().replace("http://", "").replace("/v1", "");
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /v1{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {OWNER}\r\n\r\n",
        usage_path(QUERY)
    );
    std::io::Write::write_all(&mut connection, request.as_bytes()).unwrap();
    while simulator.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    connection.set_nonblocking(true).unwrap();
    let heard = std::io::Read::read(&mut connection, &mut [0; 16]);
    assert_eq!(heard.unwrap_err().kind(), ErrorKind::WouldBlock);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_skewed_clock_shows_in_the_date_and_in_what_has_happened() {
    let midday = "2025-09-05T12:00:00Z";
    let query = usage_path(&format!("bucket_width=1h&limit=168&end_time={}", FIRST + 6 * DAY));
    for (fault, date, hours) in [
        (None, "Fri, 05 Sep 2025 12:00:00 GMT", 4 * 24 + 13),
        (
            Some(Fault::ClockAhead),
            "Fri, 05 Sep 2025 17:00:00 GMT",
            4 * 24 + 18,
        ),
        (
            Some(Fault::ClockBehind),
            "Fri, 05 Sep 2025 07:00:00 GMT",
            4 * 24 + 8,
        ),
    ] {
        let clock = std::sync::Arc::new(ManualClock::new(parse_instant(midday).unwrap()));
        let simulator = serving(generated()).clock(clock).start().await.unwrap();
        if let Some(fault) = fault {
            simulator.inject(Injection::new(fault));
        }
        let answer = raw(&simulator, &query, usize::MAX).await;
        assert_eq!(answer.header("date"), Some(date));
        assert_eq!(
            answer.json()["data"].as_array().unwrap().len(),
            hours,
            "{fault:?}"
        );
    }
    assert_eq!(later().now(), parse_instant("2025-11-01T00:00:00Z").unwrap());
}

#[tokio::test]
async fn usage_is_restated_between_two_pages_and_only_once() {
    let restated = suffering(Fault::Restatement(200)).await;
    let steady = serving(real_month()).start().await.unwrap();
    let sum = |answer: &Raw| -> i64 {
        let json = answer.json();
        let buckets = json["data"].as_array().unwrap();
        let rows = buckets
            .iter()
            .flat_map(|bucket| bucket["results"].as_array().unwrap());
        rows.map(|row| row["input_tokens"].as_i64().unwrap()).sum()
    };
    let mut cursor = String::new();
    for percent in [100, 200, 200] {
        let path = usage_path(&format!("limit=7&end_time={}{cursor}", FIRST + 31 * DAY));
        let (old, new) = (
            raw(&steady, &path, usize::MAX).await,
            raw(&restated, &path, usize::MAX).await,
        );
        assert!(sum(&old) > 0);
        assert_eq!(sum(&new), sum(&old) * percent / 100);
        cursor = format!("&page={}", encode(new.json()["next_page"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn a_connection_that_was_reset_does_not_disturb_the_next_request() {
    let simulator = serving(real_month()).start().await.unwrap();
    simulator.inject(Injection::new(Fault::ResetBeforeBody).when(When::Once(1)));
    assert!(read(&simulator).await.error.is_some());
    assert_eq!(read(&simulator).await.body, healthy().await.body);
}
