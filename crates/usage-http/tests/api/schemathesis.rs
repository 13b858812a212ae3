//! The API called in every way that its document allows, and in many that it forbids.

use std::path::Path;

use usage_store::{AccountScope, TokenRole};
use usage_testkit::ApiTester;

use crate::world::World;

/// Calls of each operation in the part that invents them.
const EXAMPLES: u32 = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_no_answer_is_an_error_of_the_server_or_beyond_the_document() {
    every_call_is_answered_as_documented(World::new().await, TokenRole::Admin).await;
}

/// PostgreSQL refuses texts and numbers that SQLite takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_no_answer_is_an_error_of_the_server_or_beyond_the_document() {
    every_call_is_answered_as_documented(World::on_postgres().await, TokenRole::Admin).await;
}

/// Of somebody who may do little and sees one account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_reader_may_not_is_refused_as_documented() {
    every_call_is_answered_as_documented(World::new().await, TokenRole::Reader).await;
}

async fn every_call_is_answered_as_documented(world: World, role: TokenRole) {
    world.key_of(&world.first).await;
    world.restate(&world.first).await;
    for _ in 0..20 {
        // Numbers that may be revoked before that of the tester is tried.
        world.token(TokenRole::Reader).await;
    }
    let scope = match role {
        TokenRole::Admin => AccountScope::All,
        _ => AccountScope::one(&world.first),
    };
    let (_, token) = world.token_of(role, scope).await;
    let authorization = token.trim().strip_prefix("Authorization: ").unwrap().to_owned();
    let document = format!("http://{}/api/openapi.json", world.address);
    let tester = ApiTester::shared(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let said = tokio::task::spawn_blocking(move || tester.run(&document, &authorization, EXAMPLES))
        .await
        .unwrap();
    if let Err(said) = said {
        panic!("{said}");
    }
    assert_eq!(
        world.get("/api/accounts", &token).await.status,
        200,
        "the tester was let in to the end"
    );
}
