//! Injected faults at the route of costs.

use serde_json::{Value, json};
use usage_core::{Decimal, Dimension, Endpoint};
use usage_simulator::faults::{Fault, Injection, When};
use usage_simulator::{Organization, Simulator};

use crate::costs::{amount, billed, costs_path, sums};
use crate::support::{DAY, FIRST, encode, get, raw, serving};

const GROUPED: &str = "limit=3&group_by=project_id,line_item";

async fn suffering(fault: Fault) -> Simulator {
    suffers(billed(), fault).await
}

async fn suffers(organization: Organization, fault: Fault) -> Simulator {
    let injection = Injection::new(fault).endpoint(Endpoint::Costs);
    serving(organization).fault(injection).start().await.unwrap()
}

/// What a healthy simulator and one with the fault answer.
async fn both(fault: Fault, query: &str) -> [Value; 2] {
    let organization = billed();
    let healthy = serving(organization.clone()).start().await.unwrap();
    let faulty = suffers(organization, fault).await;
    let mut answers = [Value::Null, Value::Null];
    for (answer, simulator) in answers.iter_mut().zip([healthy, faulty]) {
        let raw = raw(&simulator, &costs_path(query), usize::MAX).await;
        assert_eq!((raw.status(), raw.error), (200, None), "{fault}");
        *answer = raw.json();
    }
    answers
}

fn rows(page: &Value) -> Vec<&Value> {
    let buckets = page["data"].as_array().unwrap();
    buckets
        .iter()
        .flat_map(|bucket| bucket["results"].as_array().unwrap())
        .collect()
}

#[tokio::test]
async fn every_fault_changes_what_goes_over_the_wire() {
    let organization = billed();
    let project = &organization.projects()[0].id;
    let path = costs_path(&format!("{GROUPED}&project_ids={project}"));
    let healthy = serving(organization.clone()).start().await.unwrap();
    let expected = raw(&healthy, &path, usize::MAX).await;
    // These do not end; usage has tests of them. Costs have no model.
    let others = [
        Fault::Silence,
        Fault::SlowBytes,
        Fault::HugeBody,
        Fault::CursorRepeated,
        Fault::DimensionNull(Dimension::Model),
    ];
    let faults = Fault::examples().filter(|fault| !others.contains(fault));
    for fault in faults.chain([Fault::DimensionNull(Dimension::LineItem)]) {
        let simulator = suffers(organization.clone(), fault).await;
        let mut answer = raw(&simulator, &path, usize::MAX).await;
        if matches!(fault, Fault::Restatement(_)) {
            answer = raw(&simulator, &path, usize::MAX).await;
        }
        assert!(
            (&answer.head, &answer.body) != (&expected.head, &expected.body),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn only_requests_to_the_endpoint_are_hit() {
    let simulator = serving(billed()).start().await.unwrap();
    simulator.inject(
        Injection::new(Fault::ServerError(503))
            .when(When::Once(2))
            .endpoint(Endpoint::Costs)
            .grouped_only(),
    );
    let status = async |path: &str| get(&simulator, path).await.status;
    assert_eq!(status(&costs_path(GROUPED)).await, 200);
    let usage = format!("/organization/usage/completions?start_time={FIRST}&group_by=model");
    for _ in 0..2 {
        assert_eq!(status(&usage).await, 200);
        assert_eq!(status(&costs_path("limit=1")).await, 200);
    }
    assert_eq!(status(&costs_path(GROUPED)).await, 503);
    assert_eq!(status(&costs_path(GROUPED)).await, 200);
    simulator.fail_next(1, 429, Some("3"));
    let refused = get(&simulator, &costs_path("limit=1")).await;
    assert_eq!((refused.status, refused.retry_after.as_deref()), (429, Some("3")));
    assert_eq!(
        "server-error-503@once=2@grouped:costs"
            .parse::<Injection>()
            .unwrap()
            .endpoint,
        Some(Endpoint::Costs)
    );
}

#[tokio::test]
async fn the_amount_of_the_first_row_is_spoiled_and_nothing_else() {
    for (fault, value) in [
        (Fault::MetricIsText, json!("a lot")),
        (Fault::MetricNegative, json!(-1)),
        (Fault::MetricFractional, json!(1.5)),
    ] {
        let [mut healthy, faulty] = both(fault, GROUPED).await;
        healthy["data"][0]["results"][0]["amount"]["value"] = value;
        assert_eq!(faulty, healthy, "{fault}");
    }
    let [mut healthy, faulty] = both(Fault::MetricIsList, GROUPED).await;
    let place = &mut healthy["data"][0]["results"][0]["amount"]["value"];
    *place = json!([place.take()]);
    assert_eq!(faulty, healthy);
    let [mut healthy, faulty] = both(Fault::MetricMissing, GROUPED).await;
    let amount = &mut healthy["data"][0]["results"][0]["amount"];
    amount.as_object_mut().unwrap().remove("value");
    assert_eq!(faulty, healthy);
}

#[tokio::test]
async fn amounts_spelled_otherwise_and_rows_that_come_twice_add_up() {
    for fault in [Fault::MetricIntegralFloat, Fault::MetricExponent, Fault::RowTwice] {
        let [healthy, faulty] = both(fault, GROUPED).await;
        assert_ne!(healthy, faulty, "{fault}");
        assert_eq!(sums(rows(&healthy)), sums(rows(&faulty)), "{fault}");
        if fault == Fault::RowTwice {
            assert_eq!(rows(&faulty)[0], rows(&faulty)[1]);
        }
    }
}

#[tokio::test]
async fn grouping_is_ignored_or_the_line_item_is_null() {
    let [healthy, ignored] = both(Fault::GroupingIgnored, GROUPED).await;
    assert_eq!(
        rows(&ignored).len(),
        3 + 1,
        "a row for each day, and one in euros"
    );
    let [_, unworded] = both(Fault::DimensionNull(Dimension::LineItem), GROUPED).await;
    for page in [&ignored, &unworded] {
        assert_eq!(sums(rows(page)), sums(rows(&healthy)));
        for row in rows(page) {
            assert!(
                row["line_item"].is_null() && row["quantity"].is_null() && row["quantity_unit"].is_null()
            );
        }
    }
    assert!(rows(&unworded).iter().any(|row| row["project_id"].is_string()));
    let [healthy, faulty] = both(Fault::DimensionNull(Dimension::ProjectId), GROUPED).await;
    let quantities = |page: &Value| -> Decimal {
        let quantities: Vec<Decimal> = rows(page)
            .iter()
            .filter(|row| row["quantity_unit"] == "tokens")
            .map(|row| row["quantity"].to_string().parse().unwrap())
            .collect();
        quantities.iter().sum()
    };
    assert_eq!(quantities(&faulty), quantities(&healthy));
    assert!(rows(&faulty).len() < rows(&healthy).len());
}

#[tokio::test]
async fn a_cursor_repeats_itself() {
    let simulator = suffering(Fault::CursorRepeated).await;
    for (limit, is_made_up) in [(3, false), (31, true)] {
        let path = costs_path(&format!("limit={limit}&end_time={}", FIRST + 9 * DAY));
        let first = raw(&simulator, &path, usize::MAX).await.json();
        let cursor = first["next_page"].as_str().unwrap().to_owned();
        assert_eq!(cursor == "page_repeated", is_made_up);
        let next = raw(
            &simulator,
            &format!("{path}&page={}", encode(&cursor)),
            usize::MAX,
        )
        .await
        .json();
        assert_eq!(
            (&next["next_page"], &next["has_more"]),
            (&json!(cursor), &json!(true))
        );
    }
}

#[tokio::test]
async fn a_restatement_between_two_pages_changes_the_truth() {
    let simulator = serving(billed()).start().await.unwrap();
    let truth = || {
        simulator.inspect(|organization| {
            let days = usage_core::parse_day("2025-09-01").unwrap();
            let range = usage_core::WindowRange::days(days, days).unwrap();
            organization.usage_cost(range).unwrap().0
        })
    };
    let before = truth();
    simulator.inject("restatement-150@once=1:costs".parse().unwrap());
    let path = costs_path(&format!("limit=1&end_time={}", FIRST + DAY));
    let old = get(&simulator, &path).await;
    let new = get(&simulator, &path).await;
    assert_eq!(truth(), before / 2 * 3, "every price is even");
    let amounts = [&old, &new].map(|answer| amount(answer.results()[0]));
    let expected = [before, before / 2 * 3].map(|pico| Decimal::from(usage_core::PicoUsd(pico)));
    assert_eq!(amounts, expected);
}
