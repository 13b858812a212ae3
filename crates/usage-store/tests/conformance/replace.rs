//! Rule 1: a window is replaced as a whole, within the scope that was read.

use usage_core::{
    Dimension, DimensionSet, Endpoint, IssueCode, Metrics, ProjectFilter, Severity, Width, Window,
    WindowState,
};
use usage_store::{AccountScope, CoverageQuery, EventQuery, Replacement};

use crate::fixture::{Fixture, day, instant, openai, row, rows, take};

const READ: &str = "2025-10-20T12:00:00Z";
const LATER: &str = "2025-10-20T13:00:00Z";

pub(crate) async fn a_first_read_inserts_every_row(fixture: &Fixture) {
    let first = day("2025-09-01");
    let counts = fixture
        .store(fixture.read(
            READ,
            vec![rows(
                first,
                [row("proj_a", "gpt-5", 10), row("proj_b", "gpt-5", 20)],
            )],
        ))
        .await;
    assert_eq!(
        (
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.retracted
        ),
        (2, 0, 0, 0)
    );
    assert_eq!((counts.revisions, counts.state), (0, WindowState::Settled));

    let events = fixture.events().await;
    assert_eq!(events.len(), 2);
    for stored in events {
        assert_eq!(stored.event.window, first);
        assert_eq!((stored.revision, stored.run_id), (1, 1));
        assert_eq!(stored.first_stored_at, instant(crate::fixture::NOW));
        let project = stored.event.dimensions.project_id.clone().unwrap();
        let read = if project == "proj_a" {
            row("proj_a", "gpt-5", 10)
        } else {
            row("proj_b", "gpt-5", 20)
        };
        assert_eq!(stored.event.dimensions, read.dimensions);
        assert_eq!(stored.event.metrics, read.metrics);
    }
}

pub(crate) async fn the_same_read_again_writes_nothing_but_coverage(fixture: &Fixture) {
    let read = |at| fixture.read(at, vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)])]);
    fixture.store(read(READ)).await;
    let before = fixture.snapshot().await;

    fixture.clock.set(instant(LATER));
    let counts = fixture
        .store(Replacement {
            run_id: 2,
            ..read(LATER)
        })
        .await;
    assert_eq!(
        (
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.retracted
        ),
        (0, 0, 1, 0)
    );
    assert_eq!(counts.revisions, 0);
    assert_eq!(fixture.snapshot().await, before);

    let coverage = coverage(fixture).await;
    assert_eq!(coverage.len(), 1);
    assert_eq!(
        (coverage[0].read_started_at, coverage[0].stored_at),
        (instant(LATER), instant(LATER))
    );
    assert_eq!(
        (coverage[0].first_closed_at, coverage[0].run_id),
        (Some(instant(READ)), 2)
    );
}

pub(crate) async fn identical_groups_of_one_window_are_summed(fixture: &Fixture) {
    let window = day("2025-10-06");
    let twice = [row("proj_a", "gpt-5", 8), row("proj_a", "gpt-5", 1)];
    let counts = fixture.store(fixture.read(READ, vec![rows(window, twice)])).await;
    assert_eq!((counts.inserted, counts.merged), (1, 1));
    let metrics = fixture.events().await[0].event.metrics;
    assert_eq!(
        (metrics.input_tokens, metrics.num_model_requests),
        (Some(9), Some(2))
    );
}

pub(crate) async fn absent_and_empty_dimensions_are_one_identity(fixture: &Fixture) {
    let window = day("2025-10-06");
    let mut empty = row("proj_a", "gpt-5", 8);
    empty.dimensions.user_id = Some(String::new());
    let mut absent = row("proj_a", "gpt-5", 1);
    absent.dimensions.user_id = None;
    let counts = fixture
        .store(fixture.read(READ, vec![rows(window, [empty, absent])]))
        .await;
    assert_eq!((counts.inserted, counts.merged), (1, 1));
    assert_eq!(fixture.events().await[0].event.dimensions.user_id, None);
}

pub(crate) async fn a_quiet_window_is_covered_without_rows(fixture: &Fixture) {
    fixture
        .store(fixture.read(READ, vec![rows(day("2025-09-06"), [])]))
        .await;
    let coverage = coverage(fixture).await;
    assert_eq!((coverage.len(), coverage[0].event_count), (1, 0));
    assert!(fixture.events().await.is_empty());
}

pub(crate) async fn many_rows_take_the_bulk_path_and_read_back_equal(fixture: &Fixture) {
    let window = day("2025-09-01");
    let many = |extra: i64| {
        (0..1_203).map(move |number| {
            let mut row = row(
                &format!("proj_{}", number % 7),
                &format!("model-ü-{number}"),
                number + extra,
            );
            row.dimensions.batch = [None, Some(true), Some(false)][usize::try_from(number % 3).unwrap()];
            row.metrics.output_audio_tokens = (number % 2 == 0).then_some(number);
            row.metrics.num_requests = Some(i64::MAX - number);
            row
        })
    };
    let counts = fixture
        .store(fixture.read(READ, vec![rows(window, many(0))]))
        .await;
    assert_eq!(counts.inserted, 1_203);
    let mut expected: Vec<_> = many(0)
        .map(|row| (row.dimensions, format!("{:?}", row.metrics)))
        .collect();
    let mut found: Vec<_> = fixture
        .events()
        .await
        .into_iter()
        .map(|stored| (stored.event.dimensions, format!("{:?}", stored.event.metrics)))
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);

    let counts = fixture
        .store(fixture.read(LATER, vec![rows(window, many(1))]))
        .await;
    assert_eq!(
        (counts.inserted, counts.updated, counts.revisions),
        (0, 1_203, 1_203)
    );
    assert!(fixture.events().await.iter().all(|stored| stored.revision == 2));
}

pub(crate) async fn a_row_planted_past_the_lease_is_found_not_doubled(fixture: &Fixture) {
    // Somebody copies a row into place without the lease, under the identity that the read is about to insert.
    let window = day("2025-09-01");
    fixture
        .store(fixture.read(READ, vec![rows(window, [row("proj_a", "gpt-5", 10)])]))
        .await;
    fixture.sql("UPDATE usage_events SET input_tokens = 7, content_hash = 1");
    let counts = fixture
        .store(fixture.read(LATER, vec![rows(window, [row("proj_a", "gpt-5", 10)])]))
        .await;
    assert_eq!((counts.inserted, counts.updated), (0, 1));
    let events = fixture.events().await;
    assert_eq!(
        (events.len(), events[0].event.metrics.input_tokens),
        (1, Some(10))
    );
}

pub(crate) async fn a_filtered_read_touches_only_its_projects(fixture: &Fixture) {
    let window = day("2025-09-01");
    let both = [row("proj_a", "gpt-5", 10), row("proj_b", "gpt-5", 20)];
    fixture.store(fixture.read(READ, vec![rows(window, both)])).await;

    let mut filtered = fixture.read(LATER, vec![rows(window, [row("proj_a", "gpt-5.1", 9)])]);
    filtered.scope.filter = ProjectFilter::projects(["proj_a".to_owned()]);
    let counts = fixture.store(filtered).await;
    assert_eq!((counts.inserted, counts.retracted), (1, 1));
    let mut kept: Vec<_> = fixture
        .events()
        .await
        .into_iter()
        .map(|stored| {
            (
                stored.event.dimensions.project_id.unwrap(),
                stored.event.dimensions.model.unwrap(),
            )
        })
        .collect();
    kept.sort();
    assert_eq!(
        kept,
        [
            ("proj_a".to_owned(), "gpt-5.1".to_owned()),
            ("proj_b".to_owned(), "gpt-5".to_owned())
        ]
    );
    assert_eq!(
        coverage(fixture).await.len(),
        2,
        "each filter has coverage of its own"
    );
}

pub(crate) async fn a_row_outside_the_filter_fails_its_window(fixture: &Fixture) {
    let window = day("2025-09-01");
    let mut nobody = row("proj_b", "gpt-5", 10);
    nobody.dimensions.project_id = None;
    for stranger in [row("proj_b", "gpt-5", 10), nobody] {
        let mut filtered = fixture.read(READ, vec![rows(window, [row("proj_a", "gpt-5", 9), stranger])]);
        filtered.scope.filter = ProjectFilter::projects(["proj_a".to_owned()]);
        assert_eq!(fixture.refuse(filtered).await.code, IssueCode::FilterNotApplied);
    }
    assert!(fixture.events().await.is_empty());
    assert!(coverage(fixture).await.is_empty());
}

pub(crate) async fn widths_never_touch_each_other(fixture: &Fixture) {
    let midnight = day("2025-09-01");
    fixture
        .store(fixture.read(READ, vec![rows(midnight, [row("proj_a", "gpt-5", 10)])]))
        .await;
    let hour = Window::new(midnight.start(), Width::Hour).unwrap();
    let mut hourly = fixture.read(LATER, vec![rows(hour, [row("proj_a", "gpt-5", 4)])]);
    hourly.scope.width = Width::Hour;
    let counts = fixture.store(hourly).await;
    assert_eq!((counts.inserted, counts.updated, counts.retracted), (1, 0, 0));

    let daily = fixture
        .ledger
        .totals(EventQuery::daily(AccountScope::All))
        .await
        .unwrap();
    assert_eq!(
        (daily.events, daily.metrics.input_tokens),
        (1, Some(10)),
        "a sum takes one width"
    );
    let query = EventQuery {
        width: Width::Hour,
        ..EventQuery::daily(AccountScope::All)
    };
    assert_eq!(
        fixture.ledger.totals(query).await.unwrap().metrics.input_tokens,
        Some(4)
    );
}

pub(crate) async fn accounts_never_touch_each_other(fixture: &Fixture) {
    let window = day("2025-09-01");
    fixture
        .store(fixture.read(READ, vec![rows(window, [row("proj_a", "gpt-5", 10)])]))
        .await;
    let other = fixture.ledger.add_account(openai("org-second")).await.unwrap();
    let lease = take(&fixture.ledger, &other).await;
    let mut read = fixture.read(LATER, vec![rows(window, [])]);
    read.scope.account = other.account.clone();
    let outcomes = fixture.ledger.replace_windows(&lease, read).await.unwrap();
    assert_eq!(outcomes[0].result.as_ref().unwrap().retracted, 0);
    assert_eq!(fixture.events().await.len(), 1);
}

pub(crate) async fn sums_beyond_64_bits_fail_their_window_only(fixture: &Fixture) {
    let huge = || {
        let mut row = row("proj_a", "gpt-5", i64::MAX);
        row.metrics = Metrics {
            input_tokens: Some(i64::MAX),
            ..Metrics::default()
        };
        row
    };
    let windows = vec![
        rows(day("2025-09-01"), [huge(), huge()]),
        rows(day("2025-09-02"), [row("proj_a", "gpt-5", 1)]),
    ];
    let outcomes = fixture.replace(fixture.read(READ, windows)).await;
    assert_eq!(
        outcomes[0].result.as_ref().unwrap_err().code,
        IssueCode::CountInvalid
    );
    assert_eq!(outcomes[1].result.as_ref().unwrap().inserted, 1);
    assert_eq!(coverage(fixture).await.len(), 1);
}

pub(crate) async fn a_stale_read_is_dropped(fixture: &Fixture) {
    let window = day("2025-09-01");
    fixture.clock.set(instant(LATER));
    fixture
        .store(fixture.read(LATER, vec![rows(window, [row("proj_a", "gpt-5", 10)])]))
        .await;
    let before = fixture.snapshot().await;
    let issue = fixture
        .refuse(fixture.read(READ, vec![rows(window, [row("proj_a", "gpt-5", 3)])]))
        .await;
    assert_eq!(
        (issue.code, issue.severity),
        (IssueCode::StaleRead, Severity::Warning)
    );
    assert_eq!(fixture.snapshot().await, before);

    let mut filtered = fixture.read(READ, vec![rows(window, [])]);
    filtered.scope.filter = ProjectFilter::projects(["proj_a".to_owned()]);
    assert_eq!(
        fixture.refuse(filtered).await.code,
        IssueCode::StaleRead,
        "an overlapping filter counts too"
    );
}

/// What a clock that was wrong said of a read keeps no read out that a right one makes, and nothing of it stays.
pub(crate) async fn a_read_from_the_future_is_replaced(fixture: &Fixture) {
    let window = day("2025-10-20");
    // A month ahead, in the middle of the day that the window is.
    fixture
        .store(fixture.read(
            "2025-11-20T12:00:00Z",
            vec![rows(window, [row("proj_a", "gpt-5", 3)])],
        ))
        .await;
    let before = &coverage(fixture).await[0];
    assert_eq!(before.state, WindowState::Settled);
    let counts = fixture
        .store(fixture.read(READ, vec![rows(window, [row("proj_a", "gpt-5", 10)])]))
        .await;
    assert_eq!((counts.updated, counts.unchanged), (1, 0));
    let after = &coverage(fixture).await[0];
    assert_eq!((after.state, after.first_closed_at), (WindowState::Open, None));
    assert_eq!(after.read_started_at, instant(READ));
}

pub(crate) async fn a_coarser_read_is_refused(fixture: &Fixture) {
    let window = day("2025-09-01");
    fixture
        .store(fixture.read(READ, vec![rows(window, [row("proj_a", "gpt-5", 10)])]))
        .await;
    let before = fixture.snapshot().await;
    let mut coarse = fixture.read(LATER, vec![rows(window, [row("proj_a", "gpt-5", 10)])]);
    coarse.scope.grouped_by = Endpoint::Completions.dimensions().without(Dimension::ServiceTier);
    let issue = fixture.refuse(coarse).await;
    assert_eq!(issue.code, IssueCode::GroupingCoarser);
    assert!(
        issue.message.contains("grouped by service_tier too"),
        "{}",
        issue.message
    );
    assert_eq!(fixture.snapshot().await, before);
}

async fn coverage(fixture: &Fixture) -> Vec<usage_store::Coverage> {
    let query = CoverageQuery {
        scope: AccountScope::All,
        endpoint: None,
        windows: None,
    };
    let coverage = fixture.ledger.coverage(query).await.unwrap();
    assert!(coverage.iter().all(|window| window.empty == DimensionSet::EMPTY));
    coverage
}
