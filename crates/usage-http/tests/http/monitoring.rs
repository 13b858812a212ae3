//! `/metrics`, `/healthz` and `/readyz`

use serde_json::json;

use crate::fake::{End, Fake, Running};
use crate::wire::{answer, ask, get, request, send};

#[tokio::test]
async fn metrics_are_computed_once_for_all_who_ask_at_the_same_time() {
    let server = Running::with(Fake::gated()).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(send(server.address, request("GET", "/metrics", "")).await);
    }
    server.fake.has_begun(1).await;
    // One permit: a second computation would never end.
    server.fake.gate.add_permits(1);
    for client in clients {
        let told = answer(client).await;
        assert_eq!((told.status, told.text()), (200, "# a metric\n"));
        assert_eq!(
            told.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
    }
    assert_eq!(server.fake.begun(), 1);
}

#[tokio::test]
async fn metrics_are_computed_again_when_they_are_old() {
    let limits = usage_http::Limits {
        cached: std::time::Duration::ZERO,
        ..usage_http::Limits::default()
    };
    let server = Running::start(Fake::default(), None, limits).await;
    for computed in 1..=3 {
        assert_eq!(get(server.address, "/metrics").await.status, 200);
        assert_eq!(server.fake.begun(), computed);
    }
}

#[tokio::test]
async fn metrics_that_cannot_be_computed_are_a_problem_that_tells_nothing_of_the_reason() {
    let server = Running::with(Fake {
        metrics: End::Badly,
        ..Fake::default()
    })
    .await;
    for _ in 0..2 {
        let told = get(server.address, "/metrics").await;
        told.is_problem(500);
        assert!(!told.text().contains("away"), "{}", told.text());
    }
    assert_eq!(
        server.fake.begun(),
        1,
        "a ledger that is away is not asked by every scrape"
    );
}

#[tokio::test]
async fn a_process_that_lives_says_so_whatever_else_is_wrong() {
    let server = Running::with(Fake {
        fault: Some("it is away"),
        metrics: End::Badly,
        ..Fake::default()
    })
    .await;
    let told = get(server.address, "/healthz").await;
    assert_eq!((told.status, told.text()), (200, r#"{"status":"ok"}"#));
    let head = ask(server.address, "HEAD", "/healthz", "").await;
    assert_eq!((head.status, head.text()), (200, ""));
}

#[tokio::test]
async fn readiness_names_what_is_not_in_order_and_a_lag_is_no_reason() {
    let server = Running::with(Fake::default()).await;
    let told = get(server.address, "/readyz").await;
    assert_eq!(told.status, 200);
    assert_eq!(
        told.json(),
        json!({
            "status": "ready",
            "checks": [{ "name": "database", "ok": true }, { "name": "master key", "ok": true }],
            "coverageLagSeconds": 864_000,
        })
    );
    let server = Running::with(Fake {
        fault: Some("it cannot be loaded; see `usage doctor`"),
        ..Fake::default()
    })
    .await;
    let problem = get(server.address, "/readyz").await.is_problem(503);
    assert_eq!(
        problem["detail"],
        "not ready: master key: it cannot be loaded; see `usage doctor`"
    );
    assert_eq!(
        problem["checks"],
        json!([
            { "name": "database", "ok": true },
            { "name": "master key", "ok": false, "fault": "it cannot be loaded; see `usage doctor`" },
        ])
    );
    assert_eq!(problem["coverageLagSeconds"], 864_000);
}
