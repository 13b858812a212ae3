//! What the provider charged: read as usage is, exact to the last digit.

use usage_core::{Decimal, Dimension, DimensionSet, Endpoint, IssueCode, Window, WindowState, parse_day};
use usage_ingest::Outcome;
use usage_simulator::faults::Injection;
use usage_simulator::{CostCharge, Organization, PriceShare, Simulator};
use usage_store::{AccountScope, CostQuery, RevisionKind, StoredCost};

use crate::organizations::three_projects;
use crate::world::{Database, Job, World, assert_clean, codes, day, days, instant};

const FIRST: &str = "2025-09-01";
const LAST: &str = "2025-09-07";

/// Costs of the range; the provider tells API keys apart from `floor` on.
async fn world(organization: Organization, floor: &str, database: Database) -> World {
    let simulator = Simulator::builder()
        .organization(organization)
        .api_key_costs_since(instant(floor));
    World::open(simulator, database).await
}

fn costs<'a>() -> Job<'a> {
    Job {
        endpoints: vec![Endpoint::Costs],
        ..Job::days(FIRST, LAST)
    }
}

fn costs_again<'a>() -> Job<'a> {
    Job {
        force: true,
        ..costs()
    }
}

/// A discount, a credit, an image line without usage, a charge of the whole organisation, and long decimals.
fn billed() -> Organization {
    let mut organization = three_projects();
    let middle = parse_day("2025-09-04").unwrap();
    organization.discount("gpt-5-2025-08-07", middle, PriceShare::of(4, 5));
    organization.charge(
        CostCharge::new(middle, "credit", "-0.000100")
            .unwrap()
            .project("proj_one"),
    );
    let storage = CostCharge::new(
        middle,
        "vector store storage",
        "0.000000000000000000000000000000000000001",
    );
    organization.charge(storage.unwrap().quantity("0.5", Some("gibibyte_hours")).unwrap());
    organization.add_long_tails();
    organization
}

async fn stored(world: &World) -> Vec<StoredCost> {
    let query = CostQuery {
        scope: AccountScope::All,
        windows: None,
    };
    world.ledger.all_costs(query).await.unwrap()
}

fn sum(costs: &[StoredCost]) -> Decimal {
    costs
        .iter()
        .filter_map(|cost| cost.row.amount.as_ref())
        .map(usage_core::DecimalText::value)
        .sum()
}

async fn assert_equals_the_bill(world: &World) {
    let bill = world
        .simulator
        .inspect(|organization| organization.cost(days(FIRST, LAST)).unwrap());
    let charged = sum(&stored(world).await);
    // Long tails are noise far below a nano-dollar, and no sum of them is the bill to the last digit.
    assert!(
        charged.is_within(&bill, usage_core::NanoUsd::new(1)),
        "{charged} is not {bill}"
    );
}

pub(crate) async fn costs_are_the_bill(database: Database) {
    let world = world(billed(), "2025-01-01T00:00:00Z", database).await;
    let plan = world.plan(&costs()).await;
    assert_eq!((plan.requests(), plan.windows()), (2, 7));
    let report = world.run(&costs()).await;
    assert_clean(&report);
    let telemetry = &report.telemetry;
    assert_eq!((telemetry.requests, telemetry.windows_processed), (2, 7));
    assert_eq!(telemetry.stored_events, 0, "costs are no usage");
    let costs_stored = stored(&world).await;
    assert_eq!(telemetry.stored_costs, costs_stored.len() as u64);
    assert_equals_the_bill(&world).await;
    let tiny = "0.000000000000000000000000000000000000001";
    let storage = costs_stored
        .iter()
        .find(|cost| cost.row.group.line_item() == Some("vector store storage"))
        .unwrap();
    assert_eq!(storage.row.amount.as_ref().unwrap().text(), tiny, "kept verbatim");
    assert_eq!(storage.row.group.project_id(), None);
    assert_eq!(world.coverage().await[0].state, WindowState::Settled);
    assert_eq!(world.ledger.check_integrity().await.unwrap().findings, []);

    // Settled days are not asked for again, and reading them all the same changes nothing.
    assert_eq!(world.plan(&costs()).await.requests(), 0);
    let again = world.run(&costs_again()).await;
    assert_clean(&again);
    assert_eq!(
        (
            again.telemetry.unchanged_costs,
            again.telemetry.updated_costs,
            again.telemetry.revisions
        ),
        (telemetry.stored_costs, 0, 0)
    );
    assert_eq!(stored(&world).await, costs_stored);
}

pub(crate) async fn a_range_is_split_where_keys_begin_to_be_told_apart(database: Database) {
    let world = world(billed(), "2025-09-04T00:00:00Z", database).await;
    let report = world.run(&costs()).await;
    assert_eq!(report.outcome, Outcome::Clean);
    assert_eq!(codes(&report), [IssueCode::DimensionRefused]);
    // Refused, before, after, and the control total.
    assert_eq!(report.telemetry.requests, 4);
    assert_equals_the_bill(&world).await;
    let without_key = Endpoint::Costs.dimensions().without(Dimension::ApiKeyId);
    for coverage in world.coverage().await {
        let told_apart = coverage.window >= day("2025-09-04");
        let (grouped_by, refused) = if told_apart {
            (Endpoint::Costs.dimensions(), DimensionSet::EMPTY)
        } else {
            (without_key, DimensionSet::EMPTY.with(Dimension::ApiKeyId))
        };
        assert_eq!(
            (coverage.grouped_by, coverage.refused),
            (grouped_by, refused),
            "{coverage:?}"
        );
    }
    for cost in stored(&world).await {
        let has_key = cost.row.group.api_key_id().is_some();
        let is_token_line = cost.row.quantity_unit.as_deref() == Some("tokens");
        assert_eq!(
            has_key,
            is_token_line && cost.window >= day("2025-09-04"),
            "{cost:?}"
        );
    }
    assert_eq!(
        world.plan(&costs()).await.requests(),
        0,
        "what was refused is as good as read"
    );
}

/// A read of more than the ledger has, in which the provider refuses keys without saying since when it has them, must not
/// be coarser than the ledger where it has them.
pub(crate) async fn days_that_have_keys_keep_them_when_no_refusal_says_since_when(database: Database) {
    let simulator = Simulator::builder()
        .organization(billed())
        .api_key_costs_since(instant("2025-09-04T00:00:00Z"))
        .without_naming_api_key_costs_since();
    let world = World::open(simulator, database).await;
    let with_keys = Job {
        endpoints: vec![Endpoint::Costs],
        ..Job::days("2025-09-04", LAST)
    };
    assert_clean(&world.run(&with_keys).await);
    let before = stored(&world).await;
    assert!(before.iter().any(|cost| cost.row.group.api_key_id().is_some()));

    let report = world.run(&costs_again()).await;
    assert_eq!(codes(&report), [IssueCode::DimensionRefused]);
    assert_eq!(report.outcome, Outcome::Clean);
    // Refused, the 7th, 4th, 2nd and 3rd alone, before, after, and the control total.
    assert_eq!(report.telemetry.requests, 8);
    assert_eq!(report.telemetry.windows_processed, 7);
    assert_equals_the_bill(&world).await;
    let after = stored(&world).await;
    let kept: Vec<_> = after
        .into_iter()
        .filter(|cost| cost.window >= day("2025-09-04"))
        .collect();
    assert_eq!(kept, before);
}

pub(crate) async fn restated_costs_keep_what_they_were(database: Database) {
    let world = world(billed(), "2025-01-01T00:00:00Z", database).await;
    assert_clean(&world.run(&costs()).await);
    let before = stored(&world).await;
    let restated = parse_day("2025-09-02").unwrap();
    world
        .simulator
        .update(|organization| organization.restate_costs(restated, 110));
    let report = world.run(&costs_again()).await;
    assert_clean(&report);
    assert!(report.telemetry.updated_costs > 0);
    assert_equals_the_bill(&world).await;

    let revisions = world
        .ledger
        .cost_revisions(CostQuery {
            scope: AccountScope::All,
            windows: None,
        })
        .await
        .unwrap();
    assert_eq!(revisions.len() as u64, report.telemetry.revisions);
    for revision in revisions {
        assert_eq!(revision.kind, RevisionKind::Changed);
        assert_eq!(revision.before.window, Window::day(restated));
        assert_eq!(revision.replaced_by_run, report.run_id);
        assert!(
            before.contains(&revision.before),
            "the cost as it stood: {revision:?}"
        );
    }
}

pub(crate) async fn line_items_that_do_not_sum_to_the_total_fail_their_day(database: Database) {
    let world = world(billed(), "2025-01-01T00:00:00Z", database).await;
    let wrong: Injection = "metric-negative@grouped:costs".parse().unwrap();
    world.simulator.inject(wrong);
    let report = world.run(&costs()).await;
    assert_eq!(report.outcome, Outcome::Incomplete);
    assert_eq!(codes(&report), [IssueCode::ControlTotal]);
    let message = &report.issues[0].message;
    assert!(
        message.contains("costs 2025-09-01T00:00:00Z/1d: usd: the line items sum to -")
            && message.contains("the total is"),
        "{message}"
    );
    assert_eq!(
        (
            report.telemetry.windows_processed,
            report.telemetry.windows_failed
        ),
        (6, 1)
    );
    assert!(stored(&world).await.iter().all(|cost| cost.window != day(FIRST)));
    world.simulator.clear_faults();
    assert_clean(&world.run(&costs()).await);
    assert_equals_the_bill(&world).await;
}

pub(crate) async fn an_amount_that_is_no_number_names_page_and_row(database: Database) {
    let world = world(billed(), "2025-01-01T00:00:00Z", database).await;
    let wrong: Injection = "metric-is-text@grouped:costs".parse().unwrap();
    world.simulator.inject(wrong);
    let report = world.run(&costs()).await;
    assert_eq!(codes(&report), [IssueCode::AmountInvalid]);
    let message = &report.issues[0].message;
    assert!(
        message.contains("2025-09-01T00:00:00Z/1d, page 1, row 1: amount"),
        "{message}"
    );
}

pub(crate) async fn costs_that_come_late_are_read_when_they_are_there(database: Database) {
    let mut organization = billed();
    organization.costs_lag_days(2);
    let world = world(organization, "2025-01-01T00:00:00Z", database).await;
    world.set_time("2025-09-08T06:00:00Z");
    assert_clean(&world.run(&costs()).await);
    let is_charged = |costs: &[StoredCost], text: &str| costs.iter().any(|cost| cost.window == day(text));
    let early = stored(&world).await;
    assert!(is_charged(&early, "2025-09-06") && !is_charged(&early, LAST));

    world.set_time("2025-09-09T06:00:00Z");
    let report = world.run(&costs()).await;
    assert_clean(&report);
    assert!(
        is_charged(&stored(&world).await, LAST),
        "a provisional day is read again"
    );
    assert!(
        report.telemetry.revisions > 0,
        "it was over when it was read first, so this is a restatement"
    );
    assert_equals_the_bill(&world).await;
}

pub(crate) async fn usage_and_costs_are_read_by_one_run(database: Database) {
    let world = world(billed(), "2025-01-01T00:00:00Z", database).await;
    let report = world
        .run(&Job {
            endpoints: vec![Endpoint::Completions, Endpoint::Costs],
            ..Job::days(FIRST, LAST)
        })
        .await;
    assert_clean(&report);
    assert_eq!(report.telemetry.stored_events, 21);
    assert!(report.telemetry.stored_costs > 21);
    assert_eq!(report.telemetry.windows_processed, 14);
    world.assert_equals_truth(FIRST, LAST).await;
    assert_equals_the_bill(&world).await;
}
