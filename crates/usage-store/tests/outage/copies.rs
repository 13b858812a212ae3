//! A copy of which one side goes away in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use usage_store::{CopyProgress, CopyStep};
use usage_testkit::{PostgresCluster, PostgresDatabase, Then};

use crate::world::{NOW, World, rows};

/// Ends every connection to one of the two when the usage is copied for the first time.
async fn copied_while_connections_end(source_is_lost: bool) {
    let world = Arc::new(World::new().await);
    let read = world.read(NOW, rows(300, 10));
    world.direct.replace_windows(&world.lease, read).await.unwrap();
    let target = Arc::new(PostgresCluster::shared().create_database());
    let planned = Arc::new(AtomicU32::new(0));
    let progress: CopyProgress = {
        let (world, target, planned) = (world.clone(), target.clone(), planned.clone());
        Arc::new(move |step| match step {
            CopyStep::Planned { .. } => {
                planned.fetch_add(1, Ordering::Relaxed);
            }
            CopyStep::Copied {
                table: "usage_events",
                ..
            } if planned.load(Ordering::Relaxed) == 1 => {
                if source_is_lost {
                    world.end_connections();
                } else {
                    end_connections(&target);
                }
            }
            _ => {}
        })
    };
    let copy = world.direct.copy_into(target.url(), progress).await.unwrap();
    assert_eq!(copy.rows_of("usage_events"), 300);
    assert!(planned.load(Ordering::Relaxed) > 1, "it began anew");
    assert_eq!(target.execute("SELECT count(*) FROM usage_events"), "300");
    assert_eq!(target.execute("SELECT count(*) FROM usage_coverage"), "1");
}

fn end_connections(database: &PostgresDatabase) {
    database.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_source_is_lost_begins_anew() {
    copied_while_connections_end(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_target_is_lost_begins_anew() {
    copied_while_connections_end(false).await;
}

/// Through the proxy, so that the answer to the copy's COMMIT is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_committed_and_not_answered_is_done() {
    let world = World::new().await;
    let read = world.read(NOW, rows(300, 10));
    world.direct.replace_windows(&world.lease, read).await.unwrap();
    let target = World::new().await;
    target
        .database
        .execute("TRUNCATE accounts CASCADE; TRUNCATE leases; TRUNCATE data_versions");
    let url = target.proxy.lead(target.database.url());
    let copy = world.direct.copy_into(&url, Arc::new(|_: CopyStep<'_>| {}));
    let copy = target.cut(Then::CutBehind, copy).await.unwrap();
    assert_eq!(copy.rows_of("usage_events"), 300);
    assert_eq!(
        target.database.execute("SELECT count(*) FROM usage_events"),
        "300"
    );
}
