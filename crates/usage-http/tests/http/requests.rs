//! Ids, log lines and compression.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::fake::{Fake, Running, SECRET};
use crate::wire::{ask, get, request, send};

#[tokio::test]
async fn an_id_is_kept_if_it_can_stand_in_a_log_and_made_otherwise() {
    let server = Running::with(Fake::default()).await;
    let sane = ask(server.address, "GET", "/healthz", "X-Request-Id: edge-7.A_b\r\n").await;
    assert_eq!(sane.header("x-request-id"), Some("edge-7.A_b"));
    for strange in [
        "X-Request-Id: a b\r\n",
        "X-Request-Id: a\r\nX-Request-Id: b\r\n",
        "",
    ] {
        let told = ask(server.address, "GET", "/nowhere", strange).await;
        assert_eq!(told.header("x-request-id").unwrap().len(), 32);
        told.is_problem(404);
    }
}

#[tokio::test]
async fn every_request_leaves_one_line_and_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Running::with(Fake::default()).await;
    let id = |name: &str| format!("X-Request-Id: {name}\r\n");
    let right = format!("Authorization: Bearer {SECRET}\r\n");
    let wrong = "Authorization: Bearer sk-admin-pasted-by-mistake\r\n";
    let path = "/api/cron/daily-usage";
    ask(server.address, "POST", path, &format!("{}{right}", id("right"))).await;
    ask(server.address, "GET", path, &format!("{}{wrong}", id("wrong"))).await;
    let pasted = format!("/{SECRET}/sk-admin-pasted-by-mistake?key={SECRET}");
    ask(server.address, "GET", &pasted, &id("pasted")).await;
    ask(server.address, "SK-ADMIN", path, &id("invented")).await;
    ask(server.address, "GET", "/metrics", &id("scrape")).await;
    ask(server.address, "POST", "/metrics", &id("refused")).await;
    server.tell();
    server.ends().await;
    let lines = log.lines();
    let requests: Vec<(&str, &str, &str, u64)> = lines
        .iter()
        .filter(|line| line["message"] == "request")
        .map(|line| {
            assert!(line["milliseconds"].is_u64(), "{line}");
            let text = |field: &str| line[field].as_str().unwrap();
            (
                text("id"),
                text("method"),
                text("route"),
                line["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        requests,
        [
            ("right", "POST", path, 200),
            ("wrong", "GET", path, 401),
            ("pasted", "GET", "none", 404),
            ("invented", "other", path, 405),
            ("refused", "POST", "/metrics", 405),
        ]
    );
    let text = log.text();
    for secret in [SECRET, "pasted-by-mistake", "SK-ADMIN"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Running::with(Fake::gated()).await;
    let client = send(
        server.address,
        request("GET", "/metrics", "X-Request-Id: gone\r\n"),
    )
    .await;
    server.fake.has_begun(1).await;
    drop(client);
    server.tell();
    server.ends().await;
    let lines = log.lines();
    let line = lines.iter().find(|line| line["id"] == "gone").unwrap();
    assert_eq!(line["message"], "the client left its request");
}

#[tokio::test]
async fn answers_are_compressed_for_whoever_can_read_that() {
    let server = Running::with(Fake {
        text: "# a metric\n".repeat(1_000),
        ..Fake::default()
    })
    .await;
    let told = ask(server.address, "GET", "/metrics", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(told.header("content-encoding"), Some("gzip"));
    assert!(told.body.len() < 2_000, "{}", told.body.len());
    let told = get(server.address, "/metrics").await;
    assert_eq!(told.header("content-encoding"), None);
    assert_eq!(told.header("content-length"), Some("11000"));
    assert_eq!(told.header("x-content-type-options"), Some("nosniff"));
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        let text = self.text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
