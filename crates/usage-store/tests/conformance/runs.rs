//! Which runs a scope sees, page by page.

use usage_store::{AccountScope, NewRun};

use crate::fixture::{Fixture, instant, openai};

/// More runs than are in memory at once.
const RUNS: i64 = 130;

pub(crate) async fn pages_of_runs_hold_those_whose_accounts_are_all_in_scope(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    let first = &fixture.account;
    let second = ledger.add_account(openai("org-second")).await.unwrap();
    let (a, b) = (first.account.to_string(), second.account.to_string());
    let chunk = |account: &str| format!(r#"{{"account":"{account}"}}"#);
    // Every sixth run is of the first account alone, by its plan or by its pass; the others are of the second, too, or of nobody.
    for number in 0..RUNS {
        let (plan, notes) = match number % 6 {
            0 if number % 12 == 0 => (
                r#"{"chunks":[]}"#.to_owned(),
                format!(r#"{{"pass":{}}}"#, chunk(&a)),
            ),
            0 => (format!(r#"{{"chunks":[{0},{0}]}}"#, chunk(&a)), "{}".to_owned()),
            1 => (
                format!(r#"{{"chunks":[{},{}]}}"#, chunk(&a), chunk(&b)),
                "{}".to_owned(),
            ),
            2 => (chunk(&b), "{}".to_owned()),
            3 => ("{}".to_owned(), "{}".to_owned()),
            4 => ("not JSON".to_owned(), format!(r#"{{"pass":{}}}"#, chunk(&a))),
            _ => (format!(r#"{{"chunks":[{}]}}"#, chunk(&b)), "{}".to_owned()),
        };
        let run = NewRun {
            kind: "backfill",
            label: None,
            range_start: instant("2025-09-01T00:00:00Z"),
            range_end: instant("2025-10-01T00:00:00Z"),
            holder: "the story".to_owned(),
            plan,
            notes,
        };
        assert_eq!(ledger.start_run(run).await.unwrap(), number + 1);
    }
    let expected = |is_seen: &dyn Fn(i64) -> bool| -> Vec<i64> {
        (0..RUNS)
            .rev()
            .filter(|number| is_seen(number % 6))
            .map(|number| number + 1)
            .collect()
    };
    for (scope, expected) in [
        (AccountScope::All, expected(&|_| true)),
        (AccountScope::one(first), expected(&|kind| kind == 0)),
        (
            AccountScope::one(&second),
            expected(&|kind| kind == 2 || kind == 5),
        ),
        (
            AccountScope::Only(vec![first.id, second.id]),
            expected(&|kind| kind != 3 && kind != 4),
        ),
        (AccountScope::Only(Vec::new()), Vec::new()),
    ] {
        for limit in [1, 7, 1_000] {
            let mut seen = Vec::new();
            let mut before = None;
            loop {
                let page = ledger.run_page(scope.clone(), before, limit).await.unwrap();
                assert!(page.runs.len() <= limit);
                seen.extend(page.runs.iter().map(|run| run.id));
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(seen, expected, "{scope:?} by {limit}");
        }
        let chosen = ledger
            .runs_with_ids(scope.clone(), (0..=RUNS + 5).collect())
            .await
            .unwrap();
        let mut chosen: Vec<i64> = chosen.iter().map(|run| run.id).collect();
        chosen.reverse();
        assert_eq!(chosen, expected, "{scope:?}");
    }
}
