//! Priced usage against what the provider says it charged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};
use usage_core::{Decimal, Dimension, Dimensions, Endpoint, Metrics, Window, WindowRange, parse_day};
use usage_simulator::{CostCharge, Generate, Organization, PriceShare};

use crate::fixture::{DatabaseKind, Finished, MONTH, ORGANIZATION, Place, Provider};

const DAYS: [&str; 4] = ["--start", "2025-09-01", "--end", "2025-09-10"];
const MODEL: &str = "gpt-5-2025-08-07";

fn range() -> WindowRange {
    WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day("2025-09-10").unwrap()).unwrap()
}

/// Ten days, each with
///
/// ```text
/// gpt-5        3,000,000 uncached × 1.25 + 1,000,000 cached × 0.125 + 300,000 output × 10 = 6.875 USD
/// gpt-5        free, for shared data
/// gpt-4o-mini  10,000,000 uncached × 0.15                                                 = 1.5   USD
/// ```
///
/// in all 83.75 USD by the list. From the sixth on gpt-5 costs four fifths, 1.375 USD less a day: 76.875 USD. And besides:
/// a credit of 12.50, images for 1.6896, a tax of 4.20, and 100 euros.
fn discounted() -> Organization {
    let mut organization = Organization::new(ORGANIZATION);
    for window in range().windows() {
        for (project, model, tier, tokens) in [
            ("proj_a", MODEL, "default", (4_000_000, 1_000_000, 300_000)),
            ("proj_a", MODEL, "incentivized-tier", (70_000, 0, 9_000)),
            ("proj_b", "gpt-4o-mini-2024-07-18", "default", (10_000_000, 0, 0)),
        ] {
            add(&mut organization, window, [project, model, tier], tokens);
        }
    }
    organization.discount(MODEL, parse_day("2025-09-06").unwrap(), PriceShare::of(4, 5));
    let charge = |day: &str, line_item: &str, amount: &str| {
        CostCharge::new(parse_day(day).unwrap(), line_item, amount).unwrap()
    };
    organization.charge(charge("2025-09-02", "credit grant", "-12.50"));
    organization.charge(charge("2025-09-03", "gpt-image-1, image output", "1.6896").project("proj_a"));
    organization.charge(charge("2025-09-10", "Sales tax", "4.20"));
    organization.charge(charge("2025-09-10", "support", "100").currency("eur"));
    organization
}

fn add(
    organization: &mut Organization,
    window: Window,
    [project, model, tier]: [&str; 3],
    (input, cached, output): (i64, i64, i64),
) {
    let some = |text: &str| Some(text.to_owned());
    let dimensions = Dimensions {
        project_id: some(project),
        api_key_id: some("key_a"),
        user_id: some("user-a"),
        model: some(model),
        service_tier: some(tier),
        batch: Some(false),
        api_source: some("api"),
        ..Dimensions::default()
    };
    let metrics = Metrics {
        input_tokens: Some(input),
        input_cached_tokens: Some(cached),
        input_uncached_tokens: Some(input - cached),
        output_tokens: Some(output),
        num_model_requests: Some(1),
        ..Metrics::default()
    };
    let usage = organization.usage_mut(Endpoint::Completions);
    usage.add(window.start(), &dimensions, &metrics);
}

fn reconcile(place: &Place<'_>, more: &[&str]) -> Finished {
    place.run(&[&["reconcile"], &DAYS[..], more].concat())
}

fn read(place: &Place<'_>) {
    place.run(&[&["backfill"], &DAYS[..]].concat()).succeeds();
}

/// Every cent in its class, the bridge to the last digit, and the printed prices close the gap.
pub(crate) fn every_cent_of_a_discounted_organisation_is_classified(kind: DatabaseKind) {
    let organization = discounted();
    let charged = organization.cost(range()).unwrap().to_string();
    assert_eq!(charged, "70.2646");
    let provider = Provider::of(organization);
    let place = Place::with_key(kind, &provider);
    read(&place);
    let report = reconcile(&place, &["--format", "json"]).ends_with(1).json();
    assert_eq!(
        report["bridge"],
        json!({
            "priced": "83.75",
            "rounding": "0",
            "withinACent": "0",
            "differs": "-6.875",
            "costWithoutUsage": "-6.6104",
            "usageWithoutCost": "0",
            "charged": charged,
        })
    );
    let groups = |class: &str| {
        report["classes"].pointer(class).unwrap()["groups"]
            .as_u64()
            .unwrap()
    };
    // gpt-5 has three lines a day, gpt-4o-mini one; an output of nothing is none.
    assert_eq!((groups("/equal"), groups("/differs")), (5 * 3 + 10, 5 * 3));
    assert_eq!(report["classes"]["equal"]["equalToTheNanoDollar"], 25);
    assert_eq!(groups("/costWithoutUsage/unexplained"), 0);
    for (class, amount) in [("credit", "-12.5"), ("tax", "4.2"), ("otherUnits", "1.6896")] {
        let tally = &report["classes"]["costWithoutUsage"][class];
        assert_eq!(
            (&tally["groups"], &tally["charged"]),
            (&json!(1), &json!(amount)),
            "{class}"
        );
    }
    assert_eq!(
        report["classes"]["otherCurrency"]["amounts"],
        json!({ "eur": "100" })
    );
    assert_eq!(report["rows"]["free"], 10);
    // 6.875 of 76.875 USD.
    assert_eq!(report["variance"]["percent"], "8.943089");
    assert_eq!(report["complaints"].as_array().unwrap().len(), 1);
    let [entry] = &report["overlay"]["entries"].as_array().unwrap()[..] else {
        panic!("{:#}", report["overlay"])
    };
    assert_eq!(
        (&entry["model"], &entry["from"]),
        (&json!("gpt-5"), &json!("2025-09-06"))
    );

    // What is printed is what closes the gap, in a ledger of its own and in this one.
    let toml = report["overlay"]["toml"].as_str().unwrap();
    let told = reconcile(&place, &["--label", "september"]).ends_with(1);
    assert!(told.stdout.contains(toml.trim_end()), "{told:#?}");
    let fresh = Place::with_key(kind, &provider);
    fresh.with_prices(toml);
    read(&fresh);
    place.with_prices(toml);
    place.run(&[&["reprice"], &DAYS[..]].concat()).succeeds();
    for place in [&fresh, &place] {
        let report = reconcile(place, &["--format", "json", "--max-variance", "0"])
            .succeeds()
            .json();
        assert_eq!(report["verdict"], "reconciled");
        assert_eq!(report["variance"]["percent"], "0");
        assert_eq!(report["bridge"]["priced"], "76.875");
        assert_eq!(report["bridge"]["charged"], charged.as_str());
        assert_eq!(report["overlay"]["entries"], json!([]));
    }
}

/// What the real month costs by our prices is what the simulator charges for it by its own.
pub(crate) fn the_real_month_is_reconciled_to_the_last_digit(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.run(&[&["backfill"], &MONTH[..]].concat()).succeeds();
    let report = place
        .run(
            &[
                &["reconcile"],
                &MONTH[..],
                &["--format", "json", "--max-variance", "0"],
            ]
            .concat(),
        )
        .succeeds()
        .json();
    let bridge = &report["bridge"];
    assert_eq!(
        (&bridge["priced"], &bridge["charged"]),
        (&json!("163.7645785"), &json!("163.7645785"))
    );
    for between in [
        "rounding",
        "withinACent",
        "differs",
        "costWithoutUsage",
        "usageWithoutCost",
    ] {
        assert_eq!(bridge[between], "0", "{between}");
    }
    let equal = &report["classes"]["equal"];
    assert_eq!(equal["groups"], equal["equalToTheNanoDollar"]);
    assert_eq!(
        (&report["rows"]["usage"], &report["rows"]["free"]),
        (&json!(31), &json!(16))
    );
}

/// Every endpoint, tier and batch that the simulator can invent, priced by its own table, with negotiated prices and what
/// else is on a bill: whatever does not agree is told by name, no digit is lost, and once the printed prices hold, only
/// what no price explains is left.
pub(crate) fn no_cent_of_a_busy_organisation_is_lost(kind: DatabaseKind) {
    let mut organization = Organization::generate(&Generate {
        organization: ORGANIZATION.to_owned(),
        first_day: parse_day("2025-09-01").unwrap(),
        days: 10,
        groups_per_day: 20,
        cache_writes: true,
        every_endpoint: true,
        ..Generate::default()
    });
    organization.add_long_tails();
    // Web searches of the model that costs four fifths stand in the line of all models, and are discounted with it.
    organization.add_billing_extras().unwrap();
    let by_line = Endpoint::Costs.dimensions().without(Dimension::ApiKeyId);
    let written = organization.costs(range(), by_line).unwrap();
    let exact: Vec<Decimal> = written
        .iter()
        .map(|cost| cost.amount_text().unwrap().parse().unwrap())
        .collect();
    let provider = Provider::of(organization);
    let place = Place::with_key(kind, &provider);
    read(&place);
    let report = reconcile(&place, &["--format", "json"]).ends_with(1).json();
    assert_adds_up(&report, &exact.iter().sum());
    assert_eq!(
        groups_by_class(&report),
        [
            ("chargedUnpriced", 639),
            ("credit", 1),
            ("differs", 9),
            ("equal", 147),
            ("free", 31),
            ("otherUnits", 1),
            ("tax", 1),
            ("unpriced", 16),
        ]
    );
    for (class, amount) in [("credit", "-25"), ("tax", "19.9"), ("otherUnits", "1.6896")] {
        assert_eq!(
            report["classes"]["costWithoutUsage"][class]["charged"], amount,
            "{class}"
        );
    }
    assert_eq!(complaints(&report), ["unexplained chargedUnpriced"]);
    // What no rate is known of: newer media by the piece, and every model of which some tier or cache write has none.
    assert_eq!(
        findings(&report),
        [
            ("chargedUnpriced", "dall-e-2"),
            ("chargedUnpriced", "dall-e-3"),
            ("chargedUnpriced", "gpt-4.1-2025-04-14"),
            ("chargedUnpriced", "gpt-4o-audio-preview-2025-06-03"),
            ("chargedUnpriced", "gpt-4o-mini-tts"),
            ("chargedUnpriced", "gpt-4o-transcribe"),
            ("chargedUnpriced", "gpt-5-2025-08-07"),
            ("chargedUnpriced", "gpt-5-mini-2025-08-07"),
            ("chargedUnpriced", "gpt-image-1"),
            ("differs", "web_search_calls"),
        ]
    );
    assert_eq!(report["withoutPrice"], json!(["vector_stores"]));

    place.with_prices(report["overlay"]["toml"].as_str().unwrap());
    place.run(&[&["reprice"], &DAYS[..]].concat()).succeeds();
    let closed = reconcile(&place, &["--format", "json"]).ends_with(1).json();
    assert_adds_up(&closed, &exact.iter().sum());
    assert_eq!(closed["variance"]["percent"], "0");
    assert_eq!(complaints(&closed), ["unexplained chargedUnpriced"]);
    assert_eq!(closed["overlay"]["entries"], json!([]));
    let left = findings(&closed);
    assert_eq!(
        left,
        [
            ("chargedUnpriced", "gpt-4.1-2025-04-14"),
            ("chargedUnpriced", "gpt-4o-audio-preview-2025-06-03"),
            ("chargedUnpriced", "gpt-5-2025-08-07"),
            ("chargedUnpriced", "gpt-5-mini-2025-08-07"),
        ]
    );
    let several = "its line items charge for usage at several prices, so nobody can tell which differs";
    let reasons =
        ["gpt-4.1", "gpt-4o-audio-preview", "gpt-5", "gpt-5-mini"].map(|model| format!("{model}: {several}"));
    assert_eq!(closed["overlay"]["notDetermined"], json!(reasons));

    let csv = reconcile(&place, &["--format", "csv"]).ends_with(1).stdout;
    let lines = csv.lines().count();
    assert_eq!(lines, 1 + report["groups"].as_array().unwrap().len());
}

/// The rows, the groups and the bridge sum to what was charged, to the last digit.
#[track_caller]
fn assert_adds_up(report: &Value, charged: &Decimal) {
    let amount = |value: &Value| -> Decimal { value.as_str().unwrap().parse().unwrap() };
    let differences: Vec<Decimal> = list(&report["groups"], |group| {
        group["difference"].as_str().unwrap_or("0").parse().unwrap()
    });
    let mut sum = amount(&report["bridge"]["priced"]);
    sum += &amount(&report["bridge"]["rounding"]);
    for difference in &differences {
        sum += difference;
    }
    assert_eq!(&sum, charged);
    assert_eq!(&amount(&report["bridge"]["charged"]), charged);
}

fn list<'a, T>(values: &'a Value, of: impl Fn(&'a Value) -> T) -> Vec<T> {
    values.as_array().unwrap().iter().map(of).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// How many groups there are of each class.
fn groups_by_class(report: &Value) -> Vec<(&str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for class in list(&report["groups"], |group| text(&group["class"])) {
        *counts.entry(class).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// What is complained about, with the class where there is one.
fn complaints(report: &Value) -> Vec<String> {
    list(&report["complaints"], |complaint| {
        let class = complaint["class"].as_str().unwrap_or_default();
        format!("{} {class}", text(&complaint["kind"]))
            .trim_end()
            .to_owned()
    })
}

/// The classes and models of the findings, each once.
fn findings(report: &Value) -> Vec<(&str, &str)> {
    let found = list(&report["findings"], |finding| {
        (text(&finding["class"]), text(&finding["model"]))
    });
    found.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Days that are over and not read make it 1, and are in no sum.
pub(crate) fn days_never_read_are_named_with_the_command_that_reads_them(kind: DatabaseKind) {
    let provider = Provider::of(discounted());
    let place = Place::with_key(kind, &provider);
    let backfill = |more: &[&str]| place.run(&[&["backfill"], more].concat()).succeeds();
    let days = DAYS.join(" ");
    backfill(&[&DAYS[..], &["--endpoint", "completions"]].concat());
    reconcile(&place, &[]).refuses_with(&format!(
        "no costs were read completely from 2025-09-01 to 2025-09-10; read them with `usage backfill {days} --endpoint \
         costs`"
    ));
    backfill(&[
        "--start",
        "2025-09-01",
        "--end",
        "2025-09-04",
        "--endpoint",
        "costs",
    ]);
    let told = reconcile(&place, &[]).ends_with(1);
    for words in [
        "! 6 days that are over were not read completely",
        "Not read completely (costs), in no sum: 2025-09-05 to 2025-09-10\n  usage backfill --start 2025-09-05 --end \
         2025-09-10",
    ] {
        assert!(told.stdout.contains(words), "{words}: {told:#?}");
    }
    let report = latest(&place, "latest.json");
    assert_eq!(report["days"]["compared"], 4);
    assert_eq!(report["bridge"]["priced"], "33.5", "four days");
    backfill(&[&DAYS[..], &["--endpoint", "costs"]].concat());
    let report = reconcile(&place, &["--format", "json", "--max-variance", "8.95%"])
        .succeeds()
        .json();
    assert_eq!(report["days"]["notCovered"], json!([]));
}

#[test]
fn a_surface_read_by_the_hour_alone_is_named_with_the_command_that_reads_its_days() {
    let provider = Provider::of(discounted());
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let backfill = |more: &[&str]| {
        let arguments = [&["backfill"], &DAYS[..], more].concat();
        place.run(&arguments).succeeds();
    };
    let days = DAYS.join(" ");
    backfill(&["--endpoint", "costs"]);
    backfill(&["--endpoint", "completions", "--bucket-width", "1h"]);
    reconcile(&place, &[]).refuses_with(&format!(
        "no usage by 1d was read completely from 2025-09-01 to 2025-09-10, only completions by 1h; read it with `usage \
         backfill {days}`"
    ));

    backfill(&["--endpoint", "embeddings"]);
    let told = reconcile(&place, &[]).ends_with(1);
    let words = format!(
        "Not read by the day, as costs are, and so in no sum: completions by 1h\n  usage backfill {days} --endpoint \
         completions\n"
    );
    assert!(told.stdout.contains(&words), "{told:#?}");
    let never = told.stdout.lines().find(|line| line.contains("was never read"));
    assert!(
        never.is_some_and(|line| !line.contains("completions") && line.contains("decisions")),
        "{told:#?}"
    );
    let report = latest(&place, "latest.json");
    assert_eq!(
        report["scope"]["otherWidths"],
        json!([{ "endpoint": "completions", "bucketWidth": "1h" }])
    );

    backfill(&["--endpoint", "completions"]);
    let told = reconcile(&place, &["--max-variance", "10"]).succeeds();
    assert!(!told.stdout.contains("Not read by the day"), "{told:#?}");
}

/// The report that the last reconciliation left.
fn latest(place: &Place<'_>, name: &str) -> Value {
    let path = place.work().join("audit/reconciliation").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn evidence_is_filed_and_a_month_is_set_beside_its_invoice() {
    let provider = Provider::of(discounted());
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place
        .run(&["backfill", "--start", "2025-09-01", "--end", "2025-09-30"])
        .succeeds();
    // 70.2646 USD of costs and the credit of 12.50 USD.
    let month = [
        "reconcile",
        "--month",
        "2025-09",
        "--max-variance",
        "10",
        "--label",
        "bill",
    ];
    let told = place
        .run(&[&month[..], &["--invoice", "82.7646"]].concat())
        .succeeds();
    assert!(
        told.stdout
            .contains("Explained by the credits: the invoice is the charges and the tax, without them"),
        "{told:#?}"
    );
    let folder = place.work().join("audit/reconciliation");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names[0].ends_with("-bill.json") && names[1] == "latest-bill.json",
        "{names:?}"
    );
    let report = latest(&place, &names[0]);
    assert_eq!(report, latest(&place, &names[1]));
    assert_eq!(report["invoice"]["charges"], "78.5646");
    assert_eq!(report["days"]["compared"], 30);

    let output = ["--invoice", "90", "--output", "elsewhere/report.json"];
    let told = place.run(&[&month[..], &output].concat()).ends_with(1);
    assert!(
        told.stdout
            .contains("! the invoice is 19.7354 USD off what was charged"),
        "{told:#?}"
    );
    assert!(place.work().join("elsewhere/report.json").is_file());
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        2,
        "exactly there, and nowhere else"
    );
}

#[test]
fn what_cannot_be_reconciled_takes_one_line() {
    let provider = Provider::of(discounted());
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let help = "; try 'usage reconcile --help'";
    for (arguments, line) in [
        (
            "--month 2025-13",
            "--month: `2025-13` is no month; write a year and a month, for example 2025-09",
        ),
        (
            "--month 2025-09 --invoice 12,5",
            "--invoice: `12,5` is no amount of dollars; write digits and a point, for example 1234.56",
        ),
        (
            "--month 2025-09 --max-variance -1",
            "--max-variance: `-1` is no percentage; write a number that is not negative, for example 2 or 0.5%",
        ),
    ] {
        let words: Vec<&str> = arguments.split(' ').collect();
        place
            .run(&[&["reconcile"], &words[..]].concat())
            .refuses_with(&[line, help].concat());
    }
    for arguments in [
        vec!["reconcile"],
        vec!["reconcile", "--start", "2025-09-01"],
        vec![
            "reconcile",
            "--start",
            "2025-09-01",
            "--end",
            "2025-09-02",
            "--month",
            "2025-09",
        ],
        vec![
            "reconcile",
            "--start",
            "2025-09-01",
            "--end",
            "2025-09-02",
            "--invoice",
            "5",
        ],
        vec!["reconcile", "--start", "2025-09-02", "--end", "2025-09-01"],
    ] {
        let refused = place.run(&arguments).ends_with(2);
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:#?}");
        assert_eq!(refused.stdout, "");
    }
    assert!(!place.work().join("audit").exists());

    let empty = Place::new(DatabaseKind::Sqlite, &provider);
    reconcile(&empty, &[])
        .refuses_with("there is no ledger at [place]/work/ledger.db; read one with `usage backfill`");
    assert!(!empty.work().join("ledger.db").exists());
}
