//! Control totals: grouped rows must sum to what the provider says without grouping.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use usage_core::{DimensionSet, IssueCode, Window};
use usage_ingest::{Outcome, Reader};
use usage_providers::{ReadError, UsageQuery, UsageRead};

use crate::actors::Meddling;
use crate::organizations::three_projects;
use crate::world::{Database, Job, OWNER, World, assert_clean, codes, day};

const FIRST: &str = "2025-09-01";
const LAST: &str = "2025-09-07";

pub(crate) async fn a_difference_that_goes_away_is_asked_once_more(database: Database) {
    let world = World::of(three_projects(), database).await;
    let report = world
        .run(&Job {
            readers: Some(vec![losing_a_row(&world, day("2025-09-03"), 1)]),
            ..Job::days(FIRST, LAST)
        })
        .await;
    assert_clean(&report);
    assert_eq!(report.telemetry.windows_processed, 7);
    let asked: Vec<(String, bool)> = world
        .simulator
        .requests()
        .iter()
        .map(|request| {
            let start = request.value("start_time").unwrap().to_owned();
            (start, !request.values("group_by").is_empty())
        })
        .collect();
    let start = |date| day(date).start_unix().to_string();
    assert_eq!(
        asked,
        [
            (start(FIRST), true),
            (start(FIRST), false),
            (start("2025-09-03"), true),
            (start("2025-09-03"), false),
        ]
    );
    world.assert_equals_truth(FIRST, LAST).await;
}

pub(crate) async fn a_difference_that_stays_fails_its_window_only(database: Database) {
    let world = World::of(three_projects(), database).await;
    assert_clean(&world.backfill(FIRST, LAST).await);
    for date in ["2025-09-02", "2025-09-03", "2025-09-04"] {
        world.restate(date, 110);
    }
    let before = world.coverage().await;
    let report = world
        .run(&Job {
            readers: Some(vec![losing_a_row(&world, day("2025-09-03"), usize::MAX)]),
            ..Job::again(FIRST, LAST)
        })
        .await;

    assert_eq!(codes(&report), [IssueCode::ControlTotal]);
    let message = &report.issues[0].message;
    assert!(
        message.contains("2025-09-03") && message.contains("input_tokens sums to"),
        "{message}"
    );
    assert_eq!(report.outcome, Outcome::Incomplete);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (6, 1));
    assert_eq!(telemetry.updated_events, 6);
    assert_eq!(telemetry.skipped_events, 2, "the rows that came are counted");
    assert_eq!(telemetry.issues_by_code["CONTROL_TOTAL"], 1);
    assert_eq!(telemetry.requests, 4);

    let rows = |one, three, two| {
        [("proj_one", one), ("proj_three", three), ("proj_two", two)]
            .map(|(id, tokens)| (id.to_owned(), tokens))
    };
    assert_eq!(world.inputs("2025-09-02").await, rows(1_100, 220, 440));
    assert_eq!(world.inputs("2025-09-03").await, rows(1_000, 200, 400));
    assert_eq!(world.inputs("2025-09-04").await, rows(1_100, 220, 440));
    let after = world.coverage().await;
    assert_eq!(after[2], before[2], "the failed window was not read");
    assert_eq!(after[3].run_id, report.run_id);
}

pub(crate) async fn a_second_look_that_fails_spares_the_windows_that_agreed(database: Database) {
    let world = World::of(three_projects(), database).await;
    let reads = AtomicUsize::new(0);
    let meddle = move |_: UsageQuery, mut read: UsageRead| {
        let answer = match reads.fetch_add(1, Ordering::Relaxed) {
            0 => {
                assert!(read.windows[2].rows.as_mut().unwrap().pop().is_some());
                Ok(read)
            }
            1 => Ok(read),
            _ => Err(ReadError::new(IssueCode::ProviderError, "the provider is down")),
        };
        std::future::ready(answer)
    };
    let reader = world.reader_through(Arc::new(Meddling {
        inner: world.client(OWNER),
        meddle,
    }));
    let report = world
        .run(&Job {
            readers: Some(vec![reader]),
            ..Job::days(FIRST, LAST)
        })
        .await;
    assert_eq!(codes(&report), [IssueCode::ControlTotal]);
    assert!(
        report.issues[0]
            .message
            .ends_with("and asking again failed: PROVIDER_ERROR: the provider is down"),
        "{}",
        report.issues[0]
    );
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.windows_processed, telemetry.windows_failed), (6, 1));
    assert_eq!(telemetry.skipped_events, 2);
    assert_eq!(world.inputs("2025-09-03").await, []);
    assert_eq!(world.inputs("2025-09-04").await.len(), 3);
}

pub(crate) async fn an_open_window_is_not_compared(database: Database) {
    let world = World::of(three_projects(), database).await;
    world.set_time("2025-09-03T12:00:00Z");
    let report = world
        .run(&Job {
            readers: Some(vec![losing_a_row(&world, day("2025-09-03"), usize::MAX)]),
            ..Job::days(FIRST, "2025-09-03")
        })
        .await;
    assert_clean(&report);
    assert_eq!(world.requests(), 2);
    assert_eq!(world.inputs("2025-09-03").await.len(), 2);

    world.set_time("2025-09-04T12:00:00Z");
    assert_clean(&world.backfill(FIRST, "2025-09-03").await);
    world.assert_equals_truth(FIRST, "2025-09-03").await;
}

/// A reader whose grouped answers lack the last row of the window, so many times.
fn losing_a_row(world: &World, window: Window, times: usize) -> Reader {
    let left = AtomicUsize::new(times);
    let meddle = move |query: UsageQuery, mut read: UsageRead| {
        let found = read.windows.iter_mut().find(|read| read.window == window);
        if query.group_by != DimensionSet::EMPTY
            && let Some(found) = found
            && left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
        {
            assert!(found.rows.as_mut().unwrap().pop().is_some());
        }
        std::future::ready(Ok(read))
    };
    world.reader_through(Arc::new(Meddling {
        inner: world.client(OWNER),
        meddle,
    }))
}
