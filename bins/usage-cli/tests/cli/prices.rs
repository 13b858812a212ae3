//! What usage costs, by which price, and what happens when the price list changes.

use std::fs;

use serde_json::{Value, json};

use crate::fixture::{DatabaseKind, Place, Provider};

/// The month of the fixture with the tier for shared data free, at 1.25, 0.125 and 10 USD per million uncached, cached and
/// output tokens of gpt-5. Of the default tier's 158,182,034 input tokens 50,870,528 were cached; it wrote 2,326,638:
///   107,311,506 x  1.25  = 134.1393825 USD
///    50,870,528 x  0.125 =   6.358816  USD
///     2,326,638 x 10     =  23.26638   USD, in all 163.7645785 USD.
const REAL_MONTH: &str = "163.7645785";

/// A contract that halves the output.
const CONTRACT: &str = r#"
[[price]]
provider = "openai"
model = "gpt-5"
from = 2025-09-01
source = "contract 2026-17"
checked = 2026-11-01
[price.usd_per_million]
input = "1.25"
cached_input = "0.125"
output = "5"
"#;

impl Place<'_> {
    pub(crate) fn with_prices(&self, toml: &str) {
        let settings = format!("prices_file = {:?}\n", "prices.toml");
        fs::write(self.work().join("prices.toml"), toml).unwrap();
        fs::write(self.work().join("usage.toml"), settings).unwrap();
    }
}

fn completions(report: &Value) -> &Value {
    &report["totals"][0]
}

pub(crate) fn the_real_month_is_priced_to_the_last_digit(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    let report = place.backfill_month(&["--format", "json"]).succeeds().json();
    assert_eq!(completions(&report)["costUsd"], REAL_MONTH);
    assert_eq!(completions(&report)["unpricedEvents"], 0);
    assert_eq!(report["run"]["telemetry"]["unpricedEvents"], 0);
    let exported = place.run(&["export", "--format", "jsonl"]).succeeds().stdout;
    let lines: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        let free = line["serviceTier"] == "incentivized-tier";
        let price = line["priceId"].as_str().unwrap();
        assert_eq!(free, line["costUsd"] == "0", "{line}");
        assert_eq!(free, price == "openai/free/incentivized-tier", "{line}");
    }
}

pub(crate) fn a_new_price_list_changes_nothing_until_it_is_asked_to(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    place.with_prices(CONTRACT);
    let report = place
        .backfill_month(&["--force", "--format", "json"])
        .succeeds()
        .json();
    assert_eq!(
        completions(&report)["costUsd"],
        REAL_MONTH,
        "an unchanged re-read never reprices"
    );

    let reprice = [
        "reprice",
        "--start",
        "2025-09-01",
        "--end",
        "2025-10-01",
        "--format",
        "json",
    ];
    let would = place
        .run(&[&reprice[..], &["--dry-run"]].concat())
        .succeeds()
        .json();
    let report = place
        .backfill_month(&["--plan", "--format", "json"])
        .succeeds()
        .json();
    assert_eq!(
        completions(&report)["costUsd"],
        REAL_MONTH,
        "a dry run changes nothing"
    );
    let did = place.run(&reprice).succeeds().json();
    assert_eq!(would["changes"], did["changes"]);
    assert_eq!(would["runId"], Value::Null);
    let change = &did["changes"][0];
    // 2,326,638 output tokens at 5 instead of 10 USD per million are 11.63319 USD less.
    assert_eq!(
        (&change["usdBefore"], &change["usdAfter"], &did["changes"][1]),
        (&json!(REAL_MONTH), &json!("152.1313885"), &Value::Null)
    );
    assert_eq!(change["before"]["priceId"], "openai/gpt-5/standard@-");
    assert_eq!(
        change["after"]["priceId"],
        "openai/gpt-5/standard@2025-09-01+user"
    );
    assert_eq!(change["events"], did["changedEvents"]);
    let kept = place.count("usage_revisions WHERE kind = 'repriced'");
    assert_eq!(json!(kept), did["changedEvents"]);

    let again = place.run(&reprice).succeeds().json();
    assert_eq!(again["changedEvents"], 0);
    place.run(&["doctor", "--format", "json"]).succeeds();
    let export = crate::fixture::real_export();
    let parity = place.run(&["parity", "--csv", export.to_str().unwrap()]);
    parity.succeeds();
}

pub(crate) fn usage_without_a_price_is_named_and_priced_later(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    // As a model that is not on the list yet.
    place.execute(
        "UPDATE usage_events SET cost_nano_usd = NULL, price_ref = NULL WHERE service_tier = 'default'",
    );
    let check = place
        .run(&["prices", "check", "--format", "json"])
        .ends_with(1)
        .json();
    let line = &check["unpriced"][0];
    assert_eq!(line["reason"], "stored before there were prices");
    assert_eq!(line["events"], line["priceable"]);
    let text = place.run(&["prices", "check"]).ends_with(1).stdout;
    assert!(text.contains("`usage reprice` would price"), "{text}");
    place
        .run(&["reprice", "--start", "2025-09-01", "--end", "2025-10-01"])
        .succeeds();
    let check = place.run(&["prices", "check"]).succeeds().stdout;
    assert!(check.contains("every event of the ledger has a price"), "{check}");
}

#[test]
fn prices_are_shown_with_their_source_and_date() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let shown = place
        .run(&["prices", "show", "gpt-5-2025-08-07", "--at", "2025-09-01"])
        .succeeds()
        .stdout;
    insta::assert_snapshot!(shown);
    let json = place
        .run(&["prices", "show", "o3", "--format", "json"])
        .succeeds()
        .json();
    let starts: Vec<&Value> = json["prices"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|price| price["tier"] == "standard" && price["batch"] == false)
        .map(|price| &price["validFrom"])
        .collect();
    assert_eq!(starts, [&Value::Null, &json!("2025-06-10")], "{json:#}");
    let refused = place.run(&["prices", "show", "gpt-5-turbo"]).ends_with(2).stderr;
    assert_eq!(
        refused,
        "error: the price list has no price for `gpt-5-turbo`; add one in the file that USAGE_PRICES_FILE names \
         (docs/MONEY.md)\n"
    );
    assert!(!place.work().join("usage.db").exists(), "it needs no ledger");
}

#[test]
fn a_price_file_that_is_wrong_is_named_with_its_line_before_anything_happens() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    provider.simulator.clear_requests();
    for (wrong, named) in [
        (CONTRACT.replace("\"5\"", "\"five\""), "prices.toml:11: "),
        (CONTRACT.replace("\"5\"", "\"-5\""), "prices.toml:11: "),
        (CONTRACT.replace("output", "outptu"), "prices.toml:11: "),
        (CONTRACT.replace("checked", "chekced"), "prices.toml:7: "),
        (format!("{CONTRACT}{CONTRACT}"), "prices.toml:"),
        ("[[price]\n".to_owned(), "prices.toml:1: "),
    ] {
        place.with_prices(&wrong);
        let refused = place.backfill_month(&[]).ends_with(2);
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:#?}");
        assert!(refused.stderr.contains(named), "{wrong}: {refused:#?}");
    }
    assert_eq!(provider.simulator.requests(), []);
    fs::remove_file(place.work().join("prices.toml")).unwrap();
    let refused = place.backfill_month(&[]).ends_with(2).stderr;
    assert!(
        refused.starts_with("error: cannot read the prices of ") && refused.contains("(usage.toml:1)"),
        "{refused}"
    );
}

#[test]
fn a_day_that_was_read_in_two_widths_counts_once() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let unpriced = |place: &Place<'_>| {
        place.execute("UPDATE usage_events SET cost_nano_usd = NULL, price_ref = NULL");
        let check = place
            .run(&["prices", "check", "--format", "json"])
            .ends_with(1)
            .json();
        let lines = check["unpriced"].as_array().unwrap().clone();
        lines
            .iter()
            .map(|line| line["events"].as_u64().unwrap())
            .sum::<u64>()
    };
    place.backfill_month(&[]).succeeds();
    assert_eq!(unpriced(&place), 31);
    place.backfill_month(&["--bucket-width", "1h"]).succeeds();
    assert!(place.count("usage_events") > 31);
    assert_eq!(unpriced(&place), 31);
}
