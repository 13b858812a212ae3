//! What the provider changes after the fact: restatements, retractions, and reads too drastic to believe.

use usage_core::{Dimension, Endpoint, IssueCode, WindowState};
use usage_store::{
    AccountScope, EventQuery, Replacement, RevisionKind, RevisionPageQuery, StoredEvent, StoredRevision,
};

use crate::fixture::{Fixture, day, row, rows};

const DAY: &str = "2025-09-01";
const WHILE_OPEN: &str = "2025-09-01T12:00:00Z";
const STILL_OPEN: &str = "2025-09-01T18:00:00Z";
const AFTER_END: &str = "2025-09-02T01:00:00Z";
const SETTLED: &str = "2025-09-10T01:00:00Z";

pub(crate) async fn growth_of_an_open_day_leaves_no_revision(fixture: &Fixture) {
    let read = |at, tokens| fixture.read(at, vec![rows(day(DAY), [row("proj_a", "gpt-5", tokens)])]);
    assert_eq!(fixture.store(read(WHILE_OPEN, 10)).await.state, WindowState::Open);
    let grown = fixture.store(read(STILL_OPEN, 20)).await;
    assert_eq!(
        (grown.updated, grown.revisions, grown.state),
        (1, 0, WindowState::Open)
    );
    // The first read after the end completes the day; that is growth too.
    let closed = fixture.store(read(AFTER_END, 30)).await;
    assert_eq!(
        (closed.updated, closed.revisions, closed.state),
        (1, 0, WindowState::Provisional)
    );
    assert_eq!(fixture.events().await[0].revision, 3);
}

pub(crate) async fn a_restatement_keeps_the_old_values(fixture: &Fixture) {
    let read = |at, tokens| fixture.read(at, vec![rows(day(DAY), [row("proj_a", "gpt-5", tokens)])]);
    fixture.store(read(AFTER_END, 30)).await;
    let counts = fixture
        .store(Replacement {
            run_id: 2,
            ..read(SETTLED, 31)
        })
        .await;
    assert_eq!(
        (counts.updated, counts.revisions, counts.state),
        (1, 1, WindowState::Settled)
    );

    let events = fixture.events().await;
    assert_eq!(
        (events[0].event.metrics.input_tokens, events[0].revision),
        (Some(31), 2)
    );
    let revisions = revisions(fixture).await;
    assert_eq!(revisions.len(), 1);
    assert_eq!(
        (revisions[0].kind.as_str(), revisions[0].replaced_by_run),
        ("changed", 2)
    );
    assert_eq!(revisions[0].before.event.metrics.input_tokens, Some(30));
    assert_eq!((revisions[0].before.revision, revisions[0].before.run_id), (1, 1));
}

pub(crate) async fn a_vanished_row_is_retracted_and_kept(fixture: &Fixture) {
    let both = [row("proj_a", "gpt-5", 30), row("proj_b", "gpt-5", 5)];
    fixture
        .store(fixture.read(AFTER_END, vec![rows(day(DAY), both)]))
        .await;
    let counts = fixture
        .store(fixture.read(SETTLED, vec![rows(day(DAY), [row("proj_a", "gpt-5", 30)])]))
        .await;
    assert_eq!((counts.unchanged, counts.retracted, counts.revisions), (1, 1, 1));
    assert_eq!(fixture.events().await.len(), 1);
    let revisions = revisions(fixture).await;
    assert_eq!(revisions[0].kind, RevisionKind::Retracted);
    assert_eq!(
        revisions[0].before.event.dimensions,
        row("proj_b", "gpt-5", 5).dimensions
    );
    assert_eq!(
        revisions[0].before.event.metrics,
        row("proj_b", "gpt-5", 5).metrics
    );
}

pub(crate) async fn a_row_added_later_leaves_its_mark(fixture: &Fixture) {
    fixture
        .store(fixture.read(AFTER_END, vec![rows(day(DAY), [row("proj_a", "gpt-5", 30)])]))
        .await;
    let more = [row("proj_a", "gpt-5", 30), row("proj_a", "gpt-5.1", 2)];
    let counts = fixture
        .store(fixture.read(SETTLED, vec![rows(day(DAY), more)]))
        .await;
    assert_eq!((counts.inserted, counts.unchanged, counts.revisions), (1, 1, 1));
    let revisions = revisions(fixture).await;
    assert_eq!(
        (revisions[0].kind.as_str(), revisions[0].before.revision),
        ("added", 0)
    );
    assert_eq!(
        revisions[0].before.event.dimensions.model.as_deref(),
        Some("gpt-5.1")
    );
    assert_eq!(revisions[0].before.event.metrics, usage_core::Metrics::default());
}

pub(crate) async fn a_finer_read_replaces_coarse_rows(fixture: &Fixture) {
    let mut coarse_row = row("proj_a", "gpt-5", 30);
    coarse_row.dimensions.service_tier = None;
    let mut coarse = fixture.read(AFTER_END, vec![rows(day(DAY), [coarse_row])]);
    coarse.scope.grouped_by = Endpoint::Completions.dimensions().without(Dimension::ServiceTier);
    fixture.store(coarse).await;

    let mut free = row("proj_a", "gpt-5", 10);
    free.dimensions.service_tier = Some("incentivized-tier".to_owned());
    let fine = [row("proj_a", "gpt-5", 20), free];
    // Nothing is lost on balance, so the retraction is not held.
    let counts = fixture
        .store(fixture.read(SETTLED, vec![rows(day(DAY), fine)]))
        .await;
    assert_eq!((counts.inserted, counts.retracted, counts.revisions), (2, 1, 3));
    let tokens: i64 = fixture
        .events()
        .await
        .iter()
        .filter_map(|stored| stored.event.metrics.input_tokens)
        .sum();
    assert_eq!(tokens, 30);
}

pub(crate) async fn emptying_a_settled_window_is_held(fixture: &Fixture) {
    // The rows carry no tokens at all, so only the rule about settled windows can hold them.
    let mut idle = row("proj_a", "gpt-5", 0);
    idle.metrics.output_tokens = Some(0);
    fixture
        .store(fixture.read(SETTLED, vec![rows(day(DAY), [idle])]))
        .await;
    let before = fixture.snapshot().await;
    let issue = fixture
        .refuse(fixture.read("2025-09-11T00:00:00Z", vec![rows(day(DAY), [])]))
        .await;
    assert_eq!(issue.code, IssueCode::MassRetraction);
    assert!(
        issue.message.contains("empty a settled window"),
        "{}",
        issue.message
    );
    assert_eq!(fixture.snapshot().await, before);
}

pub(crate) async fn losing_most_of_a_day_is_held_until_accepted(fixture: &Fixture) {
    let big = [row("proj_a", "gpt-5", 60), row("proj_b", "gpt-5", 40)];
    fixture
        .store(fixture.read(AFTER_END, vec![rows(day(DAY), big)]))
        .await;
    let before = fixture.snapshot().await;
    let shrunk = || fixture.read(SETTLED, vec![rows(day(DAY), [row("proj_b", "gpt-5", 40)])]);
    let issue = fixture.refuse(shrunk()).await;
    assert_eq!(issue.code, IssueCode::MassRetraction);
    assert!(
        issue.message.contains("--accept-retractions"),
        "{}",
        issue.message
    );
    assert_eq!(fixture.snapshot().await, before);

    let accepted = fixture
        .store(Replacement {
            accept_retractions: true,
            ..shrunk()
        })
        .await;
    assert_eq!((accepted.retracted, accepted.revisions), (1, 1));
    assert_eq!(fixture.events().await.len(), 1);
}

pub(crate) async fn losing_half_of_a_day_is_not_held(fixture: &Fixture) {
    let big = [row("proj_a", "gpt-5", 50), row("proj_b", "gpt-5", 50)];
    fixture
        .store(fixture.read(AFTER_END, vec![rows(day(DAY), big)]))
        .await;
    let counts = fixture
        .store(fixture.read(SETTLED, vec![rows(day(DAY), [row("proj_a", "gpt-5", 50)])]))
        .await;
    assert_eq!(counts.retracted, 1);
}

pub(crate) async fn a_held_window_does_not_hold_its_neighbours(fixture: &Fixture) {
    let next = day("2025-09-02");
    let full = vec![
        rows(day(DAY), [row("proj_a", "gpt-5", 60)]),
        rows(next, [row("proj_a", "gpt-5", 60)]),
    ];
    fixture.replace(fixture.read(SETTLED, full)).await;
    let later = vec![
        rows(day(DAY), [row("proj_a", "gpt-5", 1)]),
        rows(next, [row("proj_a", "gpt-5", 61)]),
    ];
    let outcomes = fixture.replace(fixture.read("2025-09-11T00:00:00Z", later)).await;
    assert_eq!(
        outcomes[0].result.as_ref().unwrap_err().code,
        IssueCode::MassRetraction
    );
    assert_eq!(outcomes[1].result.as_ref().unwrap().updated, 1);
}

async fn revisions(fixture: &Fixture) -> Vec<StoredRevision> {
    fixture.ledger.revisions(AccountScope::All).await.unwrap()
}

pub(crate) async fn a_window_tells_its_history_step_by_step(fixture: &Fixture) {
    let read = |at, groups: Vec<_>| fixture.read(at, vec![rows(day(DAY), groups)]);
    let (first, second) = (row("proj_a", "gpt-5", 30), row("proj_b", "gpt-5", 5));
    let steps = [
        ("2025-09-02T01:00:00Z", vec![first.clone(), second.clone()]),
        (
            "2025-09-02T02:00:00Z",
            vec![row("proj_a", "gpt-5", 31), second.clone()],
        ),
        ("2025-09-02T03:00:00Z", vec![row("proj_a", "gpt-5", 31)]),
        (
            "2025-09-02T04:00:00Z",
            vec![row("proj_a", "gpt-5", 32), row("proj_b", "gpt-5", 6)],
        ),
    ];
    for (run_id, (at, groups)) in (1..).zip(steps) {
        fixture.clock.set(crate::fixture::instant(at));
        let replacement = Replacement {
            run_id,
            ..read(at, groups)
        };
        fixture.store(replacement).await;
    }
    let changes = fixture
        .ledger
        .window_changes(&fixture.account, Endpoint::Completions, day(DAY))
        .await
        .unwrap();
    let mut told: Vec<(i64, String, Option<i64>, Option<i64>)> = changes
        .into_iter()
        .map(|change| {
            let input =
                |metrics: Option<usage_core::Metrics>| metrics.and_then(|metrics| metrics.input_tokens);
            let project = change.dimensions.project_id.unwrap();
            (change.run_id, project, input(change.before), input(change.after))
        })
        .collect();
    told.sort();
    let step = |run, project: &str, before, after| (run, project.to_owned(), before, after);
    assert_eq!(
        told,
        [
            step(2, "proj_a", Some(30), Some(31)),
            step(3, "proj_b", Some(5), None),
            step(4, "proj_a", Some(31), Some(32)),
            step(4, "proj_b", None, Some(6)),
        ]
    );
    let range = usage_core::WindowRange::of(day(DAY));
    let counted = fixture
        .ledger
        .count_revisions(&fixture.account, Endpoint::Completions, range)
        .await
        .unwrap();
    assert_eq!(
        counted.into_iter().collect::<Vec<_>>(),
        [
            (RevisionKind::Changed, 2),
            (RevisionKind::Retracted, 1),
            (RevisionKind::Added, 1)
        ]
    );
}

pub(crate) async fn pages_of_revisions_are_all_of_them_backwards(fixture: &Fixture) {
    let window = |text, tokens| {
        rows(
            day(text),
            [row("proj_a", "gpt-5", tokens), row("proj_b", "gpt-5", tokens)],
        )
    };
    let read = |at, tokens| fixture.read(at, vec![window(DAY, tokens), window("2025-09-02", tokens)]);
    fixture.replace(read("2025-09-04T01:00:00Z", 30)).await;
    // Two restatements at one moment, and one at another.
    fixture.replace(read(SETTLED, 31)).await;
    fixture.replace(read("2025-09-10T02:00:00Z", 32)).await;
    fixture.clock.set(crate::fixture::instant("2025-10-20T13:00:00Z"));
    let gone = fixture.read(
        "2025-09-11T01:00:00Z",
        vec![rows(day(DAY), [row("proj_a", "gpt-5", 32)])],
    );
    fixture
        .store(Replacement {
            accept_retractions: true,
            ..gone
        })
        .await;
    let mut expected = revisions(fixture).await;
    expected.reverse();
    assert_eq!(expected.len(), 9);

    let all = RevisionPageQuery {
        scope: AccountScope::All,
        start: None,
        end: None,
        kinds: Vec::new(),
        after: None,
        limit: 2,
    };
    let mut found = Vec::new();
    let mut query = all.clone();
    loop {
        let page = fixture.ledger.revision_page(query.clone()).await.unwrap();
        assert!(page.revisions.len() <= 2);
        found.extend(page.revisions);
        match page.next {
            // As text and back, as a client keeps it.
            Some(next) => query.after = Some(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(found, expected);
    // Each became what the next revision of its row found, or what stands.
    let standing = fixture
        .ledger
        .all_events(EventQuery::daily(AccountScope::All))
        .await
        .unwrap();
    let befores = found.iter().map(|revision| &revision.before);
    let states: Vec<&StoredEvent> = befores.chain(&standing).collect();
    let afters = fixture.ledger.after_revisions(found.clone()).await.unwrap();
    assert_eq!(afters.len(), found.len());
    for (revision, after) in found.iter().zip(&afters) {
        let before = &revision.before;
        let is_next = |state: &&&StoredEvent| {
            state.event.key() == before.event.key() && state.revision == before.revision + 1
        };
        assert_eq!(
            after.as_ref(),
            states.iter().find(is_next).copied(),
            "{revision:?}"
        );
    }
    assert!(afters.iter().any(Option::is_none) && afters.iter().any(Option::is_some));

    let count = async |query: RevisionPageQuery| {
        let query = RevisionPageQuery { limit: 100, ..query };
        let counted = fixture.ledger.revision_count(query.clone()).await.unwrap();
        let rows = fixture.ledger.revision_page(query).await.unwrap().revisions.len();
        assert_eq!(counted, rows as u64);
        rows
    };
    let second = Some(day("2025-09-02").start());
    for (query, rows) in [
        (all.clone(), 9),
        (
            RevisionPageQuery {
                kinds: vec![RevisionKind::Retracted],
                ..all.clone()
            },
            1,
        ),
        (
            RevisionPageQuery {
                start: second,
                ..all.clone()
            },
            4,
        ),
        (
            RevisionPageQuery {
                end: second,
                ..all.clone()
            },
            5,
        ),
        (
            RevisionPageQuery {
                scope: AccountScope::Only(vec![fixture.account.id + 1]),
                ..all.clone()
            },
            0,
        ),
        (
            RevisionPageQuery {
                scope: AccountScope::one(&fixture.account),
                ..all
            },
            9,
        ),
    ] {
        assert_eq!(count(query.clone()).await, rows, "{query:?}");
    }
}
