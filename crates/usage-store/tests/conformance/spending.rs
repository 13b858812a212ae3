//! What usage cost: exact, at one width, and with what is not known about it.

use usage_core::{NanoUsd, Scope, Width, Window};
use usage_store::{AccountScope, Replacement, Spending, SpendingQuery, StoreError};

use crate::fixture::{Fixture, day, instant, openai, row, rows, take};
use crate::prices::Flat;

const READ: &str = "2025-10-10T00:00:00Z";

fn days(first: &str, last: &str) -> SpendingQuery {
    SpendingQuery {
        scope: AccountScope::All,
        project_id: None,
        start: day(first).start(),
        end: day(last).end(),
    }
}

fn spent(nano_usd: i64, events: u64, unpriced: u64, unread_days: u64) -> Spending {
    Spending {
        cost: NanoUsd::new(nano_usd),
        events,
        unpriced,
        unread_days,
    }
}

async fn spending(fixture: &Fixture, query: SpendingQuery) -> Spending {
    fixture.ledger.spending(query).await.unwrap()
}

pub(crate) async fn a_day_of_two_widths_is_spent_once(fixture: &Fixture) {
    let ledger = fixture.ledger.clone().with_pricer(Flat::of("v1", 10));
    let daily = fixture.read(
        READ,
        vec![
            rows(
                day("2025-09-01"),
                [
                    row("proj_a", "gpt-5", 100),
                    row("proj_b", "gpt-5", 7),
                    row("proj_a", "unknown", 5),
                ],
            ),
            rows(day("2025-09-02"), [row("proj_a", "gpt-5", 1)]),
            rows(day("2025-09-03"), []),
        ],
    );
    ledger.replace_windows(&fixture.lease, daily).await.unwrap();
    let hour = Window::containing(instant("2025-09-01T05:00:00Z"), Width::Hour);
    let hourly = fixture.read(READ, vec![rows(hour, [row("proj_a", "gpt-5", 100)])]);
    let hourly = Replacement {
        scope: Scope {
            width: Width::Hour,
            ..fixture.scope()
        },
        ..hourly
    };
    ledger.replace_windows(&fixture.lease, hourly).await.unwrap();

    let of_project = |project: &str, query: SpendingQuery| SpendingQuery {
        project_id: Some(project.to_owned()),
        ..query
    };
    let september = days("2025-09-01", "2025-09-30");
    for (query, expected) in [
        (days("2025-09-01", "2025-09-03"), spent(1_080, 4, 1, 0)),
        (days("2025-09-02", "2025-09-02"), spent(10, 1, 0, 0)),
        (days("2025-09-04", "2025-09-04"), spent(0, 0, 0, 1)),
        (september.clone(), spent(1_080, 4, 1, 27)),
        (of_project("proj_a", september.clone()), spent(1_010, 3, 1, 27)),
        (of_project("proj_c", september), spent(0, 0, 0, 27)),
    ] {
        assert_eq!(spending(fixture, query.clone()).await, expected, "{query:?}");
    }
}

pub(crate) async fn what_is_spent_stays_in_its_account_scope(fixture: &Fixture) {
    let ledger = fixture.ledger.clone().with_pricer(Flat::of("v1", 10));
    let second = ledger.add_account(openai("org-second")).await.unwrap();
    let lease = take(&ledger, &second).await;
    let first_day = rows(day("2025-09-01"), [row("proj_a", "gpt-5", 3)]);
    let read = fixture.read(READ, vec![first_day.clone(), rows(day("2025-09-02"), [])]);
    ledger.replace_windows(&fixture.lease, read).await.unwrap();
    let read = fixture.read(READ, vec![first_day]);
    let read = Replacement {
        scope: Scope {
            account: second.account.clone(),
            ..fixture.scope()
        },
        ..read
    };
    ledger.replace_windows(&lease, read).await.unwrap();
    for (scope, expected) in [
        (AccountScope::All, spent(60, 2, 0, 1)),
        (AccountScope::one(&fixture.account), spent(30, 1, 0, 0)),
        (AccountScope::one(&second), spent(30, 1, 0, 1)),
        (AccountScope::Only(Vec::new()), spent(0, 0, 0, 2)),
    ] {
        let query = SpendingQuery {
            scope,
            ..days("2025-09-01", "2025-09-02")
        };
        assert_eq!(spending(fixture, query.clone()).await, expected, "{query:?}");
    }
}

pub(crate) async fn a_sum_beyond_64_bits_is_an_error(fixture: &Fixture) {
    let ledger = fixture.ledger.clone().with_pricer(Flat::of("v1", 1));
    let huge = [row("proj_a", "a", i64::MAX / 2), row("proj_a", "b", i64::MAX / 2)];
    let read = fixture.read(READ, vec![rows(day("2025-09-01"), huge)]);
    ledger.replace_windows(&fixture.lease, read).await.unwrap();
    let query = days("2025-09-01", "2025-09-01");
    assert_eq!(
        spending(fixture, query.clone()).await.cost.get(),
        i64::MAX / 2 * 2
    );
    fixture.sql("UPDATE usage_events SET cost_nano_usd = 9223372036854775807");
    let refused = fixture.ledger.spending(query).await.unwrap_err();
    assert!(matches!(refused, StoreError::Query { .. }), "{refused}");
}
