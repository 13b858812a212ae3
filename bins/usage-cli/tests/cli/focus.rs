//! Costs come out as the provider exports them, with our own names, and as FOCUS.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::Days;
use serde_json::Value;
use usage_core::{Decimal, WindowRange, parse_day};
use usage_simulator::{CostCharge, CostLayout, Generate, Organization};
use usage_testkit::FocusToolkit;

use crate::fixture::{DatabaseKind, ORGANIZATION, Place, Provider};

const FIRST_DAY: &str = "2026-01-05";
const LAST_DAY: &str = "2026-01-08";
const RANGE: [&str; 4] = ["--start", FIRST_DAY, "--end", LAST_DAY];
const FOCUS: [&str; 3] = ["export", "--format", "focus"];

/// Four days after the provider began to tell API keys of costs, with a quiet one, and a bill with more on it than usage.
fn organization() -> Organization {
    let first = parse_day(FIRST_DAY).unwrap();
    let mut organization = Organization::generate(&Generate {
        organization: ORGANIZATION.to_owned(),
        first_day: first,
        days: 3,
        groups_per_day: 12,
        bursts: 1,
        idle_days_percent: 0,
        every_endpoint: true,
        ..Generate::default()
    });
    organization.add_billing_extras().unwrap();
    organization.add_long_tails();
    let second = first + Days::new(1);
    let charge = |line_item: &str, amount: &str| CostCharge::new(second, line_item, amount).unwrap();
    organization.charge(charge("=cmd|' /C calc'!A0, \"support\"", "7.5").project("proj_x"));
    organization.charge(charge("consulting", "3").currency("eur"));
    organization.charge(charge("points", "3").currency("points"));
    organization.charge(charge("pending", "0").without_amount());
    organization
}

fn range() -> WindowRange {
    WindowRange::days(parse_day(FIRST_DAY).unwrap(), parse_day(LAST_DAY).unwrap()).unwrap()
}

fn place(kind: DatabaseKind, provider: &Provider) -> Place<'_> {
    let place = Place::with_key(kind, provider);
    place.run(&[&["backfill"], &RANGE[..]].concat()).succeeds();
    place
}

/// The rows of a CSV text, by the names in its header. Cells may be quoted.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.lines().map(cells);
    let header = lines.next().unwrap();
    lines
        .map(|cells| {
            assert_eq!(cells.len(), header.len(), "{cells:?}");
            header.iter().cloned().zip(cells).collect()
        })
        .collect()
}

fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                cells.last_mut().unwrap().extend(characters.next());
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            character => cells.last_mut().unwrap().push(character),
        }
    }
    cells
}

/// The exact sums of a column, by the values of others. Blank numbers add nothing.
fn sums<'a>(
    rows: impl IntoIterator<Item = &'a BTreeMap<String, String>>,
    by: &[&str],
    number: &str,
) -> BTreeMap<Vec<String>, Decimal> {
    let mut sums: BTreeMap<Vec<String>, Decimal> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| !row[number].is_empty()) {
        let group = by.iter().map(|name| row[*name].clone()).collect();
        *sums.entry(group).or_default() += &row[number].parse().unwrap();
    }
    sums
}

pub(crate) fn costs_come_out_as_the_provider_exports_them(kind: DatabaseKind) {
    let organization = organization();
    let provider = Provider::of(organization.clone());
    let place = place(kind, &provider);
    let costs = ["export", "--endpoint", "costs", "--format"];
    let exported = |format| {
        let finished = place.run(&[&costs[..], &[format]].concat()).succeeds();
        assert_eq!(finished.stderr, "");
        finished.stdout
    };
    let theirs = organization
        .costs_csv(range(), CostLayout::SeventeenColumns)
        .unwrap();
    let ours = exported("provider-csv");
    assert_eq!(ours.lines().next(), theirs.lines().next());
    let groups = [
        "start_time",
        "end_time_iso",
        "project_id",
        "project_name",
        "api_key_id",
        "line_item",
        "amount_currency",
        "organization_id",
    ];
    let (ours, theirs) = (rows(&ours), rows(&theirs));
    for (number, places) in [("quantity", 0), ("amount_value", 15)] {
        let rounded = |rows: &[BTreeMap<String, String>]| -> BTreeMap<Vec<String>, Decimal> {
            let sums = sums(rows, &groups, number).into_iter();
            sums.map(|(group, sum)| (group, sum.rounded(places))).collect()
        };
        // Their export writes 30 places, the API more.
        assert_eq!(rounded(&ours), rounded(&theirs), "{number}");
    }
    let idle: Vec<&str> = ours
        .iter()
        .filter(|row| {
            row.iter()
                .all(|(name, cell)| name.contains("_time") || cell.is_empty())
        })
        .map(|row| row["start_time_iso"].as_str())
        .collect();
    assert_eq!(idle, ["2026-01-08T00:00:00+00:00"]);

    let json: Vec<Value> = exported("jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let csv = rows(&exported("csv"));
    assert_eq!(json.len(), csv.len());
    for (json, csv) in json.iter().zip(&csv) {
        for (name, cell) in csv {
            let value = match &json[name.as_str()] {
                Value::Null => String::new(),
                Value::String(text) if text.starts_with('=') => format!("'{text}"),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(cell, &value, "{name} of {json}");
        }
    }
    assert_eq!(
        sums(&csv, &["currency"], "amount"),
        sums(&ours, &["amount_currency"], "amount_value")
    );
}

pub(crate) fn a_focus_file_is_clean_and_holds_every_charge(kind: DatabaseKind) {
    let organization = organization();
    let provider = Provider::of(organization.clone());
    let place = place(kind, &provider);
    let finished = place
        .run(&[&FOCUS[..], &["--output", "focus.csv"]].concat())
        .succeeds();
    assert_eq!(finished.stdout, "");
    insta::assert_snapshot!("what_is_not_in_a_focus_file", finished.stderr);

    let file = place.work().join("focus.csv");
    let toolkit = FocusToolkit::shared(Path::new(env!("CARGO_TARGET_TMPDIR")));
    assert_eq!(toolkit.lint(&file), Vec::<String>::new());

    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(place.run(&FOCUS).succeeds().stdout, text);
    let rows = rows(&text);
    let charged = sums(&rows, &["BillingCurrency"], "BilledCost");
    let costs = organization.cost(range()).unwrap();
    assert_eq!(charged[&vec!["USD".to_owned()]].rounded(15), costs.rounded(15));
    assert_eq!(charged[&vec!["EUR".to_owned()]], Decimal::from(3));
    assert_eq!(charged.len(), 2);
    for cost in ["EffectiveCost", "ListCost", "ContractedCost", "x_Amount"] {
        assert_eq!(sums(&rows, &["BillingCurrency"], cost), charged, "{cost}");
    }
    let categories: BTreeMap<Vec<String>, Decimal> = sums(
        rows.iter().filter(|row| row["ChargeCategory"] != "Usage"),
        &["ChargeCategory", "ChargeDescription"],
        "BilledCost",
    );
    let words = |words: [&str; 2]| words.map(str::to_owned).to_vec();
    assert_eq!(
        categories,
        BTreeMap::from([
            (words(["Credit", "credit"]), Decimal::from(-25)),
            (words(["Tax", "tax"]), "19.9".parse().unwrap()),
        ])
    );
    let support = rows.iter().find(|row| row["SubAccountId"] == "proj_x").unwrap();
    assert_eq!(support["x_LineItem"], "'=cmd|' /C calc'!A0, \"support\"");
    assert_eq!(support["SubAccountName"], "proj_x", "an unknown name is the id");
    let known = rows.iter().find(|row| !row["ResourceId"].is_empty()).unwrap();
    assert!(known["ResourceName"].starts_with("Key ") && known["SubAccountName"].starts_with("Project "));
}

#[test]
fn a_file_that_breaks_a_rule_is_no_clean_file() {
    let provider = Provider::of(organization());
    let place = place(DatabaseKind::Sqlite, &provider);
    let text = place.run(&FOCUS).succeeds().stdout;
    let toolkit = FocusToolkit::shared(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let file = place.work().join("broken.csv");
    for (whole, broken, rule) in [
        ("BillingCurrency,", "BillingCurency,", "unknown_column"),
        (",USD,", ",usd,", "bad_currency"),
        ("T00:00:00Z", "T00:00:00", "bad_datetime"),
        (",Generative AI,", ",Databases,", "not_in_allowed_values"),
    ] {
        fs::write(&file, text.replace(whole, broken)).unwrap();
        let found = toolkit.lint(&file);
        assert!(found.iter().any(|line| line.contains(rule)), "{rule}: {found:#?}");
    }
}

#[test]
fn days_without_costs_are_named_and_their_usage_is_counted() {
    let provider = Provider::of(organization());
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place
        .run(&[&["backfill", "--endpoint", "completions"], &RANGE[..]].concat())
        .succeeds();
    place
        .run(&[
            "backfill",
            "--endpoint",
            "costs",
            "--start",
            "2026-01-06",
            "--end",
            "2026-01-06",
        ])
        .succeeds();
    let finished = place.run(&FOCUS).succeeds();
    insta::assert_snapshot!(finished.stderr);
    assert!(
        rows(&finished.stdout)
            .iter()
            .all(|row| row["ChargePeriodStart"] == "2026-01-06T00:00:00Z")
    );
    let one_day = [&FOCUS[..], &["--start", "2026-01-06", "--end", "2026-01-06"]].concat();
    let finished = place.run(&one_day).succeeds();
    assert!(!finished.stderr.contains("never read"), "{finished:#?}");
}

#[test]
fn what_no_export_holds_is_refused() {
    let provider = Provider::of(organization());
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let mixed = "costs and usage do not go into one export; name --endpoint costs alone, or leave it out";
    for (more, line) in [
        (&["csv", "--endpoint", "costs", "--endpoint", "images"][..], mixed),
        (
            &["provider-csv", "--endpoint", "images", "--endpoint", "costs"],
            mixed,
        ),
        (
            &["jsonl", "--endpoint", "costs", "--bucket-width", "1h"],
            "costs come by the day only; leave out --bucket-width 1h",
        ),
        (
            &["focus", "--endpoint", "completions"],
            "a FOCUS file holds costs; leave out --endpoint, or use --format csv for usage",
        ),
        (
            &["focus", "--account", "org-other"],
            "the ledger has no account openai/org-other; see `usage status`",
        ),
    ] {
        let arguments = [&["export", "--output", "never.csv", "--format"], more].concat();
        place.run(&arguments).refuses_with(line);
    }
    assert!(!place.work().join("never.csv").exists());
}
