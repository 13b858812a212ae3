//! Pages, cursors and buckets.

use serde_json::{Value, json};
use usage_core::{IssueCode, Severity, Width, WindowRange, parse_instant};
use wiremock::ResponseTemplate;

use crate::support::{
    asked, bucket, client, codes, failure, ok, outcome, page, read, recorded, replies, row, server,
    three_days,
};
use usage_providers::{UsageQuery, UsageSource};

fn one_row(day: i64) -> Value {
    bucket(day, &json!([row(day)]))
}

fn cursor_page(has_more: &Value, next_page: &Value) -> ResponseTemplate {
    ok(&json!({"object": "page", "data": [one_row(1)], "has_more": has_more, "next_page": next_page}))
}

#[tokio::test]
async fn a_cursor_is_sent_as_page_and_everything_else_is_repeated() {
    let cursor = "/v1?page=2&limit=9#a+b/c==";
    let server = replies(vec![
        page(&[one_row(1)], Some(cursor)),
        page(&[one_row(2)], Some("second")),
        page(&[one_row(3)], None),
    ])
    .await;
    let read = read(&server, &three_days()).await.unwrap();
    assert_eq!(outcome(&read), [Ok(vec![1]), Ok(vec![2]), Ok(vec![3])]);
    let asked = asked(&server).await;
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[1], format!("{}&page={cursor}", asked[0]));
    assert_eq!(asked[2], format!("{}&page=second", asked[0]));
}

#[tokio::test]
async fn a_cursor_that_cannot_be_one_fails_the_read() {
    for (cursor, code) in [
        (json!(""), IssueCode::CursorInvalid),
        (json!(" "), IssueCode::CursorInvalid),
        (json!("a b"), IssueCode::CursorInvalid),
        (json!("a\r\nX-Header: 1"), IssueCode::CursorInvalid),
        (json!("a\u{0}"), IssueCode::CursorInvalid),
        (json!("a".repeat(4_097)), IssueCode::CursorInvalid),
        (json!("https://evil.example/v1?page=2"), IssueCode::CursorInvalid),
        (Value::Null, IssueCode::CursorMissing),
        (json!(["a"]), IssueCode::BodyInvalid),
    ] {
        let server = replies(vec![cursor_page(&json!(true), &cursor)]).await;
        assert_eq!(failure(&server).await.issue.code, code, "{cursor}");
    }
}

#[tokio::test]
async fn a_cursor_that_came_before_fails_the_read() {
    let server = server(|index, _| page(&[one_row(1)], Some(["a", "b", "a"][index]))).await;
    let error = failure(&server).await;
    assert_eq!(error.issue.code, IssueCode::CursorRepeated);
    assert_eq!(
        error.issue.message,
        "openai completions 2025-09-01T00:00:00Z..2025-09-04T00:00:00Z/1d: the cursor of page 3 came before"
    );
}

#[tokio::test]
async fn pages_without_end_are_cut() {
    let server = server(|index, _| page(&[], Some(&format!("page{index}")))).await;
    assert_eq!(failure(&server).await.issue.code, IssueCode::TooManyPages);
    assert_eq!(asked(&server).await.len(), 7, "three windows and a few");
}

#[tokio::test]
async fn buckets_may_come_in_any_order() {
    let server = replies(vec![page(&[one_row(3), one_row(1), one_row(2)], None)]).await;
    let read = read(&server, &three_days()).await.unwrap();
    assert_eq!(outcome(&read), [Ok(vec![1]), Ok(vec![2]), Ok(vec![3])]);
}

#[tokio::test]
async fn a_bucket_that_comes_twice_fails_its_window_only() {
    for answers in [
        vec![page(&[one_row(1), one_row(2), one_row(2), one_row(3)], None)],
        vec![
            page(&[one_row(1), one_row(2)], Some("a")),
            page(&[one_row(2), one_row(3)], None),
        ],
    ] {
        let server = replies(answers).await;
        let read = read(&server, &three_days()).await.unwrap();
        assert_eq!(
            outcome(&read),
            [Ok(vec![1]), Err(IssueCode::BucketRepeated), Ok(vec![3])]
        );
    }
}

#[tokio::test]
async fn a_bucket_outside_the_range_fails_the_read() {
    let server = replies(vec![page(&[one_row(1), one_row(4)], None)]).await;
    let error = failure(&server).await;
    assert_eq!(error.issue.code, IssueCode::BucketOutOfRange);
    assert!(
        error
            .issue
            .message
            .contains("2025-09-04T00:00:00Z to 2025-09-05T00:00:00Z"),
        "{error}"
    );
    assert_eq!(asked(&server).await.len(), 1, "asking again would not help");
}

#[tokio::test]
async fn an_absent_bucket_is_an_error_once_its_window_is_over() {
    // The clock says noon of 2025-09-30, which is where the first of the hours ends.
    for (start, end, width, severities) in [
        (
            "2025-09-29T00",
            "2025-10-02T00",
            Width::Day,
            vec![Severity::Error, Severity::Warning, Severity::Warning],
        ),
        (
            "2025-09-30T11",
            "2025-09-30T13",
            Width::Hour,
            vec![Severity::Error, Severity::Warning],
        ),
    ] {
        let at = |text: &str| parse_instant(&format!("{text}:00:00Z"));
        let server = replies(vec![page(&[], None)]).await;
        let query = UsageQuery {
            windows: WindowRange::new(at(start).unwrap(), at(end).unwrap(), width).unwrap(),
            ..three_days()
        };
        let read = read(&server, &query).await.unwrap();
        let told: Vec<_> = read
            .windows
            .iter()
            .map(|window| window.rows.as_ref().unwrap_err())
            .collect();
        assert!(
            told.iter().all(|issue| issue.code == IssueCode::BucketMissing),
            "{told:?}"
        );
        assert_eq!(
            told.iter().map(|issue| issue.severity).collect::<Vec<_>>(),
            severities
        );
    }
}

#[tokio::test]
async fn an_absent_bucket_leaves_the_others_alone() {
    let server = replies(vec![page(&[one_row(1), one_row(3)], None)]).await;
    let read = read(&server, &three_days()).await.unwrap();
    assert_eq!(
        outcome(&read),
        [Ok(vec![1]), Err(IssueCode::BucketMissing), Ok(vec![3])]
    );
}

#[tokio::test]
async fn a_bad_count_fails_its_window_and_says_where() {
    let mut bad = row(5);
    bad["output_tokens"] = json!(-1);
    let second = bucket(2, &json!([row(1), row(2), bad]));
    let server = replies(vec![page(&[one_row(1), second, one_row(3)], None)]).await;
    let read = read(&server, &three_days()).await.unwrap();
    assert_eq!(
        outcome(&read),
        [Ok(vec![1]), Err(IssueCode::CountInvalid), Ok(vec![3])]
    );
    assert_eq!(
        read.windows[1].rows.as_ref().unwrap_err().message,
        "openai completions window 2025-09-02T00:00:00Z/1d, page 1, row 3: output_tokens is negative"
    );
}

#[tokio::test]
async fn the_recorded_page_gives_rows_and_quiet_windows() {
    for body in [
        recorded(200, include_bytes!("../../fixtures/openai/completions_page.json")),
        recorded(
            200,
            include_bytes!("../../fixtures/openai/completions_page.json.gz"),
        )
        .insert_header("content-encoding", "gzip"),
    ] {
        let server = replies(vec![body]).await;
        let client = client(&server);
        let read = client.read_usage(&three_days()).await.unwrap();
        assert_eq!(outcome(&read), [Ok(vec![25_076]), Ok(vec![]), Ok(vec![1_000, 7])]);
        assert_eq!(codes(&read), []);
        assert_eq!(read.grouped_by, three_days().group_by);
        assert_eq!(
            read.started_at,
            usage_core::parse_instant("2025-09-30T12:00:00Z").unwrap()
        );
        let length = include_bytes!("../../fixtures/openai/completions_page.json").len();
        assert_eq!(
            client.traffic().bytes,
            u64::try_from(length).unwrap(),
            "decompressed bytes count"
        );
    }
}

#[tokio::test]
async fn unknown_fields_are_one_note_a_read() {
    let strange = |day: i64| {
        let mut row = row(day);
        row["input_video_tokens"] = json!(0);
        bucket(day, &json!([row]))
    };
    let server = replies(vec![
        page(&[strange(1), strange(2)], Some("a")),
        page(&[strange(3)], None),
    ])
    .await;
    let read = read(&server, &three_days()).await.unwrap();
    assert_eq!(codes(&read), [IssueCode::UnknownField]);
    assert_eq!(read.issues[0].severity, Severity::Info);
    assert!(
        read.issues[0].message.ends_with("input_video_tokens (3×)"),
        "{}",
        read.issues[0]
    );
}
