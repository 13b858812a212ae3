//! Reads, names and runs.

use usage_core::{Directory, DirectoryEntry, DirectoryKind};
use usage_store::{AccountScope, CoverageQuery, EventQuery, NewRun, RunStatus};

use crate::fixture::{Fixture, day, instant, openai, row, rows};

const READ: &str = "2025-10-20T12:00:00Z";

pub(crate) async fn every_read_stays_in_its_account_scope(fixture: &Fixture) {
    let window = day("2025-09-01");
    fixture
        .store(fixture.read(READ, vec![rows(window, [row("proj_a", "gpt-5", 10)])]))
        .await;
    fixture
        .store(fixture.read(
            "2025-10-20T12:00:01Z",
            vec![rows(window, [row("proj_a", "gpt-5", 11)])],
        ))
        .await;
    fixture
        .ledger
        .save_directory(fixture.account.id, directory(["proj_a"]))
        .await
        .unwrap();

    let other = fixture.ledger.add_account(openai("org-second")).await.unwrap();
    for (scope, found) in [
        (AccountScope::All, 1),
        (AccountScope::one(&fixture.account), 1),
        (AccountScope::one(&other), 0),
        (AccountScope::Only(Vec::new()), 0),
    ] {
        let ledger = &fixture.ledger;
        let query = EventQuery::daily(scope.clone());
        assert_eq!(
            ledger.all_events(query.clone()).await.unwrap().len(),
            found,
            "{scope:?}"
        );
        assert_eq!(ledger.totals(query).await.unwrap().events, found as u64);
        assert_eq!(ledger.revisions(scope.clone()).await.unwrap().len(), found);
        assert_eq!(ledger.names(scope.clone()).await.unwrap().len(), found);
        let coverage = CoverageQuery {
            scope: scope.clone(),
            endpoint: None,
            windows: None,
        };
        assert_eq!(ledger.coverage(coverage).await.unwrap().len(), found);
    }
}

pub(crate) async fn pages_cover_every_event_once(fixture: &Fixture) {
    let windows = ["2025-09-01", "2025-09-02", "2025-09-03"].map(|text| {
        rows(
            day(text),
            (0..7).map(|number| row("proj_a", &format!("model-{number}"), number)),
        )
    });
    fixture.replace(fixture.read(READ, windows.to_vec())).await;
    for limit in [1, 2, 7, 20, 21, 22] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let query = EventQuery::daily(AccountScope::All);
            let page = fixture.ledger.events(query, after, limit).await.unwrap();
            assert!(page.events.len() <= limit);
            seen.extend(
                page.events
                    .into_iter()
                    .map(|stored| (stored.event.window, stored.event.key())),
            );
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen.len(), 21, "pages of {limit}");
        assert!(seen.is_sorted() && seen.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

pub(crate) async fn names_survive_their_deletion(fixture: &Fixture) {
    let id = fixture.account.id;
    fixture
        .ledger
        .save_directory(id, directory(["proj_a", "proj_b", "proj_a"]))
        .await
        .unwrap();
    fixture.clock.set(instant("2025-10-21T12:00:00Z"));
    let mut nameless = directory(["proj_a"]);
    nameless.entries[0].name = None;
    fixture.ledger.save_directory(id, nameless).await.unwrap();

    let names = fixture.ledger.names(AccountScope::All).await.unwrap();
    let seen: Vec<_> = names
        .iter()
        .map(|name| (name.id.as_str(), name.last_seen_at))
        .collect();
    assert_eq!(
        seen,
        [
            ("proj_a", instant("2025-10-21T12:00:00Z")),
            ("proj_b", instant(crate::fixture::NOW))
        ]
    );
    assert_eq!(
        names[0].name.as_deref(),
        Some("Name of proj_a"),
        "null does not overwrite a name"
    );
    assert_eq!(names[0].first_seen_at, instant(crate::fixture::NOW));
}

pub(crate) async fn a_run_is_marked_interrupted_unless_it_has_ended(fixture: &Fixture) {
    let run = |holder: &str| NewRun {
        kind: "backfill",
        label: Some("test".to_owned()),
        range_start: instant("2025-09-01T00:00:00Z"),
        range_end: instant("2025-10-01T00:00:00Z"),
        holder: holder.to_owned(),
        plan: "{}".to_owned(),
        notes: "{}".to_owned(),
    };
    let alive = fixture.ledger.start_run(run("the story")).await.unwrap();
    let dead = fixture.ledger.start_run(run("a corpse")).await.unwrap();
    let next = fixture.ledger.start_run(run("somebody")).await.unwrap();
    fixture
        .ledger
        .finish_run(
            next,
            RunStatus::Succeeded,
            "{\"a\":1}".to_owned(),
            "[]".to_owned(),
        )
        .await
        .unwrap();

    let unfinished = fixture.ledger.unfinished_runs().await.unwrap();
    let holders: Vec<_> = unfinished
        .iter()
        .map(|run| (run.id, run.holder.as_str()))
        .collect();
    assert_eq!(holders, [(alive, "the story"), (dead, "a corpse")]);
    fixture.ledger.mark_interrupted(dead).await.unwrap();
    fixture.ledger.mark_interrupted(next).await.unwrap();

    let runs = fixture.ledger.runs(10).await.unwrap();
    let states: Vec<_> = runs.iter().map(|run| (run.id, run.status)).collect();
    assert_eq!(
        states,
        [
            (next, RunStatus::Succeeded),
            (dead, RunStatus::Interrupted),
            (alive, RunStatus::Running)
        ]
    );
    assert_eq!(runs[0].telemetry, "{\"a\":1}");
    assert_eq!(fixture.ledger.runs(1).await.unwrap().len(), 1);
}

fn directory<const N: usize>(ids: [&str; N]) -> Directory {
    let entry = |id: &str| DirectoryEntry {
        kind: DirectoryKind::Project,
        id: id.to_owned(),
        name: Some(format!("Name of {id}")),
        email: None,
        project_id: None,
        status: Some("active".to_owned()),
        created_at: None,
    };
    Directory {
        entries: ids.into_iter().map(entry).collect(),
    }
}
