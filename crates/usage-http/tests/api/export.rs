//! `/api/usage/export`: the same rows as the pages, in three forms.

use serde_json::Value;
use usage_core::ProjectFilter;
use usage_store::TokenRole;

use crate::wire::{self, Answer};
use crate::world::World;

/// The body of an answer that came in chunks, which must have ended.
fn whole(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let mut rest = answer.text();
    let mut text = String::new();
    loop {
        let (length, after) = rest.split_once("\r\n").unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return text;
        }
        text.push_str(&after[..length]);
        rest = after[length..].strip_prefix("\r\n").unwrap();
    }
}

#[tokio::test]
async fn csv_has_every_event_of_the_filter_and_nothing_that_runs() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let answer = world.get("/api/usage/export?format=csv&account=1", &token).await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=\"usage.csv\"")
    );
    let text = whole(&answer);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 9);
    assert!(lines[0].starts_with("provider,account,endpoint,windowStart,windowEnd,projectId,"));
    assert!(
        lines[1..].is_sorted_by_key(|line| line.split(',').nth(3).unwrap().to_owned()),
        "oldest first"
    );
    assert_eq!(text.matches(",'=proj_b,").count(), 3, "a formula is text");
    let filtered = whole(
        &world
            .get("/api/usage/export?account=1&batch=true&order=newest", &token)
            .await,
    );
    assert_eq!(filtered.lines().count(), 1 + 3);
}

#[tokio::test]
async fn lines_of_json_are_the_events_of_the_pages() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let text = whole(&world.get("/api/usage/export?format=jsonl", &token).await);
    let page = world.get("/api/usage?order=oldest", &token).await.json();
    let events = page["events"].as_array().unwrap();
    assert_eq!(text.lines().count(), events.len());
    for (line, event) in text.lines().zip(events) {
        let line: Value = serde_json::from_str(line).unwrap();
        for (name, value) in line.as_object().unwrap() {
            assert_eq!(value, &event[name], "{name}");
        }
    }
}

#[tokio::test]
async fn the_providers_layout_is_of_one_account_and_one_surface() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let path = "/api/usage/export?format=provider-csv";
    world.get(path, &token).await.is_problem(400);
    world
        .get(&format!("{path}&endpoint=completions"), &token)
        .await
        .is_problem(400);
    let text = whole(
        &world
            .get(&format!("{path}&endpoint=completions&account=1"), &token)
            .await,
    );
    assert!(text.starts_with("start_time,"), "{text}");
    assert_eq!(text.lines().count(), 1 + 9, "{text}");
    let other = whole(
        &world
            .get(
                &format!("{path}&endpoint=completions&account=1&from=2026-01-01"),
                &token,
            )
            .await,
    );
    assert_eq!(other.lines().count(), 1, "a header and nothing else");
}

#[tokio::test]
async fn the_providers_layout_has_no_order_to_choose_and_nothing_that_runs() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let path = "/api/usage/export?format=provider-csv&endpoint=completions&account=1";
    for order in ["newest", "cost"] {
        let refused = world.get(&format!("{path}&order={order}"), &token).await;
        let problem = refused.is_problem(400);
        assert!(
            problem["detail"].as_str().unwrap().starts_with("order: "),
            "{problem}"
        );
    }
    let text = whole(&world.get(path, &token).await);
    assert_eq!(text.matches(",'=proj_b,").count(), 3, "{text}");
    assert_eq!(text.matches(",=").count(), 0, "{text}");
}

#[tokio::test]
async fn a_day_is_quiet_if_it_was_read_whole() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    let some = ProjectFilter::projects(["proj_a".to_owned()]);
    for (day, at, filter) in [
        ("2025-09-10", "2025-10-06T12:00:00Z", ProjectFilter::ALL),
        ("2025-09-11", "2025-10-06T12:00:00Z", some),
        ("2025-09-12", "2025-09-12T12:00:00Z", ProjectFilter::ALL),
    ] {
        world.read_quiet_day(&world.first, at, day, filter).await;
    }
    let days = async |more: &str| {
        let path = "/api/usage/export?format=provider-csv&endpoint=completions&account=1&from=2025-09-04";
        let text = whole(&world.get(&format!("{path}{more}"), &token).await);
        let days = text
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(2).unwrap()[..10].to_owned());
        days.collect::<Vec<_>>()
    };
    assert_eq!(
        days("").await,
        ["2025-09-10"],
        "neither some projects nor half a day is enough"
    );
    assert_eq!(days("&provider=openai").await, ["2025-09-10"]);
    assert_eq!(days("&model=gpt-5").await, [""; 0], "nobody knows of some usage");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_export_and_no_other() {
    let world = World::new().await;
    let token = world.token(TokenRole::Reader).await;
    for _ in 0..20 {
        drop(wire::send(world.address, wire::request("GET", "/api/usage/export", &token)).await);
    }
    let text = whole(&world.get("/api/usage/export", &token).await);
    assert_eq!(text.lines().count(), 1 + 12);
}
