//! Who is told what, and how often.

use serde_json::json;
use usage_app::alerting::{self, Finding, IncidentKind, Pass};
use usage_app::commands::alerts;

use crate::fixture::{Database, NOW, Place, account, answers, at, bodies, parity, told, url_of, webhook};

const OPENED: &str = "incident.opened openai/org-anon completions";
const ENDED: &str = "incident.ended openai/org-anon completions";
const NOTHING: [&str; 0] = [];

pub(crate) async fn people_are_told_when_it_opens_and_when_it_ends_and_not_between(database: Database) {
    let server = webhook(200).await;
    let place = Place::new(database, &[&url_of(&server)]).await;
    let first = place.pass([parity()]).await;
    assert_eq!((first.opened.len(), first.sent, first.unsent), (1, 1, 0));
    assert_eq!(first.warnings, NOTHING);

    for (now, groups) in [("2025-09-24T13:00:00Z", 4), ("2025-09-24T14:00:00Z", 5)] {
        place.clock.set(at(now));
        let grown = Finding::parity(&account(), "completions", groups);
        let again = place.pass([grown]).await;
        assert_eq!(
            (again.opened.len(), again.still_open.len(), again.sent),
            (0, 1, 0)
        );
        assert!(
            again.still_open[0]
                .message
                .starts_with(&format!("{groups} groups"))
        );
    }
    place.clock.set(at("2025-09-24T15:00:00Z"));
    let last = place.pass([]).await;
    assert_eq!((last.ended.len(), last.sent), (1, 1));
    place.clock.set(at("2025-09-24T16:00:00Z"));
    let after = place.pass([]).await;
    assert_eq!(
        (after.ended.len(), after.sent, after.to_string()),
        (0, 0, String::new())
    );

    assert_eq!(told(&server).await, [OPENED, ENDED]);
    let bodies = bodies(&server).await;
    let label = bodies[0]["ledger"].as_str().unwrap();
    assert!(label.ends_with(place.ledger.name()), "{label}");
    assert_eq!(
        bodies[1],
        json!({
            "event": "incident.ended",
            "kind": "parity",
            "subject": "openai/org-anon completions",
            "message": "5 groups of openai/org-anon completions in the ledger and in the provider's export differ; see `usage parity`",
            "openedAt": NOW,
            "endedAt": "2025-09-24T15:00:00Z",
            "details": { "endpoint": "completions", "differentGroups": 5 },
            "ledger": label,
        })
    );

    // What comes again is told again, and stands in the list beside what was.
    place.pass([parity()]).await;
    assert_eq!(told(&server).await, [OPENED, ENDED, OPENED]);
    let list = alerts::list(&place.app).await.unwrap();
    let told_at = |at: &str| Some(at.to_owned());
    assert_eq!((list.open.len(), list.ended.len()), (1, 1));
    assert_eq!(list.open[0].told_open_at, told_at("2025-09-24T16:00:00Z"));
    assert_eq!(list.ended[0].told_open_at, told_at(NOW));
    assert_eq!(list.ended[0].told_ended_at, told_at("2025-09-24T15:00:00Z"));
}

pub(crate) async fn of_many_passes_at_once_one_tells(database: Database) {
    let server = webhook(200).await;
    let place = Place::new(database, &[&url_of(&server)]).await;
    let everything = |found: bool| {
        let passes = (0..8).map(|_| {
            let variables = [("USAGE_WEBHOOK_URL", url_of(&server))];
            let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
            let app = place.database.app(&place.clock, &variables, "");
            tokio::spawn(async move {
                let ledger = app.ledger().await.unwrap();
                let mut pass = Pass::begun_at(app.clock.now());
                pass.looked_at_all(IncidentKind::Parity);
                pass.looked_at_all(IncidentKind::InvalidKey);
                if found {
                    pass.found(parity());
                    pass.found(Finding::invalid_key(&account(), 7, None));
                }
                alerting::report(&app, &ledger, &pass).await
            })
        });
        passes.collect::<Vec<_>>()
    };
    for (found, events) in [(true, 2), (false, 4)] {
        let (mut changed, mut sent) = (0, 0);
        for pass in everything(found) {
            let summary = pass.await.unwrap();
            assert_eq!(summary.warnings, NOTHING);
            changed += if found {
                summary.opened.len()
            } else {
                summary.ended.len()
            };
            sent += summary.sent;
        }
        assert_eq!((changed, sent), (2, 2));
        assert_eq!(told(&server).await.len(), events);
    }
}

pub(crate) async fn what_does_not_get_through_is_told_by_the_next_pass(database: Database) {
    let server = webhook(500).await;
    let place = Place::new(database, &[&url_of(&server)]).await;
    for _ in 0..2 {
        let failed = place.pass([parity()]).await;
        assert_eq!((failed.sent, failed.unsent), (0, 1));
        let warning = format!("a webhook was not told: {}/(hidden) answered 500", server.uri());
        assert_eq!(failed.warnings, [warning]);
    }
    assert_eq!(told(&server).await, [OPENED, OPENED], "once in each pass");

    // It ends while nobody can be told: then both are told, in order.
    let ended = place.pass([]).await;
    assert_eq!((ended.ended.len(), ended.sent, ended.unsent), (1, 0, 2));
    let text = alerts::list(&place.app).await.unwrap().to_string();
    assert!(text.contains("not everybody was told"), "{text}");
    answers(&server, 204).await;
    assert_eq!(place.pass([]).await.sent, 2);
    assert_eq!(place.pass([]).await.sent, 0);
    assert_eq!(told(&server).await, [OPENED, ENDED]);
}

pub(crate) async fn a_webhook_that_fails_keeps_nothing_from_another(database: Database) {
    let (good, bad) = (webhook(200).await, webhook(503).await);
    let place = Place::new(database, &[&url_of(&bad), &url_of(&good)]).await;
    let other = || Finding::invalid_key(&account(), 7, Some("month end"));
    let summary = place.pass([parity(), other()]).await;
    assert_eq!((summary.sent, summary.unsent, summary.warnings.len()), (2, 2, 1));
    assert_eq!(
        told(&bad).await.len(),
        1,
        "who failed once is not asked again in this pass"
    );
    place.pass([other()]).await;
    let in_order = ["incident.opened openai/org-anon key 7", OPENED, ENDED];
    assert_eq!(told(&good).await, in_order);

    answers(&bad, 200).await;
    assert_eq!(place.pass([other()]).await.sent, 3);
    assert_eq!(told(&bad).await, in_order);
    assert_eq!(told(&good).await, in_order, "nobody is told twice");
}

pub(crate) async fn a_pass_that_did_not_look_neither_opens_nor_ends(database: Database) {
    let server = webhook(200).await;
    let place = Place::new(database, &[&url_of(&server)]).await;
    place.pass([parity()]).await;
    let now = place.app.clock.now();
    let elsewhere = usage_core::Account::new(usage_core::Provider::OpenAi, "org-other").unwrap();
    let mut pass = Pass::begun_at(now);
    pass.looked_at(IncidentKind::Parity, &elsewhere);
    pass.looked_at(IncidentKind::RunFailed, &account());
    let summary = alerting::report(&place.app, &place.ledger, &pass).await;
    assert_eq!(
        (
            summary.opened.len(),
            summary.still_open.len(),
            summary.ended.len()
        ),
        (0, 1, 0)
    );
    // A pass that began before it was seen does not know better.
    let mut slow = Pass::begun_at(now - chrono::TimeDelta::seconds(1));
    slow.looked_at_all(IncidentKind::Parity);
    let summary = alerting::report(&place.app, &place.ledger, &slow).await;
    assert_eq!((summary.still_open.len(), summary.ended.len()), (1, 0));
    assert_eq!(told(&server).await, [OPENED]);
}
