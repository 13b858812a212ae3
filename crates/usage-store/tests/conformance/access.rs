//! API tokens.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use usage_store::{AccountScope, NewApiToken, StoreError, TokenRole};

use crate::fixture::{Fixture, NOW, instant, openai};

fn reader(name: &str) -> NewApiToken {
    NewApiToken {
        name: name.to_owned(),
        role: TokenRole::Reader,
        scope: AccountScope::All,
        expires_at: None,
    }
}

pub(crate) async fn a_token_is_found_by_its_secret_alone(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    assert!(!ledger.has_api_tokens().await.unwrap());
    let (first, secret) = ledger.add_api_token(reader("first")).await.unwrap();
    let (second, other) = ledger
        .add_api_token(NewApiToken {
            role: TokenRole::Admin,
            expires_at: Some(instant("2025-10-21T00:00:00Z")),
            ..reader("second")
        })
        .await
        .unwrap();
    assert!(ledger.has_api_tokens().await.unwrap());
    let text = secret.expose_secret();
    assert_eq!(
        text.len(),
        "usage_".len() + 43,
        "32 bytes in base64 without padding"
    );
    assert_eq!(first.mask, format!("usage_…{}", &text[text.len() - 4..]));
    assert_eq!((first.role, first.expires_at), (TokenRole::Reader, None));
    assert_eq!((first.created_at, first.last_used_at), (instant(NOW), None));

    assert_eq!(ledger.find_api_token(&secret).await.unwrap(), Some(first.clone()));
    assert_eq!(ledger.find_api_token(&other).await.unwrap(), Some(second.clone()));
    let another_first = if text.as_bytes()[6] == b'A' { "B" } else { "A" };
    for wrong in [
        "",
        "usage_",
        "hunter2",
        &text[6..],
        &text[..text.len() - 1],
        &format!("{text}A"),
        &format!("usage_{another_first}{}", &text[7..]),
        &text.to_ascii_uppercase(),
        "usage_' OR 1 = 1 --                            ",
    ] {
        let found = ledger.find_api_token(&SecretString::from(wrong)).await.unwrap();
        assert_eq!(found, None, "{wrong}");
    }
    let expired = ledger.find_api_token(&other).await.unwrap().unwrap();
    assert!(
        expired.is_valid(instant("2025-10-20T23:59:59Z"))
            && !expired.is_valid(instant("2025-10-21T00:00:00Z"))
    );

    assert_eq!(ledger.api_tokens().await.unwrap(), [first, second]);
    let dump = fixture.sql("SELECT * FROM api_tokens");
    for secret in [secret, other] {
        let body = &secret.expose_secret()["usage_".len()..];
        assert!(!dump.contains(body), "the ledger keeps no secret");
    }
}

pub(crate) async fn a_token_tells_whose_rows_it_may_see(fixture: &Fixture) {
    let other = fixture.ledger.add_account(openai("org-second")).await.unwrap();
    let ids = vec![other.id, fixture.account.id, other.id];
    for (asked, kept) in [
        (AccountScope::All, AccountScope::All),
        (AccountScope::Only(Vec::new()), AccountScope::Only(Vec::new())),
        (
            AccountScope::Only(ids),
            AccountScope::Only(vec![fixture.account.id, other.id]),
        ),
    ] {
        let new = NewApiToken {
            scope: asked,
            ..reader("some")
        };
        let (added, secret) = fixture.ledger.add_api_token(new).await.unwrap();
        let found = fixture.ledger.find_api_token(&secret).await.unwrap().unwrap();
        assert_eq!((&found.scope, &added.scope), (&kept, &kept));
    }
    let stranger = NewApiToken {
        scope: AccountScope::Only(vec![fixture.account.id, 77]),
        ..reader("stranger")
    };
    let error = fixture.ledger.add_api_token(stranger).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no account 77");
    assert_eq!(fixture.ledger.api_tokens().await.unwrap().len(), 3);
}

pub(crate) async fn a_revoked_token_is_told_as_revoked(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    let (added, secret) = ledger.add_api_token(reader("first")).await.unwrap();
    assert!(ledger.revoke_api_token(added.id).await.unwrap());
    fixture.clock.set(instant("2025-10-20T13:00:00Z"));
    assert!(
        !ledger.revoke_api_token(added.id).await.unwrap(),
        "it was revoked before, and keeps that moment"
    );
    let found = ledger.find_api_token(&secret).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(instant(NOW)));
    assert!(!found.is_valid(instant("2025-10-01T00:00:00Z")));
    assert!(ledger.has_api_tokens().await.unwrap(), "no first start again");
    let unknown = ledger.revoke_api_token(added.id + 1).await.unwrap_err();
    assert!(matches!(unknown, StoreError::NotFound { .. }), "{unknown}");
}

pub(crate) async fn a_use_is_noted_once_a_minute(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    let (added, _) = ledger.add_api_token(reader("first")).await.unwrap();
    let (unused, _) = ledger.add_api_token(reader("second")).await.unwrap();
    let mut noted = BTreeSet::new();
    for (second, expected) in [(0, 0), (30, 0), (59, 0), (60, 60), (90, 60), (200, 200)] {
        let at = |second| instant(NOW) + TimeDelta::seconds(second);
        ledger.note_api_token_used(added.id, at(second)).await.unwrap();
        let tokens = ledger.api_tokens().await.unwrap();
        assert_eq!(tokens[0].last_used_at, Some(at(expected)), "after {second} s");
        noted.insert(tokens[0].last_used_at);
    }
    assert_eq!(noted.len(), 3);
    let tokens = ledger.api_tokens().await.unwrap();
    assert_eq!((tokens[1].id, tokens[1].last_used_at), (unused.id, None));
    ledger.note_api_token_used(999, instant(NOW)).await.unwrap();
}

/// Of SQLite alone, which has one writer: whoever notes a use neither waits for it nor fails.
#[tokio::test]
async fn a_use_is_not_noted_while_another_writes() {
    let fixture = Fixture::sqlite().await;
    let ledger = &fixture.ledger;
    let (added, _) = ledger.add_api_token(reader("first")).await.unwrap();
    let writer = rusqlite::Connection::open(fixture.url.strip_prefix("sqlite:").unwrap()).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let noted = ledger.note_api_token_used(added.id, instant(NOW));
    let in_time = tokio::time::timeout(Duration::from_secs(5), noted).await;
    in_time.unwrap().unwrap();
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(ledger.api_tokens().await.unwrap()[0].last_used_at, None);
    ledger.note_api_token_used(added.id, instant(NOW)).await.unwrap();
    assert_eq!(
        ledger.api_tokens().await.unwrap()[0].last_used_at,
        Some(instant(NOW))
    );
}
