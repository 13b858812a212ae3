//! Every usage endpoint of the reference.

use std::collections::BTreeSet;

use serde_json::Value;
use usage_core::{Dimension, Dimensions, Endpoint, Metrics, WindowRange, parse_day};
use usage_simulator::{Generate, Organization};

use crate::support::{DAY, FIRST, encode, get, serving};

pub(crate) fn everything() -> Organization {
    Organization::generate(&options(true))
}

fn options(every_endpoint: bool) -> Generate {
    Generate {
        idle_days_percent: 0,
        every_endpoint,
        ..Generate::default()
    }
}

fn month() -> WindowRange {
    WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day("2025-10-01").unwrap()).unwrap()
}

fn path(endpoint: Endpoint, query: &str) -> String {
    format!("/organization/usage/{endpoint}?start_time={FIRST}&{query}")
}

#[test]
fn completions_do_not_depend_on_the_other_endpoints() {
    let alone = Organization::generate(&options(false));
    let among_others = everything();
    assert_eq!(
        alone.completions_csv(month()),
        among_others.completions_csv(month())
    );
    for endpoint in Endpoint::USAGE {
        let totals = among_others.usage(endpoint).totals(month());
        assert_eq!(totals.active_windows, 31, "{endpoint}");
        assert_eq!(totals, everything().usage(endpoint).totals(month()), "{endpoint}");
        for metric in endpoint.required_metrics() {
            assert!(totals.metrics.get(*metric) > Some(0), "{endpoint}: {metric}");
        }
        assert_eq!(
            alone.usage(endpoint).is_empty(),
            endpoint != Endpoint::Completions
        );
    }
}

#[test]
fn only_endpoints_that_tell_api_sources_have_one() {
    let organization = everything();
    for endpoint in Endpoint::USAGE {
        let day = month().windows().next().unwrap();
        let rows = organization.usage(endpoint).rows(day);
        assert!(!rows.is_empty(), "{endpoint}");
        let has_source = rows.iter().all(|row| row.dimensions.api_source.is_some());
        let has_none = rows.iter().all(|row| row.dimensions.api_source.is_none());
        let expected = endpoint.dimensions().contains(Dimension::ApiSource);
        assert_eq!((has_source, has_none), (expected, !expected), "{endpoint}");
    }
}

/// The sums of all metrics over all pages, by name.
async fn sums(simulator: &usage_simulator::Simulator, endpoint: Endpoint, query: &str) -> Vec<(String, i64)> {
    let mut sums = std::collections::BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let answer = get(simulator, &path(endpoint, &format!("{query}{cursor}"))).await;
        for row in answer.results() {
            for (name, value) in row.as_object().unwrap() {
                if let Some(number) = value.as_i64() {
                    *sums.entry(name.clone()).or_insert(0) += number;
                }
            }
        }
        match answer.next_page() {
            Some(next) => cursor = format!("&page={}", encode(&next)),
            None => return sums.into_iter().collect(),
        }
    }
}

#[tokio::test]
async fn days_hours_and_minutes_sum_to_the_same_at_every_endpoint() {
    let organization = everything();
    let simulator = serving(organization.clone()).start().await.unwrap();
    let two_days =
        WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day("2025-09-02").unwrap()).unwrap();
    for endpoint in Endpoint::USAGE {
        let truth = organization.usage(endpoint).totals(two_days).metrics;
        let truth: BTreeSet<(String, i64)> = endpoint
            .metrics()
            .iter()
            .filter_map(|metric| Some((metric.to_string(), truth.get(*metric)?)))
            .collect();
        for (width, limit) in [("1d", 31), ("1h", 168), ("1m", 1_440)] {
            let query = format!(
                "bucket_width={width}&limit={limit}&end_time={}&group_by=project_id",
                FIRST + 2 * DAY
            );
            let served: BTreeSet<_> = sums(&simulator, endpoint, &query).await.into_iter().collect();
            assert_eq!(served, truth, "{endpoint} by {width}");
        }
    }
}

#[tokio::test]
async fn results_are_named_and_shaped_as_the_reference_has_it() {
    let simulator = serving(everything()).start().await.unwrap();
    let mut shapes = Vec::new();
    for endpoint in Endpoint::USAGE {
        let answer = get(&simulator, &path(endpoint, "limit=1")).await;
        let row = answer.results()[0].as_object().unwrap().clone();
        let object = row["object"].as_str().unwrap().to_owned();
        let numbers = row.iter().filter(|(_, value)| value.is_i64()).count();
        let nulls: Vec<&str> = row
            .iter()
            .filter(|(_, value)| value.is_null())
            .map(|(name, _)| name.as_str())
            .collect();
        shapes.push(format!("{object} {numbers} {}", nulls.join(",")));
    }
    let tokens = "api_key_id,api_source,batch,model,project_id,service_tier,user_id";
    let caller = "api_key_id,model,project_id,user_id";
    assert_eq!(
        shapes,
        [
            format!("organization.usage.completions.result 14 {tokens}"),
            format!("organization.usage.decisions.result 14 {tokens}"),
            format!("organization.usage.embeddings.result 2 {caller}"),
            format!("organization.usage.moderations.result 2 {caller}"),
            "organization.usage.images.result 2 api_key_id,model,project_id,size,source,user_id".to_owned(),
            format!("organization.usage.audio_speeches.result 2 {caller}"),
            format!("organization.usage.audio_transcriptions.result 2 {caller}"),
            "organization.usage.vector_stores.result 1 project_id".to_owned(),
            "organization.usage.code_interpreter_sessions.result 1 project_id".to_owned(),
            "organization.usage.file_searches.result 1 api_key_id,project_id,user_id,vector_store_id".to_owned(),
            "organization.usage.web_searches.result 2 api_key_id,api_source,context_level,model,project_id,user_id"
                .to_owned(),
        ]
    );
}

#[tokio::test]
async fn filters_are_those_of_the_endpoint_and_hold_rows_back() {
    let simulator = serving(everything()).start().await.unwrap();
    for (endpoint, filter, dimension, values) in [
        (Endpoint::Images, "sizes", "size", "256x256,1024x1024"),
        (Endpoint::Images, "sources", "source", "image.edit"),
        (
            Endpoint::WebSearchCalls,
            "context_levels",
            "context_level",
            "low,high",
        ),
        (Endpoint::Embeddings, "models", "model", "text-embedding-3-small"),
    ] {
        let query = format!("limit=31&group_by={dimension}&{filter}={values}");
        let answer = get(&simulator, &path(endpoint, &query)).await;
        let seen: BTreeSet<&str> = answer
            .results()
            .iter()
            .map(|row| row[dimension].as_str().unwrap())
            .collect();
        assert_eq!(seen, values.split(',').collect(), "{endpoint} {filter}");
    }

    for (endpoint, query, reason) in [
        (Endpoint::Images, "sizes=1x1", "'1x1'"),
        (
            Endpoint::WebSearchCalls,
            "context_levels=extreme",
            "'low', 'medium', and 'high'",
        ),
        (Endpoint::VectorStores, "models=x", "Unknown parameter: 'models'"),
        (
            Endpoint::VectorStores,
            "user_ids=x",
            "Unknown parameter: 'user_ids'",
        ),
        (
            Endpoint::CodeInterpreterSessions,
            "api_key_ids=x",
            "Unknown parameter: 'api_key_ids'",
        ),
        (
            Endpoint::FileSearchCalls,
            "models=x",
            "Unknown parameter: 'models'",
        ),
        (Endpoint::Embeddings, "batch=true", "Unknown parameter: 'batch'"),
        (Endpoint::Embeddings, "group_by=service_tier", "'service_tier'"),
    ] {
        let answer = get(&simulator, &path(endpoint, query)).await;
        assert_eq!(answer.status, 400, "{endpoint}: {query}");
        assert!(answer.error().contains(reason), "{endpoint}: {}", answer.error());
    }
}

#[tokio::test]
async fn usage_can_be_put_at_every_endpoint() {
    let simulator = serving(Organization::new("org-small")).start().await.unwrap();
    for (number, endpoint) in (1..).zip(Endpoint::USAGE) {
        let metric = endpoint.required_metrics()[0];
        let mut metrics = Metrics::default();
        *metrics.get_mut(metric) = Some(number);
        let at = chrono::DateTime::from_timestamp(FIRST, 0).unwrap();
        simulator.update(|organization| {
            let log = organization.usage_mut(endpoint);
            log.add(at, &Dimensions::default(), &metrics);
        });
        let answer = get(&simulator, &path(endpoint, "limit=1")).await;
        let found: Vec<&Value> = answer.results().iter().map(|row| &row[metric.as_str()]).collect();
        assert_eq!(found, [&Value::from(number)], "{endpoint}");
    }
}
