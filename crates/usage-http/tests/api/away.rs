//! What is told while the database is away.

use usage_store::TokenRole;

use crate::world::World;

#[tokio::test]
async fn whoever_asks_is_told_to_ask_again() {
    let world = World::new().await;
    let token = world.token(TokenRole::Admin).await;
    let cookie = world.sign_in(&token).await;
    assert_eq!(world.get("/keys", &cookie).await.status, 200);
    world.lose_the_database().await;
    for (method, path) in [
        ("GET", "/api/usage"),
        ("POST", "/api/keys/1/check"),
        ("DELETE", "/api/keys/1"),
    ] {
        let answer = world.ask(method, path, &token).await;
        answer.is_problem(503);
        assert_eq!(answer.header("retry-after"), Some("5"), "{path}");
    }
    // Whoever is signed in stays so, and is not sent to sign in.
    let page = world.get("/keys", &cookie).await;
    assert_eq!(page.status, 503, "{page:?}");
    assert_eq!(page.header("retry-after"), Some("5"));
    assert!(page.text().contains("still signed in"), "{}", page.text());
}
