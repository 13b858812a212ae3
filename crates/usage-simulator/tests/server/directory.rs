//! Names: projects, API keys, users.

use usage_core::parse_instant;
use usage_simulator::{ApiKey, KeyOwner, Organization, Project, User};

use crate::support::{get, real_month, serving};

fn organization(projects: usize) -> Organization {
    let created_at = parse_instant("2025-01-01T00:00:00Z").unwrap();
    let mut organization = Organization::new("org-names");
    organization.add_user(User {
        id: "user-1".to_owned(),
        name: None,
        email: "first@example.test".to_owned(),
        is_owner: true,
        added_at: created_at,
    });
    let key = |number: usize, owner, owner_has_access| ApiKey {
        id: format!("key_{number}"),
        name: format!("Key {number}"),
        created_at,
        last_used_at: None,
        owner,
        owner_has_access,
    };
    for number in 0..projects {
        organization.add_project(Project {
            id: format!("proj_{number:03}"),
            name: format!("Project {number}"),
            created_at,
            archived_at: None,
            api_keys: vec![
                key(2 * number, KeyOwner::User("user-1".to_owned()), true),
                key(
                    2 * number + 1,
                    KeyOwner::ServiceAccount("service-1".to_owned()),
                    false,
                ),
            ],
        });
    }
    organization
}

fn ids(body: &serde_json::Value) -> Vec<&str> {
    let data = body["data"].as_array().unwrap();
    data.iter().map(|entry| entry["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn entries_look_like_the_providers() {
    let simulator = serving(organization(1)).start().await.unwrap();
    insta::assert_json_snapshot!("projects", get(&simulator, "/organization/projects").await.body);
    insta::assert_json_snapshot!("users", get(&simulator, "/organization/users").await.body);
    let keys = get(
        &simulator,
        "/organization/projects/proj_000/api_keys?owner_project_access=any",
    )
    .await;
    insta::assert_json_snapshot!("api_keys", keys.body);
}

#[tokio::test]
async fn lists_come_in_pages_after_the_last_id() {
    let simulator = serving(organization(45)).start().await.unwrap();
    let mut seen = Vec::new();
    let mut after = String::new();
    for expected in [20, 20, 5] {
        let page = get(&simulator, &format!("/organization/projects{after}"))
            .await
            .body;
        assert_eq!(ids(&page).len(), expected);
        assert_eq!(page["first_id"], ids(&page)[0]);
        assert_eq!(page["last_id"], *ids(&page).last().unwrap());
        assert_eq!(page["has_more"], expected == 20);
        seen.extend(ids(&page).iter().map(ToString::to_string));
        after = format!("?after={}", seen.last().unwrap());
    }
    assert!(seen.is_sorted() && seen.len() == 45);
    let all = get(&simulator, "/organization/projects?limit=100").await.body;
    assert_eq!(ids(&all), seen);
    for wrong in ["limit=0", "limit=101", "limit=x", "after=proj_999", "colour=blue"] {
        assert_eq!(
            get(&simulator, &format!("/organization/projects?{wrong}"))
                .await
                .status,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn archived_projects_are_listed_on_request() {
    let simulator = serving(organization(2)).start().await.unwrap();
    let at = parse_instant("2025-10-01T00:00:00Z").unwrap();
    assert!(simulator.update(|organization| organization.archive_project("proj_000", at)));
    let active = get(&simulator, "/organization/projects").await.body;
    assert_eq!(ids(&active), ["proj_001"]);
    let all = get(&simulator, "/organization/projects?include_archived=true")
        .await
        .body;
    assert_eq!(ids(&all), ["proj_000", "proj_001"]);
    assert_eq!(all["data"][0]["status"], "archived");
    assert_eq!(all["data"][0]["archived_at"], at.timestamp());
}

#[tokio::test]
async fn some_keys_are_listed_only_when_asked_for() {
    let simulator = serving(organization(1)).start().await.unwrap();
    for (query, expected) in [
        ("", vec!["key_0"]),
        ("?owner_project_access=active", vec!["key_0"]),
        ("?owner_project_access=inactive", vec!["key_1"]),
        ("?owner_project_access=any", vec!["key_0", "key_1"]),
    ] {
        let body = get(
            &simulator,
            &format!("/organization/projects/proj_000/api_keys{query}"),
        )
        .await
        .body;
        assert_eq!(ids(&body), expected, "{query}");
    }
    let wrong = get(
        &simulator,
        "/organization/projects/proj_000/api_keys?owner_project_access=all",
    )
    .await;
    assert_eq!(wrong.status, 400);
    assert_eq!(
        get(&simulator, "/organization/projects/proj_9/api_keys")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_deleted_key_vanishes_and_its_usage_stays() {
    let simulator = serving(real_month()).start().await.unwrap();
    let keys = "/organization/projects/proj_anon0001/api_keys";
    let before = get(&simulator, keys).await.body;
    assert_eq!(ids(&before), ["key_anon0001", "key_anon0002"]);
    assert!(simulator.update(|organization| organization.delete_api_key("key_anon0002")));
    assert!(!simulator.update(|organization| organization.delete_api_key("key_anon0002")));
    assert_eq!(ids(&get(&simulator, keys).await.body), ["key_anon0001"]);
    let usage = crate::support::usage(&simulator, "limit=31&api_key_ids=key_anon0002").await;
    assert!(usage.sum("num_model_requests") > 1_000);
}
