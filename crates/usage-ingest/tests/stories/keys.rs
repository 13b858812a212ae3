//! Keys: which of them read, what they may read, and whose they are.

use usage_core::{DirectoryKind, Endpoint, IssueCode, ProjectFilter};
use usage_ingest::{CheckError, check_key};
use usage_simulator::AdminKey;
use usage_store::{AccountScope, KeyStatus};

use crate::organizations::{real_month, three_projects};
use crate::world::{Database, Job, OWNER, World, assert_clean, openai, projects};

const FIRST: &str = "2025-09-01";
const LAST: &str = "2025-09-07";
const SECOND: &str = "sk-admin-test-second-not-a-real-key";
const THIRD: &str = "sk-admin-test-third-not-a-real-key";

pub(crate) async fn two_keys_of_one_account_read_it_once(database: Database) {
    let world = World::of(three_projects(), database).await;
    world
        .simulator
        .add_key(AdminKey::owner(SECOND).labelled("second"));
    let second = world.add_key(SECOND, ProjectFilter::ALL).await;
    assert_eq!(second.account, world.account);

    assert_eq!(world.readers().await.len(), 1);
    assert_clean(&world.backfill(FIRST, LAST).await);
    assert_eq!(world.requests(), 2);
    world.assert_equals_truth(FIRST, LAST).await;

    // Who passes both all the same reads everything twice, and still counts nothing twice.
    let before = world.snapshot().await;
    let both = vec![world.reader(&world.key).await, world.reader(&second).await];
    let report = world
        .run(&Job {
            readers: Some(both),
            ..Job::again(FIRST, LAST)
        })
        .await;
    assert_clean(&report);
    assert_eq!(report.telemetry.processed_keys, 2);
    assert_eq!(
        (report.telemetry.stored_events, report.telemetry.unchanged_events),
        (0, 42)
    );
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn a_key_deleted_and_added_again_counts_nothing_twice(database: Database) {
    let world = World::of(three_projects(), database).await;
    assert_clean(&world.backfill(FIRST, LAST).await);
    let before = world.snapshot().await;

    world.ledger.remove_key(world.key.id).await.unwrap();
    assert!(world.simulator.revoke_key("owner"));
    world
        .simulator
        .add_key(AdminKey::owner(SECOND).labelled("second"));
    let replaced = world.add_key(SECOND, ProjectFilter::ALL).await;
    world.simulator.clear_requests();
    let report = world.run(&Job::again(FIRST, LAST)).await;
    assert_clean(&report);
    assert_eq!(
        (report.telemetry.stored_events, report.telemetry.unchanged_events),
        (0, 21)
    );
    let labels: Vec<Option<String>> = world
        .simulator
        .requests()
        .into_iter()
        .map(|request| request.key)
        .collect();
    assert_eq!(labels, [Some("second".to_owned()), Some("second".to_owned())]);

    world.ledger.remove_key(replaced.id).await.unwrap();
    world.simulator.add_key(AdminKey::owner(OWNER));
    let added_again = world.add_key(OWNER, ProjectFilter::ALL).await;
    assert_eq!(added_again.account, world.account);
    assert_clean(&world.backfill(FIRST, LAST).await);
    assert_eq!(
        world.requests(),
        2,
        "coverage is the account's, whatever key read it"
    );
    assert_clean(&world.run(&Job::again(FIRST, LAST)).await);
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn a_restricted_key_reads_only_its_projects(database: Database) {
    let world = World::of(three_projects(), database).await;
    let report = only_restricted(&world, SECOND, &["proj_one", "proj_three"]).await;
    assert_clean(&report);
    let requests = world.simulator.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(
            request.values("project_ids"),
            ["proj_one", "proj_three"],
            "{request:?}"
        );
    }
    for date in [FIRST, LAST] {
        assert_eq!(
            world.inputs(date).await,
            [("proj_one".to_owned(), 1_000), ("proj_three".to_owned(), 200)]
        );
    }
    assert_eq!(world.totals().await.events, 14);
    let coverage = world.coverage().await;
    assert_eq!(coverage.len(), 7);
    assert_eq!(coverage[0].filter, projects(&["proj_one", "proj_three"]));
}

pub(crate) async fn a_key_for_everything_adds_what_a_restricted_one_left_out(database: Database) {
    let world = World::of(three_projects(), database).await;
    only_restricted(&world, SECOND, &["proj_two"]).await;
    let restricted = world.ledger.keys().await.unwrap().remove(0);
    world.add_key(OWNER, ProjectFilter::ALL).await;
    let readers = world.readers().await;
    assert_eq!(readers.len(), 1, "one key for everything is enough");
    assert!(readers[0].filter.is_all());

    let report = world.backfill(FIRST, LAST).await;
    assert_clean(&report);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.stored_events, telemetry.unchanged_events), (14, 7));
    assert_eq!(
        telemetry.revisions, 0,
        "nobody had read the other projects before"
    );
    world.assert_equals_truth(FIRST, LAST).await;

    let narrow = Job {
        readers: Some(vec![world.reader(&restricted).await]),
        ..Job::days(FIRST, LAST)
    };
    assert_eq!(
        world.plan(&narrow).await.requests(),
        0,
        "the whole covers its parts"
    );
    let again = world
        .run(&Job {
            force: true,
            ..narrow
        })
        .await;
    assert_clean(&again);
    assert_eq!(again.telemetry.unchanged_events, 7);
    world.assert_equals_truth(FIRST, LAST).await;
}

pub(crate) async fn restricted_keys_of_disjoint_projects_add_up(database: Database) {
    let world = World::of(three_projects(), database).await;
    world.ledger.remove_key(world.key.id).await.unwrap();
    for (secret, ids) in [(SECOND, &["proj_one"][..]), (THIRD, &["proj_three", "proj_two"])] {
        world
            .simulator
            .add_key(AdminKey::restricted(secret, ids.iter().copied()));
        world.add_key(secret, projects(ids)).await;
    }
    let report = world.backfill(FIRST, LAST).await;
    assert_clean(&report);
    assert_eq!(report.telemetry.processed_keys, 2);
    assert_eq!(
        (report.telemetry.stored_events, report.telemetry.revisions),
        (21, 0)
    );
    assert_eq!(world.requests(), 4);
    world.assert_equals_truth(FIRST, LAST).await;
    assert_eq!(world.plan(&Job::days(FIRST, LAST)).await.requests(), 0);
}

pub(crate) async fn a_key_that_reads_is_active(database: Database) {
    let world = World::of(real_month(), database).await;
    let source = world.client(OWNER);
    let check = check_key(
        &world.ledger,
        &world.account.account,
        &ProjectFilter::ALL,
        source.as_ref(),
    )
    .await
    .unwrap();
    assert_eq!(check.status, KeyStatus::Active);
    assert!(check.report.directory.is_allowed());
    let truth: Vec<String> = world.simulator.inspect(|organization| {
        organization
            .projects()
            .iter()
            .map(|project| project.id.clone())
            .collect()
    });
    let names: Vec<&str> = check.report.names.ids(DirectoryKind::Project).collect();
    assert_eq!(names, truth);

    // The names of one's own account are no conflict.
    let names = check.report.names.clone();
    world
        .ledger
        .save_directory(world.account.id, names)
        .await
        .unwrap();
    let check = check_key(
        &world.ledger,
        &world.account.account,
        &ProjectFilter::ALL,
        source.as_ref(),
    )
    .await
    .unwrap();
    assert_eq!(check.status, KeyStatus::Active);
    assert_eq!(world.totals().await.events, 0, "a check stores no usage");
}

pub(crate) async fn a_key_that_may_not_read_is_refused(database: Database) {
    let world = World::of(three_projects(), database).await;
    let member = "sk-admin-test-of-a-member";
    world.simulator.add_key(AdminKey::member(member));
    for (secret, code, requests) in [
        (member, "FORBIDDEN", None),
        ("sk-proj-test-not-a-real-key", "UNAUTHORIZED", Some(1)),
        ("sk-admin-test-unknown", "UNAUTHORIZED", Some(1)),
    ] {
        world.simulator.clear_requests();
        let source = world.client(secret);
        let check = check_key(
            &world.ledger,
            &world.account.account,
            &ProjectFilter::ALL,
            source.as_ref(),
        )
        .await
        .unwrap();
        let KeyStatus::Refused(reason) = &check.status else {
            panic!("{:?}", check.status);
        };
        assert!(reason.starts_with(code), "{reason}");
        assert!(!reason.contains(secret), "{reason}");
        if let Some(requests) = requests {
            assert_eq!(world.simulator.requests().len(), requests);
        }
    }
}

pub(crate) async fn a_provider_that_does_not_answer_says_nothing_about_the_key(database: Database) {
    let world = World::of(three_projects(), database).await;
    world.simulator.fail_next(100, 500, None);
    let source = world.client(OWNER);
    let checked = check_key(
        &world.ledger,
        &world.account.account,
        &ProjectFilter::ALL,
        source.as_ref(),
    )
    .await;
    assert!(
        matches!(&checked, Err(CheckError::NoAnswer(error)) if error.issue.code == IssueCode::ProviderError),
        "{checked:?}"
    );
}

pub(crate) async fn a_key_limited_to_projects_is_checked_for_those(database: Database) {
    let world = World::of(three_projects(), database).await;
    let secret = "sk-admin-test-of-one-project";
    world
        .simulator
        .add_key(AdminKey::restricted(secret, ["proj_one".to_owned()]));
    let source = world.client(secret);
    for (projects, active) in [
        (vec!["proj_one"], true),
        (vec![], false),
        (vec!["proj_two"], false),
    ] {
        let filter = ProjectFilter::projects(projects.into_iter().map(str::to_owned));
        let check = check_key(&world.ledger, &world.account.account, &filter, source.as_ref())
            .await
            .unwrap();
        assert_eq!(check.status.is_usable(), active, "{filter}: {:?}", check.status);
    }
}

pub(crate) async fn a_second_name_for_one_organization_is_a_conflict(database: Database) {
    let world = World::of(three_projects(), database).await;
    let source = world.client(OWNER);
    let names = source.read_directory().await.unwrap();
    world
        .ledger
        .save_directory(world.account.id, names)
        .await
        .unwrap();

    let check = check_key(
        &world.ledger,
        &openai("org-second"),
        &ProjectFilter::ALL,
        source.as_ref(),
    )
    .await
    .unwrap();
    let KeyStatus::Conflict(reason) = &check.status else {
        panic!("{:?}", check.status);
    };
    assert!(
        reason.contains("already belongs to account openai/org-first")
            && reason.contains("--organization org-first"),
        "{reason}"
    );
    assert!(!check.status.is_usable());
    let accounts = world.ledger.accounts(AccountScope::All).await.unwrap();
    assert_eq!(accounts.len(), 1, "a check adds no account");
}

/// Reads the days with a restricted key as the ledger's only one.
async fn only_restricted(world: &World, secret: &str, ids: &[&str]) -> usage_ingest::RunReport {
    world.ledger.remove_key(world.key.id).await.unwrap();
    world
        .simulator
        .add_key(AdminKey::restricted(secret, ids.iter().copied()));
    world.add_key(secret, projects(ids)).await;
    let truth = world
        .simulator
        .inspect(|organization| organization.usage(Endpoint::Completions).len());
    assert_eq!(truth, 21);
    world.backfill(FIRST, LAST).await
}
