//! What a simulated organisation is charged, row by row, and its exports.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use usage_core::{
    Decimal, Dimension, DimensionSet, Dimensions, Endpoint, LineItem, Metrics, PicoUsd, Window, WindowRange,
    parse_day,
};
use usage_simulator::{Cost, CostCharge, CostError, CostLayout, Generate, Organization, PriceShare, Quirks};

const BY: [Dimension; 5] = [
    Dimension::ProjectId,
    Dimension::LineItem,
    Dimension::ApiKeyId,
    Dimension::UserId,
    Dimension::ApiSource,
];

fn everything() -> Organization {
    Organization::generate(&Generate {
        days: 6,
        models: 10,
        idle_days_percent: 0,
        cache_writes: true,
        every_endpoint: true,
        ..Generate::default()
    })
}

/// Everything that can be on a bill.
fn billed() -> Organization {
    let mut organization = everything();
    organization.add_billing_extras().unwrap();
    let charge = |line_item, amount| CostCharge::new(day("2025-09-02"), line_item, amount).unwrap();
    organization.charge(charge("support", "100.5").currency("eur"));
    organization.charge(
        charge("file search storage", "0.000000000000000000000000000000000000017")
            .project("proj_stored")
            .quantity("0.5", Some("gibibyte_hours"))
            .unwrap(),
    );
    organization.charge(charge("mystery", "1").without_amount());
    organization
}

fn day(text: &str) -> NaiveDate {
    parse_day(text).unwrap()
}

fn days(first: &str, last: &str) -> WindowRange {
    WindowRange::days(day(first), day(last)).unwrap()
}

fn all_days() -> WindowRange {
    days("2025-09-01", "2025-09-06")
}

fn one(text: &str) -> WindowRange {
    days(text, text)
}

fn by(dimensions: &[Dimension]) -> DimensionSet {
    dimensions.iter().copied().collect()
}

fn by_line_item() -> DimensionSet {
    by(&[Dimension::LineItem])
}

fn dollars(costs: &[Cost]) -> Decimal {
    costs
        .iter()
        .filter(|cost| cost.currency == "usd")
        .filter_map(|cost| cost.amount.as_ref())
        .sum()
}

fn line<'a>(costs: &'a [Cost], line_item: &str) -> &'a Cost {
    let mut found = costs
        .iter()
        .filter(|cost| cost.line_item.as_deref() == Some(line_item));
    let cost = found
        .next()
        .unwrap_or_else(|| panic!("no `{line_item}` in {costs:#?}"));
    assert!(found.next().is_none(), "two rows of `{line_item}`");
    cost
}

fn small(model: &str, tier: &str, metrics: &Metrics) -> Organization {
    let mut organization = Organization::new("org-small");
    let dimensions = Dimensions {
        model: Some(model.to_owned()),
        service_tier: Some(tier.to_owned()),
        ..Dimensions::default()
    };
    for day in all_days().windows() {
        let log = organization.usage_mut(Endpoint::Completions);
        log.add(day.start(), &dimensions, metrics);
    }
    organization
}

fn tokens() -> Metrics {
    Metrics {
        input_tokens: Some(1_000),
        input_cached_tokens: Some(400),
        input_uncached_tokens: Some(500),
        input_cache_write_tokens: Some(100),
        output_tokens: Some(50),
        ..Metrics::default()
    }
}

#[test]
fn the_rows_of_every_grouping_add_up_to_the_exact_cost() {
    let organization = billed();
    let cost = organization.cost(all_days()).unwrap();
    let usage = Decimal::from(organization.usage_cost(all_days()).unwrap());
    let charged: Decimal = "-3.410399999999999999999999999999999999983".parse().unwrap();
    assert_eq!(&cost - &usage, charged, "-25 + 1.6896 + 19.9 + storage");
    for number in 0..1_u32 << BY.len() {
        let group_by: DimensionSet = (0..)
            .zip(BY)
            .filter(|(bit, _)| number >> bit & 1 == 1)
            .map(|(_, dimension)| dimension)
            .collect();
        let costs = organization.costs(all_days(), group_by).unwrap();
        assert_eq!(dollars(&costs), cost, "{group_by}");
        let groups: BTreeSet<_> = costs
            .iter()
            .map(|cost| {
                (
                    cost.day,
                    [
                        &cost.project_id,
                        &cost.line_item,
                        &cost.api_key_id,
                        &cost.user_id,
                        &cost.api_source,
                    ],
                    &cost.currency,
                )
            })
            .collect();
        assert_eq!(groups.len(), costs.len(), "{group_by}: every group once");
        if group_by.is_empty() {
            assert_eq!(costs.len(), 6 + 1, "a row a day, and one in euros");
            assert!(
                costs
                    .iter()
                    .all(|cost| cost.quantity.is_none() && cost.line_item.is_none())
            );
        }
    }
}

#[test]
fn narrower_windows_and_days_cost_the_same() {
    let organization = billed();
    let hours = WindowRange::new(all_days().start(), all_days().end(), usage_core::Width::Hour).unwrap();
    assert_eq!(organization.cost(hours), organization.cost(all_days()));
}

#[test]
fn quantities_are_those_of_the_usage() {
    let organization = everything();
    let costs = organization.costs(all_days(), by_line_item()).unwrap();
    let mut counted: BTreeMap<&str, Decimal> = BTreeMap::new();
    for cost in &costs {
        let quantity = cost.quantity.as_ref().unwrap();
        let unit = cost.quantity_unit.as_deref().unwrap_or("calls");
        *counted.entry(unit).or_default() += quantity;
    }
    let total = |endpoint: Endpoint| organization.usage(endpoint).totals(all_days()).metrics;
    let expected = |number: Option<i64>| Some(Decimal::from(number.unwrap()));
    assert_eq!(counted.remove("images"), expected(total(Endpoint::Images).images));
    assert_eq!(
        counted.remove("characters"),
        expected(total(Endpoint::AudioSpeeches).characters)
    );
    assert_eq!(
        counted.remove("duration_seconds"),
        expected(total(Endpoint::AudioTranscriptions).seconds)
    );
    let calls = [
        total(Endpoint::WebSearchCalls).num_requests,
        total(Endpoint::FileSearchCalls).num_requests,
        total(Endpoint::CodeInterpreterSessions).num_sessions,
    ];
    assert_eq!(
        counted.remove("calls"),
        expected(Some(calls.into_iter().flatten().sum()))
    );

    let mut paid = total(Endpoint::Embeddings).input_tokens.unwrap();
    for endpoint in [Endpoint::Completions, Endpoint::Decisions] {
        for window in all_days().windows() {
            for row in organization.usage(endpoint).rows(window) {
                if row.dimensions.service_tier.as_deref() != Some("incentivized-tier") {
                    paid += row.metrics.input_tokens.unwrap() + row.metrics.output_tokens.unwrap();
                }
            }
        }
    }
    assert_eq!(counted.remove("tokens"), expected(Some(paid)));
    assert!(counted.is_empty(), "{counted:?}");
}

#[test]
fn line_items_are_worded_as_the_providers() {
    let costs = everything().costs(all_days(), by_line_item()).unwrap();
    let words: BTreeSet<&str> = costs
        .iter()
        .filter_map(|cost| cost.line_item.as_deref())
        .collect();
    for expected in [
        "gpt-5-2025-08-07, input",
        "gpt-5-2025-08-07, cached input",
        "gpt-5-2025-08-07, cache writes",
        "gpt-5-2025-08-07, output",
        "priority | gpt-5-2025-08-07, input",
        "ft:gpt-5-2025-08-07:simulated::0001, output",
        "text-embedding-3-small, input",
        "dall-e-3, image",
        "tts-1, characters",
        "whisper-1, duration",
        "web search tool calls",
        "file search tool calls",
        "code interpreter sessions",
    ] {
        assert!(words.contains(expected), "no `{expected}` in {words:?}");
    }
    for cost in &costs {
        let words = cost.line_item.as_deref().unwrap();
        let item = LineItem::parse(words);
        let is_of_tokens = cost.quantity_unit.as_deref() == Some("tokens");
        assert_eq!(item.direction.is_some(), is_of_tokens, "{words}");
        assert_eq!(item.tier.is_some(), words.starts_with("priority | "), "{words}");
    }
}

#[test]
fn a_line_costs_its_quantity_times_its_price() {
    let costs = small("gpt-5-2025-08-07", "priority", &tokens())
        .costs(one("2025-09-02"), by_line_item())
        .unwrap();
    let rows: Vec<(String, String, String)> = costs
        .iter()
        .map(|cost| {
            (
                cost.line_item.clone().unwrap(),
                cost.quantity.as_ref().unwrap().to_string(),
                cost.amount.as_ref().unwrap().to_string(),
            )
        })
        .collect();
    let row = |item: &str, quantity: &str, amount: &str| {
        (
            format!("priority | gpt-5-2025-08-07, {item}"),
            quantity.to_owned(),
            amount.to_owned(),
        )
    };
    assert_eq!(
        rows,
        [
            row("cache writes", "100", "0.00025"),
            row("cached input", "400", "0.0001"),
            row("input", "500", "0.00125"),
            row("output", "50", "0.001"),
        ]
    );
}

#[test]
fn the_free_tier_leaves_zeros_for_its_input_and_nothing_for_its_output() {
    let organization = small("gpt-5-2025-08-07", "incentivized-tier", &tokens());
    let costs = organization.costs(one("2025-09-02"), by_line_item()).unwrap();
    assert_eq!(costs.len(), 1, "{costs:#?}");
    let zero = line(&costs, "gpt-5-2025-08-07, input");
    assert_eq!(zero.amount_text().as_deref(), Some("0E-6176"));
    assert_eq!(zero.quantity, Some(Decimal::default()));
    assert_eq!(organization.cost(all_days()), Ok(Decimal::default()));
}

#[test]
fn a_discount_holds_for_its_model_from_its_day_until_the_next() {
    let model = "gpt-5-2025-08-07";
    let mut organization = small(model, "default", &tokens());
    let other = Dimensions {
        model: Some("o3-2025-04-16".to_owned()),
        ..Dimensions::default()
    };
    for window in all_days().windows() {
        let log = organization.usage_mut(Endpoint::Completions);
        log.add(window.start(), &other, &tokens());
    }
    organization.discount(model, day("2025-09-05"), PriceShare::of(1, 2));
    organization.discount(model, day("2025-09-03"), PriceShare::of(4, 5));
    let of = |model: &str, direction: &str, text: &str| {
        let costs = organization.costs(one(text), by_line_item()).unwrap();
        line(&costs, &format!("{model}, {direction}"))
            .amount
            .clone()
            .unwrap()
            .to_string()
    };
    let outputs = [1, 2, 3, 4, 5, 6].map(|number| of(model, "output", &format!("2025-09-0{number}")));
    assert_eq!(
        outputs,
        ["0.0005", "0.0005", "0.0004", "0.0004", "0.00025", "0.00025"]
    );
    assert_eq!(of(model, "cached input", "2025-09-03"), "0.00004");
    assert_eq!(
        of("o3-2025-04-16", "output", "2025-09-01"),
        of("o3-2025-04-16", "output", "2025-09-06")
    );
}

#[test]
fn charges_are_kept_verbatim_alone_and_add_up_with_others() {
    let mut organization = Organization::new("org-charged");
    let charge = |line_item, amount| CostCharge::new(day("2025-09-02"), line_item, amount).unwrap();
    organization.charge(charge("credit", "-12.50"));
    organization.charge(
        charge("storage", "1E+1")
            .quantity("3.5", Some("gibibyte_hours"))
            .unwrap(),
    );
    organization.charge(
        charge("storage", "0.25")
            .quantity("0.5", Some("gibibyte_hours"))
            .unwrap(),
    );
    organization.charge(charge("odds", "1").quantity("1", Some("images")).unwrap());
    organization.charge(charge("odds", "2").quantity("1", Some("tokens")).unwrap());
    organization.charge(charge("unknown", "7").without_amount());
    organization.charge(charge("support", "5").currency("EUR"));
    let costs = organization.costs(one("2025-09-02"), by_line_item()).unwrap();
    assert_eq!(line(&costs, "credit").amount_text().as_deref(), Some("-12.50"));
    let storage = line(&costs, "storage");
    assert_eq!(storage.amount, Some("10.25".parse().unwrap()));
    assert_eq!(storage.quantity, Some(Decimal::from(4)));
    assert_eq!(storage.quantity_unit.as_deref(), Some("gibibyte_hours"));
    let odds = line(&costs, "odds");
    assert_eq!(
        (&odds.quantity, &odds.quantity_unit),
        (&None, &None),
        "no single unit"
    );
    assert_eq!(
        (
            &line(&costs, "unknown").amount,
            line(&costs, "unknown").amount_text()
        ),
        (&None, None)
    );
    assert_eq!(line(&costs, "support").currency, "EUR");
    assert_eq!(
        organization.cost(all_days()).unwrap().to_string(),
        "0.75",
        "euros are not added"
    );

    assert_eq!(
        organization.remove_charges(|charge| charge.line_item.as_deref() == Some("credit")),
        1
    );
    organization.charge(charge("credit", "-13"));
    assert_eq!(
        organization.cost(all_days()).unwrap().to_string(),
        "0.25",
        "restated"
    );
    assert_eq!(organization.charges().len(), 7);
    assert!(CostCharge::new(day("2025-09-02"), "credit", "12,50").is_err());
}

#[test]
fn restated_usage_and_prices_restate_costs() {
    let mut organization = small("gpt-5-2025-08-07", "default", &tokens());
    let cost = |organization: &Organization, text: &str| organization.cost(one(text)).unwrap().to_string();
    assert_eq!(cost(&organization, "2025-09-02"), "0.0013");
    let second = Window::day(day("2025-09-02"));
    organization.usage_mut(Endpoint::Completions).scale(second, 200);
    assert_eq!(cost(&organization, "2025-09-02"), "0.0026");
    organization.restate_costs(day("2025-09-02"), 150);
    organization.restate_line_item(day("2025-09-03"), "gpt-5-2025-08-07, output", 0);
    let costs = ["2025-09-01", "2025-09-02", "2025-09-03"].map(|text| cost(&organization, text));
    assert_eq!(costs, ["0.0013", "0.0039", "0.0008"]);
}

#[test]
fn amounts_are_written_in_many_ways_and_stay_exact() {
    let mut organization = everything();
    let group_by = by(&[Dimension::LineItem, Dimension::ProjectId]);
    let costs = organization.costs(all_days(), group_by).unwrap();
    let mut lengths = BTreeSet::new();
    for cost in &costs {
        let text = cost.amount_text().unwrap();
        assert_eq!(Some(text.parse().unwrap()), cost.amount, "{text}");
        lengths.insert(text.split_once('.').map_or(0, |(_, fraction)| fraction.len()));
    }
    assert!(lengths.contains(&39) && lengths.len() > 3, "{lengths:?}");
    assert!(costs.iter().any(|cost| cost.amount_text().unwrap() == "0E-6176"));

    let exact = organization.cost(all_days());
    organization.add_long_tails();
    assert_eq!(organization.cost(all_days()), exact);
    let limit: Decimal = "1e-20".parse().unwrap();
    let tailed = organization.costs(all_days(), group_by).unwrap();
    let mut tails = BTreeSet::new();
    for (cost, before) in tailed.iter().zip(&costs) {
        assert_eq!(cost.amount, before.amount);
        let text = cost.amount_text().unwrap();
        let written: Decimal = text.parse().unwrap();
        let noise = (&written - cost.amount.as_ref().unwrap()).abs();
        if text == "0E-6176" {
            continue;
        }
        assert!(!noise.is_zero() && noise < limit, "{text}");
        assert_eq!(text.split_once('.').unwrap().1.len(), 39, "{text}");
        tails.insert(noise.to_string());
    }
    assert!(tails.len() > 20, "they differ");
}

#[test]
fn a_model_without_a_price_is_an_error_at_every_endpoint_that_is_priced_by_model() {
    for endpoint in [
        Endpoint::Completions,
        Endpoint::Decisions,
        Endpoint::Embeddings,
        Endpoint::Moderations,
        Endpoint::Images,
        Endpoint::AudioSpeeches,
        Endpoint::AudioTranscriptions,
    ] {
        let mut organization = Organization::new("org-small");
        let unheard_of = Dimensions {
            model: Some("gpt-7-unheard-of".to_owned()),
            ..Dimensions::default()
        };
        let at = one("2025-09-02").start();
        organization.usage_mut(endpoint).add(at, &unheard_of, &tokens());
        let error = CostError::UnknownModel("gpt-7-unheard-of".to_owned());
        assert_eq!(organization.cost(all_days()), Err(error.clone()), "{endpoint}");
        assert_eq!(
            organization.usage_cost(all_days()),
            Err(error.clone()),
            "{endpoint}"
        );
        assert_eq!(
            organization.costs_csv(all_days(), CostLayout::TenColumns),
            Err(error)
        );
    }
    let mut organization = everything();
    organization
        .usage_mut(Endpoint::VectorStores)
        .scale(Window::day(day("2025-09-02")), 1_000);
    assert_eq!(
        organization.cost(all_days()),
        everything().cost(all_days()),
        "a level is not charged"
    );
}

/// The cells of an export by the names of its columns, blank ones left out.
fn read(text: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    reader
        .deserialize()
        .map(|row| {
            let mut cells: HashMap<String, String> = row.unwrap();
            cells.retain(|_, cell| !cell.is_empty());
            cells
        })
        .collect()
}

/// The sums of an export by currency.
fn sums(rows: &[HashMap<String, String>]) -> BTreeMap<String, Decimal> {
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for row in rows {
        if let Some(amount) = row.get("amount_value") {
            *sums.entry(row["amount_currency"].clone()).or_default() += &amount.parse().unwrap();
        }
    }
    sums
}

#[test]
fn exports_have_the_columns_of_real_ones_and_add_up() {
    let organization = billed();
    let expected = BTreeMap::from([
        ("eur".to_owned(), "100.5".parse().unwrap()),
        ("usd".to_owned(), organization.cost(all_days()).unwrap()),
    ]);
    let ten = organization
        .costs_csv(all_days(), CostLayout::TenColumns)
        .unwrap();
    assert_eq!(
        ten.lines().next().unwrap(),
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,\
         organization_id,organization_name"
    );
    let seventeen = organization.costs_csv(all_days(), CostLayout::default()).unwrap();
    assert_eq!(
        seventeen.lines().next().unwrap(),
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,\
         line_item,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source"
    );
    for (text, group_by) in [
        (&ten, by(&[Dimension::LineItem, Dimension::ProjectId])),
        (&seventeen, by(&BY)),
    ] {
        let rows = read(text);
        assert_eq!(sums(&rows), expected);
        assert_eq!(
            rows.len(),
            organization.costs(all_days(), group_by).unwrap().len()
        );
        let places = rows
            .iter()
            .filter_map(|row| row.get("amount_value")?.split_once('.'));
        let longest = places
            .map(|(_, fraction)| fraction.len())
            .filter(|length| *length != 39)
            .max();
        assert_eq!(longest, Some(30));
        assert!(
            rows.iter()
                .any(|row| row.get("line_item").unwrap() == "mystery" && !row.contains_key("amount_value"))
        );
    }
    let row = read(&seventeen)
        .into_iter()
        .find(|row| row.contains_key("user_email"))
        .unwrap();
    let user = organization
        .users()
        .iter()
        .find(|user| user.id == row["user_id"])
        .unwrap();
    assert_eq!(row["user_email"], user.email);
    assert!(row["project_name"].starts_with("Project ") && row["organization_id"] == "org-simulated");
}

#[test]
fn exports_have_the_quirks_of_real_ones() {
    let mut organization = billed();
    let project = organization.projects()[0].id.clone();
    for endpoint in Endpoint::USAGE {
        organization
            .usage_mut(endpoint)
            .remove(Window::day(day("2025-09-05")), |_| true);
    }
    let export = |quirks: &Quirks| {
        let export = organization.quirky_costs_csv(all_days(), CostLayout::SeventeenColumns, quirks);
        export.unwrap()
    };
    let plain = read(&export(&Quirks::default()));
    let idle: Vec<_> = plain.iter().filter(|row| row.len() == 4).collect();
    assert_eq!(idle.len(), 1, "a day without costs has its times only");
    assert_eq!(idle[0]["start_time_iso"], "2025-09-05T00:00:00+00:00");

    let text = export(&Quirks {
        byte_order_mark: true,
        crlf: true,
        iso_without_zone: true,
        integers_as_floats: true,
        ..Quirks::default()
    });
    assert!(text.starts_with("\u{feff}start_time,") && text.ends_with("\r\n"));
    let rows = read(&text);
    assert_eq!(sums(&rows), sums(&plain));
    for row in &rows {
        assert!(row["start_time_iso"].ends_with("T00:00:00"));
        assert!(
            row.get("quantity").is_none_or(|quantity| quantity.contains('.')),
            "{row:?}"
        );
    }

    let blank = read(&export(&Quirks {
        blank_optional_zeros: true,
        ..Quirks::default()
    }));
    let amounts =
        |rows: &[HashMap<String, String>]| rows.iter().filter(|row| row.contains_key("amount_value")).count();
    assert!(amounts(&blank) < amounts(&plain), "zeros are blank");
    assert_eq!(sums(&blank), sums(&plain));

    let split = read(&export(&Quirks {
        split_rows: true,
        ..Quirks::default()
    }));
    assert_eq!(sums(&split), sums(&plain));
    assert_eq!(split.len(), 2 * plain.len() - idle.len());

    let of_project = read(&export(&Quirks {
        only_projects: vec![project.clone()],
        ..Quirks::default()
    }));
    assert!(
        of_project
            .iter()
            .all(|row| row.get("project_id").is_none_or(|id| *id == project))
    );
    assert!(sums(&of_project)["usd"] < sums(&plain)["usd"]);

    let narrow = read(&export(&Quirks {
        left_out_columns: vec!["api_key_id".to_owned(), "user_id".to_owned()],
        extra_columns: vec!["news".to_owned()],
        ..Quirks::default()
    }));
    assert!(narrow.len() < plain.len() && narrow.iter().any(|row| row.contains_key("news")));
    assert_eq!(sums(&narrow), sums(&plain));
}

#[test]
fn an_export_without_any_costs_has_the_times_only() {
    let text = Organization::new("org-quiet")
        .costs_csv(one("2025-09-01"), CostLayout::SeventeenColumns)
        .unwrap();
    assert_eq!(
        text,
        "start_time,end_time,start_time_iso,end_time_iso\n\
         1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00\n"
    );
}

#[test]
fn the_extras_are_a_discount_a_credit_an_image_line_and_tax() {
    let mut organization = everything();
    let before = organization.usage_cost(all_days()).unwrap();
    let middle = organization.add_billing_extras().unwrap();
    assert_eq!(middle, day("2025-09-03"));
    let after = organization.usage_cost(all_days()).unwrap();
    assert!(PicoUsd(0) < after && after < before);
    let unchanged = days("2025-09-01", "2025-09-02");
    assert_eq!(organization.cost(unchanged), everything().cost(unchanged));

    let costs = organization
        .costs(WindowRange::days(middle, middle).unwrap(), by_line_item())
        .unwrap();
    let text = |item: &str| line(&costs, item).amount_text().unwrap();
    assert_eq!(
        ["credit", "gpt-image-1, image output", "tax"].map(text),
        ["-25.00", "1.6896", "19.90"]
    );
    assert_eq!(Organization::new("org-quiet").add_billing_extras(), None);
}
