//! `/api/usage` and its sums.

use serde_json::{Value, json};
use usage_core::parse_instant;
use usage_store::{AccountScope, TokenRole};

use crate::world::World;

#[tokio::test]
async fn an_event_has_every_field_with_its_price_and_history() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let path = "/api/usage?account=1&from=2025-09-01&to=2025-09-01&projectId=proj_a&model=gpt-5-2025-08-07";
    let body = world.get(path, &token).await.json();
    let event = &body["events"][0];
    assert_eq!(body["events"].as_array().unwrap().len(), 1, "{body}");
    assert_eq!(body["nextCursor"], Value::Null);
    for (name, value) in [
        ("accountId", json!(1)),
        ("provider", json!("openai")),
        ("account", json!("org-first")),
        ("endpoint", json!("completions")),
        ("windowStart", json!("2025-09-01T00:00:00Z")),
        ("windowEnd", json!("2025-09-02T00:00:00Z")),
        ("projectId", json!("proj_a")),
        ("userId", Value::Null),
        ("batch", json!(false)),
        ("inputTokens", json!(1_000)),
        ("inputAudioTokens", Value::Null),
        ("unpricedReason", Value::Null),
        ("revision", json!(1)),
        ("firstStoredAt", json!("2025-10-20T12:00:00Z")),
        ("lastRestatedAt", Value::Null),
    ] {
        assert_eq!(event[name], value, "{name}");
    }
    // 600 uncached at 1.25, 400 cached at 0.125, 50 output at 10 dollars a million.
    assert_eq!(event["costUsd"], "0.0013");
    assert!(
        event["priceId"].as_str().unwrap().starts_with("openai/gpt-5"),
        "{event}"
    );
    world.clock.set(parse_instant("2025-10-20T13:00:00Z").unwrap());
    world.restate(&world.first).await;
    let body = world.get(path, &token).await.json();
    let event = &body["events"][0];
    assert_eq!(event["firstStoredAt"], "2025-10-20T12:00:00Z");
    assert_eq!(event["lastRestatedAt"], "2025-10-20T13:00:00Z");
    assert_eq!(
        (&event["inputTokens"], &event["revision"]),
        (&json!(1_001), &json!(2))
    );
}

#[tokio::test]
async fn on_sqlite_a_day_that_is_not_over_is_not_restated() {
    a_day_that_is_not_over_is_not_restated(World::new().await).await;
}

#[tokio::test]
async fn on_postgres_a_day_that_is_not_over_is_not_restated() {
    a_day_that_is_not_over_is_not_restated(World::on_postgres().await).await;
}

async fn a_day_that_is_not_over_is_not_restated(world: World) {
    let token = world.token(TokenRole::Reader).await;
    let path = "/api/usage?account=1&from=2025-10-20&projectId=proj_a&model=gpt-5-2025-08-07";
    for (at, input) in [("2025-10-20T11:00:00Z", 5_000), ("2025-10-20T11:30:00Z", 6_000)] {
        world.read_day(&world.first, at, "2025-10-20", input).await;
    }
    let event = &world.get(path, &token).await.json()["events"][0];
    assert_eq!(
        (&event["revision"], &event["inputTokens"]),
        (&json!(2), &json!(6_000))
    );
    assert_eq!(event["lastRestatedAt"], Value::Null);
    // What is counted as restated is what is told as such.
    world.clock.set(parse_instant("2025-10-23T12:00:00Z").unwrap());
    for (at, input) in [("2025-10-23T11:00:00Z", 6_500), ("2025-10-23T11:30:00Z", 7_000)] {
        world.read_day(&world.first, at, "2025-10-20", input).await;
    }
    let event = &world.get(path, &token).await.json()["events"][0];
    assert_eq!(event["lastRestatedAt"], "2025-10-23T12:00:00Z");
}

#[tokio::test]
async fn pages_go_on_where_they_ended_in_every_order() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    for order in ["newest", "oldest", "cost", "tokens", "requests"] {
        let mut starts = Vec::new();
        let mut ranks = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = world
                .get(&format!("/api/usage?limit=5&order={order}{cursor}"), &token)
                .await
                .json();
            let events = page["events"].as_array().unwrap().clone();
            assert!(events.len() <= 5);
            ranks.extend(events.iter().map(|event| {
                match order {
                    "cost" => event["costUsd"].as_str().map_or(-1, nano_usd),
                    "tokens" => ["inputTokens", "outputTokens"]
                        .iter()
                        .filter_map(|name| event[*name].as_i64())
                        .sum(),
                    "requests" => event["numModelRequests"].as_i64().unwrap_or(0),
                    _ => 0,
                }
            }));
            starts.extend(
                events
                    .iter()
                    .map(|event| event["windowStart"].as_str().unwrap().to_owned()),
            );
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(
            starts.len(),
            12,
            "3 days of one account and 1 of the other, of 3 events each"
        );
        let is_ordered = match order {
            "oldest" => starts.is_sorted(),
            "newest" => starts.iter().rev().is_sorted(),
            _ => ranks.iter().rev().is_sorted() && (order == "requests" || ranks.first() > ranks.last()),
        };
        assert!(is_ordered, "{order}: {starts:?} {ranks:?}");
    }
    let page = world.get("/api/usage?limit=5&order=tokens", &token).await.json();
    let cursor = page["nextCursor"].as_str().unwrap();
    let other = format!("/api/usage?limit=5&cursor={cursor}");
    world.get(&other, &token).await.is_problem(400);
}

fn nano_usd(text: &str) -> i64 {
    text.parse::<usage_core::NanoUsd>().unwrap().get()
}

#[tokio::test]
async fn what_makes_no_sense_is_told_and_never_ignored() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    for query in [
        "limit=abc",
        "limit=-1",
        "limit=0",
        "limit=1001",
        "limit=99999999999999999999999",
        "colour=red",
        "cursor=nonsense",
        "cursor=",
        "order=sideways",
        "from=yesterday",
        "from=2025-09-02&to=2025-09-01",
        "account=first",
        "endpoint=costs",
        "batch=perhaps",
        "model=%00",
        "limit=1&limit=2",
    ] {
        let answer = world.get(&format!("/api/usage?{query}"), &token).await;
        let problem = answer.is_problem(400);
        assert!(problem["detail"].is_string(), "{query}: {problem}");
    }
    world
        .get("/api/usage/summary?by=colour", &token)
        .await
        .is_problem(400);
    world
        .get("/api/usage/summary?period=year", &token)
        .await
        .is_problem(400);
    world.get("/api/usage?account=77", &token).await.is_problem(404);
}

#[tokio::test]
async fn an_answer_at_hand_holds_until_the_data_change() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    for path in [
        "/api/usage?limit=2",
        "/api/usage/summary?by=model",
        "/api/coverage",
        "/api/revisions",
        "/api/names",
    ] {
        let first = world.get(path, &token).await;
        let etag = first.header("etag").unwrap().to_owned();
        assert_eq!(first.header("cache-control"), Some("private, no-cache"));
        let with = format!("{token}If-None-Match: \"other\", {etag}\r\n");
        let second = world.get(path, &with).await;
        assert_eq!((second.status, second.body.len()), (304, 0), "{path}");
        assert_eq!(second.header("etag"), Some(etag.as_str()));
        world.restate(&world.first).await;
        assert_eq!(world.get(path, &with).await.status, 200, "{path}");
    }
    let etag = async |path| world.get(path, &token).await.header("etag").unwrap().to_owned();
    assert_ne!(etag("/api/usage?limit=1").await, etag("/api/usage?limit=2").await);
}

#[tokio::test]
async fn what_was_changed_by_hand_has_no_name_to_keep_it_by() {
    let world = World::on_postgres().await;
    let token = world.token(TokenRole::Reader).await;
    for path in ["/api/usage", "/api/usage/summary"] {
        let first = world.get(path, &token).await;
        let etag = first.header("etag").unwrap().to_owned();
        let with = format!("{token}If-None-Match: {etag}\r\n");
        assert_eq!(world.get(path, &with).await.status, 304);
        world.sql("UPDATE usage_events SET output_tokens = output_tokens + 1");
        for with in [with.as_str(), &format!("{token}If-None-Match: *\r\n")] {
            let changed = world.get(path, with).await;
            assert_eq!((changed.status, changed.header("etag")), (200, None), "{path}");
            assert_ne!(changed.text(), first.text());
        }
        world.ledger.migrate().await.unwrap();
        let again = world.get(path, &with).await;
        assert_eq!(again.status, 200);
        assert_ne!(again.header("etag"), Some(etag.as_str()));
        assert!(again.header("etag").is_some());
    }
}

#[tokio::test]
async fn sums_are_those_of_the_events() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let rows = async |query: &str| {
        let body = world
            .get(&format!("/api/usage/summary?{query}"), &token)
            .await
            .json();
        body["rows"].as_array().unwrap().clone()
    };
    let all = rows("").await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["events"], 12);
    assert_eq!(all[0]["unpricedEvents"], 4);
    assert_eq!(all[0]["metrics"]["inputTokens"], 4 * 3_500);
    assert_eq!(
        all[0]["metrics"]["characters"],
        Value::Null,
        "nobody reported any"
    );
    assert_eq!(all[0]["tokens"]["cachedRead"], 4 * 1_200);
    assert_eq!(all[0]["periodStart"], Value::Null);
    let by = rows("by=model&by=account&period=month").await;
    assert_eq!(by.len(), 4);
    assert_eq!(by[0]["periodStart"], "2025-09-01T00:00:00Z");
    let unpriced: Vec<_> = by
        .iter()
        .filter(|row| row["group"]["model"] == "model-without-a-price")
        .map(|row| (row["group"]["account"].clone(), row["estimatedCostUsd"].clone()))
        .collect();
    assert_eq!(
        unpriced,
        [(json!(1), Value::Null), (json!(2), Value::Null)],
        "unpriced is not free"
    );
    assert_eq!(rows("period=day&account=1").await.len(), 3);
    assert_eq!(rows("period=week").await.len(), 1);
    assert_eq!(rows("batch=true").await[0]["events"], 4);
    assert_eq!(rows("userId=(none)").await[0]["events"], 12);
    assert!(rows("userId=nobody").await.is_empty());
}

#[tokio::test]
async fn a_run_is_begun_and_followed() {
    let world = World::new().await;
    let token = world.token(TokenRole::Operator).await;
    let answer = world
        .send("POST", "/api/usage", &token, r#"{"daysBack":30}"#)
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(*world.asked.days_back.lock().unwrap(), Some(30));
    let run = world.get(answer.header("location").unwrap(), &token).await.json();
    assert_eq!(run["id"], answer.json()["runId"]);
    assert_eq!(
        (&run["kind"], &run["status"]),
        (&json!("manual"), &json!("running"))
    );
    for body in [
        "",
        "{}",
        "[]",
        r#"{"daysBack":0}"#,
        r#"{"daysBack":31}"#,
        r#"{"daysBack":1.5}"#,
        r#"{"daysBack":"7"}"#,
        r#"{"daysBack":1,"x":1}"#,
    ] {
        world
            .send("POST", "/api/usage", &token, body)
            .await
            .is_problem(400);
    }
    world.ask("POST", "/api/usage", &token).await.is_problem(415);
    *world.asked.is_held.lock().unwrap() = true;
    let held = world
        .send("POST", "/api/usage", &token, r#"{"daysBack":1}"#)
        .await
        .is_problem(409);
    assert!(
        held["detail"].as_str().unwrap().contains("another process reads"),
        "{held}"
    );
}

#[tokio::test]
async fn a_scope_sees_its_accounts_only() {
    let world = World::new().await;
    let scope = AccountScope::one(&world.second);
    let (_, token) = world.token_of(TokenRole::Reader, scope).await;
    let body = world.get("/api/usage", &token).await.json();
    let events = body["events"].as_array().unwrap();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event["account"] == "org-second"));
    let sums = world.get("/api/usage/summary", &token).await.json();
    assert_eq!(sums["rows"][0]["events"], 3);
    let accounts = world.get("/api/accounts", &token).await.json();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);
    let nothing = world
        .token_of(TokenRole::Reader, AccountScope::Only(Vec::new()))
        .await
        .1;
    assert_eq!(
        world.get("/api/usage", &nothing).await.json()["events"],
        json!([])
    );
}
