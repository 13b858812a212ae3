//! Keys: who may read what.

use usage_simulator::AdminKey;

use crate::support::{OWNER, get_as, real_month, serving, usage_path};

#[tokio::test]
async fn without_a_known_admin_key_the_answer_is_401_and_no_key_is_echoed() {
    let simulator = serving(real_month()).start().await.unwrap();
    let path = usage_path("limit=1");
    for (secret, reason) in [
        (None, "You didn't provide an API key."),
        (
            Some("sk-admin-test-some-other-key"),
            "Incorrect API key provided: sk-admin****-key.",
        ),
        (
            Some("sk-proj-test-not-a-real-key"),
            "sk-proj-****-key is a project API key.",
        ),
    ] {
        let error = get_as(&simulator, secret, &path).await.error();
        assert!(error.starts_with("401 - invalid_api_key: "), "{error}");
        assert!(error.contains(reason), "{error}");
        assert!(secret.is_none_or(|secret| !error.contains(secret)), "{error}");
    }
}

#[tokio::test]
async fn the_key_of_a_non_owner_is_403_and_names_the_owner() {
    let simulator = serving(real_month())
        .key(AdminKey::member("sk-admin-test-of-a-member"))
        .start()
        .await
        .unwrap();
    let answer = get_as(&simulator, Some("sk-admin-test-of-a-member"), &usage_path("")).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.error().contains("organization owner"),
        "{}",
        answer.error()
    );
}

#[tokio::test]
async fn a_restricted_key_sees_its_projects_only_and_must_ask_for_them() {
    const SECRET: &str = "sk-admin-test-restricted";
    let organization = crate::support::generated();
    let ids: Vec<String> = organization
        .projects()
        .iter()
        .map(|project| project.id.clone())
        .collect();
    let simulator = serving(organization)
        .key(AdminKey::restricted(SECRET, [&ids[0]]))
        .start()
        .await
        .unwrap();
    let read = async |query: String| get_as(&simulator, Some(SECRET), &usage_path(&query)).await;

    assert_eq!(read("limit=31".to_owned()).await.status, 403);
    assert_eq!(
        read(format!("project_ids={}&project_ids={}", ids[0], ids[1]))
            .await
            .status,
        403
    );
    let answer = read(format!("project_ids={}&group_by=project_id&limit=31", ids[0])).await;
    assert!(
        answer
            .results()
            .iter()
            .all(|row| row["project_id"] == ids[0].as_str())
    );
    assert!(answer.sum("num_model_requests") > 0);

    let projects = get_as(&simulator, Some(SECRET), "/organization/projects").await;
    assert_eq!(projects.body["data"].as_array().unwrap().len(), 1);
    let keys = async |id: &str| {
        let path = format!("/organization/projects/{id}/api_keys");
        get_as(&simulator, Some(SECRET), &path).await.status
    };
    assert_eq!((keys(&ids[0]).await, keys(&ids[1]).await), (200, 403));
}

#[tokio::test]
async fn keys_come_and_go_while_the_server_runs() {
    let simulator = serving(real_month()).start().await.unwrap();
    let path = usage_path("limit=1");
    simulator.add_key(AdminKey::owner("sk-admin-test-second").labelled("second"));
    assert!(simulator.revoke_key("owner"));
    assert!(!simulator.revoke_key("owner"), "it is gone already");

    assert_eq!(get_as(&simulator, Some(OWNER), &path).await.status, 401);
    assert_eq!(
        get_as(&simulator, Some("sk-admin-test-second"), &path)
            .await
            .status,
        200
    );

    let labels: Vec<_> = simulator
        .requests()
        .into_iter()
        .map(|request| request.key)
        .collect();
    assert_eq!(labels, [None, Some("second".to_owned())]);
}
