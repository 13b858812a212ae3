//! The manual path: what stands afterwards is what the constraint path would have left.

use usage_store::{StoreError, WindowCounts, WritePath};

use crate::fixture::{Fixture, day, row, rows};

const DAY: &str = "2025-09-01";
const READ: &str = "2025-09-02T01:00:00Z";
const LATER: &str = "2025-10-20T12:00:00Z";
const DROP: &str = "DROP INDEX usage_admin_bucket_idx";

pub(crate) async fn both_paths_leave_the_same(fixture: &Fixture) {
    assert_eq!(fixture.ledger.write_path().await.unwrap(), WritePath::Constraint);
    let (by_constraint, stands) = first_read_and_restatement(fixture).await;
    assert_eq!(by_constraint.path, WritePath::Constraint);

    fixture.sql("DELETE FROM usage_events; DELETE FROM usage_coverage; DELETE FROM usage_revisions");
    fixture.sql(DROP);
    assert_eq!(fixture.ledger.write_path().await.unwrap(), WritePath::Manual);
    let (by_hand, stands_by_hand) = first_read_and_restatement(fixture).await;
    assert_eq!(
        by_hand,
        WindowCounts {
            path: WritePath::Manual,
            ..by_constraint
        }
    );
    assert_eq!(stands_by_hand, stands);
    assert_eq!(
        (by_hand.inserted, by_hand.updated, by_hand.retracted),
        (1, 400, 1)
    );
}

/// Stores a day of 402 rows, then restates it: 400 rows change, one stays, one goes, one comes.
async fn first_read_and_restatement(fixture: &Fixture) -> (WindowCounts, String) {
    let models = |numbers: std::ops::Range<i64>, more: i64| {
        numbers.map(move |number| row("proj_a", &format!("model-{number}"), number + more))
    };
    let first = models(0..400, 0).chain([row("proj_a", "stays", 7), row("proj_a", "goes", 7)]);
    fixture
        .store(fixture.read(READ, vec![rows(day(DAY), first)]))
        .await;
    let second = models(0..400, 1).chain([row("proj_a", "stays", 7), row("proj_a", "comes", 7)]);
    let counts = fixture
        .store(fixture.read(LATER, vec![rows(day(DAY), second)]))
        .await;
    (counts, fixture.snapshot().await)
}

pub(crate) async fn an_index_of_another_definition_does_not_count(fixture: &Fixture) {
    fixture.sql(DROP);
    fixture.sql(
        "CREATE UNIQUE INDEX usage_admin_bucket_idx ON usage_events (window_start, dedupe_key, revision)",
    );
    assert_eq!(fixture.ledger.write_path().await.unwrap(), WritePath::Manual);
    fixture.sql(DROP);
    fixture.sql("CREATE INDEX usage_admin_bucket_idx ON usage_events (window_start, dedupe_key)");
    assert_eq!(fixture.ledger.write_path().await.unwrap(), WritePath::Manual);
    assert!(fixture.ledger.migrate().await.unwrap().index_made);
    assert_eq!(fixture.ledger.write_path().await.unwrap(), WritePath::Constraint);
    assert!(!fixture.ledger.migrate().await.unwrap().index_made);
}

pub(crate) async fn duplicates_are_healed_by_reading_again(fixture: &Fixture) {
    let three = || {
        [(1, 10), (2, 20), (3, 3)].map(|(number, tokens)| row("proj_a", &format!("model-{number}"), tokens))
    };
    fixture
        .store(fixture.read(READ, vec![rows(day(DAY), three())]))
        .await;
    fixture.sql(DROP);
    // One row stands twice, with numbers that are not the provider's; another that the provider no longer has, twice.
    fixture.sql("INSERT INTO usage_events SELECT * FROM usage_events WHERE model = 'model-1'");
    fixture.sql("INSERT INTO usage_events SELECT * FROM usage_events WHERE model = 'model-3'");
    fixture.sql(
        "UPDATE usage_events SET input_tokens = 12, content_hash = 99, revision = 5 WHERE model = 'model-1'",
    );
    let refused = fixture.ledger.migrate().await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::DuplicateEvents { identities: 2, .. }),
        "{refused}"
    );
    let line = refused.to_string();
    assert!(
        line.contains("2025-09-01T00:00:00Z") && line.contains("backfill --force"),
        "{line}"
    );

    let [one, two, _] = three();
    let counts = fixture
        .store(fixture.read(LATER, vec![rows(day(DAY), [one, two])]))
        .await;
    assert_eq!((counts.updated, counts.unchanged, counts.retracted), (1, 1, 2));
    let mut stands: Vec<_> = fixture
        .events()
        .await
        .into_iter()
        .map(|stored| {
            (
                stored.event.dimensions.model.unwrap(),
                stored.event.metrics.input_tokens,
                stored.revision,
            )
        })
        .collect();
    stands.sort();
    assert_eq!(
        stands,
        [
            ("model-1".to_owned(), Some(10), 6),
            ("model-2".to_owned(), Some(20), 1)
        ]
    );
    assert_eq!(counts.revisions, 4, "each row that stood is kept");
    assert!(fixture.ledger.migrate().await.unwrap().index_made);
}
