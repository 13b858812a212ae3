//! To which requests an injected fault happens.

use usage_core::Endpoint;
use usage_simulator::Simulator;
use usage_simulator::faults::{Fault, Injection, When};

use crate::support::{FIRST, get, raw, real_month, serving, usage, usage_path};

/// The numbers, from 1, of the requests that fail.
async fn failing(when: When) -> Vec<usize> {
    let simulator = serving(real_month()).start().await.unwrap();
    simulator.inject(Injection::new(Fault::ServerError(503)).when(when));
    let mut failing = Vec::new();
    for number in 1..=6 {
        if usage(&simulator, "limit=1").await.status == 503 {
            failing.push(number);
        }
    }
    failing
}

async fn status(simulator: &Simulator, endpoint: Endpoint, query: &str) -> u16 {
    let path = format!("/organization/usage/{endpoint}?start_time={FIRST}&{query}");
    get(simulator, &path).await.status
}

#[tokio::test]
async fn requests_are_chosen_by_their_number() {
    assert_eq!(failing(When::Always).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(failing(When::Every(2)).await, [2, 4, 6]);
    assert_eq!(failing(When::From(5)).await, [5, 6]);
    assert_eq!(failing(When::Once(3)).await, [3]);
}

#[tokio::test]
async fn only_matching_requests_count_and_never_the_directory() {
    let simulator = serving(real_month()).start().await.unwrap();
    let injection = Injection::new(Fault::Forbidden)
        .when(When::Once(2))
        .endpoint(Endpoint::Images)
        .grouped_only();
    simulator.inject(injection);
    let grouped = "group_by[]=model";
    assert_eq!(status(&simulator, Endpoint::Images, grouped).await, 200);
    for _ in 0..2 {
        assert_eq!(status(&simulator, Endpoint::Completions, grouped).await, 200);
        assert_eq!(status(&simulator, Endpoint::Images, "limit=1").await, 200);
        assert_eq!(get(&simulator, "/organization/users").await.status, 200);
    }
    assert_eq!(status(&simulator, Endpoint::Images, grouped).await, 403);
    assert_eq!(status(&simulator, Endpoint::Images, grouped).await, 200);
}

#[tokio::test]
async fn injections_count_for_themselves_and_can_be_taken_back() {
    let simulator = serving(real_month()).start().await.unwrap();
    for (fault, when) in [
        (Fault::Unauthorized, When::Once(1)),
        (Fault::NotFound, When::From(2)),
        (Fault::ServerError(500), When::Always),
    ] {
        simulator.inject(Injection::new(fault).when(when));
    }
    assert_eq!(usage(&simulator, "limit=1").await.status, 401);
    assert_eq!(usage(&simulator, "limit=1").await.status, 404, "the first of two");
    simulator.clear_faults();
    assert_eq!(usage(&simulator, "limit=1").await.status, 200);
}

#[tokio::test]
async fn ordered_failures_and_injected_faults_go_together() {
    let simulator = serving(real_month()).start().await.unwrap();
    simulator.inject(Injection::new(Fault::CursorMissing));
    simulator.fail_next(1, 502, None);
    assert_eq!(usage(&simulator, "limit=1").await.status, 502);
    assert_eq!(usage(&simulator, "limit=1").await.body["has_more"], true);
}

#[tokio::test]
async fn faults_of_the_content_add_up() {
    let simulator = serving(real_month()).start().await.unwrap();
    for fault in [Fault::BucketTwice, Fault::CursorEmpty, Fault::Gzip] {
        simulator.inject(Injection::new(fault));
    }
    let both = usage(&simulator, "limit=2").await;
    assert_eq!((both.buckets().len(), &both.body["next_page"]), (3, &"".into()));
    let packed = raw(&simulator, &usage_path("limit=2"), usize::MAX).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn every_fault_changes_what_goes_over_the_wire() {
    let project = real_month().projects()[0].id.clone();
    let path = usage_path(&format!(
        "limit=7&group_by=project_id,model&project_ids={project}"
    ));
    let healthy = serving(real_month()).start().await.unwrap();
    let expected = raw(&healthy, &path, usize::MAX).await;
    // These do not end; they have tests of their own.
    let endless = [Fault::Silence, Fault::SlowBytes, Fault::HugeBody];
    for fault in Fault::examples().filter(|fault| !endless.contains(fault)) {
        let simulator = serving(real_month())
            .fault(Injection::new(fault))
            .start()
            .await
            .unwrap();
        let mut answer = raw(&simulator, &path, usize::MAX).await;
        if matches!(fault, Fault::Restatement(_)) {
            answer = raw(&simulator, &path, usize::MAX).await;
        }
        // A first page with a page after it has no cursor to repeat.
        let is_changed = (&answer.head, &answer.body) != (&expected.head, &expected.body);
        if fault == Fault::CursorRepeated {
            let cursor = crate::support::encode(answer.json()["next_page"].as_str().unwrap());
            answer = raw(&simulator, &format!("{path}&page={cursor}"), usize::MAX).await;
            assert_eq!(
                crate::support::encode(answer.json()["next_page"].as_str().unwrap()),
                cursor
            );
        } else {
            assert!(is_changed, "{fault}");
        }
    }
}
