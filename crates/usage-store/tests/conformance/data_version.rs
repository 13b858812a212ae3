//! Which state the data are in.

use usage_core::{Directory, DirectoryEntry, DirectoryKind, Endpoint};
use usage_store::{AccountScope, IMPORT_RUN, NewRun};

use crate::fixture::{Fixture, day, instant, openai, row, rows, take};

const READ: &str = "2025-10-20T12:00:00Z";

pub(crate) async fn every_change_of_data_is_another_version(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    let version = async |scope: &AccountScope| ledger.data_version(scope.clone()).await.unwrap();
    let mine = AccountScope::one(&fixture.account);
    let mut seen = vec![version(&mine).await];
    assert_eq!(seen[0].to_string().len(), 32);

    let read = |at, tokens| {
        fixture.read(
            at,
            vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", tokens)])],
        )
    };
    fixture.store(read(READ, 10)).await;
    seen.push(version(&mine).await);
    fixture.store(read("2025-10-20T12:00:01Z", 11)).await;
    seen.push(version(&mine).await);
    // Nothing but when it was read.
    fixture.store(read("2025-10-20T12:00:02Z", 11)).await;
    seen.push(version(&mine).await);
    // A read that is dropped changes nothing.
    fixture.refuse(read("2025-10-20T11:00:00Z", 12)).await;
    assert_eq!(seen.last(), Some(&version(&mine).await));

    let run = ledger.start_run(new_run()).await.unwrap();
    assert_eq!(seen.last(), Some(&version(&mine).await), "runs are no data");
    let imported = vec![rows(day("2025-08-01"), [row("proj_a", "gpt-5", 10)])];
    ledger
        .import_windows(
            &fixture.lease,
            &fixture.account,
            Endpoint::Completions,
            run,
            imported,
        )
        .await
        .unwrap();
    seen.push(version(&mine).await);
    ledger
        .save_directory(fixture.account.id, directory())
        .await
        .unwrap();
    seen.push(version(&mine).await);
    ledger.erase_user("user-1").await.unwrap();
    seen.push(version(&mine).await);
    ledger
        .save_directory(fixture.account.id, directory())
        .await
        .unwrap();
    seen.push(version(&mine).await);
    ledger.erase_user_names().await.unwrap();
    seen.push(version(&mine).await);
    for (index, earlier) in seen.iter().enumerate() {
        assert!(!seen[index + 1..].contains(earlier), "{seen:?}");
    }

    // Whose data did not change sees no change.
    let all = version(&AccountScope::All).await;
    let other = ledger.add_account(openai("org-second")).await.unwrap();
    assert_ne!(all, version(&AccountScope::All).await, "an account is data");
    let lease = take(ledger, &other).await;
    let mut of_other = read(READ, 10);
    of_other.scope.account = other.account.clone();
    let all = version(&AccountScope::All).await;
    ledger.replace_windows(&lease, of_other).await.unwrap();
    assert_eq!(seen.last(), Some(&version(&mine).await));
    assert_ne!(all, version(&AccountScope::All).await);
    let nobody = AccountScope::Only(Vec::new());
    assert_eq!(version(&nobody).await, version(&nobody).await);
}

fn directory() -> Directory {
    let entry = |id: &str| DirectoryEntry {
        kind: DirectoryKind::User,
        id: id.to_owned(),
        name: Some("Ada".to_owned()),
        email: None,
        project_id: None,
        status: None,
        created_at: None,
    };
    Directory {
        entries: vec![entry("user-1"), entry("user-2")],
    }
}

pub(crate) fn new_run() -> NewRun {
    NewRun {
        kind: IMPORT_RUN,
        label: None,
        range_start: instant("2025-08-01T00:00:00Z"),
        range_end: instant("2025-08-02T00:00:00Z"),
        holder: "the story".to_owned(),
        plan: "{}".to_owned(),
        notes: "{}".to_owned(),
    }
}
