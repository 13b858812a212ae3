//! One pass, and the next.

use std::sync::Arc;

use tokio::sync::watch;
use usage_app::cron::{AccountOutcome, LoggedProgress, PassOptions, PassReport, run_pass};
use usage_app::monitoring::{self, MetricsOptions};
use usage_app::{App, Exit};
use usage_core::{Endpoint, IssueCode, ManualClock, Window, WindowRange, WindowState, parse_instant};
use usage_simulator::{CostCharge, CostLayout, PriceShare};
use usage_store::{AccountScope, CoverageQuery};

use crate::schedule::is_missed;
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
    let before = (world.requests(), world.all_requests());
    let healed = world.pass().await;
    assert!(healed.success, "{healed:#?}");
    assert_eq!(
        world.requests() - before.0,
        planned.planned_requests,
        "told beforehand, with the one that the provider will refuse again"
    );
    assert!(planned.planned_name_requests > 2, "{planned:#?}");
    assert_eq!(
        world.all_requests() - before.1,
        planned.planned_requests + planned.planned_name_requests,
        "nothing else is asked for"
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
    assert_eq!(again.planned_name_requests, 0, "names are young");
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

/// Whoever comes after it neither asks again nor says that all is well.
pub(crate) async fn what_ended_with_errors_is_not_tried_again_in_the_same_pass(world: World) {
    let exports = world.folder.path().join("exports");
    std::fs::create_dir(&exports).unwrap();
    let range = WindowRange::days(day("2025-09-05"), day("2025-10-09")).unwrap();
    let csv = world
        .simulator
        .inspect(|organization| organization.completions_csv(range));
    let shorter: Vec<&str> = csv.lines().take(csv.lines().count() - 1).collect();
    std::fs::write(exports.join("completions.csv"), shorter.join("\n") + "\n").unwrap();
    let due = world.app.clock.now();
    let options = PassOptions {
        due: Some(due),
        exports: Some(exports),
        ..world.options()
    };
    let first = world.pass_with(&options).await.unwrap();
    assert_eq!(
        first.accounts[0].outcome,
        AccountOutcome::Incomplete,
        "{first:#?}"
    );
    let asked = world.all_requests();
    let second = world.pass_with(&options).await.unwrap();
    assert_eq!(
        second.accounts[0].outcome,
        AccountOutcome::IncompleteElsewhere,
        "{second:#?}"
    );
    assert!(!second.success && second.exit() == Exit::Findings, "{second:#?}");
    assert_eq!(world.all_requests(), asked);
    let alerts = second.alerts.unwrap();
    assert_eq!((alerts.opened.len(), alerts.ended.len()), (0, 0), "{alerts:#?}");
    // Nothing was missed that a restarted process would have to make up for.
    world.set("2025-10-10T02:30:00Z");
    assert!(!is_missed(&world).await);
}

pub(crate) async fn a_pass_that_was_cut_short_is_gone_on_with(world: World) {
    let options = PassOptions {
        due: Some(world.app.clock.now()),
        ..world.options()
    };
    let cut = App {
        deadline: Some(tokio::time::Instant::now()),
        ..world.app.clone()
    };
    let first = run_pass(&cut, &options, &LoggedProgress, watch::channel(false).1)
        .await
        .unwrap();
    assert!(!first.success, "{first:#?}");
    assert!(is_missed(&world).await);
    let second = world.pass_with(&options).await.unwrap();
    assert_eq!(second.accounts[0].outcome, AccountOutcome::Clean, "{second:#?}");
    assert!(!is_missed(&world).await);
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

/// A day that a wrong clock called settled while it had hardly begun is read again, and somebody is told.
pub(crate) async fn what_a_wrong_clock_read_is_read_again(world: World) {
    // The machine is ten days ahead; the provider knows better and has nothing of those days.
    let wrong = App {
        clock: Arc::new(ManualClock::new(parse_instant("2025-10-20T02:00:00Z").unwrap())),
        ..world.app.clone()
    };
    run_pass(&wrong, &world.options(), &LoggedProgress, watch::channel(false).1)
        .await
        .unwrap();
    let today = day("2025-10-10");
    let state = async || {
        let query = CoverageQuery {
            scope: AccountScope::All,
            endpoint: Some(Endpoint::Completions),
            windows: Some(WindowRange::days(today, today).unwrap()),
        };
        world.ledger().await.coverage(query).await.unwrap()[0].state
    };
    assert_eq!(
        state().await,
        WindowState::Settled,
        "what the wrong clock made of two hours of usage"
    );
    // The rest of the day, which no later read would have brought.
    world.simulator.update(|organization| {
        let log = organization.usage_mut(Endpoint::Completions);
        assert!(log.scale(Window::day(today), 200) > 0);
    });
    world.set("2025-10-12T02:00:00Z");
    let right = world.pass().await;
    assert!(right.success, "{right:#?}");
    let account = &right.accounts[0];
    let told = account
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::ReadInFuture);
    assert!(
        told.is_some_and(|issue| issue.message.contains("by a clock that was wrong")),
        "{account:#?}"
    );
    let counters = &right.telemetry.counters;
    assert_eq!(
        (counters.windows_processed, counters.windows_failed),
        (2 * 36, 0),
        "{right:#?}"
    );
    assert_eq!(state().await, WindowState::Provisional);
    assert_eq!(world.stored().await, world.groups("2025-09-07", "2025-10-11"));
    // Now it is known how far each day had gone, so that the next pass reads only what is not settled.
    world.set("2025-10-12T03:00:00Z");
    let next = world.pass().await;
    assert_eq!(next.telemetry.counters.windows_processed, 2 * 4, "{next:#?}");
    assert!(
        next.accounts[0]
            .issues
            .iter()
            .all(|issue| issue.code != IssueCode::ReadInFuture)
    );
}

/// A folder that is not there yet is no failure, and exports that are gone take what they proved along.
pub(crate) async fn exports_that_are_not_there_are_noted(world: World) {
    let exports = world.folder.path().join("exports");
    let options = PassOptions {
        exports: Some(exports.clone()),
        ..world.options()
    };
    let codes = |report: &PassReport| -> Vec<&'static str> {
        report.accounts[0]
            .issues
            .iter()
            .map(|issue| issue.code.as_str())
            .collect()
    };
    let first = world.pass_with(&options).await.unwrap();
    assert!(
        first.success && codes(&first).contains(&"NO_EXPORTS"),
        "{first:#?}"
    );

    // Exports of two endpoints, of which one differs.
    std::fs::create_dir(&exports).unwrap();
    let range = WindowRange::days(day("2025-09-05"), day("2025-10-09")).unwrap();
    let (usage, costs) = world.simulator.inspect(|organization| {
        let costs = organization.costs_csv(range, CostLayout::TenColumns).unwrap();
        (organization.completions_csv(range), costs)
    });
    let shorter: Vec<&str> = usage.lines().take(usage.lines().count() - 1).collect();
    std::fs::write(exports.join("completions.csv"), shorter.join("\n") + "\n").unwrap();
    std::fs::write(exports.join("costs.csv"), costs).unwrap();
    world.set("2025-10-10T04:00:00Z");
    let differs = world.pass_with(&options).await.unwrap();
    assert!(
        !differs.success && !codes(&differs).contains(&"NO_EXPORTS"),
        "{differs:#?}"
    );
    let parity = differs.accounts[0].parity.clone().unwrap();
    assert_eq!(
        parity.windows_by_endpoint,
        [("completions".to_owned(), 35), ("costs".to_owned(), 35)].into()
    );
    let open = |report: &PassReport| -> Vec<String> {
        let alerts = report.alerts.clone().unwrap();
        let lines = alerts.opened.into_iter().chain(alerts.still_open);
        lines
            .filter(|line| line.kind == "parity")
            .map(|line| line.subject)
            .collect()
    };
    assert_eq!(
        open(&differs),
        ["openai/org-cron completions"],
        "one endpoint, not both"
    );

    // The one that differed is taken away: nobody can look at the difference again.
    std::fs::remove_file(exports.join("completions.csv")).unwrap();
    world.set("2025-10-10T05:00:00Z");
    let without = world.pass_with(&options).await.unwrap();
    assert!(without.success && open(&without).is_empty(), "{without:#?}");
    assert_eq!(
        without.alerts.unwrap().ended.len(),
        2,
        "the run's and the parity's"
    );
    let metrics = async || {
        let ledger = world.ledger().await;
        let options = MetricsOptions { horizon_days: 35 };
        monitoring::collect(&ledger, world.app.clock.now(), &options)
            .await
            .unwrap()
    };
    let text = metrics().await;
    assert!(
        text.contains("parity_differences{account=\"org-cron\",endpoint=\"costs\"} 0"),
        "{text}"
    );
    assert!(
        !text.contains("parity_differences{account=\"org-cron\",endpoint=\"completions\"}"),
        "{text}"
    );

    // An export of a day that is not over proves nothing either, and says so.
    std::fs::remove_file(exports.join("costs.csv")).unwrap();
    let today = WindowRange::days(day("2025-10-10"), day("2025-10-10")).unwrap();
    let of_today = world
        .simulator
        .inspect(|organization| organization.completions_csv(today));
    std::fs::write(exports.join("completions.csv"), of_today).unwrap();
    world.set("2025-10-10T05:30:00Z");
    let open_days = world.pass_with(&options).await.unwrap();
    let told = open_days.accounts[0]
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::NoExports);
    assert!(
        told.is_some_and(|issue| issue.message.contains("no day that is over")),
        "{open_days:#?}"
    );
    assert!(!metrics().await.contains("parity_differences{"));

    std::fs::remove_dir_all(&exports).unwrap();
    world.set("2025-10-10T06:00:00Z");
    let gone = world.pass_with(&options).await.unwrap();
    assert!(gone.success && codes(&gone).contains(&"NO_EXPORTS"), "{gone:#?}");
    assert!(!metrics().await.contains("parity_differences{"));
}

/// A charge that no price explains is told of, whatever the variance of the rest is.
pub(crate) async fn a_charge_without_a_price_is_a_warning(world: World) {
    world.simulator.update(|organization| {
        organization.charge(CostCharge::new(day("2025-10-08"), "whisper-9, input", "12.5").unwrap());
    });
    let report = world.pass().await;
    assert!(report.success && report.exit() == Exit::Clean, "{report:#?}");
    let account = &report.accounts[0];
    let bill = account.reconciliation.clone().unwrap();
    assert!(!bill.clean && !bill.passes_limit, "{bill:#?}");
    let issue = account
        .issues
        .iter()
        .find(|issue| issue.code == IssueCode::NotReconciled)
        .unwrap();
    assert!(issue.message.contains("12.5"), "{issue}");
}
