//! One pass, and the next.

use usage_app::Exit;
use usage_app::cron::{AccountOutcome, PassOptions};
use usage_core::WindowRange;
use usage_simulator::PriceShare;
use usage_store::AccountScope;

use crate::world::{World, day};

pub(crate) async fn a_first_pass_reads_the_horizon_and_the_next_only_what_is_not_settled(world: World) {
    // Midnight, so that today has no usage yet.
    world.set("2025-10-10T00:00:00Z");
    let planned = world
        .pass_with(&PassOptions {
            plan_only: true,
            ..world.options()
        })
        .await
        .unwrap();
    assert_eq!(world.requests(), 0);
    let first = world.pass().await;
    assert!(first.success && first.exit() == Exit::Clean, "{first:#?}");
    // The provider refuses to group old costs by key, and is asked once more without.
    assert_eq!(world.requests(), planned.planned_requests + 1, "{planned:#?}");
    assert_eq!(
        (first.processed, first.successful, first.errors),
        (1, 1, 0),
        "{first:#?}"
    );
    let counters = &first.telemetry.counters;
    assert_eq!(counters.windows_processed, 2 * 36, "two surfaces");
    assert_eq!(counters.stored_events, world.groups("2025-09-05", "2025-10-09"));
    assert_eq!(first.telemetry.simulated_keys, 0);

    world.set("2025-10-11T00:00:00Z");
    let next = world.pass().await;
    assert!(next.success, "{next:#?}");
    let counters = &next.telemetry.counters;
    // Today, yesterday and the days within the provider's settling time of three days.
    assert_eq!(counters.windows_processed, 2 * 5, "{next:#?}");
    assert_eq!(counters.retracted_events, 0);
    assert_eq!(counters.stored_events, world.groups("2025-10-10", "2025-10-10"));
}

pub(crate) async fn an_outage_of_twenty_days_heals_in_one_pass(world: World) {
    world.pass().await;
    world.set("2025-10-30T00:00:00Z");
    let options = PassOptions {
        plan_only: true,
        ..world.options()
    };
    let planned = world.pass_with(&options).await.unwrap();
    let before = world.requests();
    let healed = world.pass().await;
    assert!(healed.success, "{healed:#?}");
    assert_eq!(
        world.requests() - before,
        planned.planned_requests + 1,
        "told beforehand"
    );
    let held = world.stored().await;
    assert_eq!(held, world.groups("2025-09-05", "2025-10-29"));
    world.set("2025-10-30T00:01:00Z");
    let again = world.pass_with(&options).await.unwrap();
    assert_eq!(
        again.accounts[0].planned_windows,
        2 * 4,
        "only what is not settled"
    );
}

pub(crate) async fn what_was_read_in_the_same_pass_is_not_read_again(world: World) {
    let due = world.app.clock.now();
    let options = PassOptions {
        due: Some(due),
        ..world.options()
    };
    world.pass_with(&options).await.unwrap();
    let asked = world.simulator.requests().len();
    let second = world.pass_with(&options).await.unwrap();
    assert!(second.success, "{second:#?}");
    assert_eq!(second.accounts[0].outcome, AccountOutcome::DoneElsewhere);
    assert_eq!(world.simulator.requests().len(), asked);
    // A pass that is due later reads again.
    world.set("2025-10-10T03:00:00Z");
    let later = world.pass().await;
    assert_eq!(later.accounts[0].outcome, AccountOutcome::Clean, "{later:#?}");
    assert!(world.simulator.requests().len() > asked);
}

pub(crate) async fn exports_prove_the_pass_and_a_difference_is_an_error(world: World) {
    let exports = world.folder.path().join("exports");
    std::fs::create_dir(&exports).unwrap();
    let options = PassOptions {
        exports: Some(exports.clone()),
        ..world.options()
    };
    let without = world.pass_with(&options).await.unwrap();
    assert!(
        without.success && without.accounts[0].parity.is_none(),
        "{without:#?}"
    );

    let range = WindowRange::days(day("2025-09-05"), day("2025-10-09")).unwrap();
    let csv = world
        .simulator
        .inspect(|organization| organization.completions_csv(range));
    std::fs::write(exports.join("completions.csv"), &csv).unwrap();
    world.set("2025-10-10T04:00:00Z");
    let proved = world.pass_with(&options).await.unwrap();
    let parity = proved.accounts[0].parity.clone().unwrap();
    assert!(proved.success && parity.clean, "{proved:#?}");
    assert_eq!((parity.differences, parity.windows_compared), (0, 35));

    // A row of the export is lost.
    let mut lines: Vec<&str> = csv.lines().collect();
    lines.remove(3);
    std::fs::write(exports.join("completions.csv"), lines.join("\n") + "\n").unwrap();
    world.set("2025-10-10T05:00:00Z");
    let differs = world.pass_with(&options).await.unwrap();
    assert!(
        !differs.success && differs.exit() == Exit::Findings,
        "{differs:#?}"
    );
    let account = &differs.accounts[0];
    let parity = account.parity.clone().unwrap();
    assert_eq!((parity.differences, parity.missing_in_csv), (1, 1), "{parity:#?}");
    let issue = account
        .issues
        .iter()
        .find(|issue| issue.code.as_str() == "PARITY_DIFFERENCES")
        .unwrap();
    let report = parity.report.unwrap();
    assert!(issue.message.contains(&report), "{issue}");
    assert!(
        std::fs::read_to_string(&report)
            .unwrap()
            .contains("\"different\"")
    );
    let runs = world.ledger().await.runs(1).await.unwrap();
    assert_eq!(
        (runs[0].kind.as_str(), runs[0].status.as_str()),
        ("cron", "incomplete")
    );
    assert!(
        runs[0].telemetry.contains("\"missingInCsv\":1"),
        "{}",
        runs[0].telemetry
    );
}

pub(crate) async fn a_variance_from_the_bill_is_a_warning(world: World) {
    let options = PassOptions {
        max_variance: "0.1".parse().unwrap(),
        ..world.options()
    };
    let clean = world.pass_with(&options).await.unwrap();
    let reconciled = clean.accounts[0].reconciliation.clone().unwrap();
    assert_eq!(reconciled.variance_percent.as_deref(), Some("0"), "{clean:#?}");
    assert!(!reconciled.passes_limit);

    let model = world.simulator.inspect(|organization| {
        let days = WindowRange::days(day("2025-10-07"), day("2025-10-09")).unwrap();
        let csv = organization.completions_csv(days);
        let models = csv.lines().skip(1).filter_map(|line| line.split(',').nth(8));
        models.last().unwrap().to_owned()
    });
    world.simulator.update(|organization| {
        organization.discount(&model, day("2025-10-07"), PriceShare::of(1, 2));
    });
    world.set("2025-10-10T04:00:00Z");
    let differs = world.pass_with(&options).await.unwrap();
    assert!(differs.success && differs.exit() == Exit::Clean, "{differs:#?}");
    let account = &differs.accounts[0];
    assert!(
        account.reconciliation.clone().unwrap().passes_limit,
        "{account:#?}"
    );
    assert!(
        account
            .issues
            .iter()
            .any(|issue| issue.code.as_str() == "COST_VARIANCE"),
        "{account:#?}"
    );
    assert!(differs.warning_count > clean.warning_count);
}

pub(crate) async fn one_account_that_fails_does_not_keep_the_others(world: World) {
    // The provider knows one key; that of the other account is refused.
    world
        .add_key_with("org-refused", "sk-admin-test-unknown-key")
        .await;
    let report = world.pass().await;
    assert!(!report.success, "{report:#?}");
    assert_eq!(report.exit(), Exit::Findings);
    assert_eq!((report.processed, report.successful, report.errors), (2, 1, 1));
    let outcomes: Vec<_> = report
        .accounts
        .iter()
        .map(|account| (account.account.as_str(), account.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("openai/org-cron", AccountOutcome::Clean),
            ("openai/org-refused", AccountOutcome::Failed)
        ]
    );
    assert_eq!(
        report.telemetry.counters.issues_by_code.get("UNAUTHORIZED"),
        Some(&1)
    );
}

pub(crate) async fn names_come_along_and_are_kept_when_the_provider_forgets_them(world: World) {
    let first = world.pass().await;
    let directory = first.accounts[0].directory.unwrap();
    assert!(directory.refreshed && directory.names > 0, "{first:#?}");
    let requests = |path: &str| world.simulator.count_requests(path);
    let asked = requests("/organization/projects");
    world.set("2025-10-10T05:00:00Z");
    world.pass().await;
    assert_eq!(
        requests("/organization/projects"),
        asked,
        "young names are not asked for"
    );

    let gone = world.simulator.update(|organization| {
        let id = organization.users()[0].id.clone();
        organization.remove_user(&id);
        id
    });
    world.set("2025-10-11T02:00:00Z");
    let later = world.pass().await;
    let directory = later.accounts[0].directory.unwrap();
    assert_eq!(
        (directory.refreshed, directory.gone, directory.added),
        (true, 1, 0),
        "{later:#?}"
    );
    let names = world.ledger().await.names(AccountScope::All).await.unwrap();
    assert!(names.iter().any(|name| name.id == gone));
}
