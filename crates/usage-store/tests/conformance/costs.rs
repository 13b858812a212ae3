//! Costs are replaced by the same rules as usage, and exact to the last digit.

use usage_core::{
    CostGroup, CostRow, DimensionSet, Endpoint, Issue, IssueCode, NanoUsd, ProjectFilter, Scope, Width,
    WindowRange, parse_day,
};
use usage_store::{
    AccountScope, CostQuery, CostReplacement, CostWindowRows, RevisionKind, StoredCost, WindowCounts,
    WindowOutcome,
};

use crate::fixture::{Fixture, day, instant, openai};

const SETTLED: &str = "2025-10-10T00:00:00Z";
const LATER: &str = "2025-10-11T00:00:00Z";

fn cost(project: &str, line_item: &str, amount: &str) -> CostRow {
    CostRow {
        group: CostGroup {
            project_id: Some(project.to_owned()),
            api_key_id: Some("key_a".to_owned()),
            line_item: Some(line_item.to_owned()),
            currency: Some("usd".to_owned()),
        },
        amount: Some(amount.parse().unwrap()),
        quantity: Some("1000".parse().unwrap()),
        quantity_unit: Some("tokens".to_owned()),
    }
}

fn replacement(fixture: &Fixture, started_at: &str, days: &[(&str, Vec<CostRow>)]) -> CostReplacement {
    CostReplacement {
        scope: Scope {
            account: fixture.account.account.clone(),
            endpoint: Endpoint::Costs,
            width: Width::Day,
            filter: ProjectFilter::ALL,
            grouped_by: Endpoint::Costs.dimensions(),
        },
        refused: DimensionSet::EMPTY,
        empty: DimensionSet::EMPTY,
        read_started_at: instant(started_at),
        run_id: 1,
        accept_retractions: false,
        windows: days
            .iter()
            .map(|(window, rows)| CostWindowRows {
                window: day(window),
                rows: rows.clone(),
            })
            .collect(),
    }
}

async fn store(fixture: &Fixture, replacement: CostReplacement) -> Vec<WindowOutcome> {
    fixture
        .ledger
        .replace_costs(&fixture.lease, replacement)
        .await
        .unwrap()
}

async fn store_day(fixture: &Fixture, started_at: &str, rows: Vec<CostRow>) -> Result<WindowCounts, Issue> {
    let mut outcomes = store(fixture, replacement(fixture, started_at, &[("2025-09-01", rows)])).await;
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0).result
}

fn everything() -> CostQuery {
    CostQuery {
        scope: AccountScope::All,
        windows: None,
    }
}

async fn stored(fixture: &Fixture) -> Vec<StoredCost> {
    fixture.ledger.all_costs(everything()).await.unwrap()
}

pub(crate) async fn amounts_are_kept_verbatim_and_sums_are_exact(fixture: &Fixture) {
    let long = "0.060000000000000000000000000000000000001";
    let rows = vec![
        cost("proj_a", "gpt-5, input", long),
        cost("proj_a", "gpt-5, cached input", "0E-6176"),
        cost("proj_a", "credit", "-12.5"),
        CostRow {
            amount: None,
            quantity: None,
            quantity_unit: None,
            ..cost("proj_a", "pending", "0")
        },
        // One identity twice, as providers do send: the sum is exact.
        cost("proj_b", "gpt-5, output", "0.1"),
        cost(
            "proj_b",
            "gpt-5, output",
            "0.000000000000000000000000000000000000002",
        ),
    ];
    let counts = store_day(fixture, SETTLED, rows).await.unwrap();
    assert_eq!((counts.inserted, counts.merged, counts.revisions), (5, 1, 0));
    let costs = stored(fixture).await;
    let amount = |item: &str| {
        let cost = costs
            .iter()
            .find(|cost| cost.row.group.line_item() == Some(item))
            .unwrap();
        cost.row.amount.as_ref().map(|amount| amount.text().to_owned())
    };
    assert_eq!(amount("gpt-5, input").as_deref(), Some(long));
    assert_eq!(amount("gpt-5, cached input").as_deref(), Some("0E-6176"));
    assert_eq!(amount("credit").as_deref(), Some("-12.5"));
    assert_eq!(amount("pending"), None, "null is not zero");
    assert_eq!(
        amount("gpt-5, output").as_deref(),
        Some("0.100000000000000000000000000000000000002")
    );

    let seen = fixture.sql(
        "SELECT day, model, direction, amount_nano, currency FROM cost_daily WHERE model IS NOT NULL \
         ORDER BY direction",
    );
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(
        lines,
        [
            "2025-09-01|gpt-5|cached input|0|usd",
            "2025-09-01|gpt-5|input|60000000|usd",
            "2025-09-01|gpt-5|output|100000000|usd",
        ]
    );
    assert_eq!(fixture.ledger.check_integrity().await.unwrap().findings, []);
}

/// Other currencies, other days and accounts that are not asked for are not in the sum.
pub(crate) async fn what_was_charged_is_summed_in_dollars(fixture: &Fixture) {
    let charged = async |scope: AccountScope, first: &str, last: &str| {
        let windows = WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap();
        let query = CostQuery {
            scope,
            windows: Some(windows),
        };
        fixture.ledger.charged(query).await.unwrap()
    };
    let euros = CostRow {
        group: CostGroup {
            currency: Some("eur".to_owned()),
            ..cost("proj_a", "gpt-5, input", "7").group
        },
        ..cost("proj_a", "gpt-5, input", "7")
    };
    let days = [
        (
            "2025-09-01",
            vec![
                cost("proj_a", "gpt-5, input", "0.06"),
                cost("proj_b", "credit", "-12.5"),
                euros,
            ],
        ),
        ("2025-09-02", vec![cost("proj_a", "gpt-5, input", "0.0000000004")]),
    ];
    store(fixture, replacement(fixture, SETTLED, &days)).await;
    let nanos = |nanos| Some(NanoUsd::new(nanos));
    let all = || AccountScope::All;
    assert_eq!(
        charged(all(), "2025-09-01", "2025-09-02").await,
        nanos(-12_440_000_000)
    );
    assert_eq!(
        charged(all(), "2025-09-02", "2025-09-02").await,
        nanos(0),
        "rounded"
    );
    assert_eq!(
        charged(all(), "2025-09-03", "2025-09-09").await,
        None,
        "nothing is not zero"
    );
    let other = fixture.ledger.add_account(openai("org-second")).await.unwrap();
    assert_eq!(
        charged(AccountScope::one(&other), "2025-09-01", "2025-09-02").await,
        None
    );
    assert_eq!(
        charged(AccountScope::Only(Vec::new()), "2025-09-01", "2025-09-02").await,
        None
    );
}

pub(crate) async fn the_same_costs_again_change_nothing(fixture: &Fixture) {
    store_day(fixture, SETTLED, vec![cost("proj_a", "gpt-5, input", "0.06")])
        .await
        .unwrap();
    let before = stored(fixture).await;
    let counts = store_day(fixture, LATER, vec![cost("proj_a", "gpt-5, input", "6E-2")])
        .await
        .unwrap();
    assert_eq!((counts.unchanged, counts.updated, counts.revisions), (1, 0, 0));
    assert_eq!(stored(fixture).await, before, "the text of the first read stands");
}

pub(crate) async fn a_restated_cost_keeps_the_old_amount(fixture: &Fixture) {
    let first = vec![
        cost("proj_a", "gpt-5, input", "1.00"),
        cost("proj_a", "gpt-5, output", "5"),
        cost("proj_a", "gone", "0.5"),
    ];
    store_day(fixture, SETTLED, first).await.unwrap();
    let second = vec![
        cost("proj_a", "gpt-5, input", "1.25"),
        cost("proj_a", "gpt-5, output", "5"),
        cost("proj_a", "new", "0.7"),
    ];
    let counts = store_day(fixture, LATER, second).await.unwrap();
    assert_eq!(
        (
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.retracted,
            counts.revisions
        ),
        (1, 1, 1, 1, 3)
    );
    let revisions = fixture.ledger.cost_revisions(everything()).await.unwrap();
    let mut told: Vec<(RevisionKind, &str, Option<&str>)> = revisions
        .iter()
        .map(|revision| {
            let row = &revision.before.row;
            let amount = row.amount.as_ref().map(usage_core::DecimalText::text);
            (revision.kind, row.group.line_item().unwrap(), amount)
        })
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            (RevisionKind::Changed, "gpt-5, input", Some("1.00")),
            (RevisionKind::Retracted, "gone", Some("0.5")),
            (RevisionKind::Added, "new", None),
        ]
    );
    let scope = AccountScope::one(&fixture.account);
    let changes = fixture
        .ledger
        .cost_changes(scope, day("2025-09-01"))
        .await
        .unwrap();
    assert_eq!(changes.len(), 3);
    let input = changes
        .iter()
        .find(|change| change.group.line_item() == Some("gpt-5, input"))
        .unwrap();
    let text = |row: &Option<CostRow>| row.as_ref().unwrap().amount.as_ref().unwrap().text().to_owned();
    assert_eq!(
        (text(&input.before), text(&input.after)),
        ("1.00".into(), "1.25".into())
    );
    // Once more: the latest first, each with what came right after it.
    let third = vec![
        cost("proj_a", "gpt-5, input", "1.5"),
        cost("proj_a", "gpt-5, output", "5"),
        cost("proj_a", "new", "0.7"),
    ];
    store_day(fixture, "2025-10-12T00:00:00Z", third).await.unwrap();
    let latest = async |limit| {
        fixture
            .ledger
            .latest_cost_changes(everything(), limit)
            .await
            .unwrap()
    };
    let (count, changes) = latest(1).await;
    assert_eq!((count, changes.len()), (4, 1));
    assert_eq!(
        (changes[0].account_id, changes[0].window),
        (fixture.account.id, day("2025-09-01"))
    );
    let (_, all) = latest(50).await;
    assert_eq!(all.len(), 4);
    let input: Vec<_> = all
        .iter()
        .filter(|change| change.group.line_item() == Some("gpt-5, input"))
        .map(|change| (text(&change.before), text(&change.after)))
        .collect();
    assert_eq!(
        input,
        [("1.25".into(), "1.5".into()), ("1.00".into(), "1.25".into())] as [(String, String); 2]
    );
    let other = fixture.ledger.add_account(openai("org-second")).await.unwrap();
    let query = CostQuery {
        scope: AccountScope::one(&other),
        ..everything()
    };
    let (count, none) = fixture.ledger.latest_cost_changes(query, 50).await.unwrap();
    assert_eq!((count, none.len()), (0, 0));
}

pub(crate) async fn costs_of_an_open_day_grow_without_revisions(fixture: &Fixture) {
    let open = "2025-09-01T12:00:00Z";
    store_day(fixture, open, vec![cost("proj_a", "gpt-5, input", "1")])
        .await
        .unwrap();
    let counts = store_day(fixture, SETTLED, vec![cost("proj_a", "gpt-5, input", "2")])
        .await
        .unwrap();
    assert_eq!((counts.updated, counts.revisions), (1, 0));
}

pub(crate) async fn losing_most_of_a_days_charges_is_held(fixture: &Fixture) {
    let first = vec![
        cost("proj_a", "gpt-5, input", "1"),
        cost("proj_a", "gpt-5, output", "9"),
    ];
    store_day(fixture, SETTLED, first.clone()).await.unwrap();
    for rows in [vec![], vec![cost("proj_a", "gpt-5, input", "1")]] {
        let issue = store_day(fixture, LATER, rows).await.unwrap_err();
        assert_eq!(issue.code, IssueCode::MassRetraction, "{issue}");
    }
    assert_eq!(stored(fixture).await.len(), 2);
    // A credit takes no charge away.
    let credited = [first, vec![cost("proj_a", "credit", "-100")]].concat();
    assert_eq!(store_day(fixture, LATER, credited).await.unwrap().inserted, 1);
    let mut accepted = replacement(fixture, "2025-10-12T00:00:00Z", &[("2025-09-01", vec![])]);
    accepted.accept_retractions = true;
    let outcomes = store(fixture, accepted).await;
    assert_eq!(outcomes[0].result.as_ref().unwrap().retracted, 3);
    assert_eq!(stored(fixture).await, []);
}

pub(crate) async fn what_cannot_be_stored_fails_its_day_only(fixture: &Fixture) {
    let days = [
        ("2025-09-01", vec![cost("proj_a", "gpt-5, input", "1e30")]),
        ("2025-09-02", vec![cost("proj_a", "gpt-5, input", "1")]),
    ];
    let outcomes = store(fixture, replacement(fixture, SETTLED, &days)).await;
    let issue = outcomes[0].result.as_ref().unwrap_err();
    assert_eq!(issue.code, IssueCode::AmountInvalid, "{issue}");
    assert!(outcomes[1].result.is_ok());

    let mut filtered = replacement(fixture, SETTLED, &days[1..]);
    filtered.scope.filter = ProjectFilter::projects(["proj_b".to_owned()]);
    let outcomes = store(fixture, filtered).await;
    let issue = outcomes[0].result.as_ref().unwrap_err();
    assert_eq!(issue.code, IssueCode::FilterNotApplied, "{issue}");
}

pub(crate) async fn costs_of_other_currencies_projects_and_accounts_stand_apart(fixture: &Fixture) {
    let euro = CostRow {
        group: CostGroup {
            currency: Some("EUR".to_owned()),
            ..cost("proj_a", "gpt-5, input", "1").group
        },
        ..cost("proj_a", "gpt-5, input", "7")
    };
    let upper = CostRow {
        group: CostGroup {
            currency: Some("USD".to_owned()),
            ..cost("proj_a", "gpt-5, input", "1").group
        },
        ..cost("proj_a", "gpt-5, input", "2")
    };
    let rows = vec![cost("proj_a", "gpt-5, input", "1"), euro, upper];
    let counts = store_day(fixture, SETTLED, rows).await.unwrap();
    assert_eq!(
        (counts.inserted, counts.merged),
        (2, 1),
        "usd and USD are one currency"
    );
    let amounts: Vec<String> = stored(fixture)
        .await
        .iter()
        .map(|cost| cost.row.amount.as_ref().unwrap().text().to_owned())
        .collect();
    assert!(
        amounts.contains(&"3".to_owned()) && amounts.contains(&"7".to_owned()),
        "{amounts:?}"
    );

    // A filtered read sees only its projects.
    let mut filtered = replacement(
        fixture,
        LATER,
        &[("2025-09-01", vec![cost("proj_b", "gpt-5, input", "1")])],
    );
    filtered.scope.filter = ProjectFilter::projects(["proj_b".to_owned()]);
    let outcomes = store(fixture, filtered).await;
    let counts = outcomes[0].result.as_ref().unwrap();
    assert_eq!((counts.inserted, counts.retracted), (1, 0));
}
