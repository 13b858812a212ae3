//! Names of projects, API keys and users.

use serde_json::json;
use usage_core::{DirectoryKind, IssueCode};
use usage_providers::UsageSource;
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{asked, client, line, ok, recorded, server};

fn fixture(request: &Request) -> ResponseTemplate {
    let line = line(request);
    let body: &[u8] = if line.contains("/organization/projects?") {
        include_bytes!("../../fixtures/openai/projects.json")
    } else if line.contains("/proj_anon0001/api_keys?") && line.contains("after=key_anon0001") {
        include_bytes!("../../fixtures/openai/api_keys_page_2.json")
    } else if line.contains("/proj_anon0001/api_keys?") {
        include_bytes!("../../fixtures/openai/api_keys_page_1.json")
    } else if line.contains("/organization/users?") {
        include_bytes!("../../fixtures/openai/users.json")
    } else {
        include_bytes!("../../fixtures/openai/empty_list.json")
    };
    recorded(200, body)
}

async fn only_projects(list: serde_json::Value) -> MockServer {
    server(move |_, _| ok(&list)).await
}

#[tokio::test]
async fn every_list_is_asked_for_with_what_is_hidden_by_default() {
    let server = server(|_, request| fixture(request)).await;
    let client = client(&server);
    let directory = client.read_directory().await.unwrap();
    let requests = asked(&server).await.len();
    assert_eq!(
        json!(client.traffic().by_status),
        json!({"directory": {"200": requests}})
    );
    assert_eq!(
        asked(&server).await,
        [
            "/v1/organization/projects?include_archived=true&limit=100",
            "/v1/organization/projects/proj_anon0001/api_keys?owner_project_access=any&limit=100",
            "/v1/organization/projects/proj_anon0001/api_keys?owner_project_access=any&limit=100&after=key_anon0001",
            "/v1/organization/projects/proj_anon0002/api_keys?owner_project_access=any&limit=100",
            "/v1/organization/users?limit=100",
        ]
    );
    insta::assert_debug_snapshot!(directory);
}

#[tokio::test]
async fn an_archived_project_may_keep_its_keys_to_itself() {
    for status in [403, 404] {
        let server = server(move |_, request| {
            if line(request).contains("proj_anon0002") {
                ResponseTemplate::new(status)
            } else {
                fixture(request)
            }
        })
        .await;
        let directory = client(&server).read_directory().await.unwrap();
        assert_eq!(directory.ids(DirectoryKind::Project).count(), 2);
        assert_eq!(directory.ids(DirectoryKind::ApiKey).count(), 2);
    }
}

#[tokio::test]
async fn an_active_project_must_not() {
    let server = server(|_, request| {
        if line(request).contains("proj_anon0001") {
            ResponseTemplate::new(403)
        } else {
            fixture(request)
        }
    })
    .await;
    let error = client(&server).read_directory().await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::Forbidden);
    assert!(
        error
            .issue
            .message
            .starts_with("openai organization/projects/proj_anon0001/api_keys: HTTP 403"),
        "{error}"
    );
}

#[tokio::test]
async fn an_id_that_would_change_the_path_fails_the_read() {
    for id in [
        json!("../users"),
        json!("a/b"),
        json!("proj_1?x"),
        json!(""),
        json!(7),
        json!(null),
    ] {
        let list = json!({"data": [{"id": id, "status": "active"}], "has_more": false});
        let server = only_projects(list).await;
        let error = client(&server).read_directory().await.unwrap_err();
        assert_eq!(error.issue.code, IssueCode::TextInvalid, "{id}");
        assert_eq!(asked(&server).await.len(), 1);
    }
}

#[tokio::test]
async fn a_list_that_goes_in_circles_fails_the_read() {
    let list = json!({"data": [{"id": "proj_1"}], "has_more": true, "last_id": "proj_1"});
    let server = only_projects(list).await;
    let error = client(&server).read_directory().await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::CursorRepeated);
}

#[tokio::test]
async fn a_list_without_its_last_id_goes_on_after_its_last_entry() {
    let server = server(|index, _| match index {
        0 => ok(&json!({"data": [{"id": "proj_1"}], "has_more": true})),
        _ => ok(&json!({"data": [], "has_more": false})),
    })
    .await;
    client(&server).read_directory().await.unwrap();
    assert!(asked(&server).await[1].ends_with("&after=proj_1"));
}

#[tokio::test]
async fn an_empty_page_that_promises_more_fails_the_read() {
    let server = only_projects(json!({"data": [], "has_more": true})).await;
    let error = client(&server).read_directory().await.unwrap_err();
    assert_eq!(error.issue.code, IssueCode::CursorMissing);
}
