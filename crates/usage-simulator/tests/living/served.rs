//! The living organisation as a client sees it.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use serde_json::Value;
use usage_core::{Clock as _, Endpoint, ManualClock, ScaledClock, SystemClock, Window};
use usage_simulator::{AdminKey, Generate, LivingOrganization, Simulator, SimulatorBuilder};

use crate::support::{ORIGIN, at, day, groups, living, options};

const KEY: &str = "sk-admin-test-not-a-real-key";

fn serving(living: LivingOrganization, clock: &Arc<ManualClock>) -> SimulatorBuilder {
    let clock = Arc::clone(clock);
    Simulator::builder()
        .living(living)
        .key(AdminKey::owner(KEY))
        .clock(clock)
}

fn clock(time: &str) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(at(time)))
}

async fn answer(simulator: &Simulator, path_and_query: &str) -> (u16, Value) {
    // A second installation is refused, which is fine: it is the same provider.
    rustls::crypto::ring::default_provider().install_default().ok();
    let request = reqwest::Client::new()
        .get(format!("{}/organization{path_and_query}", simulator.base_url()))
        .bearer_auth(KEY);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_str(&response.text().await.unwrap()).unwrap(),
    )
}

async fn get(simulator: &Simulator, path_and_query: &str) -> Value {
    let (status, body) = answer(simulator, path_and_query).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// The input tokens of a day.
async fn tokens(simulator: &Simulator, window: Window) -> i64 {
    let query = format!("/usage/completions?start_time={}&limit=1", window.start_unix());
    let body = get(simulator, &query).await;
    body["data"][0]["results"][0]["input_tokens"]
        .as_i64()
        .unwrap_or(0)
}

#[tokio::test]
async fn what_is_served_is_what_has_happened_whoever_was_asked_before() {
    let clock = clock("2025-10-02T00:30:00Z");
    let simulator = serving(living(), &clock).start().await.unwrap();
    let yesterday = day("2025-10-01");
    for time in [
        "2025-10-02T00:30:00Z",
        "2025-10-02T01:00:00Z",
        "2025-10-02T18:00:00Z",
        "2025-10-03T00:00:00Z",
        "2025-10-04T01:00:01Z",
        "2025-11-30T12:00:00Z",
    ] {
        clock.set(at(time));
        let restarted = serving(living(), &clock).start().await.unwrap();
        let today = Window::day(at(time).date_naive());
        for window in [yesterday, today, day("2025-09-02")] {
            let expected = crate::support::tokens(&living().at(at(time)), window);
            assert_eq!(tokens(&simulator, window).await, expected, "{window} at {time}");
            assert_eq!(tokens(&restarted, window).await, expected, "{window} at {time}");
        }
        let query = format!("/costs?start_time={}&group_by=line_item", yesterday.start_unix());
        assert_eq!(get(&simulator, &query).await, get(&restarted, &query).await);
    }
}

#[tokio::test]
async fn names_come_and_go() {
    let clock = clock("2025-10-01T23:59:59Z");
    let simulator = serving(living(), &clock).start().await.unwrap();
    let projects = async || {
        let body = get(&simulator, "/projects").await;
        let ids = body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|project| project["id"].clone());
        ids.map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let keys = async || {
        let mut keys = Vec::new();
        for project in projects().await {
            let body = get(&simulator, &format!("/projects/{project}/api_keys")).await;
            let listed = body["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key["id"].clone());
            keys.extend(listed.map(|id| id.as_str().unwrap().to_owned()));
        }
        keys
    };
    let deleted = living().deleted_key().to_owned();
    assert_eq!((projects().await.len(), keys().await.len()), (3, 6));
    clock.set(at("2025-10-02T00:00:00Z"));
    assert_eq!((projects().await.len(), keys().await.len()), (4, 7));
    assert!(keys().await.contains(&deleted));
    clock.set(at("2025-10-03T00:00:00Z"));
    assert_eq!((projects().await.len(), keys().await.len()), (4, 6));
    assert!(!keys().await.contains(&deleted));
}

#[tokio::test]
async fn four_hundred_days_of_life_take_no_more_than_forty() {
    let clock = clock(ORIGIN);
    let options = Generate {
        idle_days_percent: 0,
        ..options()
    };
    let living = LivingOrganization::new(options, at(ORIGIN));
    let simulator = serving(living, &clock).keep_no_requests().start().await.unwrap();
    let size = |simulator: &Simulator| -> (usize, usize) {
        simulator.inspect(|organization| {
            let events = Endpoint::USAGE.map(|endpoint| organization.usage(endpoint).len());
            let keys = organization
                .projects()
                .iter()
                .map(|project| project.api_keys.len());
            (events.iter().sum(), keys.sum())
        })
    };
    let mut sizes = Vec::new();
    for number in 1..=10 {
        clock.set(at(ORIGIN) + TimeDelta::days(40 * number));
        let window = Window::day(clock.now().date_naive() - TimeDelta::days(30));
        assert!(tokens(&simulator, window).await > 0);
        sizes.push(size(&simulator));
    }
    let (at_forty, largest) = (
        sizes[0].0,
        sizes[1..].iter().map(|(events, _)| *events).max().unwrap(),
    );
    assert!(
        largest < at_forty + at_forty / 5,
        "{at_forty} events, then {largest}"
    );
    assert_eq!(sizes[0].1, sizes[9].1);
    assert!(simulator.requests().is_empty());
    // Days that are not at hand any more are still to be had.
    assert!(tokens(&simulator, day("2025-09-03")).await > 0);
    // And are let go with the next change.
    clock.set(clock.now() + TimeDelta::days(1));
    assert!(size(&simulator).0 < at_forty + at_forty / 5);
}

#[tokio::test]
async fn changes_by_hand_are_forgotten_at_the_next_change_by_itself() {
    let clock = clock("2025-10-05T12:00:00Z");
    let simulator = serving(living(), &clock).start().await.unwrap();
    let window = day("2025-10-04");
    let truth = simulator.inspect(|organization| groups(organization, Endpoint::Completions, window));
    simulator.update(|organization| organization.usage_mut(Endpoint::Completions).scale(window, 200));
    assert!(tokens(&simulator, window).await > crate::support::tokens(&living().at(clock.now()), window));
    clock.set(at("2025-10-06T00:00:00Z"));
    let shown = simulator.inspect(|organization| groups(organization, Endpoint::Completions, window));
    assert_eq!(shown, truth);
}

#[tokio::test]
async fn a_client_that_is_throttled_and_failed_at_times_gets_everything_and_one_endpoint_may_fail_for_ever() {
    let clock = clock("2025-10-05T12:00:00Z");
    let mut builder = serving(living(), &clock);
    for fault in [
        "retry-after-ms@every=5",
        "server-error-503@every=7",
        "forbidden@from=2:images",
    ] {
        builder = builder.fault(fault.parse().unwrap());
    }
    let simulator = builder.start().await.unwrap();
    let statuses = async |endpoint: &str, count: usize| {
        let mut statuses = Vec::new();
        for _ in 0..count {
            let path = format!("/usage/{endpoint}?start_time={}", day("2025-10-04").start_unix());
            statuses.push(answer(&simulator, &path).await.0);
        }
        statuses
    };
    assert_eq!(
        statuses("completions", 14).await,
        [
            200, 200, 200, 200, 429, 200, 503, 200, 200, 429, 200, 200, 200, 503
        ]
    );
    assert_eq!(statuses("images", 4).await, [429, 403, 403, 403]);
}

#[tokio::test]
async fn a_limit_of_requests_is_that_of_the_scaled_clock() {
    let begin = SystemClock.now();
    let clock = ScaledClock::new(begin, NonZeroU32::new(4).unwrap());
    let simulator = Simulator::builder()
        .living(LivingOrganization::new(options(), begin))
        .key(AdminKey::owner(KEY))
        .clock(Arc::new(clock))
        .requests_per_minute(2)
        .start()
        .await
        .unwrap();
    let mut statuses = Vec::new();
    for _ in 0..9 {
        statuses.push(answer(&simulator, "/projects").await.0);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 429]);
}

/// Lines that a test may read.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_answered_request_is_a_line_without_its_secret() {
    let clock = clock("2025-10-05T12:00:00Z");
    let lines = Lines::default();
    let simulator = serving(living(), &clock)
        .request_log(lines.clone())
        .fault("server-error-502@once=2".parse().unwrap())
        .start()
        .await
        .unwrap();
    let path = "/usage/completions?start_time=1759536000&group_by%5B%5D=model&limit=1";
    for _ in 0..2 {
        answer(&simulator, path).await;
    }
    clock.set(at("2025-10-05T13:00:00Z"));
    answer(&simulator, "/projects").await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains(KEY));
    let logged: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = |time: &str, path: &str, query: Value, status: u16| {
        serde_json::json!({
            "time": time, "method": "GET", "path": path, "query": query, "status": status, "key": "owner",
        })
    };
    let query = serde_json::json!([
        ["start_time", "1759536000"],
        ["group_by[]", "model"],
        ["limit", "1"]
    ]);
    let usage = "/v1/organization/usage/completions";
    assert_eq!(
        logged,
        [
            expected("2025-10-05T12:00:00Z", usage, query.clone(), 200),
            expected("2025-10-05T12:00:00Z", usage, query, 502),
            expected(
                "2025-10-05T13:00:00Z",
                "/v1/organization/projects",
                serde_json::json!([]),
                200
            ),
        ]
    );
    assert_eq!(simulator.requests().len(), 3, "and it is kept, too");
}
