//! Injected faults of what a page says.

use serde_json::{Value, json};
use usage_core::{Dimension, Endpoint};
use usage_simulator::faults::{Fault, Injection};

use crate::support::{DAY, FIRST, encode, generated, raw, serving};

const ENDPOINTS: [Endpoint; 3] = [Endpoint::Completions, Endpoint::Images, Endpoint::VectorStores];

/// What a healthy simulator and one with the fault answer, as texts.
async fn both(fault: Fault, endpoint: Endpoint, query: &str) -> [String; 2] {
    let organization = crate::endpoints::everything();
    let healthy = serving(organization.clone()).start().await.unwrap();
    let faulty = serving(organization)
        .fault(Injection::new(fault))
        .start()
        .await
        .unwrap();
    let path = path(endpoint, query);
    let mut texts = [String::new(), String::new()];
    for (text, simulator) in texts.iter_mut().zip([healthy, faulty]) {
        let answer = raw(&simulator, &path, usize::MAX).await;
        assert_eq!(
            (answer.status(), answer.error),
            (200, None),
            "{fault}: {}",
            answer.text()
        );
        assert_eq!(answer.header("content-type"), Some("application/json"), "{fault}");
        answer.text().clone_into(text);
    }
    texts
}

async fn both_as_json(fault: Fault, endpoint: Endpoint, query: &str) -> [Value; 2] {
    let texts = both(fault, endpoint, query).await;
    texts.map(|text| serde_json::from_str(&text).unwrap())
}

fn path(endpoint: Endpoint, query: &str) -> String {
    format!("/organization/usage/{endpoint}?start_time={FIRST}&{query}")
}

fn metric(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Completions => "input_tokens",
        Endpoint::Images => "images",
        _ => "usage_bytes",
    }
}

fn rows(page: &Value) -> Vec<&Value> {
    let buckets = page["data"].as_array().unwrap();
    buckets
        .iter()
        .flat_map(|bucket| bucket["results"].as_array().unwrap())
        .collect()
}

fn sum(page: &Value, metric: &str) -> i64 {
    rows(page).iter().map(|row| row[metric].as_i64().unwrap()).sum()
}

const GROUPED: &str = "limit=3&group_by=project_id";

#[tokio::test]
async fn the_metric_of_the_first_row_is_spoiled_and_nothing_else() {
    for endpoint in ENDPOINTS {
        let metric = metric(endpoint);
        for fault in [
            Fault::MetricIsText,
            Fault::MetricIsList,
            Fault::MetricNegative,
            Fault::MetricFractional,
            Fault::MetricMissing,
        ] {
            let [mut healthy, faulty] = both_as_json(fault, endpoint, GROUPED).await;
            let place = &mut healthy["data"][0]["results"][0];
            let number = place[metric].clone();
            match fault {
                Fault::MetricIsText => place[metric] = json!(number.to_string()),
                Fault::MetricIsList => place[metric] = json!([number]),
                Fault::MetricNegative => place[metric] = json!(-1),
                Fault::MetricFractional => place[metric] = json!(1.5),
                _ => drop(place.as_object_mut().unwrap().remove(metric)),
            }
            assert_eq!(faulty, healthy, "{fault} at {endpoint}");
        }
    }
}

#[tokio::test]
async fn numbers_are_spelled_in_ways_that_json_has() {
    for endpoint in ENDPOINTS {
        let metric = metric(endpoint);
        let [healthy, floats] = both(Fault::MetricIntegralFloat, endpoint, GROUPED).await;
        let healthy: Value = serde_json::from_str(&healthy).unwrap();
        for row in rows(&healthy) {
            let spelled = format!("\"{metric}\":{}.0", row[metric]);
            assert!(floats.contains(&spelled), "{spelled} in {floats}");
        }
        let [_, exponents] = both_as_json(Fault::MetricExponent, endpoint, GROUPED).await;
        for (row, respelled) in rows(&healthy).iter().zip(rows(&exponents)) {
            assert_eq!(respelled[metric].as_f64(), row[metric].as_f64());
            assert!(respelled[metric].is_f64());
        }
        let [_, enormous] = both(Fault::MetricEnormous, endpoint, GROUPED).await;
        let spelled = format!("\"{metric}\":100000000000000000000");
        assert_eq!(enormous.matches(&spelled).count(), 1, "{enormous}");
    }
}

#[tokio::test]
async fn a_row_that_comes_twice_adds_up_to_what_it_was() {
    for endpoint in ENDPOINTS {
        let [healthy, faulty] = both_as_json(Fault::RowTwice, endpoint, GROUPED).await;
        let twice = rows(&faulty);
        assert_eq!(twice[0], twice[1]);
        assert!(twice.len() > rows(&healthy).len());
        assert_eq!(sum(&faulty, metric(endpoint)), sum(&healthy, metric(endpoint)));
    }
}

#[tokio::test]
async fn grouping_is_ignored_or_one_dimension_is_null() {
    let query = "limit=3&group_by=project_id,model,user_id";
    let [healthy, ignored] = both_as_json(Fault::GroupingIgnored, Endpoint::Completions, query).await;
    let [_, modelless] = both_as_json(
        Fault::DimensionNull(Dimension::Model),
        Endpoint::Completions,
        query,
    )
    .await;
    assert!(rows(&healthy).len() > rows(&modelless).len());
    assert!(rows(&modelless).len() > rows(&ignored).len());
    assert_eq!(rows(&ignored).len(), 3, "a sum for each bucket");
    for row in rows(&ignored) {
        for dimension in ["project_id", "model", "user_id", "api_source"] {
            assert_eq!(row[dimension], Value::Null);
        }
    }
    for row in rows(&modelless) {
        assert!(row["model"].is_null() && row["project_id"].is_string() && row["user_id"].is_string());
    }
    for metric in ["input_tokens", "output_text_tokens", "num_model_requests"] {
        assert_eq!(sum(&ignored, metric), sum(&healthy, metric));
        assert_eq!(sum(&modelless, metric), sum(&healthy, metric));
    }
    let grouped_as_asked = "limit=3&group_by=project_id,user_id";
    let [exact, summed] = both_as_json(
        Fault::DimensionNull(Dimension::Model),
        Endpoint::Completions,
        grouped_as_asked,
    )
    .await;
    assert_eq!(
        exact, summed,
        "a request that does not group by it is answered as ever"
    );
}

#[tokio::test]
async fn rows_of_another_project_come_only_where_projects_are_asked_for() {
    let organization = generated();
    let project = organization.projects()[0].id.clone();
    let filtered = format!("{GROUPED}&project_ids={project}");
    let [healthy, faulty] = both_as_json(Fault::RowsOutsideFilter, Endpoint::Completions, &filtered).await;
    let projects = |page: &Value| -> Vec<String> {
        let names = rows(page)
            .into_iter()
            .map(|row| row["project_id"].as_str().unwrap().to_owned());
        names.filter(|name| *name != project).collect()
    };
    assert_eq!(projects(&healthy), [""; 0]);
    assert_eq!(projects(&faulty), ["proj_outside_the_filter"]);
    let [healthy, faulty] = both_as_json(Fault::RowsOutsideFilter, Endpoint::Completions, GROUPED).await;
    assert_eq!(healthy, faulty);
}

#[tokio::test]
async fn data_and_results_may_be_of_another_type_or_unknown() {
    for endpoint in ENDPOINTS {
        let [mut healthy, faulty] = both_as_json(Fault::DataIsText, endpoint, GROUPED).await;
        healthy["data"] = json!("none");
        assert_eq!(faulty, healthy);

        let [mut healthy, faulty] = both_as_json(Fault::NullResults, endpoint, GROUPED).await;
        healthy["data"][0]["results"] = Value::Null;
        assert_eq!(faulty, healthy);

        let [mut healthy, faulty] = both_as_json(Fault::UnknownObject, endpoint, GROUPED).await;
        let unknown = json!({"object": "organization.usage.novelties.result", "novelties": 3});
        healthy["data"][0]["results"]
            .as_array_mut()
            .unwrap()
            .insert(0, unknown);
        assert_eq!(faulty, healthy);

        let [healthy, faulty] = both_as_json(Fault::UnknownFields, endpoint, GROUPED).await;
        assert!(faulty["x_unheard_of"].is_object() && faulty["data"][2]["x_unheard_of"].is_object());
        assert!(
            rows(&faulty)
                .iter()
                .all(|row| row["x_unheard_of"]["deep"].is_array())
        );
        assert_eq!(sum(&faulty, metric(endpoint)), sum(&healthy, metric(endpoint)));
    }
}

#[tokio::test]
async fn cursors_are_spoiled() {
    for fault in [
        Fault::CursorMissing,
        Fault::CursorEmpty,
        Fault::CursorWhitespace,
        Fault::CursorControl,
        Fault::CursorOverlong,
        Fault::CursorUrl,
    ] {
        let [mut healthy, mut faulty] = both_as_json(fault, Endpoint::Images, GROUPED).await;
        let cursor = faulty["next_page"].take();
        assert_eq!(faulty["has_more"], true);
        let text = cursor.as_str().unwrap_or_default();
        let is_as_named = match fault {
            Fault::CursorMissing => cursor.is_null(),
            Fault::CursorEmpty => cursor == "",
            Fault::CursorWhitespace => text.trim().contains(' ') && text != text.trim(),
            Fault::CursorControl => text.contains("\r\n") && text.contains('\0'),
            Fault::CursorOverlong => text.chars().count() == 1_000_000,
            _ => text.starts_with("https://elsewhere.invalid/"),
        };
        assert!(is_as_named, "{fault}: {cursor:.80}");
        healthy["next_page"].take();
        assert_eq!(faulty, healthy, "{fault}");
    }
}

#[tokio::test]
async fn a_repeated_cursor_leads_nowhere_from_many_pages_and_from_one() {
    for (query, is_made_up) in [("limit=3", false), ("limit=31", true)] {
        let query = format!("{query}&end_time={}", FIRST + 9 * DAY);
        let injection = Injection::new(Fault::CursorRepeated);
        let simulator = serving(generated()).fault(injection).start().await.unwrap();
        let first = raw(&simulator, &path(Endpoint::Completions, &query), usize::MAX)
            .await
            .json();
        let cursor = first["next_page"].as_str().unwrap().to_owned();
        assert_eq!(cursor == "page_repeated", is_made_up);
        for _ in 0..2 {
            let query = format!("{query}&page={}", encode(&cursor));
            let next = raw(&simulator, &path(Endpoint::Completions, &query), usize::MAX)
                .await
                .json();
            assert_eq!(
                (&next["next_page"], &next["has_more"]),
                (&json!(cursor), &json!(true))
            );
            assert_eq!(next["data"] == first["data"], is_made_up);
            assert!(!next["data"].as_array().unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn buckets_come_twice_backwards_from_elsewhere_or_not_at_all() {
    for endpoint in ENDPOINTS {
        let starts = async |fault| {
            let pages = both_as_json(fault, endpoint, GROUPED).await;
            pages.map(|page| {
                let buckets = page["data"].as_array().unwrap().iter();
                let days = buckets.map(|bucket| (bucket["start_time"].as_i64().unwrap() - FIRST) / DAY);
                days.collect::<Vec<_>>()
            })
        };
        assert_eq!(
            starts(Fault::BucketTwice).await,
            [vec![0, 1, 2], vec![0, 0, 1, 2]]
        );
        assert_eq!(
            starts(Fault::BucketsOutOfOrder).await,
            [vec![0, 1, 2], vec![2, 1, 0]]
        );
        assert_eq!(starts(Fault::BucketMissing).await, [vec![0, 1, 2], vec![1, 2]]);
        let [_, outside] = starts(Fault::BucketOutsideRange).await;
        assert_eq!(outside, [0, 1, 2, 1_003]);
    }
}
