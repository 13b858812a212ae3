//! What is spent of a budget, held against sums made by hand.

use secrecy::SecretString;
use tokio::sync::watch;
use usage_app::alerting::{self, AlertSummary, BudgetState, Pass};
use usage_app::commands::backfill::{BackfillOptions, backfill};
use usage_app::commands::budgets::budgets;
use usage_app::commands::keys::{AddKeyOptions, add};
use usage_app::{App, Exit, Progress, Step};
use usage_core::{Dimensions, Endpoint, Metrics, NanoUsd, ProjectFilter, Width, WindowRange};
use usage_simulator::{AdminKey, Organization, Simulator};

use crate::fixture::{Database, NOW, ORGANIZATION, account, at, told, url_of, webhook};

const KEY: &str = "sk-admin-test-not-a-real-key";

/// gpt-5 costs 1.25 USD a million tokens of input and 10 USD a million of output. Of the month and of the week from
/// 2025-09-22, to 2025-09-24 at noon:
///   2025-08-31: 8,000,000 in   = 10    USD of `proj_a`, in no period
///   2025-09-01: 1,000,000 in   =  1.25 USD of `proj_a`
///   2025-09-22: 2,000,000 in   =  2.5  USD of `proj_a`, 4,000,000 in = 5 USD of `proj_b`
///   2025-09-23: a model without a price, of `proj_b`
///   2025-09-24:   100,000 out  =  1    USD of `proj_a`
fn organization() -> Organization {
    let mut organization = Organization::new(ORGANIZATION);
    let log = organization.usage_mut(Endpoint::Completions);
    for (time, project, model, input, output) in [
        ("2025-08-31T23:59:00Z", "proj_a", "gpt-5-2025-08-07", 8_000_000, 0),
        ("2025-09-01T00:00:00Z", "proj_a", "gpt-5-2025-08-07", 1_000_000, 0),
        ("2025-09-22T00:00:00Z", "proj_a", "gpt-5-2025-08-07", 2_000_000, 0),
        ("2025-09-22T23:59:00Z", "proj_b", "gpt-5-2025-08-07", 4_000_000, 0),
        ("2025-09-23T10:00:00Z", "proj_b", "mystery-1", 1, 1),
        ("2025-09-24T11:59:00Z", "proj_a", "gpt-5-2025-08-07", 0, 100_000),
    ] {
        let dimensions = Dimensions {
            project_id: Some(project.to_owned()),
            api_key_id: Some("key_1".to_owned()),
            user_id: Some("user-1".to_owned()),
            model: Some(model.to_owned()),
            service_tier: Some("default".to_owned()),
            batch: Some(false),
            ..Dimensions::default()
        };
        let metrics = Metrics {
            input_tokens: Some(input),
            output_tokens: Some(output),
            input_cached_tokens: Some(0),
            input_uncached_tokens: Some(input),
            num_model_requests: Some(1),
            ..Metrics::default()
        };
        log.add(at(time), &dimensions, &metrics);
    }
    organization
}

const BUDGETS: &str = "
[[budgets]]
name = 'everything'
period = 'monthly'
amount_usd = 10.00
warn_at = '80%'
[[budgets]]
name = 'a'
project = 'proj_a'
period = 'monthly'
amount_usd = '4.75'
[[budgets]]
name = 'b'
project = 'proj_b'
period = 'weekly'
amount_usd = 4.999999999
[[budgets]]
name = 'today'
account = 'openai/org-anon'
period = 'daily'
amount_usd = 1
[[budgets]]
name = 'stranger'
account = 'openai/org-other'
period = 'daily'
amount_usd = 1
";

struct Quiet;

impl Progress for Quiet {
    fn step(&self, _step: Step<'_>) {}
}

async fn read(app: &App, from: &str, to: &str, width: Width) {
    let options = BackfillOptions {
        windows: WindowRange::new(at(from), at(to), width).unwrap(),
        endpoints: vec![Endpoint::Completions],
        accounts: Vec::new(),
        chunk_windows: None,
        label: None,
        plan_only: false,
        force: false,
        accept_retractions: false,
        artifact: None,
        group_by: None,
    };
    let (_stop, stopped) = watch::channel(false);
    let report = backfill(app, options, &Quiet, stopped).await.unwrap();
    assert_eq!(report.exit(), Exit::Clean);
}

/// An app whose ledger has read all of it.
async fn read_app(database: &Database, webhook: &str) -> (App, std::sync::Arc<usage_core::ManualClock>) {
    let clock = std::sync::Arc::new(usage_core::ManualClock::new(at(NOW)));
    let simulator = Simulator::builder()
        .organization(organization())
        .key(AdminKey::owner(KEY))
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let variables = [
        ("USAGE_OPENAI_BASE_URL", simulator.base_url()),
        ("USAGE_REQUESTS_PER_MINUTE", "100000".to_owned()),
        ("USAGE_WEBHOOK_URL", webhook.to_owned()),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let app = database.app(&clock, &variables, BUDGETS);
    let options = AddKeyOptions {
        account: account(),
        label: None,
        filter: ProjectFilter::ALL,
        secret: SecretString::from(KEY),
        check: true,
    };
    add(&app, options).await.unwrap();
    read(&app, "2025-08-31T00:00:00Z", "2025-09-25T00:00:00Z", Width::Day).await;
    (app, clock)
}

async fn lines(app: &App) -> Vec<String> {
    let report = budgets(app).await.unwrap().to_string();
    report
        .lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .collect()
}

pub(crate) async fn what_is_spent_is_summed_to_the_nano_dollar(database: Database) {
    let (app, clock) = read_app(&database, "").await;
    let expected = [
        "warn   everything: at least 9.75 of 10 usd (97.5%) monthly from 2025-09-01 to 2025-09-30; 1 event without a price",
        "ok     a: 4.75 of 4.75 usd (100%) monthly from 2025-09-01 to 2025-09-30, proj_a",
        "PASSED b: at least 5 of 4.999999999 usd (100%) weekly from 2025-09-22 to 2025-09-28, proj_b; 1 event without a price",
        "ok     today: 1 of 1 usd (100%) daily from 2025-09-24 to 2025-09-24, openai/org-anon",
        "ok     stranger: at least 0 of 1 usd (0%) daily from 2025-09-24 to 2025-09-24, openai/org-other; 1 day not read",
    ];
    assert_eq!(lines(&app).await, expected);
    let report = budgets(&app).await.unwrap();
    assert_eq!(report.exit(), Exit::Findings);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["budgets"][2],
        serde_json::json!({
            "name": "b",
            "account": null,
            "projectId": "proj_b",
            "period": "weekly",
            "firstDay": "2025-09-22",
            "lastDay": "2025-09-28",
            "amountUsd": "4.999999999",
            "spentUsd": "5",
            "sharePercent": "100",
            "warnAtPercent": null,
            "state": "passed",
            "unpricedEvents": 1,
            "unreadDays": 0,
        })
    );
    clock.set(at("2025-09-25T00:00:00Z"));
    let tomorrow = lines(&app).await;
    assert!(tomorrow[3].contains("at least 0 of 1 usd"), "{tomorrow:?}");
    assert!(
        tomorrow[0].ends_with("1 event without a price, 1 day not read"),
        "{tomorrow:?}"
    );
}

pub(crate) async fn a_budget_is_a_new_one_in_each_period(database: Database) {
    let server = webhook(200).await;
    let (mut app, clock) = read_app(&database, &url_of(&server)).await;
    let warned = "everything, monthly from 2025-09-01, warning at 80%";
    let passed = "b, weekly from 2025-09-22";
    let opened = |subject: &str| format!("incident.opened {subject}");
    let ended = |subject: &str| format!("incident.ended {subject}");
    let mut expected = vec![opened(passed), opened(warned)];
    pass(&app).await;
    pass(&app).await;
    assert_eq!(told(&server).await, expected);

    // The next week has begun; the month goes on.
    clock.set(at("2025-09-29T00:00:00Z"));
    pass(&app).await;
    expected.push(ended(passed));
    assert_eq!(told(&server).await, expected);

    // Who was warned is told that it is passed, and not that the warning is over.
    app.settings.budgets[0].value.amount = NanoUsd::new(9_749_999_999);
    let summary = pass(&app).await;
    let everything = "everything, monthly from 2025-09-01";
    expected.push(opened(everything));
    assert_eq!(told(&server).await, expected);
    assert_eq!(summary.still_open.len(), 1);
    let report = budgets(&app).await.unwrap();
    assert_eq!(report.budgets[0].state, BudgetState::Passed);

    clock.set(at("2025-10-01T00:00:00Z"));
    pass(&app).await;
    expected.extend([ended(warned), ended(everything)]);
    assert_eq!(told(&server).await, expected);
}

async fn pass(app: &App) -> AlertSummary {
    let ledger = app.ledger().await.unwrap();
    let mut pass = Pass::begun_at(app.clock.now());
    alerting::look_at_budgets(app, &ledger, &mut pass).await.unwrap();
    let summary = alerting::report(app, &ledger, &pass).await;
    assert!(summary.warnings.is_empty(), "{summary}");
    summary
}
