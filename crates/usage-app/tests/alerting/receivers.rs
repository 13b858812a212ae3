//! Receivers of every bad kind: what they do is a warning, and never more.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use usage_app::alerting::{self, Finding, Ping};
use usage_app::commands::alerts;
use usage_app::{App, Exit};
use usage_core::ManualClock;
use wiremock::matchers::{any, body_string_contains};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fixture::{Database, NOW, Place, account, at, parity, told, url_of, webhook};

/// Accepts whoever comes and treats them so; the connections stay open. Returns where it is and how many came.
fn listener(treat: impl Fn(&mut TcpStream) + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let came = Arc::new(AtomicUsize::new(0));
    let counter = came.clone();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            treat(&mut stream);
            open.push(stream);
        }
    });
    (format!("http://{address}/hook/hunter2"), came)
}

fn app(variables: &[(&str, &str)]) -> (App, Database) {
    let database = Database::sqlite();
    let app = database.app(&Arc::new(ManualClock::new(at(NOW))), variables, "");
    (app, database)
}

#[tokio::test]
async fn who_hangs_is_given_up_once_a_pass() {
    let (hanging, came) = listener(|_| ());
    let good = webhook(200).await;
    let mut place = Place::new(Database::sqlite(), &[&hanging, &url_of(&good)]).await;
    place.app.settings.webhook_timeout.value = std::num::NonZeroU32::MIN;
    let other = Finding::run_failed(Some(&account()), "no").with("runId", 17);
    let summary = place.pass([parity(), other]).await;
    assert_eq!((summary.sent, summary.unsent), (2, 2));
    let host = hanging.replace("/hook/hunter2", "");
    assert_eq!(
        summary.warnings,
        [format!(
            "a webhook was not told: {host}/(hidden) did not answer within 1 s"
        )]
    );
    assert_eq!(came.load(Ordering::SeqCst), 1);
    assert_eq!(told(&good).await.len(), 2);
}

#[tokio::test]
async fn a_message_that_is_refused_holds_up_no_other() {
    let server = MockServer::start().await;
    Mock::given(body_string_contains("completions"))
        .respond_with(ResponseTemplate::new(400))
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let place = Place::new(Database::sqlite(), &[&url_of(&server)]).await;
    let second = Finding::run_failed(Some(&account()), "no");
    let third = Finding::run_failed(None, "no");
    let summary = place.pass([parity(), second, third]).await;
    assert_eq!((summary.sent, summary.unsent, summary.warnings.len()), (2, 1, 1));
    let again = place.pass([parity()]).await;
    assert_eq!((again.sent, again.unsent, again.warnings.len()), (0, 1, 1));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = webhook(200).await;
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let place = Place::new(Database::sqlite(), &[&url_of(&server)]).await;
    let summary = place.pass([parity()]).await;
    assert_eq!(
        summary.warnings,
        [format!(
            "a webhook was not told: {}/(hidden) answered with a redirect (307), which is never followed",
            server.uri()
        )]
    );
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let (endless, _) = listener(|stream| {
        // An answer to nothing would be refused.
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
        stream.write_all(head).unwrap();
        // Until the other side has had enough: a connection that is closed with a request unread may lose its answer.
        let _ = std::io::copy(stream, &mut std::io::sink());
    });
    let place = Place::new(Database::sqlite(), &[&endless]).await;
    let summary = place.pass([parity()]).await;
    assert_eq!((summary.sent, summary.unsent, summary.warnings), (1, 0, vec![]));
}

#[tokio::test]
async fn nobody_at_the_door_is_a_warning_without_the_secret() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook/hunter2", closed.local_addr().unwrap());
    drop(closed);
    let place = Place::new(Database::sqlite(), &[&url]).await;
    let summary = place.pass([parity()]).await;
    assert_eq!(summary.warnings.len(), 1);
    let warning = &summary.warnings[0];
    assert!(
        warning.contains("(hidden) cannot be reached: ") && !warning.contains("hunter2"),
        "{warning}"
    );
    let text = serde_json::to_string(&summary).unwrap() + &summary.to_string();
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn without_a_webhook_incidents_are_kept_and_told_to_the_first_that_comes() {
    let mut place = Place::new(Database::sqlite(), &[]).await;
    let summary = place.pass([parity()]).await;
    assert_eq!((summary.opened.len(), summary.sent, summary.unsent), (1, 0, 0));
    let server = webhook(200).await;
    let url = url_of(&server);
    place.app = place
        .database
        .app(&place.clock, &[("USAGE_WEBHOOK_URL", &url)], "");
    assert_eq!(place.pass([parity()]).await.sent, 1);
}

#[tokio::test]
async fn a_message_holds_no_key_and_no_end_of_line() {
    let server = webhook(200).await;
    let place = Place::new(Database::sqlite(), &[&url_of(&server)]).await;
    let reason = format!(
        "the key\nsk-admin-hunter2 and postgres://me:hunter2@db/usage {}",
        "x".repeat(9_000)
    );
    place.pass([Finding::run_failed(None, &reason)]).await;
    let body = crate::fixture::bodies(&server).await.remove(0);
    let message = body["message"].as_str().unwrap();
    assert!(!body.to_string().contains("hunter2"), "{body}");
    assert!(
        !message.contains('\n') && message.chars().count() == 500,
        "{message}"
    );
    assert_eq!(body["subject"], "cron pass");
}

#[tokio::test]
async fn slack_gets_its_own_form() {
    let server = webhook(200).await;
    let database = Database::sqlite();
    let clock = Arc::new(ManualClock::new(at(NOW)));
    let url = url_of(&server);
    let toml = format!("webhook_url = ['{url}']\nwebhook_format = 'slack'");
    let app = database.app(&clock, &[], &toml);
    let report = alerts::test(&app).await.unwrap();
    assert_eq!(
        (report.exit(), report.to_string().as_str()),
        (Exit::Clean, "1 webhook took the test message\n")
    );
    let body = crate::fixture::bodies(&server).await.remove(0);
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("*Test: test, test*\n"), "{body}");
    assert_eq!(body.as_object().unwrap().len(), 1);
    assert!(
        alerts::list(&app).await.unwrap().open.is_empty(),
        "a test opens nothing"
    );
}

#[tokio::test]
async fn a_test_tells_which_webhook_failed() {
    let (good, bad) = (webhook(200).await, webhook(404).await);
    let urls = format!("{} {}", url_of(&good), url_of(&bad));
    let (app_with_two, _folder) = app(&[("USAGE_WEBHOOK_URL", &urls)]);
    let report = alerts::test(&app_with_two).await.unwrap();
    assert_eq!(report.exit(), Exit::Findings);
    assert_eq!(
        report.to_string(),
        format!(
            "1 webhook took the test message\nnot told: {}/(hidden) answered 404\n",
            bad.uri()
        )
    );
    let (app_without, _folder) = app(&[]);
    let refused = alerts::test(&app_without).await.unwrap_err().to_string();
    assert!(refused.starts_with("no webhook is set; "), "{refused}");
}

#[tokio::test]
async fn the_switch_is_told_how_a_pass_went() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let url = format!("{}/not-a-real-check/?create=1", server.uri());
    let (with_switch, _folder) = app(&[("USAGE_PING_URL", &url)]);
    for ping in [Ping::Started, Ping::Succeeded, Ping::Failed] {
        assert_eq!(alerting::ping(&with_switch, ping).await, None);
    }
    let asked: Vec<String> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| {
            let query = request.url.query().unwrap();
            format!("{} {}?{query}", request.method, request.url.path())
        })
        .collect();
    assert_eq!(
        asked,
        [
            "GET /not-a-real-check/start?create=1",
            "GET /not-a-real-check/?create=1",
            "GET /not-a-real-check/fail?create=1",
        ]
    );
    let (without_switch, _folder) = app(&[]);
    assert_eq!(alerting::ping(&without_switch, Ping::Failed).await, None);
    let (hanging, _) = listener(|_| ());
    let (with_deaf_switch, _folder) = app(&[("USAGE_PING_URL", &hanging), ("USAGE_WEBHOOK_TIMEOUT", "1")]);
    let warning = alerting::ping(&with_deaf_switch, Ping::Succeeded).await.unwrap();
    assert!(
        warning.starts_with("the dead-man's switch was not told: http://127.0.0.1:")
            && warning.ends_with("/(hidden) did not answer within 1 s"),
        "{warning}"
    );
}
