//! The marks by which a write without an answer is found again.

use usage_testkit::Then;

use crate::world::{LONG, World, new_run, open};

/// The server is busy with the first COMMIT for a while after its client was cut off, as one that waits for a standby is. Whoever
/// does it again waits for that, and finds it done.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_server_is_still_at_is_waited_for() {
    let world = World::new().await;
    world.database.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON runs DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION dawdle()",
    );
    let started = world
        .cut(Then::CutAtWork, world.ledger.start_run(new_run("backfill")))
        .await;
    let id = started.unwrap();
    assert_eq!(world.database.execute("SELECT id FROM runs"), id.to_string());
    assert_eq!(
        world.database.execute("SELECT confirmations FROM write_marks"),
        "0\n1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_do_not_pile_up() {
    let world = World::new().await;
    world
        .database
        .execute("INSERT INTO write_marks (token, marked_at_ms) VALUES ('left by somebody', 0)");
    let ledger = open(world.database.url(), LONG).await.unwrap();
    for _ in 0..20 {
        ledger.start_run(new_run("backfill")).await.unwrap();
    }
    ledger.remove_key(1).await.unwrap_err();
    ledger.start_run(new_run("backfill")).await.unwrap();
    let of_the_world = 1;
    let left = world.database.execute("SELECT count(*) FROM write_marks");
    assert_eq!(left, (of_the_world + 1).to_string());
}
