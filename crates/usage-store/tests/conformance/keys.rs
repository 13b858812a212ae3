//! Provider keys at rest.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox, SecretString};
use usage_core::ProjectFilter;
use usage_store::{AccountScope, KeyStatus, MasterKey, NewProviderKey, StoreError};

use crate::fixture::{Fixture, day, openai, row, rows};

const SECRET: &str = "sk-admin-test-not-a-real-key-0001";

fn master(byte: u8) -> Arc<MasterKey> {
    Arc::new(MasterKey::new(&SecretBox::new(Box::new([byte; 32]))))
}

fn new_key(organization: &str, secret: &str) -> NewProviderKey {
    NewProviderKey {
        account: openai(organization),
        label: Some("first".to_owned()),
        filter: ProjectFilter::ALL,
        secret: SecretString::from(secret),
        status: KeyStatus::Active,
    }
}

pub(crate) async fn a_key_opens_only_with_its_master_key(fixture: &Fixture) {
    let key = fixture
        .ledger
        .add_key(master(1), new_key("org-first", SECRET))
        .await
        .unwrap();
    assert_eq!(
        (key.mask.as_str(), &key.status),
        ("sk-admin-…0001", &KeyStatus::Active)
    );
    assert_eq!(
        key.account, fixture.account,
        "a second name for one organisation makes no second account"
    );
    let opened = fixture.ledger.open_key(master(1), key.id).await.unwrap();
    assert_eq!(opened.expose_secret(), SECRET);
    let wrong = fixture.ledger.open_key(master(2), key.id).await;
    assert!(matches!(wrong, Err(StoreError::WrongMasterKey { key_id }) if key_id == key.id));
    let dump = fixture.sql("SELECT label, mask, master_key_id, project_filter FROM provider_keys");
    assert!(!dump.contains("not-a-real-key"), "{dump}");
}

pub(crate) async fn a_ciphertext_moved_to_another_row_does_not_open(fixture: &Fixture) {
    let first = fixture
        .ledger
        .add_key(master(1), new_key("org-first", SECRET))
        .await
        .unwrap();
    let other = new_key("org-second", "sk-admin-test-not-a-real-key-0002");
    let second = fixture.ledger.add_key(master(1), other).await.unwrap();
    fixture.sql(&format!(
        "UPDATE provider_keys SET \
         nonce = (SELECT nonce FROM provider_keys WHERE id = {0}), \
         ciphertext = (SELECT ciphertext FROM provider_keys WHERE id = {0}) WHERE id = {1}",
        first.id, second.id
    ));
    assert!(fixture.ledger.open_key(master(1), first.id).await.is_ok());
    let moved = fixture.ledger.open_key(master(1), second.id).await;
    assert!(matches!(moved, Err(StoreError::WrongMasterKey { .. })));
}

pub(crate) async fn the_same_key_is_not_stored_twice(fixture: &Fixture) {
    let key = fixture
        .ledger
        .add_key(master(1), new_key("org-first", SECRET))
        .await
        .unwrap();
    let again = fixture
        .ledger
        .add_key(master(1), new_key("org_first", SECRET))
        .await
        .unwrap_err();
    assert_eq!(
        again.to_string(),
        format!(
            "this key is already stored as key {}; remove that one first to add it anew",
            key.id
        )
    );
    assert_eq!(fixture.ledger.keys().await.unwrap().len(), 1);
}

pub(crate) async fn removing_a_key_keeps_account_and_usage(fixture: &Fixture) {
    let key = fixture
        .ledger
        .add_key(master(1), new_key("org-first", SECRET))
        .await
        .unwrap();
    let read = fixture.read(
        "2025-10-20T12:00:00Z",
        vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)])],
    );
    fixture.store(read).await;
    fixture.ledger.remove_key(key.id).await.unwrap();
    assert!(matches!(
        fixture.ledger.remove_key(key.id).await,
        Err(StoreError::NotFound { .. })
    ));
    assert_eq!(fixture.events().await.len(), 1);
    let again = fixture
        .ledger
        .add_key(master(1), new_key("org-first", SECRET))
        .await
        .unwrap();
    assert_eq!(
        again.account, key.account,
        "added again, it reads the same account"
    );
    assert!(again.id > key.id, "numbers are not used twice");
}

pub(crate) async fn a_key_out_of_scope_is_not_there(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    let key = ledger
        .add_key(master(1), new_key("org-first", SECRET))
        .await
        .unwrap();
    let other = ledger.add_account(openai("org-second")).await.unwrap();
    let (mine, others) = (AccountScope::one(&key.account), AccountScope::one(&other));
    assert_eq!(
        ledger.keys_in(mine.clone()).await.unwrap(),
        std::slice::from_ref(&key)
    );
    assert_eq!(ledger.keys_in(others.clone()).await.unwrap(), []);
    for missing in [
        ledger.key_in(others.clone(), key.id).await.map(drop),
        ledger.set_key_label_in(others.clone(), key.id, None).await,
        ledger.remove_key_in(others.clone(), key.id).await,
    ] {
        assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    }
    assert_eq!(ledger.key_in(mine.clone(), key.id).await.unwrap(), key);
    ledger.remove_key_in(mine, key.id).await.unwrap();
    assert_eq!(ledger.keys().await.unwrap(), []);
}

pub(crate) async fn a_label_is_another_and_none(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    let key = ledger
        .add_key(master(1), new_key("org-first", SECRET))
        .await
        .unwrap();
    for label in [Some("other".to_owned()), None] {
        ledger.set_key_label(key.id, label.clone()).await.unwrap();
        assert_eq!(ledger.key(key.id).await.unwrap().label, label);
    }
    let opened = ledger.open_key(master(1), key.id).await.unwrap();
    assert_eq!(opened.expose_secret(), SECRET, "the secret stays");
    let missing = ledger.set_key_label(key.id + 1, None).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
}
