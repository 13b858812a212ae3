//! `/api/keys`: what goes in never comes out.

use serde_json::json;
use usage_store::{AccountScope, TokenRole};

use crate::world::{REFUSED, World};

const SECRET: &str = "sk-admin-made-up-for-this-story-9f3Lg";

#[tokio::test]
async fn a_key_is_added_changed_checked_and_removed() {
    let world = World::new().await;
    let token = world.token(TokenRole::Admin).await;
    let new =
        json!({ "provider": "openai", "organization": "org-new", "label": " the bill ", "secret": SECRET });
    let added = world.send("POST", "/api/keys", &token, &new.to_string()).await;
    assert_eq!(added.status, 201, "{added:?}");
    let path = added.header("location").unwrap().to_owned();
    let key = added.json();
    assert_eq!(
        (&key["label"], &key["status"], &key["projects"]),
        (&json!("the bill"), &json!("active"), &json!([]))
    );
    assert_eq!(key["account"], "org-new");
    assert!(
        !added.text().contains(SECRET) && key["maskedKey"].as_str().unwrap().contains('…'),
        "{key}"
    );
    assert_eq!(world.get(&path, &token).await.json(), key);

    let changed = world.send("PATCH", &path, &token, r#"{"label":"other"}"#).await;
    assert_eq!(changed.json()["label"], "other");
    let rotated = json!({ "secret": "sk-admin-another-made-up-one-77Ab" }).to_string();
    let rotated = world.send("PATCH", &path, &token, &rotated).await;
    assert_eq!(rotated.json()["label"], "other", "{rotated:?}");
    assert_ne!(rotated.json()["maskedKey"], key["maskedKey"]);
    let none = world.send("PATCH", &path, &token, r#"{"label":""}"#).await;
    assert_eq!(none.json()["label"], json!(null));

    let checked = world.ask("POST", &format!("{path}/check"), &token).await.json();
    assert_eq!(checked["result"], "it may read completions");
    let removed = world.ask("DELETE", &path, &token).await;
    assert_eq!((removed.status, removed.body.len()), (204, 0));
    world.get(&path, &token).await.is_problem(404);
    world.ask("DELETE", &path, &token).await.is_problem(404);
    let accounts = world.get("/api/accounts", &token).await;
    assert!(
        accounts.text().contains("org-new"),
        "the account and its history stay"
    );
}

#[tokio::test]
async fn what_is_refused_is_told_without_the_secret() {
    let world = World::new().await;
    let token = world.token(TokenRole::Admin).await;
    let key = world.key_of(&world.first).await;
    let path = format!("/api/keys/{key}");
    for (method, path, body, status) in [
        (
            "POST",
            "/api/keys",
            json!({ "provider": "openai", "organization": "org-x", "secret": REFUSED }),
            422,
        ),
        ("PATCH", &path, json!({ "secret": REFUSED }), 422),
        ("PATCH", &path, json!({}), 400),
        ("PATCH", &path, json!({ "secret": 7 }), 400),
        (
            "PATCH",
            &path,
            json!({ "label": "x".repeat(101), "secret": SECRET }),
            400,
        ),
        ("PATCH", &path, json!({ SECRET: true }), 400),
        (
            "POST",
            "/api/keys",
            json!({ "provider": "acme", "organization": "org-x", "secret": SECRET }),
            400,
        ),
        (
            "POST",
            "/api/keys",
            json!({ "provider": "openai", "organization": "", "secret": SECRET }),
            400,
        ),
        (
            "POST",
            "/api/keys",
            json!({ "provider": "openai", "organization": "org-x", "projects": ["a,b"], "secret": SECRET }),
            400,
        ),
        (
            "POST",
            "/api/keys",
            json!({ "provider": "openai", "organization": "org-x" }),
            400,
        ),
        (
            "POST",
            "/api/keys",
            json!({ "provider": "openai", "organization": "org-x", "label": "a\u{0}b", "secret": SECRET }),
            400,
        ),
    ] {
        let answer = world.send(method, path, &token, &body.to_string()).await;
        answer.is_problem(status);
        assert!(!answer.text().contains("sk-admin"), "{answer:?}");
    }
}

#[tokio::test]
async fn keys_of_other_accounts_are_not_there() {
    let world = World::new().await;
    let (mine, other) = (
        world.key_of(&world.first).await,
        world.key_of(&world.second).await,
    );
    let (_, token) = world
        .token_of(TokenRole::Admin, AccountScope::one(&world.first))
        .await;
    let keys = world.get("/api/keys", &token).await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(keys["keys"][0]["id"], mine);
    let missing = world.get("/api/keys/999", &token).await.is_problem(404);
    for id in [
        other.to_string(),
        "x".to_owned(),
        "-1".to_owned(),
        "99999999999999999999".to_owned(),
    ] {
        let path = format!("/api/keys/{id}");
        let answers = [
            world.get(&path, &token).await,
            world.ask("DELETE", &path, &token).await,
            world.send("PATCH", &path, &token, r#"{"label":"x"}"#).await,
            world.ask("POST", &format!("{path}/check"), &token).await,
        ];
        for answer in answers {
            assert_eq!(
                answer.is_problem(404)["detail"],
                missing["detail"],
                "nobody can tell which"
            );
        }
    }
    let new = json!({ "provider": "openai", "organization": "org-x", "secret": SECRET }).to_string();
    world
        .send("POST", "/api/keys", &token, &new)
        .await
        .is_problem(403);
}
