//! What monitoring asks, and that it asks for it without reading much.

use usage_core::{Endpoint, ProjectFilter, Width};
use usage_store::{AccountScope, NewRun, RunStatus};

use crate::fixture::{Fixture, instant};

async fn run(fixture: &Fixture, kind: &'static str, seconds: i64, status: Option<RunStatus>) {
    let began = instant("2025-10-20T12:00:00Z");
    fixture.clock.set(began);
    let run = NewRun {
        kind,
        label: None,
        range_start: began,
        range_end: began,
        holder: "the story".to_owned(),
        plan: "{}".to_owned(),
        notes: "{}".to_owned(),
    };
    let id = fixture.ledger.start_run(run).await.unwrap();
    fixture.clock.set(began + chrono::TimeDelta::seconds(seconds));
    if let Some(status) = status {
        let telemetry = format!("{{\"requests\":{seconds}}}");
        fixture
            .ledger
            .finish_run(id, status, telemetry, "[]".to_owned())
            .await
            .unwrap();
    }
}

pub(crate) async fn runs_are_counted_by_how_they_ended_and_how_long_they_took(fixture: &Fixture) {
    assert_eq!(fixture.ledger.run_counts(&[1, 60]).await.unwrap(), []);
    for (kind, seconds, status) in [
        ("cron", 1, Some(RunStatus::Succeeded)),
        ("cron", 60, Some(RunStatus::Succeeded)),
        ("cron", 3, Some(RunStatus::Succeeded)),
        ("cron", 61, Some(RunStatus::Succeeded)),
        ("cron", 2, Some(RunStatus::Failed)),
        ("backfill", 0, Some(RunStatus::Incomplete)),
        // A clock that was set back, and a run that is still at work.
        ("backfill", -5, Some(RunStatus::Incomplete)),
        ("backfill", 9, None),
    ] {
        run(fixture, kind, seconds, status).await;
    }
    let counts = fixture.ledger.run_counts(&[1, 60]).await.unwrap();
    let mut told: Vec<_> = counts
        .iter()
        .map(|count| {
            (
                count.kind.as_str(),
                count.status.as_str(),
                count.within_seconds,
                count.runs,
                count.seconds,
                count.last_finished_at.format("%T").to_string(),
            )
        })
        .collect();
    told.sort();
    let at = |time: &str| time.to_owned();
    assert_eq!(
        told,
        [
            ("backfill", "incomplete", Some(1), 2, 0, at("12:00:00")),
            ("cron", "failed", Some(60), 1, 2, at("12:00:02")),
            ("cron", "succeeded", None, 1, 61, at("12:01:01")),
            ("cron", "succeeded", Some(1), 1, 1, at("12:00:01")),
            ("cron", "succeeded", Some(60), 2, 63, at("12:01:00")),
        ]
    );

    // More than a page of them, each once, in order, without the one at work.
    for _ in 0..2 {
        fixture.sql(
            "INSERT INTO runs (kind, holder, status, started_at, finished_at, plan, telemetry, issues) \
             SELECT kind, holder, status, started_at, finished_at, plan, telemetry, issues FROM runs a \
             CROSS JOIN (SELECT id AS other FROM runs) AS b",
        );
    }
    let ended: usize = fixture
        .sql("SELECT count(*) FROM runs WHERE status <> 'running'")
        .trim()
        .parse()
        .unwrap();
    assert!(ended > 2_000, "several pages");
    let ids = fixture
        .ledger
        .fold_run_telemetry(Vec::new(), |ids, run| {
            assert!(run.telemetry.starts_with("{\"requests\":"), "{run:?}");
            ids.push(run.id);
        })
        .await
        .unwrap();
    assert_eq!(ids.len(), ended);
    assert!(ids.is_sorted_by(|one, next| one < next));
}

pub(crate) async fn restatements_are_counted_from_their_index_alone(fixture: &Fixture) {
    assert_eq!(
        fixture.ledger.restated_events(AccountScope::All).await.unwrap(),
        []
    );
    let id = fixture.account.id;
    let revision = |table: &str, kind: &str, endpoint: &str| {
        let (key, long_context) = match (fixture.is_postgres(), table) {
            (true, "cost_revisions") => ("'\\x00'", ", false"),
            (true, _) => ("'\\x00'", ""),
            (false, "cost_revisions") => ("x'00'", ", 0"),
            (false, _) => ("x'00'", ""),
        };
        let column = if long_context.is_empty() {
            ""
        } else {
            ", long_context"
        };
        fixture.sql(&format!(
            "INSERT INTO {table} (kind, replaced_at, replaced_by_run, account_id, endpoint, window_start, window_end, \
             dedupe_key, content_hash, revision, first_stored_at, changed_at, run_id{column}) \
             VALUES ('{kind}', 0, 1, {id}, '{endpoint}', 0, 86400, {key}, 0, 0, 0, 0, 1{long_context})"
        ));
    };
    for kind in ["changed", "changed", "retracted", "added", "repriced", "cleaned"] {
        revision("usage_revisions", kind, "completions");
    }
    revision("usage_revisions", "changed", "images");
    revision("usage_revisions", "repriced", "embeddings");
    revision("cost_revisions", "changed", "costs");
    let mut restated: Vec<_> = fixture
        .ledger
        .restated_events(AccountScope::one(&fixture.account))
        .await
        .unwrap()
        .into_iter()
        .map(|restated| (restated.account_id, restated.endpoint, restated.events))
        .collect();
    restated.sort();
    assert_eq!(
        restated,
        [
            (id, Endpoint::Completions, 4),
            (id, Endpoint::Images, 1),
            (id, Endpoint::Costs, 1),
        ]
    );

    let nobody = AccountScope::Only(Vec::new());
    assert_eq!(fixture.ledger.restated_events(nobody.clone()).await.unwrap(), []);
    let since = instant("2025-10-01T00:00:00Z");
    assert_eq!(fixture.ledger.closed_coverage(nobody, since).await.unwrap(), []);

    for (table, index) in [
        ("usage_revisions", "usage_restatements_idx"),
        ("cost_revisions", "cost_restatements_idx"),
    ] {
        let query = format!(
            "SELECT account_id, endpoint, count(*) FROM {table} \
             WHERE kind IN ('added', 'changed', 'retracted') GROUP BY account_id, endpoint"
        );
        let plan = explained(fixture, &query);
        let only = if fixture.is_postgres() {
            "Index Only Scan using"
        } else {
            "USING COVERING INDEX"
        };
        assert!(plan.contains(&format!("{only} {index}")), "{plan}");
        assert!(!plan.contains("usage_events"), "{plan}");
    }
}

pub(crate) async fn what_was_read_after_its_end_is_told_in_stretches(fixture: &Fixture) {
    let id = fixture.account.id;
    let covered = |width: Width, start: &str, filter: &str, closed: bool| {
        let start = instant(start).timestamp();
        let closed = if closed { "1" } else { "NULL" };
        fixture.sql(&format!(
            "INSERT INTO usage_coverage (account_id, endpoint, width_seconds, window_start, project_filter, grouped_by, \
             refused_dimensions, empty_dimensions, state, event_count, read_started_at, stored_at, first_closed_at, run_id) \
             VALUES ({id}, 'completions', {}, {start}, '{filter}', 0, 0, 0, 'open', 0, 0, 0, {closed}, 1)",
            width.seconds()
        ));
    };
    assert_eq!(
        fixture
            .ledger
            .closed_coverage(AccountScope::All, instant("2025-10-01T00:00:00Z"))
            .await
            .unwrap(),
        []
    );
    for (start, closed) in [
        ("2025-09-01T00:00:00Z", true),
        ("2025-10-02T00:00:00Z", true),
        ("2025-10-03T00:00:00Z", true),
        ("2025-10-04T00:00:00Z", false),
        ("2025-10-05T00:00:00Z", true),
    ] {
        covered(Width::Day, start, "", closed);
    }
    covered(Width::Day, "2025-10-03T00:00:00Z", "proj_a", true);
    covered(Width::Hour, "2025-10-05T07:00:00Z", "", true);
    covered(Width::Hour, "2025-10-05T08:00:00Z", "", true);

    let coverage = fixture
        .ledger
        .closed_coverage(AccountScope::All, instant("2025-10-01T00:00:00Z"))
        .await
        .unwrap();
    let [completions] = &coverage[..] else {
        panic!("{coverage:#?}")
    };
    assert_eq!(completions.account, fixture.account);
    assert_eq!(completions.endpoint, Endpoint::Completions);
    assert_eq!(completions.last_end, Some(instant("2025-10-06T00:00:00Z")));
    let told: Vec<_> = completions
        .stretches
        .iter()
        .map(|stretch| {
            let time = |at: chrono::DateTime<chrono::Utc>| at.format("%dT%H").to_string();
            let filter = stretch.filter.canonical();
            (stretch.width, filter, time(stretch.start), time(stretch.end))
        })
        .collect();
    let stretch = |width, filter: &str, start: &str, end: &str| {
        (width, filter.to_owned(), start.to_owned(), end.to_owned())
    };
    assert_eq!(
        told,
        [
            stretch(Width::Hour, "", "05T07", "05T09"),
            stretch(Width::Day, "", "02T00", "04T00"),
            stretch(Width::Day, "proj_a", "03T00", "04T00"),
            stretch(Width::Day, "", "05T00", "06T00"),
        ]
    );
    assert!(completions.stretches[0].filter == ProjectFilter::ALL);

    let later = fixture
        .ledger
        .closed_coverage(AccountScope::All, instant("2025-11-01T00:00:00Z"))
        .await
        .unwrap();
    assert_eq!(later[0].stretches, []);
    assert_eq!(
        later[0].last_end, completions.last_end,
        "what is older is not forgotten"
    );
}

/// How the database would answer a query of a large table.
fn explained(fixture: &Fixture, query: &str) -> String {
    if fixture.is_postgres() {
        // A table of a few rows is read whole, whatever indexes it has.
        fixture.sql(&format!(
            "SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN {query}"
        ))
    } else {
        let rows = crate::fixture::sqlite_plan(&fixture.url, query);
        rows.join("\n")
    }
}
