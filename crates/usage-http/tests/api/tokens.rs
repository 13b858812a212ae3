//! `/api/tokens`.

use serde_json::json;
use usage_store::{AccountScope, TokenRole};

use crate::world::World;

#[tokio::test]
async fn a_token_is_shown_once_and_holds_until_it_is_revoked() {
    let world = World::new().await;
    let admin = world.token(TokenRole::Admin).await;
    let new = json!({ "name": "grafana", "role": "reader", "accounts": [world.first.id], "expiresAt": "2026-01-01T00:00:00Z" });
    let added = world.send("POST", "/api/tokens", &admin, &new.to_string()).await;
    assert_eq!(added.status, 201, "{added:?}");
    let added = added.json();
    let secret = added["secret"].as_str().unwrap();
    let token = format!("Authorization: Bearer {secret}\r\n");
    assert_eq!(
        world.get("/api/usage", &token).await.json()["events"]
            .as_array()
            .unwrap()
            .len(),
        9
    );
    let list = world.get("/api/tokens", &admin).await;
    assert!(!list.text().contains(secret));
    let listed = list.json()["tokens"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(listed["accounts"], json!([world.first.id]));
    assert_eq!(
        (&listed["isValid"], &listed["expiresAt"]),
        (&json!(true), &json!("2026-01-01T00:00:00Z"))
    );
    let path = format!("/api/tokens/{}", listed["id"]);
    assert_eq!(world.ask("DELETE", &path, &admin).await.status, 204);
    assert_eq!(
        world.ask("DELETE", &path, &admin).await.status,
        204,
        "again changes nothing"
    );
    world.get("/api/usage", &token).await.is_problem(401);
    world
        .ask("DELETE", "/api/tokens/999", &admin)
        .await
        .is_problem(404);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = World::new().await;
    let admin = world.token(TokenRole::Admin).await;
    for (new, status) in [
        (json!({ "name": "", "role": "reader" }), 400),
        (json!({ "name": "x", "role": "owner" }), 400),
        (json!({ "name": "x" }), 400),
        (json!({ "name": "x", "role": "reader", "accounts": [] }), 400),
        (json!({ "name": "x", "role": "reader", "accounts": [77] }), 404),
        (json!({ "name": "x", "role": "reader", "expiresAt": "soon" }), 400),
        (
            json!({ "name": "x", "role": "reader", "expiresAt": "2025-10-20T12:00:00Z" }),
            400,
        ),
        (json!({ "name": "x\ny", "role": "reader" }), 400),
    ] {
        let answer = world.send("POST", "/api/tokens", &admin, &new.to_string()).await;
        assert_eq!(answer.status, status, "{new}: {answer:?}");
        answer.is_problem(status);
    }
}

#[tokio::test]
async fn an_admin_of_some_accounts_manages_no_tokens() {
    let world = World::new().await;
    let (id, token) = world
        .token_of(TokenRole::Admin, AccountScope::one(&world.first))
        .await;
    world.get("/api/tokens", &token).await.is_problem(403);
    world
        .send("POST", "/api/tokens", &token, r#"{"name":"x","role":"admin"}"#)
        .await
        .is_problem(403);
    world
        .ask("DELETE", &format!("/api/tokens/{id}"), &token)
        .await
        .is_problem(403);
}
