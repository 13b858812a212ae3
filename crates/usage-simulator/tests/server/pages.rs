//! Buckets, pages and cursors.

use crate::support::{DAY, FIRST, all_pages, encode, generated, real_month, serving, usage};

fn starts(buckets: &[serde_json::Value]) -> Vec<i64> {
    buckets
        .iter()
        .map(|bucket| bucket["start_time"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn ranges_are_half_open_and_the_start_is_floored_to_its_bucket() {
    let simulator = serving(real_month()).start().await.unwrap();
    for (start, end, expected) in [
        (FIRST, FIRST + DAY, vec![FIRST]),
        (FIRST, FIRST + DAY + 1, vec![FIRST, FIRST + DAY]),
        (FIRST + DAY - 1, FIRST + DAY, vec![FIRST]),
        (FIRST + 1, FIRST + 2 * DAY, vec![FIRST, FIRST + DAY]),
    ] {
        let answer = usage(&simulator, &format!("start_time={start}&end_time={end}")).await;
        assert_eq!(starts(answer.buckets()), expected, "{start} {end}");
    }
}

#[tokio::test]
async fn quiet_buckets_come_empty_and_without_iso_times() {
    let simulator = serving(real_month()).start().await.unwrap();
    let answer = usage(&simulator, "limit=31").await;
    let (quiet, active): (Vec<_>, Vec<_>) = answer
        .buckets()
        .iter()
        .partition(|bucket| bucket["results"].as_array().unwrap().is_empty());
    assert_eq!((quiet.len(), active.len()), (15, 16));
    assert!(quiet.iter().all(|bucket| bucket.get("start_time_iso").is_none()));
    assert_eq!(active[0]["start_time_iso"], "2025-09-01T00:00:00");
    assert_eq!(active[0]["end_time_iso"], "2025-09-02T00:00:00");
}

#[tokio::test]
async fn a_page_has_as_many_buckets_as_the_width_allows() {
    let simulator = serving(real_month()).start().await.unwrap();
    for (width, default, most) in [("1m", 60, 1_440), ("1h", 24, 168), ("1d", 7, 31)] {
        let count = async |limit: &str| {
            let query = format!("bucket_width={width}{limit}");
            usage(&simulator, &query).await.buckets().len()
        };
        assert_eq!(count("").await, default, "{width}");
        assert_eq!(count(&format!("&limit={most}")).await, most, "{width}");
        for limit in ["0".to_owned(), "-1".to_owned(), (most + 1).to_string()] {
            let refused = usage(&simulator, &format!("bucket_width={width}&limit={limit}")).await;
            assert_eq!(refused.status, 400, "{width} {limit}");
        }
    }
    assert_eq!(
        usage(&simulator, "").await.buckets().len(),
        7,
        "days are the default"
    );
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let simulator = serving(generated()).start().await.unwrap();
    let query = format!("end_time={}&limit=7&group_by=model", FIRST + 31 * DAY);
    let pages = all_pages(&simulator, &query).await;
    assert_eq!(pages.len(), 5);
    let all: Vec<i64> = pages.iter().flat_map(|page| starts(page.buckets())).collect();
    let expected: Vec<i64> = (0..31).map(|day| FIRST + day * DAY).collect();
    assert_eq!(all, expected);
    let whole = usage(&simulator, &query.replace("limit=7", "limit=31")).await;
    assert_eq!(
        pages.iter().map(|page| page.sum("input_tokens")).sum::<i64>(),
        whole.sum("input_tokens")
    );
    assert_eq!(whole.next_page(), None);
}

#[tokio::test]
async fn a_cursor_serves_its_exact_query_and_no_other() {
    let simulator = serving(generated()).start().await.unwrap();
    let end = FIRST + 31 * DAY;
    let query = format!("end_time={end}&limit=7&group_by=model&group_by=batch&batch=false");
    let cursor = usage(&simulator, &query).await.next_page().unwrap();
    let page = format!("&page={}", encode(&cursor));

    assert_eq!(usage(&simulator, &format!("{query}{page}")).await.status, 200);
    let reordered = format!("end_time={end}&group_by[]=batch&group_by[]=model&batch=false&limit=7{page}");
    assert_eq!(
        usage(&simulator, &reordered).await.status,
        200,
        "the same query, written otherwise"
    );
    for (from, to) in [
        ("limit=7", "limit=8"),
        ("&group_by=batch", ""),
        ("group_by=model", "group_by=user_id"),
        ("batch=false", "batch=true"),
        ("&batch=false", ""),
        (&*format!("end_time={end}"), &*format!("end_time={}", end + 1)),
        (&*format!("end_time={end}&"), ""),
        ("limit=7", "limit=7&bucket_width=1h"),
        ("limit=7", "limit=7&models=gpt-5-2025-08-07"),
        ("limit=7", &*format!("limit=7&start_time={}", FIRST + 1)),
    ] {
        let other = query.replacen(from, to, 1);
        assert_ne!(other, query);
        let error = usage(&simulator, &format!("{other}{page}")).await.error();
        assert!(error.starts_with("400 page invalid_value: "), "{other}: {error}");
    }
    for wrong in [
        "",
        "page_",
        "page_AAAA",
        "next",
        &encode(&cursor[..cursor.len() - 2]),
    ] {
        let error = usage(&simulator, &format!("{query}&page={wrong}")).await.error();
        assert!(error.starts_with("400 page invalid_value: "), "{wrong}: {error}");
    }
}

#[tokio::test]
async fn every_width_sums_to_the_same_totals() {
    let simulator = serving(generated()).start().await.unwrap();
    let end = FIRST + 3 * DAY;
    let mut sums = Vec::new();
    for (width, limit, requests) in [("1m", 1_440, 3), ("1h", 168, 1), ("1d", 31, 1)] {
        let query = format!("end_time={end}&bucket_width={width}&limit={limit}&group_by=model,service_tier");
        let pages = all_pages(&simulator, &query).await;
        assert_eq!(pages.len(), requests, "{width}");
        sums.push(
            ["input_tokens", "output_tokens", "num_model_requests"]
                .map(|metric| pages.iter().map(|page| page.sum(metric)).sum::<i64>()),
        );
    }
    assert!(sums[0][0] > 0);
    assert_eq!(sums[0], sums[1]);
    assert_eq!(sums[1], sums[2]);
}
