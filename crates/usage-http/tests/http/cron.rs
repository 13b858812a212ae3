//! `/api/cron/daily-usage`

use usage_http::Limits;

use crate::fake::{End, Fake, REPORT, Running, SECRET};
use crate::wire::{answer, ask, request, send};

const PATH: &str = "/api/cron/daily-usage";

fn bearer(secret: &str) -> String {
    format!("Authorization: Bearer {secret}\r\n")
}

#[tokio::test]
async fn without_a_usable_secret_it_answers_nobody() {
    for secret in [None, Some(""), Some(" \n"), Some("undefined"), Some("null")] {
        let server = Running::start(Fake::default(), secret, Limits::default()).await;
        for headers in [String::new(), bearer(SECRET), bearer("undefined"), bearer("")] {
            let told = ask(server.address, "GET", PATH, &headers).await;
            assert_eq!(told.status, 503, "{secret:?} {headers:?}");
            assert_eq!(told.text(), r#"{"error":"Service unavailable"}"#);
            assert_eq!(told.header("content-type"), Some("application/json"));
        }
        assert_eq!(server.fake.begun(), 0);
    }
}

#[tokio::test]
async fn whoever_does_not_present_the_secret_is_refused() {
    let server = Running::with(Fake::default()).await;
    let right = bearer(SECRET);
    let wrong = [
        String::new(),
        bearer(""),
        bearer("undefined"),
        bearer("null"),
        bearer("cron-secret-for-tests-onlY"),
        bearer("cron-secret-for-tests"),
        bearer(&format!("{SECRET}{SECRET}")),
        format!("Authorization: bearer {SECRET}\r\n"),
        format!("Authorization: {SECRET}\r\n"),
        format!("Authorization: Basic {SECRET}\r\n"),
        format!("Cookie: Bearer {SECRET}\r\n"),
        format!("{right}{right}"),
        format!("{right}{}", bearer("other")),
    ];
    for method in ["GET", "POST"] {
        for headers in &wrong {
            let told = ask(server.address, method, PATH, headers).await;
            assert_eq!(told.status, 401, "{headers:?}");
            assert_eq!(told.text(), r#"{"error":"Unauthorized"}"#);
            assert_eq!(told.header("www-authenticate"), Some("Bearer"));
        }
    }
    let query = format!("{PATH}?secret={SECRET}&authorization=Bearer%20{SECRET}");
    assert_eq!(ask(server.address, "GET", &query, "").await.status, 401);
    assert_eq!(server.fake.begun(), 0);
}

#[tokio::test]
async fn a_pass_is_run_and_its_report_is_the_answer() {
    let server = Running::with(Fake::default()).await;
    for method in ["GET", "POST"] {
        let told = ask(server.address, method, PATH, &bearer(SECRET)).await;
        assert_eq!((told.status, told.text()), (200, REPORT));
        assert_eq!(told.header("content-type"), Some("application/json"));
        assert_eq!(told.header("cache-control"), Some("no-store"));
    }
    assert_eq!(server.fake.ended(), 2);
}

#[tokio::test]
async fn a_pass_that_cannot_be_run_is_told_as_before() {
    for pass in [End::Badly, End::InPanic] {
        let server = Running::with(Fake {
            pass,
            ..Fake::default()
        })
        .await;
        let told = ask(server.address, "POST", PATH, &bearer(SECRET)).await;
        assert_eq!(told.status, 500);
        assert_eq!(
            told.text(),
            r#"{"error":"Failed to run daily usage fetch","timestamp":"2025-10-10T02:00:00Z"}"#
        );
    }
}

/// HEAD above all, which a router takes for a GET.
#[tokio::test]
async fn other_methods_run_nothing() {
    let server = Running::with(Fake::default()).await;
    for method in ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "INVENTED"] {
        let told = ask(server.address, method, PATH, &bearer(SECRET)).await;
        assert_eq!(told.status, 405, "{method}");
        assert_eq!(told.header("allow"), Some("GET, POST"), "{method}");
        assert_eq!(told.header("content-type"), Some("application/problem+json"));
        assert_eq!(told.body.is_empty(), method == "HEAD", "{method}");
    }
    assert_eq!(server.fake.begun(), 0);
}

#[tokio::test]
async fn a_pass_goes_on_when_its_client_has_gone_and_the_server_waits_for_it() {
    let server = Running::with(Fake::gated()).await;
    let client = send(server.address, request("POST", PATH, &bearer(SECRET))).await;
    server.fake.has_begun(1).await;
    drop(client);
    // Whoever comes later is served, and the server has seen that the client has gone.
    assert_eq!(ask(server.address, "GET", "/healthz", "").await.status, 200);
    server.tell();
    assert_eq!(server.fake.ended(), 0);
    let fake = server.fake.clone();
    fake.gate.add_permits(1);
    server.ends().await;
    assert_eq!(fake.ended(), 1);
}

#[tokio::test]
async fn a_pass_under_way_is_answered_after_the_server_was_told_to_stop() {
    let limits = Limits {
        answer: std::time::Duration::ZERO,
        ..Limits::default()
    };
    let server = Running::start(Fake::gated(), Some(SECRET), limits).await;
    let client = send(server.address, request("GET", PATH, &bearer(SECRET))).await;
    server.fake.has_begun(1).await;
    server.tell();
    server.fake.gate.add_permits(1);
    let told = answer(client).await;
    assert_eq!((told.status, told.text()), (200, REPORT), "no limit but its own");
    server.ends().await;
}
