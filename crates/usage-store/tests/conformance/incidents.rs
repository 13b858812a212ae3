//! Incidents: one of each is open, one process tells people about it.

use std::time::Duration;

use usage_store::{AccountScope, Ledger, NewIncident, Notice, NoticeClaim, OpenMode};

use crate::fixture::{Fixture, NOW, instant, openai};

const CLAIM: Duration = Duration::from_mins(10);
const LATER: &str = "2025-10-20T13:00:00Z";

fn parity(subject: &str) -> NewIncident {
    NewIncident {
        kind: "parity",
        subject: subject.to_owned(),
        account_id: None,
        message: "3 groups differ".to_owned(),
        details: r#"{"groups":3}"#.to_owned(),
    }
}

/// Opens an incident and returns its number.
async fn opened(fixture: &Fixture, subject: &str) -> i64 {
    let raised = fixture
        .ledger
        .raise_incidents(vec![parity(subject)])
        .await
        .unwrap();
    assert!(raised[0].opened, "{raised:?}");
    raised[0].incident.id
}

async fn claimed(fixture: &Fixture, id: i64) -> Option<NoticeClaim> {
    fixture.ledger.claim_notices(id, CLAIM).await.unwrap()
}

async fn untold(fixture: &Fixture) -> Vec<i64> {
    fixture.ledger.untold_incidents(instant(NOW)).await.unwrap()
}

/// As many ledgers as processes on other hosts would have.
async fn others(fixture: &Fixture) -> Vec<Ledger> {
    let mut ledgers = Vec::new();
    for _ in 0..8 {
        let opened = Ledger::open(&fixture.url, fixture.clock.clone(), OpenMode::SetUpIfEmpty);
        ledgers.push(opened.await.unwrap());
    }
    ledgers
}

pub(crate) async fn of_many_who_find_it_one_opens_it(fixture: &Fixture) {
    let raising = others(fixture)
        .await
        .into_iter()
        .enumerate()
        .map(|(number, ledger)| {
            let mut found: Vec<NewIncident> = ["a", "b", "c"].into_iter().map(parity).collect();
            // Each in an order of its own.
            found.rotate_left(number % 3);
            tokio::spawn(async move { ledger.raise_incidents(found).await.unwrap() })
        });
    let mut opened = 0;
    for raised in raising.collect::<Vec<_>>() {
        let raised = raised.await.unwrap();
        assert_eq!(raised.len(), 3);
        opened += raised.iter().filter(|raised| raised.opened).count();
    }
    assert_eq!(opened, 3);
    let open = fixture.ledger.open_incidents(AccountScope::All).await.unwrap();
    assert_eq!(open.len(), 3);
}

pub(crate) async fn of_many_who_want_to_tell_it_one_may(fixture: &Fixture) {
    let id = opened(fixture, "a").await;
    let claiming = others(fixture)
        .await
        .into_iter()
        .map(|ledger| tokio::spawn(async move { ledger.claim_notices(id, CLAIM).await.unwrap() }));
    let mut claims = Vec::new();
    for claim in claiming.collect::<Vec<_>>() {
        claims.extend(claim.await.unwrap());
    }
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].incident.message, "3 groups differ");

    // It did not get through to everybody: whoever comes next knows who was told.
    let ledger = &fixture.ledger;
    ledger
        .note_told(&claims[0], Notice::Opened, "first")
        .await
        .unwrap();
    ledger.release_notices(&claims[0], &[]).await.unwrap();
    assert_eq!(untold(fixture).await, [id]);
    let second = claimed(fixture, id).await.unwrap();
    assert!(second.was_told(Notice::Opened, "first"));
    assert!(!second.was_told(Notice::Opened, "second") && !second.was_told(Notice::Ended, "first"));

    ledger.release_notices(&second, &[Notice::Opened]).await.unwrap();
    assert_eq!(untold(fixture).await, Vec::<i64>::new());
    assert_eq!(claimed(fixture, id).await, None);
}

pub(crate) async fn a_claim_whose_holder_died_is_taken_over(fixture: &Fixture) {
    let id = opened(fixture, "a").await;
    let first = claimed(fixture, id).await.unwrap();
    assert_eq!(claimed(fixture, id).await, None);
    fixture.sql("UPDATE incidents SET claim_expires_at_ms = 1");
    let second = claimed(fixture, id).await.unwrap();

    // The first was only paused.
    let ledger = &fixture.ledger;
    ledger.note_told(&first, Notice::Opened, "first").await.unwrap();
    ledger.release_notices(&first, &[Notice::Opened]).await.unwrap();
    assert_eq!(untold(fixture).await, [id]);
    assert_eq!(claimed(fixture, id).await, None, "the second holds it");
    ledger.release_notices(&second, &[Notice::Opened]).await.unwrap();
    assert_eq!(untold(fixture).await, Vec::<i64>::new());
}

pub(crate) async fn an_end_is_told_once_and_not_for_ever(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    let id = opened(fixture, "a").await;
    let claim = claimed(fixture, id).await.unwrap();
    ledger.release_notices(&claim, &[Notice::Opened]).await.unwrap();
    fixture.clock.set(instant(LATER));
    let ended = ledger.end_incidents(vec![id], instant(LATER)).await.unwrap();
    assert_eq!(ended[0].closed_at, Some(instant(LATER)));
    assert_eq!(untold(fixture).await, [id]);
    let claim = claimed(fixture, id).await.unwrap();
    ledger.release_notices(&claim, &[Notice::Ended]).await.unwrap();
    assert_eq!(untold(fixture).await, Vec::<i64>::new());
    assert_eq!(claimed(fixture, id).await, None);
    let told = ledger.ended_incidents(AccountScope::All, 9).await.unwrap();
    assert_eq!(
        (told[0].notified_open_at, told[0].notified_close_at),
        (Some(instant(NOW)), Some(instant(LATER)))
    );

    // What comes again is told again; what ended long ago is not told any more.
    let again = opened(fixture, "a").await;
    assert_ne!(again, id);
    assert_eq!(untold(fixture).await, [again]);
    ledger.end_incidents(vec![again], instant(LATER)).await.unwrap();
    assert_eq!(untold(fixture).await, [again]);
    let after = instant("2025-10-20T13:00:01Z");
    assert_eq!(ledger.untold_incidents(after).await.unwrap(), Vec::<i64>::new());
    let newest_first = ledger.ended_incidents(AccountScope::All, 9).await.unwrap();
    assert_eq!(
        newest_first.iter().map(|ended| ended.id).collect::<Vec<_>>(),
        [again, id]
    );
}

pub(crate) async fn who_looked_before_it_was_seen_does_not_end_it(fixture: &Fixture) {
    let id = opened(fixture, "a").await;
    fixture.clock.set(instant(LATER));
    let raised = fixture.ledger.raise_incidents(vec![NewIncident {
        message: "4 groups differ".to_owned(),
        ..parity("a")
    }]);
    let raised = raised.await.unwrap();
    assert!(!raised[0].opened);
    let incident = &raised[0].incident;
    assert_eq!(
        (
            incident.message.as_str(),
            incident.opened_at,
            incident.last_seen_at
        ),
        ("4 groups differ", instant(NOW), instant(LATER))
    );
    let looked_at = instant("2025-10-20T12:59:59Z");
    let ended = fixture.ledger.end_incidents(vec![id], looked_at).await.unwrap();
    assert_eq!(ended, []);
    assert_eq!(
        fixture
            .ledger
            .open_incidents(AccountScope::All)
            .await
            .unwrap()
            .len(),
        1
    );
    for (looked_at, ends) in [(LATER, 1), (LATER, 0)] {
        let ended = fixture.ledger.end_incidents(vec![id], instant(looked_at)).await;
        assert_eq!(ended.unwrap().len(), ends, "it ends once");
    }
}

pub(crate) async fn incidents_stay_in_their_account_scope(fixture: &Fixture) {
    let second = fixture.ledger.add_account(openai("org-second")).await.unwrap();
    let of = |account_id, subject| NewIncident {
        account_id,
        ..parity(subject)
    };
    let found = vec![
        of(Some(fixture.account.id), "first"),
        of(Some(second.id), "second"),
        of(None, "nobody's"),
    ];
    fixture.ledger.raise_incidents(found).await.unwrap();
    for (scope, subjects) in [
        (AccountScope::All, vec!["first", "nobody's", "second"]),
        (AccountScope::one(&second), vec!["second"]),
        (AccountScope::Only(Vec::new()), vec![]),
    ] {
        let open = fixture.ledger.open_incidents(scope.clone()).await.unwrap();
        let found: Vec<&str> = open.iter().map(|incident| incident.subject.as_str()).collect();
        assert_eq!(found, subjects);
        let ids = open.iter().map(|incident| incident.id).collect();
        fixture.ledger.end_incidents(ids, instant(NOW)).await.unwrap();
        assert_eq!(
            fixture.ledger.ended_incidents(scope, 9).await.unwrap().len(),
            subjects.len()
        );
        fixture.sql("UPDATE incidents SET closed_at = NULL");
    }
}

pub(crate) async fn the_table_of_incidents_goes_and_comes_back(fixture: &Fixture) {
    // Both databases go back in the same words.
    fixture.sql(include_str!(
        "../../../../migrations/sqlite/2026-11-25-000008_incidents/down.sql"
    ));
    fixture.sql("DELETE FROM __diesel_schema_migrations WHERE version = '20261125000008'");
    let refused = fixture
        .ledger
        .open_incidents(AccountScope::All)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("incidents"), "{refused}");
    let migrated = fixture.ledger.migrate().await.unwrap();
    assert_eq!(migrated.versions, ["20261125000008"]);
    opened(fixture, "a").await;
}
