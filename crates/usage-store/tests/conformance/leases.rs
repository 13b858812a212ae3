//! One writer an account, told apart by a fencing number.

use std::time::Duration;

use usage_store::{Lease, LeaseAttempt, ReplaceError, StoreError, WindowOutcome};

use crate::fixture::{Fixture, LEASE, day, row, rows};

const READ: &str = "2025-10-20T12:00:00Z";

pub(crate) async fn a_lease_excludes_others_until_released(fixture: &Fixture) {
    let attempt = fixture
        .ledger
        .acquire_lease(fixture.account.id, "another", LEASE, None)
        .await
        .unwrap();
    match attempt {
        LeaseAttempt::Held {
            holder,
            fencing,
            remaining,
        } => {
            assert_eq!((holder.as_str(), fencing), ("the story", fixture.lease.fencing));
            assert!(remaining > Duration::ZERO && remaining <= LEASE);
        }
        LeaseAttempt::Acquired(_) => panic!("two holders"),
    }
    fixture.ledger.renew_lease(&fixture.lease).await.unwrap();
    fixture.ledger.release_lease(&fixture.lease).await.unwrap();
    let next = acquired(fixture, None).await;
    assert!(next.fencing > fixture.lease.fencing);
    assert_eq!(
        fixture.ledger.lease_holders().await.unwrap(),
        [(fixture.account.id, "another".to_owned())]
    );
}

/// Its expiry says when another may take it; until one does, its holder may go on.
pub(crate) async fn an_expired_lease_that_nobody_took_still_writes(fixture: &Fixture) {
    fixture.sql("UPDATE leases SET expires_at_ms = 1");
    assert_eq!(fixture.ledger.lease_holders().await.unwrap(), []);
    let read = fixture.read(READ, vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)])]);
    assert_eq!(fixture.store(read).await.inserted, 1);
    let holds = [(fixture.account.id, fixture.lease.holder.clone())];
    assert_eq!(
        fixture.ledger.lease_holders().await.unwrap(),
        holds,
        "writing renewed it"
    );
    fixture.sql("UPDATE leases SET expires_at_ms = 1");
    fixture.ledger.renew_lease(&fixture.lease).await.unwrap();
    assert_eq!(fixture.ledger.lease_holders().await.unwrap(), holds);
}

pub(crate) async fn a_lease_that_was_given_back_cannot_write(fixture: &Fixture) {
    fixture.ledger.release_lease(&fixture.lease).await.unwrap();
    let read = fixture.read(READ, vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)])]);
    let refused = fixture.ledger.replace_windows(&fixture.lease, read).await;
    assert!(lost_the_lease(&refused), "{refused:?}");
    assert!(fixture.events().await.is_empty());
    assert!(matches!(
        fixture.ledger.renew_lease(&fixture.lease).await,
        Err(StoreError::LeaseLost { .. })
    ));
}

pub(crate) async fn a_former_holder_cannot_write(fixture: &Fixture) {
    fixture.sql("UPDATE leases SET expires_at_ms = 1");
    acquired(fixture, None).await;
    let read = fixture.read(READ, vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)])]);
    let refused = fixture.ledger.replace_windows(&fixture.lease, read).await;
    assert!(lost_the_lease(&refused), "{refused:?}");
    fixture.ledger.release_lease(&fixture.lease).await.unwrap();
    assert_eq!(
        fixture.ledger.lease_holders().await.unwrap().len(),
        1,
        "only the holder can release"
    );
}

pub(crate) async fn a_lease_lost_between_two_transactions_says_what_stands(fixture: &Fixture) {
    // Whoever marks the first day as covered finds the lease stolen afterwards.
    fixture.sql(if fixture.is_postgres() {
        "CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN UPDATE leases SET fencing = fencing + 1; RETURN NULL; END $$; \
         CREATE TRIGGER steal AFTER INSERT ON usage_coverage EXECUTE FUNCTION steal()"
    } else {
        "CREATE TRIGGER steal AFTER INSERT ON usage_coverage BEGIN UPDATE leases SET fencing = fencing + 1; END"
    });
    // As many rows as a transaction takes, so that the second day is another one's.
    let many = (0..20_000).map(|number| row("proj_a", &format!("model-{number}"), number));
    let windows = vec![
        rows(day("2025-09-01"), many),
        rows(day("2025-09-02"), [row("proj_a", "gpt-5", 10)]),
    ];
    let read = fixture.read(READ, windows);
    let failed = fixture
        .ledger
        .replace_windows(&fixture.lease, read)
        .await
        .unwrap_err();
    assert!(matches!(failed.error, StoreError::LeaseLost { .. }), "{failed}");
    assert_eq!(failed.before.len(), 1);
    assert_eq!(failed.before[0].window, day("2025-09-01"));
    assert_eq!(failed.before[0].result.as_ref().unwrap().inserted, 20_000);
    assert_eq!(fixture.events().await.len(), 20_000);
}

pub(crate) async fn a_dead_holder_is_replaced_at_once(fixture: &Fixture) {
    let stranger = acquired(fixture, Some(fixture.lease.fencing)).await;
    assert_eq!(stranger.fencing, fixture.lease.fencing + 1);
    let again = fixture
        .ledger
        .acquire_lease(fixture.account.id, "third", LEASE, Some(fixture.lease.fencing))
        .await;
    assert!(
        matches!(again.unwrap(), LeaseAttempt::Held { .. }),
        "the corpse was replaced already"
    );
}

pub(crate) async fn of_many_who_want_it_one_gets_it(fixture: &Fixture) {
    fixture.ledger.release_lease(&fixture.lease).await.unwrap();
    let mut attempts = Vec::new();
    for number in 0..8 {
        let (ledger, account_id) = (fixture.ledger.clone(), fixture.account.id);
        attempts.push(tokio::spawn(async move {
            ledger
                .acquire_lease(account_id, &format!("holder {number}"), LEASE, None)
                .await
                .unwrap()
        }));
    }
    let mut winners = 0;
    for attempt in attempts {
        winners += usize::from(matches!(attempt.await.unwrap(), LeaseAttempt::Acquired(_)));
    }
    assert_eq!(winners, 1);
}

async fn acquired(fixture: &Fixture, dead: Option<i64>) -> Lease {
    match fixture
        .ledger
        .acquire_lease(fixture.account.id, "another", LEASE, dead)
        .await
        .unwrap()
    {
        LeaseAttempt::Acquired(lease) => lease,
        held @ LeaseAttempt::Held { .. } => panic!("{held:?}"),
    }
}

fn lost_the_lease(refused: &Result<Vec<WindowOutcome>, ReplaceError>) -> bool {
    matches!(refused, Err(ReplaceError { before, error: StoreError::LeaseLost { .. } }) if before.is_empty())
}
