//! Grouping and filters.

use std::collections::BTreeSet;

use usage_core::{Dimension, DimensionSet, Endpoint};
use usage_simulator::ArrayEncoding;

use crate::support::{DAY, FIRST, generated, real_month, serving, usage};

const ALL_DIMENSIONS: &str = "group_by=project_id&group_by=user_id&group_by=api_key_id&group_by=model&group_by=batch\
                              &group_by=service_tier&group_by=api_source";

#[tokio::test]
async fn a_row_of_the_real_month_looks_like_the_providers() {
    let simulator = serving(real_month()).start().await.unwrap();
    let answer = usage(&simulator, &format!("limit=6&{ALL_DIMENSIONS}")).await;
    let buckets = answer.buckets();
    insta::assert_json_snapshot!(buckets[0]);
    insta::assert_json_snapshot!(buckets[5]);
}

#[tokio::test]
async fn the_real_month_arrives_whole() {
    let simulator = serving(real_month()).start().await.unwrap();
    let query = format!("end_time={}&limit=31&{ALL_DIMENSIONS}", FIRST + 31 * DAY);
    let answer = usage(&simulator, &query).await;
    assert_eq!(answer.next_page(), None);
    assert_eq!(answer.buckets().len(), 31);
    assert_eq!(answer.results().len(), 31);
    assert_eq!(answer.sum("input_tokens"), 173_264_675);
    assert_eq!(answer.sum("input_cached_tokens"), 56_648_320);
    assert_eq!(answer.sum("output_tokens"), 2_630_441);
    assert_eq!(answer.sum("num_model_requests"), 1_437);
}

#[tokio::test]
async fn without_grouping_a_bucket_has_one_row_of_totals_and_no_dimension() {
    let simulator = serving(generated()).start().await.unwrap();
    let grouped = usage(&simulator, &format!("limit=31&{ALL_DIMENSIONS}")).await;
    let totals = usage(&simulator, "limit=31").await;
    assert_eq!((grouped.results().len(), totals.results().len()), (31 * 24, 31));
    for row in totals.results() {
        for dimension in Endpoint::Completions.dimensions().iter() {
            assert_eq!(row.get(dimension.as_str()), Some(&serde_json::Value::Null));
        }
    }
    for metric in [
        "input_tokens",
        "output_tokens",
        "num_model_requests",
        "input_cached_audio_tokens",
    ] {
        assert_eq!(grouped.sum(metric), totals.sum(metric), "{metric}");
    }
}

#[tokio::test]
async fn rows_are_distinct_sorted_and_have_what_they_are_grouped_by() {
    let simulator = serving(generated()).start().await.unwrap();
    let answer = usage(&simulator, "limit=31&group_by=model&group_by=batch").await;
    for bucket in answer.buckets() {
        let rows = bucket["results"].as_array().unwrap();
        let keys: Vec<(&str, bool)> = rows
            .iter()
            .map(|row| (row["model"].as_str().unwrap(), row["batch"].as_bool().unwrap()))
            .collect();
        assert!(keys.is_sorted() && keys.len() > 1, "{keys:?}");
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert!(
            rows.iter()
                .all(|row| row["project_id"].is_null() && row["api_source"].is_null())
        );
    }
}

#[tokio::test]
async fn the_three_encodings_of_arrays_say_the_same() {
    let simulator = serving(generated()).start().await.unwrap();
    let repeated = usage(&simulator, "group_by=model&group_by=batch").await;
    for other in [
        "group_by[]=model&group_by[]=batch",
        "group_by%5B%5D=batch&group_by%5B%5D=model",
        "group_by=model,batch",
    ] {
        assert_eq!(usage(&simulator, other).await.body, repeated.body, "{other}");
    }
}

#[tokio::test]
async fn an_encoding_that_is_not_understood_is_silently_ignored() {
    let forms = [
        (ArrayEncoding::Repeated, "group_by=model&group_by=batch"),
        (ArrayEncoding::Bracketed, "group_by[]=model&group_by[]=batch"),
        (ArrayEncoding::CommaJoined, "group_by=model,batch"),
    ];
    for (accepted, _) in forms {
        let simulator = serving(generated())
            .array_encodings([accepted])
            .start()
            .await
            .unwrap();
        for (sent, query) in forms {
            let answer = usage(&simulator, query).await;
            let has_models = answer.results().iter().all(|row| row["model"].is_string());
            assert_eq!(has_models, sent == accepted, "{accepted:?} {query}");
        }
    }
}

#[tokio::test]
async fn a_filter_lets_its_values_through_and_filters_narrow_together() {
    let simulator = serving(generated()).start().await.unwrap();
    let everything = usage(
        &simulator,
        "limit=31&group_by=model,user_id,batch,project_id,api_key_id",
    )
    .await;
    let row = everything.results()[0].clone();
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    for (filter, dimension) in [
        ("project_ids", "project_id"),
        ("user_ids", "user_id"),
        ("api_key_ids", "api_key_id"),
        ("models", "model"),
    ] {
        let wanted = text(dimension);
        let query = format!("limit=31&group_by={dimension}&{filter}={wanted}");
        let filtered = usage(&simulator, &query).await;
        assert!(
            filtered
                .results()
                .iter()
                .all(|row| row[dimension] == wanted.as_str())
        );
        let expected: i64 = everything
            .results()
            .iter()
            .filter(|row| row[dimension] == wanted.as_str())
            .map(|row| row["input_tokens"].as_i64().unwrap())
            .sum();
        assert_eq!(filtered.sum("input_tokens"), expected, "{query}");
    }

    let batched = usage(&simulator, "limit=31&batch=true")
        .await
        .sum("num_model_requests");
    let unbatched = usage(&simulator, "limit=31&batch=false")
        .await
        .sum("num_model_requests");
    assert!(batched > 0 && unbatched > 0);
    assert_eq!(batched + unbatched, everything.sum("num_model_requests"));

    let (model, user) = (text("model"), text("user_id"));
    let both = usage(&simulator, &format!("limit=31&models={model}&user_ids={user}")).await;
    let model_alone = usage(&simulator, &format!("limit=31&models={model}")).await;
    assert!(both.sum("input_tokens") < model_alone.sum("input_tokens"));
    assert!(
        usage(&simulator, "limit=31&models=no-such-model")
            .await
            .results()
            .is_empty()
    );
}

#[tokio::test]
async fn an_organisation_can_refuse_a_dimension_by_name() {
    let simulator = serving(real_month())
        .refuse_dimensions(DimensionSet::EMPTY.with(Dimension::ApiSource))
        .start()
        .await
        .unwrap();
    insta::assert_snapshot!(usage(&simulator, ALL_DIMENSIONS).await.error(), @"400 group_by invalid_value: Invalid value: 'api_source'. Supported values are: 'project_id', 'user_id', 'api_key_id', 'model', 'batch', and 'service_tier'.");
}

#[tokio::test]
async fn split_rows_have_the_identical_tuple_and_the_same_sums() {
    let query = "limit=31&group_by=model";
    let whole = serving(generated()).start().await.unwrap();
    let split = serving(generated()).split_every_nth_row(3).start().await.unwrap();
    let (whole, halves) = (usage(&whole, query).await, usage(&split, query).await);
    assert!(halves.results().len() > whole.results().len());
    let pairs = halves
        .results()
        .windows(2)
        .filter(|pair| pair[0]["model"] == pair[1]["model"])
        .count();
    assert_eq!(pairs, halves.results().len() - whole.results().len());
    assert_eq!(halves.sum("input_text_tokens"), whole.sum("input_text_tokens"));
    assert_eq!(
        usage(&split, "limit=31").await.results().len(),
        31,
        "totals are never split"
    );
}
