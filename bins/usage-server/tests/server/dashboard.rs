//! Who gets which page, and whose forms change something.

use crate::shared::eventually;
use crate::visitor::Visitor;
use crate::world::{ORGANIZATION, Served, World};

/// A token that an administrator makes for others, of these accounts; none is all.
pub(crate) fn token(admin: &Visitor, role: &str, accounts: &[&str]) -> String {
    let mut fields = vec![("name", role), ("role", role), ("expiresInDays", "30")];
    fields.extend(accounts.iter().map(|id| ("account", *id)));
    let made = admin.send("/tokens", "/tokens", &fields).is(200);
    let secret = made.between("id=\"token-secret\">", "</code>");
    assert!(secret.starts_with("usage_"), "{secret}");
    assert!(!admin.get("/tokens").body.contains(secret), "it is shown once");
    secret.to_owned()
}

pub(crate) fn admin(served: &Served) -> Visitor {
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
