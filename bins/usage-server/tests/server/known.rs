//! What the pages say of what is known: read, over, priced, proved.

use chrono::Days;
use usage_core::NanoUsd;

use crate::dashboard::{admin, token};
use crate::visitor::Visitor;
use crate::world::{ORGANIZATION, World, first_read_day, today};

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
