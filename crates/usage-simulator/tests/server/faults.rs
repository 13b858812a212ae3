//! Ordered failures, the rate limit, the request log, the end.

use crate::support::{FIRST, get, get_as, real_month, serving, usage};

#[tokio::test]
async fn failures_come_as_ordered_and_then_stop() {
    let simulator = serving(real_month()).start().await.unwrap();
    simulator.fail_next(2, 503, None);
    simulator.fail_next(1, 429, Some("7"));
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = usage(&simulator, "limit=1").await;
        seen.push((answer.status, answer.retry_after));
    }
    assert_eq!(
        seen,
        [(503, None), (503, None), (429, Some("7".to_owned())), (200, None)]
    );
}

#[tokio::test]
async fn too_many_requests_in_a_minute_are_429_with_a_wait() {
    let simulator = serving(real_month())
        .requests_per_minute(3)
        .start()
        .await
        .unwrap();
    for _ in 0..3 {
        assert_eq!(get(&simulator, "/organization/users").await.status, 200);
    }
    let refused = get(&simulator, "/organization/users").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.body["error"]["code"], "rate_limit_exceeded");
    let wait: u64 = refused.retry_after.unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn the_log_has_every_request_decoded_and_no_secret() {
    const WRONG: &str = "sk-admin-test-some-other-key";
    let simulator = serving(real_month()).start().await.unwrap();
    usage(&simulator, "group_by%5B%5D=model&models=a%2Bb&limit=1").await;
    get(&simulator, "/organization/projects").await;
    get_as(&simulator, Some(WRONG), "/organization/users?limit=5").await;

    let requests = simulator.requests();
    let first = &requests[0];
    assert_eq!(
        (first.method.as_str(), first.path.as_str()),
        ("GET", "/v1/organization/usage/completions")
    );
    let pairs: Vec<(&str, &str)> = first
        .query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let start = FIRST.to_string();
    assert_eq!(
        pairs,
        [
            ("start_time", start.as_str()),
            ("group_by[]", "model"),
            ("models", "a+b"),
            ("limit", "1")
        ]
    );
    assert_eq!(
        (first.value("limit"), first.values("group_by")),
        (Some("1"), vec![])
    );
    assert_eq!((first.status, first.key.as_deref()), (200, Some("owner")));
    assert_eq!((requests[2].status, requests[2].key.as_deref()), (401, None));
    assert!(!format!("{requests:?}").contains("sk-"));

    assert_eq!(simulator.count_requests("/usage/completions"), 1);
    simulator.clear_requests();
    assert!(simulator.requests().is_empty());
}

#[tokio::test]
async fn after_shutdown_nobody_listens() {
    let simulator = serving(real_month()).start().await.unwrap();
    let address = simulator.base_url().replace("http://", "").replace("/v1", "");
    usage(&simulator, "limit=1").await;
    simulator.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
