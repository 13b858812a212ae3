//! `usage tokens`: who may ask the server, made, listed and revoked.

use serde_json::json;

use crate::fixture::{DatabaseKind, ORGANIZATION, Place, Provider};

pub(crate) fn a_token_is_shown_once_and_revoked(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    let line = [
        "tokens",
        "add",
        "finance",
        "--role",
        "reader",
        "--account",
        ORGANIZATION,
        "--expires",
        "2999-01-01",
    ];
    let made = place.run(&line).succeeds();
    let secret = made.stdout.strip_suffix('\n').unwrap();
    assert!(secret.starts_with("usage_") && secret.len() == 49, "{made:?}");
    assert!(!secret.contains(char::is_whitespace), "{made:?}");
    assert!(
        made.stderr
            .starts_with("token 1 is added and shown this once: \"finance\" reader usage_")
            && !made.stderr.contains(secret),
        "{made:?}"
    );
    let made = place
        .run(&["tokens", "add", "ops", "--role", "admin", "--format", "json"])
        .succeeds();
    assert_eq!(made.stderr, "");
    assert_eq!(made.json()["secret"].as_str().unwrap().len(), 49);

    let listed = place.run(&["tokens", "list", "--format", "json"]).succeeds();
    assert!(!listed.stdout.contains(secret) && !listed.stdout.contains("secret"));
    let listed = listed.json();
    assert_eq!(listed[0]["accounts"], json!([format!("openai/{ORGANIZATION}")]));
    assert_eq!(listed[0]["expiresAt"], "2999-01-01T00:00:00Z");
    assert_eq!(listed[1]["accounts"], json!(null));
    for (token, role) in [(&listed[0], "reader"), (&listed[1], "admin")] {
        assert_eq!(
            (&token["status"], &token["role"]),
            (&json!("active"), &json!(role))
        );
        assert_eq!(token["lastUsedAt"], json!(null));
    }
    let revoked = place.run(&["tokens", "revoke", "1"]).succeeds().stdout;
    assert_eq!(
        revoked,
        "token 1 is revoked; whoever was signed in with it is not any more\n"
    );
    let revoked = place.run(&["tokens", "revoke", "1"]).succeeds().stdout;
    assert_eq!(revoked, "token 1 was revoked before\n");
    let listed = place.run(&["tokens", "list"]).succeeds().stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].contains("  revoked ") && lines[1].ends_with("  every account  never used"),
        "{listed}"
    );
    assert_eq!(place.count("api_tokens WHERE revoked_at IS NOT NULL"), 1);
}

#[test]
fn a_token_that_makes_no_sense_is_not_made() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let refused = |more: &[&str], line: &str| {
        place
            .run(&[&["tokens", "add", "finance"], more].concat())
            .refuses_with(line);
    };
    refused(
        &["--role", "reader", "--expires", "2025-01-01"],
        "the token would have expired at 2025-01-01T00:00:00Z, before it is made; give a later day with --expires",
    );
    refused(
        &["--role", "reader", "--account", "org-unknown"],
        "the ledger has no account openai/org-unknown; see `usage status`",
    );
    place
        .run(&["tokens", "revoke", "7"])
        .refuses_with("there is no API token 7");
    assert_eq!(place.count("api_tokens"), 0);
    let empty = place.run(&["tokens", "list"]).succeeds().stdout;
    assert_eq!(
        empty,
        "no tokens; add one with `usage tokens add NAME --role reader`\n"
    );
}
