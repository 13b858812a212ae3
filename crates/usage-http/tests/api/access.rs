//! Who is let in.

use secrecy::ExposeSecret as _;
use usage_core::parse_instant;
use usage_store::{AccountScope, NewApiToken, TokenRole};

use crate::world::World;

#[tokio::test]
async fn nobody_is_let_in_without_a_valid_token() {
    let world = World::new().await;
    let (id, revoked) = world.token_of(TokenRole::Admin, AccountScope::All).await;
    world.ledger.revoke_api_token(id).await.unwrap();
    let expired = NewApiToken {
        name: "old".to_owned(),
        role: TokenRole::Admin,
        scope: AccountScope::All,
        expires_at: Some(parse_instant("2025-10-20T12:00:00Z").unwrap()),
    };
    let (_, expired) = world.ledger.add_api_token(expired).await.unwrap();
    let expired = format!("Authorization: Bearer {}\r\n", expired.expose_secret());
    let valid = world.token(TokenRole::Reader).await;
    let unknown = valid.replace("Bearer usage_", "Bearer usage_x");
    let basic = valid.replace("Bearer", "Basic");
    for token in [
        "",
        "Authorization: Bearer \r\n",
        &revoked,
        &expired,
        &unknown,
        &basic,
        &valid.repeat(2),
    ] {
        let answer = world.get("/api/usage", token).await;
        let problem = answer.is_problem(401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .starts_with("present a valid token"),
            "{problem}"
        );
    }
    assert_eq!(world.get("/api/usage", &valid).await.status, 200);
}

#[tokio::test]
async fn each_token_has_its_own_rate() {
    let world = World::with(2).await;
    let busy = world.token(TokenRole::Reader).await;
    for _ in 0..2 {
        assert_eq!(world.get("/api/accounts", &busy).await.status, 200);
    }
    let answer = world.get("/api/accounts", &busy).await;
    answer.is_problem(429);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31).contains(&seconds), "{seconds}");
    let other = world.token(TokenRole::Reader).await;
    assert_eq!(world.get("/api/accounts", &other).await.status, 200);
}

#[tokio::test]
async fn the_pages_of_the_dashboard_count_too() {
    let world = World::with(2).await;
    let token = world.token(TokenRole::Reader).await;
    let cookie = world.sign_in(&token).await;
    for path in ["/keys", "/api/accounts"] {
        assert_eq!(world.get(path, &cookie).await.status, 200, "{path}");
    }
    let page = world.get("/keys", &cookie).await;
    assert_eq!(page.status, 429);
    assert!(page.header("retry-after").is_some() && page.text().contains("Too many requests"));
    world.get("/api/accounts", &token).await.is_problem(429);
}

#[tokio::test]
async fn whoever_guesses_tokens_is_slowed_down_and_nobody_else() {
    let world = World::new().await;
    let known = world.token(TokenRole::Reader).await;
    assert_eq!(world.get("/api/accounts", &known).await.status, 200);
    let wrong = |number: u32| format!("Authorization: Bearer usage_{number:043}\r\n");
    let mut number = 0;
    let refused = loop {
        number += 1;
        let answer = world.get("/api/accounts", &wrong(number)).await;
        if answer.status != 401 {
            break answer;
        }
        assert!(number < 1_000);
    };
    refused.is_problem(429);
    assert!(number > 60 && refused.header("retry-after").is_some());
    assert_eq!(world.get("/api/accounts", &known).await.status, 200);
    let page = world.try_to_sign_in(&wrong(0)).await;
    assert_eq!(page.status, 429, "{page:?}");
}

#[tokio::test]
async fn the_cookie_of_a_session_reads_and_changes_nothing() {
    let world = World::new().await;
    let (id, token) = world.token_of(TokenRole::Admin, AccountScope::All).await;
    let cookie = world.sign_in(&token).await;
    assert_eq!(
        world.get("/api/usage/export?format=csv", &cookie).await.status,
        200
    );
    world
        .send("POST", "/api/usage", &cookie, r#"{"daysBack":1}"#)
        .await
        .is_problem(401);
    world.ask("DELETE", "/api/keys/1", &cookie).await.is_problem(401);
    world.ledger.revoke_api_token(id).await.unwrap();
    world
        .get("/api/usage/export?format=csv", &cookie)
        .await
        .is_problem(401);
}

#[tokio::test]
async fn a_use_is_noted_and_a_secret_never_told() {
    let world = World::new().await;
    let admin = world.token(TokenRole::Admin).await;
    let secret = admin
        .trim()
        .strip_prefix("Authorization: Bearer ")
        .unwrap()
        .to_owned();
    let noted = async || {
        let answer = world.get("/api/tokens", &admin).await;
        assert!(!answer.text().contains(&secret));
        answer.json()["tokens"][0]["lastUsedAt"].is_string()
    };
    while !noted().await {
        tokio::task::yield_now().await;
    }
}
