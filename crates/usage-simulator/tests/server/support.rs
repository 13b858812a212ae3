//! A client that knows nothing but HTTP and JSON.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::Value;
use usage_core::{ManualClock, parse_instant};
use usage_simulator::{AdminKey, Generate, Organization, Simulator, SimulatorBuilder};

pub(crate) const OWNER: &str = "sk-admin-test-not-a-real-key";
pub(crate) const COMPLETIONS: &str = "/organization/usage/completions";
pub(crate) const FIRST: i64 = 1_756_684_800; // 2025-09-01
pub(crate) const DAY: i64 = 86_400;

const REAL_MONTH: &str =
    include_str!("../../../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv");

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    /// `status param code: message` of an error.
    pub(crate) fn error(&self) -> String {
        let error = &self.body["error"];
        let text = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {}: {}",
            self.status,
            text("param"),
            text("code"),
            text("message")
        )
    }

    pub(crate) fn buckets(&self) -> &Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body["data"].as_array().unwrap()
    }

    pub(crate) fn results(&self) -> Vec<&Value> {
        self.buckets()
            .iter()
            .flat_map(|bucket| bucket["results"].as_array().unwrap())
            .collect()
    }

    /// The sum of a metric over all results.
    pub(crate) fn sum(&self, metric: &str) -> i64 {
        self.results()
            .iter()
            .map(|row| row[metric].as_i64().unwrap())
            .sum()
    }

    pub(crate) fn next_page(&self) -> Option<String> {
        let next = self.body["next_page"].as_str().map(str::to_owned);
        assert_eq!(self.body["has_more"], next.is_some());
        next
    }
}

pub(crate) fn real_month() -> Organization {
    Organization::from_completions_csv("org-real", REAL_MONTH.as_bytes()).unwrap()
}

pub(crate) fn generated() -> Organization {
    Organization::generate(&Generate {
        idle_days_percent: 0,
        ..Generate::default()
    })
}

/// A clock long after the usage of both organisations.
pub(crate) fn later() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(parse_instant("2025-11-01T00:00:00Z").unwrap()))
}

pub(crate) fn serving(organization: Organization) -> SimulatorBuilder {
    Simulator::builder()
        .organization(organization)
        .key(AdminKey::owner(OWNER))
        .clock(later())
}

pub(crate) async fn get(simulator: &Simulator, path_and_query: &str) -> Answer {
    get_as(simulator, Some(OWNER), path_and_query).await
}

pub(crate) async fn get_as(simulator: &Simulator, secret: Option<&str>, path_and_query: &str) -> Answer {
    // A second installation is refused, which is fine: it is the same provider.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut request = reqwest::Client::new().get(format!("{}{path_and_query}", simulator.base_url()));
    if let Some(secret) = secret {
        request = request.bearer_auth(secret);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("retry-after")
        .map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    Answer {
        status,
        retry_after,
        body,
    }
}

/// The usage of a query such as `limit=31&group_by=model`; the start is the first of September unless given.
pub(crate) async fn usage(simulator: &Simulator, query: &str) -> Answer {
    get(simulator, &usage_path(query)).await
}

pub(crate) fn usage_path(query: &str) -> String {
    if query.contains("start_time") {
        format!("{COMPLETIONS}?{query}")
    } else {
        format!("{COMPLETIONS}?start_time={FIRST}&{query}")
    }
}

/// The whole query, page by page, each as received.
pub(crate) async fn all_pages(simulator: &Simulator, query: &str) -> Vec<Answer> {
    let mut pages = vec![usage(simulator, query).await];
    while let Some(next) = pages.last().unwrap().next_page() {
        let next = encode(&next);
        pages.push(usage(simulator, &format!("{query}&page={next}")).await);
    }
    pages
}

/// Percent-encodes what a cursor has and a query may not.
pub(crate) fn encode(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// An answer as it came over the wire.
pub(crate) struct Raw {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// How the connection ended, if not in good order.
    pub(crate) error: Option<io::ErrorKind>,
}

impl Raw {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            (found.eq_ignore_ascii_case(name)).then_some(value)
        })
    }

    pub(crate) fn content_length(&self) -> usize {
        self.header("content-length").unwrap().parse().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends one request over a connection of its own and reads to the end, or until there are so many bytes of body.
pub(crate) async fn raw(simulator: &Simulator, path_and_query: &str, at_most: usize) -> Raw {
    let address = simulator.base_url().replace("http://", "").replace("/v1", "");
    let request = format!(
        "GET /v1{path_and_query} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer {OWNER}\r\n\r\n"
    );
    let reading = tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        read_answer(&mut connection, at_most)
    });
    reading.await.unwrap()
}

fn read_answer(connection: &mut TcpStream, at_most: usize) -> Raw {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let mut head_length = None;
    let mut error = None;
    while head_length.is_none_or(|length| bytes.len() - length < at_most) {
        match connection.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(failure) => {
                error = Some(failure.kind());
                break;
            }
        }
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        head_length = head_length.or(end.map(|end| end + 4));
    }
    let body = bytes.split_off(head_length.unwrap_or(bytes.len()));
    Raw {
        head: String::from_utf8(bytes).unwrap(),
        body,
        error,
    }
}
