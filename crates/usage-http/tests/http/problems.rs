//! What goes wrong, as problem documents.

use std::time::Duration;

use usage_http::Limits;

use crate::fake::{End, Fake, Running, SECRET};
use crate::wire::{answer, ask, get, send};

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_done_with_it() {
    let server = Running::with(Fake::default()).await;
    for path in [
        "/",
        "/nowhere",
        "/api/cron",
        "/metrics/",
        "/api/cron/daily-usage/x",
        "/%00",
    ] {
        get(server.address, path).await.is_problem(404);
        assert_eq!(ask(server.address, "HEAD", path, "").await.status, 404);
    }
    for path in ["/metrics", "/healthz", "/readyz"] {
        let told = ask(server.address, "POST", path, "").await;
        let problem = told.is_problem(405);
        assert_eq!(told.header("allow"), Some("GET,HEAD"), "{problem}");
    }
    assert_eq!(server.fake.begun(), 0);
}

#[tokio::test]
async fn a_body_of_a_gigabyte_is_refused_unread() {
    let server = Running::with(Fake::default()).await;
    let head = |rest: &str| {
        format!(
            "POST /api/cron/daily-usage HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n{rest}\r\n"
        )
    };
    // Announced: nothing of it has to arrive.
    let told = answer(send(server.address, head("Content-Length: 1000000000\r\n")).await).await;
    told.is_problem(413);
    assert_eq!(told.header("connection"), Some("close"));
    // Not announced: it is read up to what is allowed.
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let chunked = format!("{}{chunk}1\r\nx\r\n", head("Transfer-Encoding: chunked\r\n"));
    answer(send(server.address, chunked).await).await.is_problem(413);
    assert_eq!(server.fake.begun(), 0);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = Limits {
        body: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = Running::start(Fake::default(), Some(SECRET), limits).await;
    let begun = format!(
        "POST /api/cron/daily-usage HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: 5\r\n\r\nhal"
    );
    let told = answer(send(server.address, begun).await).await;
    told.is_problem(408);
    assert_eq!(told.header("connection"), Some("close"));
    assert_eq!(server.fake.begun(), 0);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let limits = Limits {
        answer: Duration::from_millis(20),
        ..Limits::default()
    };
    let fake = Fake {
        metrics: End::Never,
        ..Fake::default()
    };
    let server = Running::start(fake, None, limits).await;
    get(server.address, "/metrics").await.is_problem(503);
    // What was given up keeps nobody else from asking.
    get(server.address, "/metrics").await.is_problem(503);
    assert_eq!(server.fake.begun(), 2);
}

#[tokio::test]
async fn a_panic_ends_its_request_and_nothing_else() {
    let server = Running::with(Fake {
        metrics: End::InPanic,
        ..Fake::default()
    })
    .await;
    for _ in 0..2 {
        let told = get(server.address, "/metrics").await;
        told.is_problem(500);
        assert!(!told.text().contains("the test wants it"), "{}", told.text());
    }
    assert_eq!(get(server.address, "/readyz").await.status, 200);
}

#[tokio::test]
async fn a_huge_head_is_refused() {
    let server = Running::with(Fake::default()).await;
    for headers in [
        format!("Authorization: Bearer {}\r\n", "x".repeat(1 << 20)),
        "X-Many: x\r\n".repeat(1_000),
    ] {
        let told = ask(server.address, "GET", "/healthz", &headers).await;
        assert_eq!(told.status, 431, "{told:?}");
    }
    let told = answer(send(server.address, "no request at all\r\n\r\n").await).await;
    assert_eq!(told.status, 400);
}
