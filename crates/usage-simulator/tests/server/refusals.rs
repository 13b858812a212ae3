//! What the server refuses, and how it says so.

use std::fmt::Write;

use crate::support::{COMPLETIONS, FIRST, get, real_month, serving, usage};

#[tokio::test]
async fn bad_parameters_are_refused_in_the_providers_words() {
    let simulator = serving(real_month()).start().await.unwrap();
    let mut answers = String::new();
    for query in [
        "group_by=colour",
        "group_by=model&group_by=",
        "bucket_width=1w",
        "limit=32",
        "limit=0",
        "limit=many",
        "colour=blue",
        "page[]=1",
        "line_items=x",
        "limit=1&limit=2",
        "batch=perhaps",
        &format!("end_time={FIRST}"),
        "start_time=2025-09-01",
        "start_time=1756684800.0",
        "start_time=-1",
        "start_time=9223372036854775807",
    ] {
        writeln!(answers, "{query}\n    {}", usage(&simulator, query).await.error()).unwrap();
    }
    let missing = get(&simulator, COMPLETIONS).await.error();
    writeln!(answers, "(nothing)\n    {missing}").unwrap();
    insta::assert_snapshot!(answers);
}

#[tokio::test]
async fn the_error_envelope_has_its_four_fields() {
    let simulator = serving(real_month()).start().await.unwrap();
    insta::assert_json_snapshot!(usage(&simulator, "colour=blue").await.body, @r#"
    {
      "error": {
        "code": "unknown_parameter",
        "message": "Unknown parameter: 'colour'.",
        "param": "colour",
        "type": "invalid_request_error"
      }
    }
    "#);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_the_envelope() {
    let simulator = serving(real_month()).start().await.unwrap();
    let other = get(&simulator, "/organization/usage/telepathy").await;
    assert_eq!(
        other.error(),
        "404 - -: Invalid URL (GET /v1/organization/usage/telepathy)"
    );

    let url = format!("{}{COMPLETIONS}", simulator.base_url());
    let posted = reqwest::Client::new()
        .post(url)
        .bearer_auth(crate::support::OWNER)
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), 405);
    assert!(
        posted
            .text()
            .await
            .unwrap()
            .contains("Not allowed to POST on /v1/organization/usage/completions")
    );
}
