//! Runs, coverage, revisions, reports and names.

use serde_json::{Value, json};
use usage_store::{AccountScope, TokenRole};

use crate::world::World;

/// Every row of a list, page by page.
async fn all(world: &World, token: &str, path: &str, name: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut next = path.to_owned();
    loop {
        let page = world.get(&next, token).await.json();
        let found = page[name].as_array().unwrap_or_else(|| panic!("{page}"));
        assert!(found.len() <= 2, "{page}");
        rows.extend(found.iter().cloned());
        match page["nextCursor"].as_str() {
            Some(cursor) => next = format!("{path}&cursor={cursor}"),
            None => return rows,
        }
    }
}

#[tokio::test]
async fn runs_are_listed_page_by_page() {
    let world = World::new().await;
    world.restate(&world.first).await;
    let token = world.token(TokenRole::Reader).await;
    let runs = all(&world, &token, "/api/runs?limit=2", "runs").await;
    let ids: Vec<i64> = runs.iter().map(|run| run["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [3, 2, 1]);
    assert_eq!(runs[0]["telemetry"]["storedEvents"], 3);
    assert_eq!(
        (&runs[0]["status"], &runs[0]["issues"]),
        (&json!("succeeded"), &json!([]))
    );
    assert_eq!(world.get("/api/runs/2", &token).await.json(), runs[1]);
    for id in ["99", "x", "-1"] {
        world
            .get(&format!("/api/runs/{id}"), &token)
            .await
            .is_problem(404);
    }
    world.get("/api/runs?cursor=x", &token).await.is_problem(400);
}

#[tokio::test]
async fn on_sqlite_a_run_is_seen_by_whoever_sees_all_of_its_accounts() {
    a_run_is_seen_by_whoever_sees_all_of_its_accounts(World::new().await).await;
}

#[tokio::test]
async fn on_postgres_a_run_is_seen_by_whoever_sees_all_of_its_accounts() {
    a_run_is_seen_by_whoever_sees_all_of_its_accounts(World::on_postgres().await).await;
}

/// Whoever starts a run can follow it.
async fn a_run_is_seen_by_whoever_sees_all_of_its_accounts(world: World) {
    let scopes = [
        AccountScope::one(&world.first),
        AccountScope::one(&world.second),
        AccountScope::Only(vec![world.first.id, world.second.id]),
        AccountScope::All,
        AccountScope::Only(Vec::new()),
    ];
    let mut tokens = Vec::new();
    for scope in scopes {
        tokens.push(world.token_of(TokenRole::Operator, scope).await.1);
    }
    // Runs 1 and 2 are of one account each; these are 3 to 6, and the last one is of nobody.
    for token in [&tokens[0], &tokens[2], &tokens[1], &tokens[4]] {
        let started = world.send("POST", "/api/usage", token, r#"{"daysBack":1}"#).await;
        assert_eq!(started.status, 202, "{started:?}");
        let run = world.get(started.header("location").unwrap(), token).await;
        let is_followed = *token != tokens[4];
        assert_eq!(run.status, if is_followed { 200 } else { 404 }, "{run:?}");
    }
    for (token, seen) in tokens.iter().zip([
        &[3_i64, 1][..],
        &[5, 2][..],
        &[5, 4, 3, 2, 1][..],
        &[6, 5, 4, 3, 2, 1][..],
        &[],
    ]) {
        let runs = all(&world, token, "/api/runs?limit=2", "runs").await;
        let ids: Vec<i64> = runs.iter().map(|run| run["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, seen);
        for id in 1..=6 {
            let status = world.get(&format!("/api/runs/{id}"), token).await.status;
            assert_eq!(status, if seen.contains(&id) { 200 } else { 404 }, "{id}");
        }
    }
}

#[tokio::test]
async fn coverage_says_what_was_read() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let windows = all(&world, &token, "/api/coverage?limit=2", "windows").await;
    let places: Vec<_> = windows
        .iter()
        .map(|window| {
            (
                window["accountId"].as_i64().unwrap(),
                window["windowStart"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (1, "2025-09-01T00:00:00Z"),
            (1, "2025-09-02T00:00:00Z"),
            (1, "2025-09-03T00:00:00Z"),
            (2, "2025-09-01T00:00:00Z")
        ]
    );
    assert_eq!(
        (&windows[0]["state"], &windows[0]["eventCount"]),
        (&json!("settled"), &json!(3))
    );
    assert!(
        windows[0]["groupedBy"]
            .as_array()
            .unwrap()
            .contains(&json!("projectId"))
    );
    let count = async |query: &str| {
        let page = world.get(&format!("/api/coverage?{query}"), &token).await.json();
        page["windows"]
            .as_array()
            .unwrap_or_else(|| panic!("{page}"))
            .len()
    };
    assert_eq!(count("from=2025-09-02&to=2025-09-02").await, 1);
    assert_eq!(
        count("from=2025-09-02T12:00:00Z").await,
        1,
        "a window that began before is not in the range"
    );
    assert_eq!(count("account=2").await, 1);
    assert_eq!(count("state=open").await, 0);
    assert_eq!(count("endpoint=embeddings").await, 0);
    assert_eq!(count("width=1h&from=2025-09-01&to=2025-09-02").await, 0);
    assert_eq!(count("from=0001-01-01&to=0002-01-01").await, 0);
    for wrong in [
        "width=1h",
        "width=1m&from=2025-01-01&to=2025-12-31",
        "width=2d",
        "cursor=1.completions.x.0",
    ] {
        world
            .get(&format!("/api/coverage?{wrong}"), &token)
            .await
            .is_problem(400);
    }
}

#[tokio::test]
async fn revisions_say_what_stood_before() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    assert_eq!(
        world.get("/api/revisions", &token).await.json()["revisions"],
        json!([])
    );
    for _ in 0..3 {
        world.restate(&world.first).await;
    }
    let revisions = all(&world, &token, "/api/revisions?limit=2", "revisions").await;
    let inputs: Vec<_> = revisions
        .iter()
        .map(|revision| revision["before"]["inputTokens"].as_i64().unwrap())
        .collect();
    assert_eq!(inputs, [1_002, 1_001, 1_000], "the last that happened first");
    assert_eq!(
        (&revisions[0]["kind"], &revisions[0]["replacedByRunId"]),
        (&json!("changed"), &json!(5))
    );
    let count = async |query: &str| {
        let page = world.get(&format!("/api/revisions?{query}"), &token).await.json();
        page["revisions"]
            .as_array()
            .unwrap_or_else(|| panic!("{page}"))
            .len()
    };
    assert_eq!(count("kind=changed&kind=added").await, 3);
    assert_eq!(count("kind=retracted").await, 0);
    assert_eq!(count("account=2").await, 0);
    assert_eq!(count("from=2025-09-02").await, 0);
    assert_eq!(count("to=2025-09-01").await, 3);
    world
        .get("/api/revisions?cursor=1_2_3", &token)
        .await
        .is_problem(400);
}

#[tokio::test]
async fn reports_are_those_of_the_accounts_without_folders() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let parity = world.get("/api/parity", &token).await.json();
    let reports = parity["reports"].as_array().unwrap();
    assert_eq!(reports.len(), 2);
    assert_eq!(
        reports[0]["report"],
        json!({ "verdict": "matched", "inspectedCsvFiles": ["september.csv"] })
    );
    assert_eq!(reports[1]["report"], Value::Null);
    let one = world.get("/api/reconciliation?account=2", &token).await.json();
    assert_eq!(one["reports"].as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &one["reports"][0]["account"],
            &one["reports"][0]["report"]["verdict"]
        ),
        (&json!("org-second"), &json!("reconciled"))
    );
    let (_, narrow) = world
        .token_of(TokenRole::Reader, AccountScope::one(&world.first))
        .await;
    world.get("/api/parity?account=2", &narrow).await.is_problem(404);
}

#[tokio::test]
async fn models_without_a_price_say_why() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let body = world.get("/api/models/unpriced", &token).await.json();
    let model = &body["models"][0];
    assert_eq!(
        (&model["model"], &model["events"]),
        (&json!("model-without-a-price"), &json!(4))
    );
    assert!(model["reason"].as_str().unwrap().contains("no price"), "{model}");
    let one = world.get("/api/models/unpriced?account=2", &token).await.json();
    assert_eq!(one["models"][0]["events"], 1);
    assert_eq!(
        world.get("/api/names", &token).await.json(),
        json!({ "names": [] })
    );
}
