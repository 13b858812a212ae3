//! The route of costs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;
use usage_core::{
    Decimal, Dimension, DimensionSet, Dimensions, Endpoint, ManualClock, Metrics, Window, WindowRange,
    parse_day, parse_instant,
};
use usage_simulator::{AdminKey, CostCharge, CostError, CostLayout, Generate, Organization, Simulator};

use crate::support::{Answer, DAY, FIRST, encode, get, get_as, serving};

const COSTS: &str = "/organization/costs";
/// The first `start_time` at which costs can be grouped by API key.
const FLOOR: i64 = 1_764_979_200;

const ALL: &str = "project_id,line_item,user_id,api_source";

pub(crate) fn billed() -> Organization {
    let mut organization = Organization::generate(&Generate {
        idle_days_percent: 0,
        every_endpoint: true,
        ..Generate::default()
    });
    organization.add_billing_extras().unwrap();
    organization.charge(
        CostCharge::new(parse_day("2025-09-02").unwrap(), "support", "7.5")
            .unwrap()
            .currency("eur"),
    );
    organization
}

fn range(first: &str, last: &str) -> WindowRange {
    WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap()
}

fn month() -> WindowRange {
    range("2025-09-01", "2025-10-01")
}

pub(crate) fn costs_path(query: &str) -> String {
    if query.contains("start_time") {
        format!("{COSTS}?{query}")
    } else {
        format!("{COSTS}?start_time={FIRST}&{query}")
    }
}

async fn costs(simulator: &Simulator, query: &str) -> Answer {
    get(simulator, &costs_path(query)).await
}

pub(crate) fn amount(row: &Value) -> Decimal {
    row["amount"]["value"].as_str().unwrap().parse().unwrap()
}

/// The sums of rows by currency.
pub(crate) fn sums<'a>(rows: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, Decimal> {
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for row in rows {
        let currency = row["amount"]["currency"].as_str().unwrap().to_owned();
        *sums.entry(currency).or_default() += &amount(row);
    }
    sums
}

fn truth(organization: &Organization, windows: WindowRange) -> BTreeMap<String, Decimal> {
    BTreeMap::from([
        ("eur".to_owned(), "7.5".parse().unwrap()),
        ("usd".to_owned(), organization.cost(windows).unwrap()),
    ])
}

#[tokio::test]
async fn every_grouping_adds_up_to_the_exact_cost() {
    let organization = billed();
    let expected = truth(&organization, month());
    let simulator = serving(organization).start().await.unwrap();
    let end = FIRST + 31 * DAY;
    let mut rows = Vec::new();
    for group_by in ["", "project_id", "line_item", "user_id", "api_source", ALL] {
        let group_by = if group_by.is_empty() {
            String::new()
        } else {
            format!("&group_by={group_by}")
        };
        let answer = costs(&simulator, &format!("limit=31&end_time={end}{group_by}")).await;
        assert_eq!(answer.buckets().len(), 31);
        assert_eq!(sums(answer.results()), expected, "{group_by}");
        rows.push(answer.results().len());
    }
    assert_eq!(rows[0], 31 + 1, "ungrouped, a row for each day and currency");
    assert!(rows.windows(2).all(|pair| pair[1] > rows[0]), "{rows:?}");
}

#[tokio::test]
async fn rows_look_like_the_providers() {
    let simulator = serving(billed()).start().await.unwrap();
    let second = FIRST + DAY;
    let one = format!("start_time={second}&limit=1");
    let ungrouped = costs(&simulator, &one).await;
    insta::assert_json_snapshot!("ungrouped", ungrouped.buckets()[0]);
    let organization_wide = costs(
        &simulator,
        &format!("{one}&group_by=line_item&line_items=support"),
    )
    .await;
    insta::assert_json_snapshot!("a_charge", organization_wide.results());
    let grouped = format!("{one}&group_by={ALL}&line_items=gpt-5-2025-08-07%2C%20cached%20input");
    insta::assert_json_snapshot!("grouped", costs(&simulator, &grouped).await.results()[0]);
}

#[tokio::test]
async fn the_live_fields_can_be_left_out_and_amounts_be_numbers() {
    let simulator = serving(billed())
        .without_live_cost_fields()
        .cost_amounts_as_numbers()
        .start()
        .await
        .unwrap();
    let answer = costs(&simulator, "limit=20&group_by=line_item").await;
    let mut numbers = 0;
    for row in answer.results() {
        let names: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "amount",
                "api_key_id",
                "api_source",
                "line_item",
                "object",
                "project_id",
                "quantity",
                "quantity_unit",
                "user_id"
            ]
        );
        numbers += usize::from(row["amount"]["value"].is_number());
    }
    assert_eq!(numbers, answer.results().len());
}

#[tokio::test]
async fn arrays_are_understood_in_three_encodings() {
    let simulator = serving(billed()).start().await.unwrap();
    let joined = costs(&simulator, "limit=3&group_by=project_id,line_item").await;
    for query in [
        "limit=3&group_by=line_item&group_by=project_id",
        "limit=3&group_by[]=project_id&group_by[]=line_item",
    ] {
        assert_eq!(costs(&simulator, query).await.body, joined.body, "{query}");
    }
    assert!(joined.results().iter().all(|row| row["line_item"].is_string()));
}

#[tokio::test]
async fn filters_hold_rows_back() {
    let organization = billed();
    let project = organization.projects()[1].id.clone();
    let key = organization.projects()[1].api_keys[0].id.clone();
    let simulator = serving(organization).start().await.unwrap();
    let everything = costs(&simulator, "limit=31&group_by=project_id,line_item").await;
    let of_project = costs(
        &simulator,
        &format!("limit=31&group_by=project_id,line_item&project_ids={project}"),
    )
    .await;
    let expected = everything
        .results()
        .into_iter()
        .filter(|row| row["project_id"] == project.as_str());
    assert_eq!(of_project.results(), expected.collect::<Vec<_>>());
    let of_key = costs(&simulator, &format!("limit=31&api_key_ids={key}")).await;
    let (some, all) = (sums(of_key.results()), sums(of_project.results()));
    assert!(some["usd"] > Decimal::default() && some["usd"] < all["usd"]);

    // A line item has commas of its own, so commas join none.
    for (items, expected) in [
        ("line_items=o3-2025-04-16%2C%20input", &[][..]),
        (
            "line_items=gpt-5-2025-08-07,%20input",
            &["gpt-5-2025-08-07, input"],
        ),
        (
            "line_items=tax&line_items=web%20search%20tool%20calls",
            &["tax", "web search tool calls"],
        ),
        (
            "line_items[]=tax&line_items[]=tts-1,%20characters",
            &["tax", "tts-1, characters"],
        ),
    ] {
        let answer = costs(&simulator, &format!("limit=31&group_by=line_item&{items}")).await;
        let rows = answer.results();
        let seen: BTreeSet<&str> = rows
            .iter()
            .map(|row| row["line_item"].as_str().unwrap())
            .collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected, "{items}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_and_cursors_are_bound_to_their_query() {
    let simulator = serving(billed()).start().await.unwrap();
    let end = FIRST + 31 * DAY;
    let query = format!("end_time={end}&group_by=line_item");
    let whole = costs(&simulator, &format!("{query}&limit=180")).await;
    assert_eq!((whole.buckets().len(), whole.next_page()), (31, None));
    let mut buckets = Vec::new();
    let mut cursor = String::new();
    let mut cursors = Vec::new();
    loop {
        let page = costs(&simulator, &format!("{query}{cursor}")).await;
        assert!(page.buckets().len() <= 7, "the default");
        buckets.extend(page.buckets().clone());
        let Some(next) = page.next_page() else { break };
        assert!(next.starts_with("page_"));
        cursor = format!("&page={}", encode(&next));
        cursors.push(cursor.clone());
    }
    assert_eq!(cursors.len(), 4);
    assert_eq!(&buckets, whole.buckets());
    for other in [
        format!("{query}&limit=8{cursor}"),
        format!("{query},project_id{cursor}"),
        format!("{query}&line_items=tax{cursor}"),
        format!("end_time={}&group_by=line_item{cursor}", end + 1),
    ] {
        let error = costs(&simulator, &other).await.error();
        assert!(error.starts_with("400 page invalid_value: "), "{other}: {error}");
    }
    let usage = format!("/organization/usage/completions?start_time={FIRST}&end_time={end}{cursor}");
    assert_eq!(get(&simulator, &usage).await.status, 400);
}

#[tokio::test]
async fn bad_parameters_are_refused_in_the_providers_words() {
    let simulator = serving(billed()).start().await.unwrap();
    let mut answers = String::new();
    for query in [
        "bucket_width=1h",
        "bucket_width=1m",
        "limit=0",
        "limit=181",
        "limit=366",
        "group_by=model",
        "group_by=api_key_id",
        "group_by=project_id,api_key_id",
        &format!("start_time={}&group_by=api_key_id", FLOOR - 1),
        "models=gpt-5",
        "user_ids=user-a",
        "batch=true",
        "start_time=2025-09-01",
        &format!("end_time={FIRST}"),
    ] {
        writeln!(answers, "{query}\n    {}", costs(&simulator, query).await.error()).unwrap();
    }
    let missing = get(&simulator, COSTS).await.error();
    writeln!(answers, "(nothing)\n    {missing}").unwrap();
    insta::assert_snapshot!(answers);
    let refused = costs(&simulator, "group_by=api_key_id").await;
    insta::assert_json_snapshot!(refused.body, @r#"
    {
      "error": {
        "code": "invalid_request_error",
        "message": "group_by=api_key_id is not available for this time range. Try a start_time on or after 1764979200.",
        "param": "start_time",
        "type": "invalid_request_error"
      }
    }
    "#);
    assert_eq!(costs(&simulator, "limit=180&bucket_width=1d").await.status, 200);
}

#[tokio::test]
async fn costs_by_api_key_begin_at_the_floor() {
    let organization = Organization::generate(&Generate {
        first_day: parse_day("2025-12-04").unwrap(),
        days: 4,
        idle_days_percent: 0,
        ..Generate::default()
    });
    let clock = Arc::new(ManualClock::new(parse_instant("2025-12-20T00:00:00Z").unwrap()));
    let from_floor = organization.cost(range("2025-12-06", "2025-12-07")).unwrap();
    let simulator = serving(organization.clone())
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let query = format!("start_time={FLOOR}&group_by=project_id,line_item,api_key_id");
    let answer = costs(&simulator, &query).await;
    assert_eq!(sums(answer.results())["usd"], from_floor);
    assert!(answer.results().iter().all(|row| row["api_key_id"].is_string()));
    let before = costs(
        &simulator,
        &query.replace(&FLOOR.to_string(), &(FLOOR - DAY).to_string()),
    )
    .await;
    assert_eq!(before.status, 400);
    let without = format!("start_time={}&group_by=project_id,line_item", FLOOR - DAY);
    assert_eq!(costs(&simulator, &without).await.status, 200);
    let usage = format!(
        "/organization/usage/completions?start_time={}&group_by=api_key_id",
        FLOOR - DAY
    );
    assert_eq!(get(&simulator, &usage).await.status, 200, "usage knows no floor");

    let earlier = parse_instant("2025-12-05T00:00:00Z").unwrap();
    let simulator = serving(organization)
        .clock(clock)
        .api_key_costs_since(earlier)
        .start()
        .await
        .unwrap();
    let day_before = query.replace(&FLOOR.to_string(), &(FLOOR - DAY).to_string());
    assert_eq!(costs(&simulator, &day_before).await.status, 200);
    let error = costs(
        &simulator,
        &query.replace(&FLOOR.to_string(), &(FLOOR - 2 * DAY).to_string()),
    )
    .await
    .error();
    assert!(error.ends_with("on or after 1764892800."), "{error}");
}

#[tokio::test]
async fn an_open_day_has_what_is_charged_so_far_and_later_days_do_not_exist() {
    let mut organization = Organization::new("org-hourly");
    let dimensions = Dimensions {
        model: Some("gpt-5-2025-08-07".to_owned()),
        ..Dimensions::default()
    };
    let thousand = Metrics {
        output_tokens: Some(1_000),
        ..Metrics::default()
    };
    for hour in 0..48 {
        let at = chrono::DateTime::from_timestamp(FIRST + hour * 3_600, 0).unwrap();
        organization
            .usage_mut(Endpoint::Completions)
            .add(at, &dimensions, &thousand);
    }
    let third = parse_day("2025-09-03").unwrap();
    organization.charge(CostCharge::new(third, "tax", "1").unwrap());
    let clock = Arc::new(ManualClock::new(parse_instant("2025-09-02T05:59:59Z").unwrap()));
    let simulator = serving(organization).clock(clock.clone()).start().await.unwrap();
    let read = async || {
        let answer = costs(&simulator, &format!("end_time={}", FIRST + 9 * DAY)).await;
        let buckets = answer.buckets().iter();
        buckets
            .map(|bucket| {
                sums(bucket["results"].as_array().unwrap())
                    .remove("usd")
                    .map(|sum| sum.to_string())
            })
            .collect::<Vec<_>>()
    };
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| Some((*text).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(read().await, texts(&["0.24", "0.06"]));
    clock.set(parse_instant("2025-09-03T00:00:00Z").unwrap());
    assert_eq!(read().await, texts(&["0.24", "0.24", "1"]));

    // Costs that lag leave empty buckets.
    simulator.update(|organization| organization.costs_lag_days(2));
    assert_eq!(read().await, [Some("0.24".to_owned()), None, None]);
    clock.set(parse_instant("2025-09-05T00:00:00Z").unwrap());
    assert_eq!(read().await[..3], texts(&["0.24", "0.24", "1"]));
    simulator.update(|organization| organization.costs_lag_days(0));
}

#[tokio::test]
async fn costs_change_while_they_are_served() {
    let simulator = serving(billed()).start().await.unwrap();
    let query = "limit=31&group_by=line_item";
    let before = costs(&simulator, query).await;
    let second = Window::day(parse_day("2025-09-02").unwrap());
    simulator.update(|organization| organization.usage_mut(Endpoint::Completions).scale(second, 200));
    simulator.update(|organization| organization.restate_costs(parse_day("2025-09-04").unwrap(), 90));
    let credit = CostCharge::new(parse_day("2025-09-06").unwrap(), "credit", "-1.25").unwrap();
    simulator.update(|organization| organization.charge(credit));
    let after = costs(&simulator, query).await;
    let days: Vec<i64> = before
        .buckets()
        .iter()
        .zip(after.buckets())
        .filter(|(old, new)| old != new)
        .map(|(old, _)| (old["start_time"].as_i64().unwrap() - FIRST) / DAY)
        .collect();
    assert_eq!(days, [1, 3, 5]);
    let truth = simulator.inspect(|organization| truth(organization, month()));
    let end = FIRST + 31 * DAY;
    let answer = costs(&simulator, &format!("limit=31&end_time={end}")).await;
    assert_eq!(sums(answer.results()), truth);
}

#[tokio::test]
async fn exports_say_what_is_served() {
    let simulator = serving(billed()).start().await.unwrap();
    let end = FIRST + 31 * DAY;
    let answer = costs(&simulator, &format!("limit=31&end_time={end}&group_by={ALL}")).await;
    for layout in [CostLayout::TenColumns, CostLayout::SeventeenColumns] {
        let csv = simulator.inspect(|organization| organization.costs_csv(month(), layout).unwrap());
        let mut exported: BTreeMap<String, Decimal> = BTreeMap::new();
        for record in csv::Reader::from_reader(csv.as_bytes()).records() {
            let record = record.unwrap();
            if !record[5].is_empty() {
                *exported.entry(record[5].to_owned()).or_default() += &record[4].parse().unwrap();
            }
        }
        assert_eq!(exported, sums(answer.results()), "{layout:?}");
    }
}

#[tokio::test]
async fn usage_without_a_price_has_usage_and_no_cost() {
    let mut organization = Organization::new("org-small");
    let model = |name: &str| Dimensions {
        model: Some(name.to_owned()),
        ..Dimensions::default()
    };
    let thousand = Metrics {
        output_tokens: Some(1_000),
        ..Metrics::default()
    };
    let at = month().start();
    for name in ["gpt-7-unheard-of", "gpt-5-2025-08-07"] {
        organization
            .usage_mut(Endpoint::Completions)
            .add(at, &model(name), &thousand);
    }
    assert!(organization.cost(month()).is_err());
    let unknown = CostError::UnknownModel("gpt-7-unheard-of".to_owned());
    assert_eq!(organization.unpriced(month()), [unknown]);
    let by_line_item: DimensionSet = [Dimension::LineItem].into_iter().collect();
    assert!(organization.costs(month(), by_line_item).is_err());
    let simulator = serving(organization).start().await.unwrap();
    let answer = costs(&simulator, "limit=1&group_by=line_item").await;
    assert_eq!(answer.results().len(), 1);
    assert_eq!(answer.results()[0]["line_item"], "gpt-5-2025-08-07, output");
}

#[tokio::test]
async fn keys_read_what_they_may_and_requests_are_logged() {
    const MEMBER: &str = "sk-admin-test-of-a-member";
    const RESTRICTED: &str = "sk-admin-test-restricted";
    let organization = billed();
    let project = organization.projects()[0].id.clone();
    let simulator = serving(organization)
        .key(AdminKey::member(MEMBER))
        .key(AdminKey::restricted(RESTRICTED, [&project]))
        .start()
        .await
        .unwrap();
    let read = async |secret, query: String| get_as(&simulator, secret, &costs_path(&query)).await;
    assert_eq!(read(None, "limit=1".to_owned()).await.status, 401);
    assert_eq!(
        read(Some("sk-proj-test-not-a-real-key"), "limit=1".to_owned())
            .await
            .status,
        401
    );
    assert_eq!(read(Some(MEMBER), "limit=1".to_owned()).await.status, 403);
    assert_eq!(read(Some(RESTRICTED), "limit=1".to_owned()).await.status, 403);
    assert_eq!(
        read(Some(RESTRICTED), "project_ids=proj_other".to_owned())
            .await
            .status,
        403
    );
    let own = read(
        Some(RESTRICTED),
        format!("limit=31&group_by=project_id&project_ids={project}"),
    )
    .await;
    assert!(!own.results().is_empty());
    assert!(
        own.results()
            .iter()
            .all(|row| row["project_id"] == project.as_str())
    );

    assert_eq!(simulator.count_requests("/costs"), 6);
    let last = simulator.requests().pop().unwrap();
    assert_eq!((last.path.as_str(), last.status), ("/v1/organization/costs", 200));
    assert_eq!(last.key.as_deref(), Some("restricted"));
    assert_eq!(last.value("project_ids"), Some(project.as_str()));
}

#[tokio::test]
async fn rows_may_come_as_two_that_add_up() {
    let organization = billed();
    let expected = truth(&organization, month());
    let simulator = serving(organization)
        .split_every_nth_row(2)
        .start()
        .await
        .unwrap();
    let whole = serving(billed()).start().await.unwrap();
    let query = format!("limit=31&end_time={}&group_by=line_item", FIRST + 31 * DAY);
    let (split, whole) = (costs(&simulator, &query).await, costs(&whole, &query).await);
    assert!(split.results().len() > whole.results().len());
    assert_eq!(sums(split.results()), expected);
}

#[tokio::test]
async fn a_dimension_may_be_refused() {
    let user: DimensionSet = [Dimension::UserId].into_iter().collect();
    let simulator = serving(billed()).refuse_dimensions(user).start().await.unwrap();
    let error = costs(&simulator, "group_by=project_id,user_id").await.error();
    assert!(
        error.starts_with("400 group_by invalid_value: Invalid value: 'user_id'."),
        "{error}"
    );
}
