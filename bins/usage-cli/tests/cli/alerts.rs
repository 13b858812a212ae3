//! `usage alerts` and `usage budgets`: what they print, and how they end.

use std::fs;

use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fixture::{DatabaseKind, Finished, Place, Provider, replace_shape};

/// A webhook on a runtime of its own.
struct Webhook {
    server: MockServer,
    runtime: tokio::runtime::Runtime,
}

impl Webhook {
    fn answering(status: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            let answer = Mock::given(method("POST")).respond_with(ResponseTemplate::new(status));
            answer.mount(&server).await;
            server
        });
        Self { server, runtime }
    }

    /// The path makes it a secret.
    fn url(&self) -> String {
        format!("{}/hook/hunter2", self.server.uri())
    }

    fn bodies(&self) -> Vec<Value> {
        let requests = self.runtime.block_on(self.server.received_requests()).unwrap();
        requests
            .iter()
            .map(|request| serde_json::from_slice(&request.body).unwrap())
            .collect()
    }
}

#[test]
fn a_test_message_goes_to_every_webhook() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    place.run(&["alerts", "test"]).refuses_with(
        "no webhook is set; set USAGE_WEBHOOK_URL, or webhook_url in usage.toml (docs/ALERTING.md)",
    );
    let (good, bad) = (Webhook::answering(200), Webhook::answering(500));
    let with = |urls: &str| -> Finished {
        let mut command = place.command(&["alerts", "test"]);
        place.finish(command.env("USAGE_WEBHOOK_URL", urls), "")
    };
    let finished = with(&good.url()).succeeds();
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str()),
        ("1 webhook took the test message\n", "")
    );
    let body = good.bodies().remove(0);
    assert_eq!((&body["event"], &body["details"]), (&json!("test"), &json!({})));
    let finished = with(&format!("{} {}", bad.url(), good.url())).ends_with(1);
    let told = format!(
        "1 webhook took the test message\nnot told: {}/(hidden) answered 500\n",
        bad.server.uri()
    );
    assert_eq!(finished.stdout, told);
    assert_eq!(good.bodies().len(), 2);
}

#[test]
fn incidents_are_listed_for_people_and_programs() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let empty = place.run(&["alerts", "list"]).succeeds().stdout;
    assert_eq!(empty, "nothing is open\nnothing has ended\n");
    place.execute(
        "INSERT INTO incidents (kind, subject, message, details, opened_at, last_seen_at, closed_at, notified_open_at) VALUES \
         ('parity', 'openai/org-a completions', '3 groups differ', '{}', 1756684800, 1756771200, NULL, 1756684800), \
         ('invalid_key', 'openai/org-a key 1', 'not accepted', '{}', 1756684800, 1756684800, 1756771200, 1756684800)",
    );
    let text = place.run(&["alerts", "list"]).succeeds().stdout;
    assert_eq!(
        text,
        "open\n  parity openai/org-a completions: since 2025-09-01 00:00:00 UTC; 3 groups differ\n\
         ended\n  invalid_key openai/org-a key 1: since 2025-09-01 00:00:00 UTC, ended 2025-09-02 00:00:00 UTC, not \
         everybody was told; not accepted\n"
    );
    let list = place
        .run(&["alerts", "list", "--format", "json"])
        .succeeds()
        .json();
    assert_eq!(
        list["open"],
        json!([{
            "kind": "parity",
            "subject": "openai/org-a completions",
            "message": "3 groups differ",
            "openedAt": "2025-09-01T00:00:00Z",
            "lastSeenAt": "2025-09-02T00:00:00Z",
            "endedAt": null,
            "toldOpenAt": "2025-09-01T00:00:00Z",
            "toldEndedAt": null,
        }])
    );
    assert_eq!(list["ended"][0]["endedAt"], "2025-09-02T00:00:00Z");
}

#[test]
fn budgets_are_shown_and_faults_in_them_are_one_line() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let none = place.run(&["budgets"]).succeeds().stdout;
    assert_eq!(
        none,
        "no budgets; write [[budgets]] in usage.toml (docs/ALERTING.md)\n"
    );
    let settings = place.work().join("usage.toml");
    let budget =
        "[[budgets]]\nname = 'support bot'\nproject = 'proj_a'\nperiod = 'daily'\namount_usd = 250.00\n";
    fs::write(&settings, budget).unwrap();
    let text = place.run(&["budgets"]).succeeds().stdout;
    assert_eq!(
        replace_shape(&text, "0000-00-00", "[day]"),
        "by the price list; what the provider charges is known later\n  \
         ok     support bot: at least 0 of 250 usd (0%) daily from [day] to [day], proj_a; 1 day not read\n"
    );
    let report = place.run(&["budgets", "--format", "json"]).succeeds().json();
    assert_eq!(
        (&report["budgets"][0]["amountUsd"], &report["budgets"][0]["state"]),
        (&json!("250"), &json!("ok"))
    );
    fs::write(&settings, format!("{budget}warn_at = 0.8\n")).unwrap();
    place
        .run(&["budgets"])
        .refuses_with("usage.toml:6: `warn_at` must be text in quotes");
}
