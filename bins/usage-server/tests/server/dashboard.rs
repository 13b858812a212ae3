//! Who gets which page, and whose forms change something.

use chrono::Days;
use usage_core::NanoUsd;

use crate::shared::eventually;
use crate::visitor::Visitor;
use crate::world::{ORGANIZATION, Served, World, first_read_day, today};

/// A token that an administrator makes for others, of these accounts; none is all.
fn token(admin: &Visitor, role: &str, accounts: &[&str]) -> String {
    let mut fields = vec![("name", role), ("role", role), ("expiresInDays", "30")];
    fields.extend(accounts.iter().map(|id| ("account", *id)));
    let made = admin.send("/tokens", "/tokens", &fields).is(200);
    let secret = made.between("id=\"token-secret\">", "</code>");
    assert!(secret.starts_with("usage_"), "{secret}");
    assert!(!admin.get("/tokens").body.contains(secret), "it is shown once");
    secret.to_owned()
}

fn admin(served: &Served) -> Visitor {
    Visitor::signed_in(served.address, served.token.as_deref().unwrap())
}

#[test]
fn the_first_start_prints_a_token_and_no_other_start_does() {
    let world = World::empty();
    let first = world.serve();
    let token = first.token.clone().unwrap();
    let page = admin(&first).get("/").is(200);
    assert!(page.body.contains("first admin"), "{page:#?}");
    first.ends();
    let second = world.serve();
    assert_eq!(second.token, None);
    Visitor::signed_in(second.address, &token).get("/").is(200);
    let log = second.ends();
    assert!(!log.contains(&token), "{log}");
}

#[test]
fn one_signs_in_with_a_token_and_out_again() {
    let world = World::empty();
    let served = world.serve();
    let token = served.token.clone().unwrap();
    let mut visitor = Visitor::new(served.address);
    let sent_away = visitor.get("/explore?model=gpt-5").is(303);
    assert_eq!(
        sent_away.header("location"),
        Some("/sign-in?back=%2Fexplore%3Fmodel%3Dgpt-5")
    );
    let wrong = token.replace("usage_", "usage_x");
    for other in ["", "usage_", wrong.as_str(), "'; --"] {
        let refused = visitor.sign_in(other).is(401);
        assert!(
            refused
                .body
                .contains("This token is unknown, expired or revoked.")
        );
        assert_eq!(refused.header("set-cookie"), None);
    }
    let answer = visitor.sign_in(&token).is(303);
    assert_eq!(answer.header("location"), Some("/explore"));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains(&token));
    visitor.keep_cookie(&answer);
    let page = visitor.get("/").is(200);
    assert_eq!(
        page.header("content-security-policy"),
        Some("default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let mut copy = Visitor::new(served.address);
    copy.keep_cookie(&answer);
    copy.get("/").is(200);
    let out = visitor.send("/", "/sign-out", &[]).is(303);
    assert!(out.header("set-cookie").unwrap().starts_with("usage_session=; "));
    visitor.keep_cookie(&out);
    visitor.get("/").is(303);
    copy.get("/").is(303);
    copy.get("/api/accounts").is(401);
    served.ends();
}

#[test]
fn a_session_ends_when_its_token_is_revoked() {
    let world = World::empty();
    let served = world.serve();
    let admin = admin(&served);
    let reader = Visitor::signed_in(served.address, &token(&admin, "reader", &[]));
    reader.get("/").is(200);
    let ask = admin.get("/tokens/2/revoke").is(200);
    assert!(ask.body.contains("That cannot be undone."));
    reader.get("/").is(200);
    admin.send("/tokens/2/revoke", "/tokens/2/revoke", &[]).is(303);
    reader.get("/").is(303);
    served.ends();
}

#[test]
fn a_form_that_is_not_of_the_session_changes_nothing() {
    let world = World::with_usage();
    let served = world.serve();
    let admin = admin(&served);
    let other = Visitor::signed_in(served.address, served.token.as_deref().unwrap());
    let page = admin.get("/keys").is(200);
    let mine = page.between("name=\"csrf\" value=\"", "\"");
    let page = other.get("/keys").is(200);
    let others = page.between("name=\"csrf\" value=\"", "\"");
    let here = "Sec-Fetch-Site: same-origin\r\n";
    for (fields, headers) in [
        (&[] as &[(&str, &str)], here),
        (&[("csrf", "")], here),
        (&[("csrf", others)], here),
        (&[("csrf", mine)], "Sec-Fetch-Site: cross-site\r\n"),
        (&[("csrf", mine)], "Sec-Fetch-Site: same-site\r\n"),
        (&[("csrf", mine)], "Origin: https://evil.example\r\n"),
        (&[("csrf", mine)], "Origin: null\r\n"),
    ] {
        for path in [
            "/keys/1/remove",
            "/tokens/1/revoke",
            "/runs",
            "/sign-out",
            "/theme",
        ] {
            let refused = admin.post(path, fields, headers).is(403);
            assert!(
                refused.body.contains("This form is too old"),
                "{path}: {refused:#?}"
            );
        }
    }
    assert!(admin.get("/keys").is(200).body.contains(ORGANIZATION));
    assert_eq!(admin.get("/runs/3").status, 404, "no run was started");
    admin.post("/keys/1/remove", &[("csrf", mine)], here).is(303);
    assert!(!admin.get("/keys").body.contains("/keys/1/remove"));
    let history = admin.get("/explore").is(200);
    assert!(
        history.body.contains("<table class=\"events\">"),
        "the history stays"
    );
    served.ends();
}

#[test]
fn every_role_sees_and_does_what_it_may_and_nothing_of_other_accounts() {
    let world = World::with_usage();
    let served = world.serve();
    let admin = admin(&served);
    let visitor =
        |role: &str, accounts: &[&str]| Visitor::signed_in(served.address, &token(&admin, role, accounts));
    let visitors = [
        visitor("reader", &[]),
        visitor("operator", &[]),
        visitor("admin", &[]),
        // The account without usage.
        visitor("reader", &["2"]),
        visitor("admin", &["2"]),
    ];
    let stranger = Visitor::new(served.address);
    for (path, expected) in [
        ("/", [200; 5]),
        ("/explore", [200; 5]),
        ("/restatements", [200; 5]),
        ("/parity", [200; 5]),
        ("/reconciliation", [200; 5]),
        ("/budgets", [200; 5]),
        ("/keys", [200; 5]),
        ("/runs", [200; 5]),
        ("/runs?cursor=x", [400; 5]),
        ("/runs/1", [200, 200, 200, 404, 404]),
        ("/runs/2", [200; 5]),
        ("/runs/99", [404; 5]),
        ("/tokens", [403, 403, 200, 403, 403]),
        ("/tokens/1/revoke", [403, 403, 200, 403, 403]),
        ("/parity?account=1", [200, 200, 200, 404, 404]),
        ("/reconciliation?account=1", [200, 200, 200, 404, 404]),
        ("/explore?account=1", [200, 200, 200, 404, 404]),
        ("/explore?account=2", [200; 5]),
        ("/explore?account=99", [404; 5]),
        ("/keys/1/remove", [403, 403, 200, 403, 404]),
        ("/keys/1/rotate", [403, 403, 200, 403, 404]),
        ("/keys/2/rotate", [403, 403, 200, 403, 200]),
        ("/keys/99/rotate", [403, 403, 404, 403, 404]),
        ("/keys/x/rotate", [403, 403, 404, 403, 404]),
        ("/explore?colour=red", [400; 5]),
        ("/explore?after=x", [400; 5]),
        ("/?by=weather", [400; 5]),
        ("/?from=yesterday", [400; 5]),
        ("/restatements?after=x", [400; 5]),
        ("/restatements?page=1", [400; 5]),
        ("/explore?order=cost", [200; 5]),
        ("/explore?order=weather", [400; 5]),
    ] {
        stranger.get(path).is(303);
        for (visitor, status) in visitors.iter().zip(expected) {
            let answer = visitor.get(path);
            assert_eq!(answer.status, status, "{path}: {answer:#?}");
        }
    }
    for (path, fields, expected) in [
        (
            "/runs",
            &[("daysBack", "x")] as &[(&str, &str)],
            [403, 400, 400, 403, 400],
        ),
        ("/runs", &[("daysBack", "31")], [403, 400, 400, 403, 400]),
        ("/keys", &[], [403, 403, 422, 403, 403]),
        ("/keys/1/check", &[], [403, 403, 303, 403, 404]),
        ("/keys/1/rotate", &[], [403, 403, 422, 403, 404]),
        ("/keys/2/check", &[], [403, 403, 303, 403, 303]),
        ("/keys/99/remove", &[], [403, 403, 404, 403, 404]),
        // That of an account that the last one does not see; nobody else may.
        ("/keys/1/remove", &[], [403, 403, 303, 403, 404]),
        ("/tokens", &[("role", "god")], [403, 403, 422, 403, 403]),
        ("/tokens/99/revoke", &[], [403, 403, 404, 403, 403]),
    ] {
        for (visitor, status) in visitors.iter().zip(expected) {
            let answer = visitor.send("/keys", path, fields);
            assert_eq!(answer.status, status, "{path}: {answer:#?}");
        }
    }
    // Forms that are good, of those who may not send them.
    let key = [
        ("provider", "openai"),
        ("organization", "org-other"),
        ("secret", "sk-admin-other-and-not-real"),
    ];
    let token = [("name", "other"), ("role", "reader"), ("expiresInDays", "30")];
    for (path, fields, expected) in [
        ("/keys", &key as &[(&str, &str)], [403; 4]),
        ("/tokens", &token, [403; 4]),
        ("/tokens/1/revoke", &[], [403; 4]),
    ] {
        let others = [0, 1, 3, 4].map(|index: usize| &visitors[index]);
        for (visitor, status) in others.into_iter().zip(expected) {
            let answer = visitor.send("/keys", path, fields);
            assert_eq!(answer.status, status, "{path}: {answer:#?}");
        }
    }
    let keys = admin.get("/keys").is(200);
    assert!(keys.body.contains("/keys/2/remove") && !keys.body.contains("org-other"));
    admin.get("/tokens/7/revoke").is(404);
    // Not even by name.
    for path in [
        "/",
        "/explore",
        "/restatements",
        "/keys",
        "/parity",
        "/runs",
        "/runs/2",
    ] {
        let page = visitors[3].get(path).is(200);
        assert!(!page.body.contains(ORGANIZATION), "{path}: {page:#?}");
    }
    served.ends();
}

#[test]
fn what_was_proved_is_claimed_of_the_days_shown() {
    let world = World::with_usage();
    let served = world.serve();
    let admin = admin(&served);
    let reader = Visitor::signed_in(served.address, &token(&admin, "reader", &["1"]));
    let read_days = format!("/?from={}&to={}", first_read_day(), today());
    let page = reader.get(&read_days).is(200);
    let claims = claims(&page.body);
    assert!(
        claims
            .iter()
            .any(|claim| claim.starts_with("good usage parity proved ")
                && claim.contains(" for ")
                && claim.ends_with(", 0 differences")),
        "{claims:#?}"
    );
    assert!(
        claims
            .iter()
            .any(|claim| claim.starts_with("good bill reconciled to $0.00 for ")),
        "{claims:#?}"
    );
    // Two days before the first that was read are shown, too.
    let claims = self::claims(&admin.get("/").is(200).body);
    for (begin, end) in [
        (
            "warn usage parity proved ",
            ", 0 differences (of 1 of 2 accounts); 2 of 30 closed days not compared",
        ),
        (
            "warn bill reconciled to $0.00 (of 1 of 2 accounts) for ",
            "; 2 of 30 closed days not reconciled",
        ),
    ] {
        assert!(
            claims
                .iter()
                .any(|claim| claim.starts_with(begin) && claim.ends_with(end)),
            "{claims:#?}"
        );
    }
    let parity = reader.get("/parity").is(200);
    for shown in [
        "usage, no costs",
        "every project",
        "every user",
        "completions, 1d",
    ] {
        assert!(parity.body.contains(shown), "{shown}: {parity:#?}");
    }
    for (path, whole) in [
        ("/parity", "/api/parity?account=1"),
        ("/reconciliation", "/api/reconciliation?account=1"),
    ] {
        let page = reader.get(path).is(200);
        assert!(page.body.contains(&format!("href=\"{whole}\"")), "{page:#?}");
        let report = reader.get(whole).is(200);
        assert!(report.body.contains("\"verdict\":"), "{report:#?}");
    }
    served.ends();
}

#[test]
fn a_report_that_cannot_be_read_is_said_to_be_there() {
    let world = World::with_usage();
    let folder = world.work().join("audit/telemetry-audit");
    std::fs::write(folder.join("latest-broken.json"), "{\"generatedAt\":").unwrap();
    let served = world.serve();
    let admin = admin(&served);
    let page = admin.get("/parity").is(200);
    assert!(
        page.body
            .contains("The latest report is there and cannot be read"),
        "{page:#?}"
    );
    let claims = claims(&admin.get("/").is(200).body);
    assert!(
        claims.contains(&"bad the latest parity report cannot be read".to_owned()),
        "{claims:#?}"
    );
    assert!(
        !claims.iter().any(|claim| claim.contains("never proved")),
        "{claims:#?}"
    );
    served.ends();
}

#[test]
fn costs_that_differ_and_charges_that_nothing_explains_are_on_their_pages() {
    let world = World::with_usage();
    let account = format!("openai/{ORGANIZATION}");
    let audit = world.work().join("audit");
    let cost = serde_json::json!({
        "endpoint": "costs",
        "windowStartIso": format!("{}T00:00:00Z", first_read_day()),
        "lineItem": "gpt-5, input",
        "currency": "usd",
        "amount": "12.345678901",
    });
    let parity = serde_json::json!({
        "generatedAt": "2999-01-01T00:00:00Z",
        "verdict": "different",
        "scope": { "account": account, "endpoints": [] },
        "costs": { "verdict": "different", "summary": { "missingInDb": 1 }, "missingInDb": [cost] },
    });
    let bill = serde_json::json!({
        "generatedAt": "2999-01-01T00:00:00Z",
        "verdict": "notReconciled",
        "complaints": [{ "kind": "unexplained", "class": "unexplained", "amount": "50" }],
        "scope": { "account": account, "start": "2025-09-01", "end": "2025-09-30" },
        "variance": { "absoluteDifference": "0", "percent": "0" },
    });
    let write = |file: &str, report: serde_json::Value| {
        std::fs::write(audit.join(file), report.to_string()).unwrap();
    };
    write("telemetry-audit/latest-costs.json", parity);
    write("reconciliation/latest-more.json", bill);
    let served = world.serve();
    let admin = admin(&served);
    let reader = Visitor::signed_in(served.address, &token(&admin, "reader", &["1"]));
    // The second time, what is kept of the reports.
    for _ in 0..2 {
        let claims = claims(&reader.get("/").is(200).body);
        for claim in [
            "bad cost parity looked at just now, 1 difference",
            "warn bill not reconciled for 1–30 Sep 2025: $50.00 were charged that no usage explains",
        ] {
            assert!(claims.contains(&claim.to_owned()), "{claim}: {claims:#?}");
        }
    }
    let page = reader.get("/parity").is(200);
    for shown in [
        "costs, no usage",
        "No export of usage was compared.",
        "12.345678901 USD",
    ] {
        assert!(page.body.contains(shown), "{shown}: {page:#?}");
    }
    let page = reader.get("/reconciliation").is(200);
    assert!(
        page.body
            .contains("<li>$50.00 were charged that no usage explains</li>"),
        "{page:#?}"
    );
    served.ends();
}

/// The claims of the overview, each with how it stands before it.
fn claims(html: &str) -> Vec<String> {
    let list = html.split("class=\"trust\"").nth(1).unwrap();
    let list = list.split("</ul>").next().unwrap();
    let items = list.split("<li class=\"").skip(1).map(|item| {
        let (standing, rest) = item.split_once('"').unwrap();
        let text = rest.split("</span>").nth(1).unwrap();
        format!("{standing} {}", text.split("</a>").next().unwrap())
    });
    items.collect()
}

#[test]
fn a_run_that_is_asked_for_is_made() {
    let world = World::with_usage();
    let served = world.serve();
    let admin = admin(&served);
    let operator = Visitor::signed_in(served.address, &token(&admin, "operator", &["1"]));
    let begun = operator.send("/keys", "/runs", &[("daysBack", "3")]).is(303);
    assert_eq!(begun.header("location"), Some("/runs?done=run"));
    eventually("the run has succeeded", || {
        operator.get("/runs/3").body.contains(">succeeded<")
    });
    assert!(operator.get("/runs").body.contains("/runs/3"));
    let run = admin.get("/runs/3").is(200);
    assert!(run.body.contains("started over HTTP"), "{run:#?}");
    let without_key = Visitor::signed_in(served.address, &token(&admin, "operator", &["1"]));
    admin.send("/keys", "/keys/1/remove", &[]).is(303);
    let refused = without_key.send("/keys", "/runs", &[("daysBack", "3")]).is(400);
    assert!(
        refused
            .body
            .contains("none of the accounts that your token sees has a usable provider key"),
        "{refused:#?}"
    );
    served.ends();
}

/// What the range has in days that are over is held against as many days before it, not a day that has just begun against a
/// whole one.
#[test]
fn only_days_that_are_over_are_compared() {
    let world = World::with_usage();
    world.use_more();
    let served = world.serve();
    let admin = admin(&served);
    let day = |back| today() - Days::new(back);
    let spent = |first, last| {
        NanoUsd::new(world.sum(&format!(
            "SELECT coalesce(sum(cost_nano_usd), 0) FROM usage_daily WHERE day BETWEEN '{}' AND '{}'",
            day(first),
            day(last)
        )))
    };
    let page = admin.get(&format!("/?from={}", day(8))).is(200);
    let card = page.between("<h2>Estimated spend</h2>", "</div>");
    let (now, before) = (spent(8, 1), spent(16, 9));
    assert!(
        now.get() > 0 && before.get() > 0 && spent(8, 0) > now,
        "today has usage"
    );
    // Of these days, one has usage without a price.
    assert!(
        card.contains(&format!("to ≥ {} in the 8 days that are over", cents(now))),
        "{card} {now}"
    );
    let tenths = i128::from(now.get() - before.get()) * 1_000 / i128::from(before.get());
    let sign = if tenths < 0 { "−" } else { "+" };
    let whole = format!("{sign}{}.", tenths.abs() / 10);
    assert!(card.contains(&whole), "{card} {whole}");
    // Where a day was not read, nobody knows.
    let page = admin.get(&format!("/?from={}", day(30))).is(200);
    let card = page.between("<h2>Estimated spend</h2>", "</div>");
    assert!(
        card.contains("not known")
            && card.contains("since not every day of the range was read after its end"),
        "{card}"
    );
    let page = admin.get(&format!("/?from={}", day(20))).is(200);
    assert!(
        page.body.contains("since the 20 days before were not all read"),
        "{page:#?}"
    );
    served.ends();
}

#[test]
fn what_was_not_read_is_said_where_it_is_missed() {
    let world = World::with_usage();
    let served = world.serve();
    let admin = admin(&served);
    let page = admin.get("/").is(200);
    assert!(
        page.body
            .contains("29 of 31 days covered, 1 still open (of 1 of 2 accounts)"),
        "{page:#?}"
    );
    let page = admin.get("/explore").is(200);
    assert!(
        page.body
            .contains("Of the 31 days of this range, 2 were not read"),
        "{page:#?}"
    );
    assert!(
        page.body
            .contains("Of openai/org-refused, nothing was ever read.")
    );
    assert!(page.body.contains("<dt>openai/org-with-usage, completions</dt>"));
    // Of what is asked for, not of something else that was read.
    let page = admin.get("/explore?account=2").is(200);
    assert!(
        page.body
            .contains("Of the 31 days of this range, 31 were not read"),
        "{page:#?}"
    );
    assert!(page.body.contains("<h2>Nothing was read</h2>"), "{page:#?}");
    let page = admin.get("/explore?endpoint=images").is(200);
    assert!(
        page.body
            .contains("Of the 31 days of this range, 31 were not read"),
        "{page:#?}"
    );
    let read = format!("from={}&to={}", today() - Days::new(5), today() - Days::new(1));
    let page = admin.get(&format!("/explore?account=1&{read}")).is(200);
    assert!(!page.body.contains("id=\"unread\""), "{page:#?}");
    // A surface that was read once is missed on every other day.
    world.use_more();
    let page = admin.get("/explore?endpoint=embeddings&account=1").is(200);
    assert!(
        page.body
            .contains("Of the 31 days of this range, 2 were not read"),
        "{page:#?}"
    );
    // The provider's file is offered where there is one.
    let layout = "format=provider-csv";
    assert!(!admin.get("/explore?account=1").body.contains(layout));
    assert!(
        admin
            .get("/explore?account=1&endpoint=completions")
            .body
            .contains(layout)
    );
    // What is wrong does not take the rest away.
    let page = admin
        .get("/explore?batch=maybe&model=some-model&from=2025-09-01&to=2025-09-02")
        .is(400);
    assert!(page.body.contains("value=\"some-model\" checked") && page.body.contains("value=\"2025-09-01\""));
    admin.get("/explore?model=%00").is(400);
    served.ends();
}

#[test]
fn a_budget_is_no_better_than_what_is_known_of_it() {
    let world = World::with_usage();
    world.use_more();
    world.set_budgets();
    let served = world.serve();
    let page = admin(&served).get("/budgets").is(200);
    for (name, state) in [
        ("quiet", "good\">ok"),
        ("tiny", "bad\">passed"),
        ("large", "unknown\">not known"),
    ] {
        let row = page.between(&format!("<tr><th scope=\"row\">{name}"), "</tr>");
        assert!(row.contains(state), "{name}: {row}");
    }
    assert!(page.body.contains("1 event without a price"), "{page:#?}");
    served.ends();
}

/// One command shows everything, from a ledger that nobody has to name.
#[test]
fn the_demonstration_has_something_to_show() {
    let world = World::empty();
    let served = world.serve_demo();
    let visitor = admin(&served);
    let page = visitor.get("/").is(200);
    for words in [
        "31 of 31 days covered, 1 still open",
        "parity proved",
        "bill reconciled to $0.00",
    ] {
        assert!(page.body.contains(words), "{words}: {page:#?}");
    }
    assert!(
        visitor
            .get("/explore")
            .is(200)
            .body
            .contains("<table class=\"events\">")
    );
    assert!(visitor.get("/budgets").is(200).body.contains(">passed<"));
    served.ends();
    assert!(!world.has_ledger());
}

/// Names that came in before they were not to be are neither shown nor kept.
#[test]
fn names_that_are_not_to_be_stored_are_not_served() {
    let world = World::with_usage();
    world.forbid_names();
    let served = world.serve();
    let page = admin(&served).get("/").is(200);
    let users = page.between("<h2>Users</h2>", "</section>");
    assert!(
        users.contains("<code>user") && !users.contains("User 1"),
        "{users}"
    );
    assert!(page.body.contains("Project 1"), "projects are no people");
    served.ends();
}

/// As a card has it.
fn cents(amount: NanoUsd) -> String {
    let cents = (amount.get() + 5_000_000) / 10_000_000;
    format!("${}.{:02}", cents / 100, cents % 100)
}
