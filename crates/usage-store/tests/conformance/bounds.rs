//! How much a question may take.

use std::sync::Arc;
use std::time::Duration;

use usage_core::Dimension;
use usage_store::{AccountScope, Period, StoreError, SummaryBy, SummaryQuery, UsageFilter};

use crate::fixture::{Fixture, day, instant, row, rows};

const READ: &str = "2025-10-20T12:00:00Z";

/// Sums of days and sums of events: those of a range that cuts a day.
pub(crate) async fn no_more_sums_are_made_than_there_may_be(fixture: &Fixture) {
    let windows = ["2025-08-31", "2025-09-01", "2025-09-02"].map(|text| {
        let models = ["gpt-5", "gpt-4o", "o3"].map(|model| row("proj_a", model, 10));
        rows(day(text), models)
    });
    fixture.replace(fixture.read(READ, windows.to_vec())).await;
    let all = UsageFilter::all(AccountScope::All);
    let cut = UsageFilter {
        start: Some(instant("2025-08-30T01:00:00Z")),
        end: Some(instant("2025-09-01T02:00:00Z")),
        ..all.clone()
    };
    for (filter, period, sums) in [
        (&all, None, 3),
        (&all, Some(Period::Day), 9),
        (&all, Some(Period::Month), 6),
        (&cut, None, 3),
        (&cut, Some(Period::Day), 6),
        (&cut, Some(Period::IsoWeek), 6),
        (&cut, Some(Period::Month), 6),
    ] {
        let query = SummaryQuery {
            filter: filter.clone(),
            by: vec![SummaryBy::Dimension(Dimension::Model)],
            period,
        };
        // Asked again, it comes from the answers that are kept.
        for most in [sums - 1, sums, sums - 1, usize::MAX] {
            let answer = fixture.ledger.usage_summary_within(query.clone(), most).await;
            match answer {
                Ok(rows) if most >= sums => assert_eq!(rows.len(), sums, "{query:?}"),
                Err(StoreError::Unsupported(wrong)) if most < sums => {
                    assert!(
                        wrong.starts_with(&format!("this has more than {most} sums")),
                        "{wrong}"
                    );
                }
                other => panic!("{most} of {sums}: {other:?}"),
            }
        }
    }
}

/// Of PostgreSQL alone, where a lock makes questions as slow as one likes.
#[tokio::test]
async fn slow_questions_leave_connections_for_others_and_are_given_up() {
    let fixture = Arc::new(Fixture::postgres().await);
    let locking = fixture.clone();
    let locked = tokio::task::spawn_blocking(move || {
        locking.sql("BEGIN; LOCK TABLE usage_days IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(5); COMMIT")
    });
    let held = "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' \
                AND relation = 'usage_days'::regclass";
    while !fixture.sql(held).contains('1') {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ledger = fixture.ledger.clone().answering_within(Duration::from_secs(1));
    let questions: Vec<_> = Dimension::USAGE[..6]
        .iter()
        .map(|dimension| {
            let query = SummaryQuery {
                filter: UsageFilter::all(AccountScope::All),
                by: vec![SummaryBy::Dimension(*dimension)],
                period: None,
            };
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.usage_summary(query).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let others = tokio::time::timeout(Duration::from_secs(2), ledger.api_tokens()).await;
    assert_eq!(others.unwrap().unwrap(), []);
    for question in questions {
        let error = question.await.unwrap().unwrap_err();
        assert!(
            error.is_unavailable() && error.to_string().contains("statement timeout"),
            "{error}"
        );
    }
    locked.await.unwrap();
}
