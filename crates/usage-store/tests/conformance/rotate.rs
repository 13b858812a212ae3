//! Another master key, and another secret, while others read.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox, SecretString};
use usage_core::ProjectFilter;
use usage_store::{KeyStatus, Ledger, MasterKey, NewProviderKey, OpenMode, Resealed, StoreError};

use crate::fixture::{Fixture, day, row, rows};

const KEYS: i64 = 6;

fn bytes(byte: u8) -> SecretBox<[u8; 32]> {
    SecretBox::new(Box::new([byte; 32]))
}

fn old() -> Arc<MasterKey> {
    Arc::new(MasterKey::new(&bytes(1)))
}

fn new() -> Arc<MasterKey> {
    Arc::new(MasterKey::new(&bytes(2)))
}

/// The new key seals, the old one still opens.
fn both() -> Arc<MasterKey> {
    Arc::new(MasterKey::new(&bytes(2)).with_previous(&bytes(1)))
}

fn secret(number: i64) -> String {
    format!("sk-admin-test-not-a-real-key-{number:04}")
}

async fn add_keys(fixture: &Fixture) {
    for number in 1..=KEYS {
        let key = NewProviderKey {
            account: fixture.account.account.clone(),
            label: None,
            filter: ProjectFilter::ALL,
            secret: SecretString::from(secret(number)),
            status: KeyStatus::Active,
        };
        assert_eq!(fixture.ledger.add_key(old(), key).await.unwrap().id, number);
    }
}

async fn assert_all_open(ledger: &Ledger, master: &Arc<MasterKey>) {
    for number in 1..=KEYS {
        let opened = ledger.open_key(master.clone(), number).await.unwrap();
        assert_eq!(opened.expose_secret(), secret(number));
    }
}

fn under_the_new_key(fixture: &Fixture) -> String {
    fixture.sql(&format!(
        "SELECT count(*) FROM provider_keys WHERE master_key_id = '{}'",
        new().id()
    ))
}

pub(crate) async fn resealing_can_stop_between_any_two_keys(fixture: &Fixture) {
    add_keys(fixture).await;
    let another = Ledger::open(&fixture.url, fixture.clock.clone(), OpenMode::SetUpIfEmpty)
        .await
        .unwrap();
    for done in 1..=KEYS {
        // Each step begins at the first key, as a process does that was killed and started again.
        let step = fixture.ledger.reseal_next(both(), 0).await.unwrap();
        assert_eq!(step, Some((done, Resealed::Done)));
        assert_eq!(under_the_new_key(fixture), done.to_string());
        assert_all_open(&another, &both()).await;
    }
    assert_eq!(fixture.ledger.reseal_next(both(), 0).await.unwrap(), None);
    assert_all_open(&another, &new()).await;
    let dropped = another.open_key(old(), 1).await.unwrap_err();
    assert!(
        matches!(dropped, StoreError::WrongMasterKey { key_id: 1 }),
        "{dropped}"
    );
}

pub(crate) async fn a_key_under_a_lost_master_key_stays_as_it_is(fixture: &Fixture) {
    add_keys(fixture).await;
    let before = fixture.sql("SELECT id, master_key_id FROM provider_keys ORDER BY id");
    let mut after = 0;
    while let Some((id, resealed)) = fixture.ledger.reseal_next(new(), after).await.unwrap() {
        assert_eq!(resealed, Resealed::NotOpened);
        after = id;
    }
    assert_eq!(after, KEYS, "one that cannot be opened does not stop the others");
    assert_eq!(
        fixture.sql("SELECT id, master_key_id FROM provider_keys ORDER BY id"),
        before
    );
    assert_all_open(&fixture.ledger, &old()).await;
}

pub(crate) async fn many_who_reseal_at_once_lose_nothing(fixture: &Fixture) {
    add_keys(fixture).await;
    let resealing: Vec<_> = (0..4)
        .map(|_| {
            let ledger = fixture.ledger.clone();
            tokio::spawn(async move {
                let (mut after, mut done) = (0, 0);
                while let Some((id, resealed)) = ledger.reseal_next(both(), after).await.unwrap() {
                    done += u64::from(resealed == Resealed::Done);
                    after = id;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for one in resealing {
        done += one.await.unwrap();
    }
    assert_eq!(done, KEYS.cast_unsigned(), "each key is sealed anew once");
    assert_all_open(&fixture.ledger, &new()).await;
}

/// On PostgreSQL both come to the first key before either has committed, and whoever is second is told that its
/// transaction cannot be serialized. SQLite lets only one of them write at a time.
pub(crate) async fn of_two_who_reseal_a_key_at_once_the_second_tries_again(fixture: &Fixture) {
    add_keys(fixture).await;
    if fixture.is_postgres() {
        for statement in MEET_AT_THE_FIRST_KEY {
            fixture.sql(statement);
        }
    }
    let ledger = Ledger::open(&fixture.url, fixture.clock.clone(), OpenMode::SetUpIfEmpty)
        .await
        .unwrap();
    let (one, other) = tokio::join!(ledger.reseal_next(both(), 0), ledger.reseal_next(both(), 0));
    let both_did = [one.unwrap(), other.unwrap()];
    assert!(both_did.contains(&Some((1, Resealed::Done))), "{both_did:?}");
    if fixture.is_postgres() {
        assert!(both_did.contains(&Some((1, Resealed::Elsewhere))), "{both_did:?}");
    }
    assert_all_open(&ledger, &both()).await;
}

/// Every transaction sees one moment of the database, and the first that changes the first key waits until another
/// waits for it to end.
const MEET_AT_THE_FIRST_KEY: [&str; 3] = [
    "DO $$ BEGIN \
         EXECUTE format( \
             'ALTER DATABASE %I SET default_transaction_isolation TO %L', current_database(), 'repeatable read' \
         ); \
     END $$",
    "CREATE FUNCTION wait_for_another() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         FOR attempt IN 1..12000 LOOP \
             IF EXISTS ( \
                 SELECT FROM pg_locks \
                 WHERE locktype = 'transactionid' AND NOT granted AND transactionid = pg_current_xact_id()::xid \
             ) THEN RETURN NEW; END IF; \
             PERFORM pg_sleep(0.01); \
         END LOOP; \
         RAISE EXCEPTION 'nobody else came'; \
     END $$",
    "CREATE TRIGGER wait_for_another BEFORE UPDATE ON provider_keys FOR EACH ROW WHEN (OLD.id = 1) \
     EXECUTE FUNCTION wait_for_another()",
];

pub(crate) async fn a_rotated_key_keeps_number_and_history(fixture: &Fixture) {
    add_keys(fixture).await;
    let windows = vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)])];
    fixture.store(fixture.read("2025-10-20T12:00:00Z", windows)).await;
    let before = fixture.snapshot().await;
    let next = SecretString::from("sk-admin-test-not-a-real-key-next");
    let status = KeyStatus::Active;
    let key = fixture
        .ledger
        .rotate_key(both(), 2, next.clone(), status.clone())
        .await
        .unwrap();
    assert_eq!((key.id, key.mask.as_str()), (2, "sk-admin-…next"));
    assert_eq!(key.master_key_id, new().id());
    let opened = fixture.ledger.open_key(new(), 2).await.unwrap();
    assert_eq!(opened.expose_secret(), next.expose_secret());
    assert_eq!(fixture.snapshot().await, before);
    for (id, known) in [(2, next), (2, SecretString::from(secret(3)))] {
        let error = fixture.ledger.rotate_key(both(), id, known, status.clone()).await;
        assert!(matches!(error, Err(StoreError::AlreadyExists(_))), "{error:?}");
    }
    let missing = fixture
        .ledger
        .rotate_key(both(), 99, SecretString::from(secret(99)), status)
        .await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));
}
