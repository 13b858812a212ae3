//! Copies of a ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use usage_core::{Metrics, UsageRow};
use usage_store::{AccountScope, EventQuery, Ledger, OpenMode, StoreError};

use crate::fixture::{Fixture, NOW, day, row, rows};

const GROUPS: usize = 200;
const DAYS: [&str; 2] = ["2025-09-01", "2025-09-02"];

/// Every group of two days with the same number: what one transaction writes.
fn generation(number: i64) -> Vec<UsageRow> {
    (0..GROUPS)
        .map(|group| {
            let row = row("proj_a", &format!("model-{group}"), 1);
            UsageRow {
                metrics: Metrics {
                    input_tokens: Some(number),
                    ..row.metrics
                },
                ..row
            }
        })
        .collect()
}

pub(crate) async fn a_copy_is_one_moment_while_others_write(fixture: &Fixture) {
    let folder = tempfile::tempdir().unwrap();
    if fixture.is_postgres() {
        let error = fixture.ledger.copy_to(&folder.path().join("copy.db")).await;
        let error = error.unwrap_err();
        assert!(matches!(error, StoreError::Unsupported(_)), "{error}");
        assert!(error.to_string().contains("pg_dump"), "{error}");
        return;
    }
    let write = async |number: i64| {
        let windows = DAYS.map(|text| rows(day(text), generation(number)));
        let outcomes = fixture.replace(fixture.read(NOW, windows.to_vec())).await;
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
    };
    write(1).await;
    let (done, written) = (AtomicBool::new(false), AtomicU64::new(1));
    let writer = async {
        let mut number = 1;
        while !done.load(Ordering::SeqCst) {
            number += 1;
            write(number).await;
            written.store(number.unsigned_abs(), Ordering::SeqCst);
        }
    };
    let copier = async {
        for copy in 0..5 {
            let path = folder.path().join(format!("copy-{copy}.db"));
            let before = written.load(Ordering::SeqCst);
            let counts = fixture.ledger.copy_to(&path).await.unwrap();
            assert_eq!((counts.events, counts.windows, counts.keys), (400, 2, 0));
            let copied = numbers(&path.display().to_string(), fixture).await;
            let only = copied[0];
            assert_eq!(copied, vec![only; 2 * GROUPS], "a window is torn");
            assert!(
                u64::try_from(only).unwrap() >= before,
                "older than when it was taken"
            );
            while written.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
        }
        done.store(true, Ordering::SeqCst);
    };
    tokio::join!(writer, copier);
}

pub(crate) async fn a_copy_that_is_not_whole_is_refused(fixture: &Fixture) {
    if fixture.is_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let windows = DAYS.map(|text| rows(day(text), generation(1)));
    fixture.replace(fixture.read(NOW, windows.to_vec())).await;
    fixture.sql("DELETE FROM usage_events WHERE model = 'model-7' AND window_start = 1756684800");
    let error = fixture
        .ledger
        .copy_to(&folder.path().join("copy.db"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the copy is not usable and was not kept: 1 windows do not have as many events as were read; \
         `usage doctor` says which"
    );

    let full = folder.path().join("full.db");
    std::fs::write(&full, "somebody's").unwrap();
    let error = fixture.ledger.copy_to(&full).await.unwrap_err();
    assert!(matches!(error, StoreError::Query { .. }), "{error}");
    assert_eq!(
        std::fs::read(&full).unwrap(),
        b"somebody's",
        "a file with something in it is not replaced"
    );
}

/// The input tokens of every event of the copy, in order.
async fn numbers(path: &str, fixture: &Fixture) -> Vec<i64> {
    let url = format!("sqlite:{path}");
    let copy = Ledger::open(&url, Arc::clone(&fixture.clock) as _, OpenMode::SetUpIfEmpty)
        .await
        .unwrap();
    let events = copy
        .all_events(EventQuery::daily(AccountScope::All))
        .await
        .unwrap();
    events
        .iter()
        .map(|stored| stored.event.metrics.input_tokens.unwrap())
        .collect()
}
