//! What pages may look like, and what each fault costs.

use proptest::prelude::*;
use serde_json::{Value, json};
use usage_core::{
    Dimension, DimensionSet, Endpoint, IssueCode, Metric, UsageRow, Width, WindowRange, parse_day,
};

use super::page::{Asked, Page};
use super::row::Rows;
use super::surface::Surface;
use crate::transport::DecodeError;

const DAY: i64 = 86_400;
/// 2025-09-01T00:00:00Z
const FIRST: i64 = 1_756_684_800;

fn asked() -> Asked {
    Asked {
        surface: Surface::of(Endpoint::Completions).unwrap(),
        windows: WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day("2025-09-03").unwrap())
            .unwrap(),
        grouped_by: Endpoint::Completions.dimensions(),
    }
}

fn decode_page(body: &[u8], asked: &Asked) -> Result<Page<UsageRow>, DecodeError> {
    super::page::decode_page(body, asked)
}

fn decode(body: &Value) -> Result<Page<UsageRow>, DecodeError> {
    decode_page(body.to_string().as_bytes(), &asked())
}

fn page(buckets: &Value) -> Value {
    json!({"object": "page", "data": buckets, "has_more": false, "next_page": null})
}

fn row() -> Value {
    json!({"input_tokens": 3, "output_tokens": 2, "num_model_requests": 1, "model": "m", "project_id": "p"})
}

/// The rows of a bucket whose only row is [`row`] with one field changed.
fn with(field: &str, value: Value) -> Rows<UsageRow> {
    let mut row = row();
    row[field] = value;
    let bucket = json!({"start_time": FIRST, "end_time": FIRST + DAY, "results": [self::row(), row]});
    decode(&page(&json!([bucket]))).unwrap().buckets.remove(0).rows
}

fn bucket_error(bucket: &Value) -> DecodeError {
    decode(&page(&json!([bucket]))).unwrap_err()
}

#[test]
fn the_recorded_page_is_read_to_the_letter() {
    let body = include_bytes!("../../fixtures/openai/completions_page.json");
    let page = decode_page(body, &asked()).unwrap();
    insta::assert_debug_snapshot!(page);
}

#[test]
fn every_count_that_is_none_fails_its_window_by_row_and_field() {
    for (value, reason) in [
        (json!(-1), "is negative"),
        (json!(1.5), "is not a whole number"),
        (json!(9_223_372_036_854_775_808_u64), "is beyond 64 bits"),
        (json!(1e19), "is beyond 64 bits"),
        (json!("59200"), "is not a number"),
        (json!(true), "is not a number"),
        (json!([1]), "is not a number"),
        (json!({"value": 1}), "is not a number"),
        (Value::Null, "is missing"),
    ] {
        let fault = with("input_tokens", value).unwrap_err();
        assert_eq!(fault.code, IssueCode::CountInvalid);
        assert_eq!(fault.message, format!("row 2: input_tokens {reason}"));
    }
}

#[test]
fn optional_counts_may_be_null_and_floats_may_be_whole() {
    assert_eq!(
        with("input_cached_tokens", Value::Null).unwrap()[1]
            .metrics
            .input_cached_tokens,
        None
    );
    assert_eq!(
        with("input_cached_tokens", json!(59_200.0)).unwrap()[1]
            .metrics
            .input_cached_tokens,
        Some(59_200)
    );
}

#[test]
fn a_fraction_that_a_float_would_lose_fails_its_window() {
    let decoded = |number: &str| {
        let bucket = json!({"start_time": FIRST, "end_time": FIRST + DAY, "results": [row()]});
        let body = page(&json!([bucket])).to_string();
        let body = body.replace("\"input_tokens\":3", &format!("\"input_tokens\": {number} "));
        let page = decode_page(body.as_bytes(), &asked()).unwrap();
        let rows = page.buckets.into_iter().next().unwrap().rows;
        rows.map(|rows| rows[0].metrics.input_tokens)
            .map_err(|fault| fault.message)
    };
    for number in ["0.99999999999999999", "9007199254740990.6", "1e-1", "1.5e0"] {
        let message = "row 1: input_tokens is not a whole number";
        assert_eq!(decoded(number), Err(message.to_owned()), "{number}");
    }
    for (number, count) in [("1e3", 1_000), ("5.0", 5), ("9223372036854775807.0", i64::MAX)] {
        assert_eq!(decoded(number), Ok(Some(count)), "{number}");
    }
}

#[test]
fn texts_that_no_database_stores_fail_their_window() {
    for (field, value, reason) in [
        ("model", json!("gpt\u{0}5"), "holds a control character"),
        ("api_key_id", json!("a\nb"), "holds a control character"),
        ("user_id", json!(7), "is not a text"),
        ("service_tier", json!(["default"]), "is not a text"),
        ("batch", json!("true"), "is neither true nor false"),
    ] {
        let fault = with(field, value).unwrap_err();
        assert_eq!(fault.code, IssueCode::TextInvalid, "{field}");
        assert_eq!(fault.message, format!("row 2: {field} {reason}"));
    }
}

#[test]
fn an_empty_text_is_no_value() {
    assert_eq!(
        with("service_tier", json!("")).unwrap()[1]
            .dimensions
            .service_tier,
        None
    );
}

#[test]
fn a_field_that_comes_twice_in_a_row_fails_its_window() {
    let body = format!(
        r#"{{"data":[{{"start_time":{FIRST},"end_time":{},"results":[
            {{"input_tokens":1,"output_tokens":1,"num_model_requests":1,"input_tokens":2}}]}}],"has_more":false}}"#,
        FIRST + DAY
    );
    let page = decode_page(body.as_bytes(), &asked()).unwrap();
    let fault = page.buckets[0].rows.clone().unwrap_err();
    assert_eq!(fault.message, "row 1: input_tokens comes twice");
}

#[test]
fn values_of_dimensions_that_were_not_asked_are_left_out() {
    let asked = Asked {
        grouped_by: DimensionSet::from_iter([Dimension::Model]),
        ..asked()
    };
    let mut row = row();
    row["batch"] = json!({"even": "of the wrong type"});
    let bucket = json!({"start_time": FIRST, "end_time": FIRST + DAY, "results": [row]});
    let page = decode_page(page(&json!([bucket])).to_string().as_bytes(), &asked).unwrap();
    let rows = page.buckets[0].rows.clone().unwrap();
    assert_eq!(rows[0].dimensions.present(), asked.grouped_by);
    assert_eq!(page.tally.present, asked.grouped_by);
}

#[test]
fn what_is_unknown_is_counted_and_read_past() {
    let mut row = row();
    row["object"] = json!("organization.usage.decisions.result");
    row["input_video_tokens"] = json!({"seconds": [1, 2]});
    let body = json!({
        "object": "page", "has_more": false, "warnings": [],
        "data": [{"object": "bucket", "start_time": FIRST, "end_time": FIRST + DAY, "results": [row, row]}],
    });
    let page = decode(&body).unwrap();
    assert_eq!(page.buckets[0].rows.as_ref().unwrap().len(), 2);
    assert_eq!(
        page.tally.unknown.to_string(),
        "input_video_tokens (2×), object=organization.usage.decisions.result (2×), warnings (1×)"
    );
}

#[test]
fn a_field_of_another_endpoint_is_as_unknown_as_any() {
    for (endpoint, own, foreign) in [
        (Endpoint::Completions, "batch", "vector_store_id"),
        (Endpoint::Embeddings, "model", "output_tokens"),
        (Endpoint::VectorStores, "project_id", "model"),
        (Endpoint::FileSearchCalls, "vector_store_id", "context_level"),
    ] {
        let asked = Asked {
            surface: Surface::of(endpoint).unwrap(),
            grouped_by: Dimension::USAGE.into_iter().collect(),
            ..asked()
        };
        let mut row = json!({own: Value::Null, foreign: "a value"});
        for metric in endpoint.required_metrics() {
            row[metric.as_str()] = json!(1);
        }
        let bucket = json!({"start_time": FIRST, "end_time": FIRST + DAY, "results": [row]});
        let page = decode_page(page(&json!([bucket])).to_string().as_bytes(), &asked).unwrap();
        assert_eq!(
            page.tally.unknown.to_string(),
            format!("{foreign} (1×)"),
            "{endpoint}"
        );
        let rows = page.buckets[0].rows.as_ref().unwrap();
        assert!(rows[0].dimensions.present().is_empty() && page.tally.present.is_empty());
    }
}

#[test]
fn a_bucket_must_be_as_wide_as_asked() {
    const HOUR: i64 = 3_600;
    for (width, long, start_shift) in [
        (Width::Hour, DAY, 0),
        (Width::Hour, 60, 0),
        (Width::Hour, HOUR, 60),
        (Width::Minute, HOUR, 0),
        (Width::Minute, 60, 1),
    ] {
        let asked = Asked {
            windows: WindowRange::new(asked().windows.start(), asked().windows.end(), width).unwrap(),
            ..asked()
        };
        let decode = |start: i64, end: i64| {
            let bucket = json!({"start_time": start, "end_time": end, "results": []});
            decode_page(page(&json!([bucket])).to_string().as_bytes(), &asked)
        };
        let start = FIRST + 2 * HOUR;
        let right = decode(start, start + width.seconds());
        assert_eq!(right.unwrap().buckets[0].window.width(), width);
        let wrong = decode(start + start_shift, start + start_shift + long);
        assert_eq!(
            wrong.unwrap_err().code,
            IssueCode::BucketOutOfRange,
            "{width:?} {long}"
        );
    }
}

#[test]
fn a_bucket_must_be_one_of_the_windows_asked_for() {
    for (start, end) in [
        (json!(FIRST - DAY), json!(FIRST)),
        (json!(FIRST + 3 * DAY), json!(FIRST + 4 * DAY)),
        (json!(FIRST + 1), json!(FIRST + DAY + 1)),
        (json!(FIRST), json!(FIRST + 3_600)),
        (json!(FIRST), json!(FIRST + 2 * DAY)),
        (json!(FIRST + DAY), json!(FIRST)),
        (json!(i64::MAX), json!(i64::MAX)),
        (json!(FIRST.to_string()), json!(FIRST + DAY)),
        (json!(-DAY), json!(0)),
        (json!(FIRST), Value::Null),
        (Value::Null, Value::Null),
    ] {
        let bucket = json!({"start_time": start, "end_time": end, "results": []});
        assert_eq!(
            bucket_error(&bucket).code,
            IssueCode::BucketOutOfRange,
            "{bucket}"
        );
    }
}

#[test]
fn times_as_text_stand_in_for_missing_integers_only() {
    let bucket = json!({
        "start_time_iso": "2025-09-02T00:00:00", "end_time_iso": "2025-09-03T00:00:00+00:00", "results": [],
    });
    let page = decode(&page(&json!([bucket]))).unwrap();
    assert_eq!(page.buckets[0].window.to_string(), "2025-09-02T00:00:00Z/1d");
    let bucket = json!({
        "start_time": "soon", "start_time_iso": "2025-09-02T00:00:00", "end_time_iso": "2025-09-03T00:00:00",
        "results": [],
    });
    assert_eq!(bucket_error(&bucket).code, IssueCode::BucketOutOfRange);
}

#[test]
fn a_bucket_without_results_is_not_an_empty_one() {
    let bucket = json!({"start_time": FIRST, "end_time": FIRST + DAY});
    let page = decode(&page(&json!([bucket]))).unwrap();
    assert_eq!(
        page.buckets[0].rows.clone().unwrap_err().code,
        IssueCode::BodyInvalid
    );
}

#[test]
fn a_body_that_is_no_page_is_invalid_and_never_quoted() {
    let secret = "secret-in-the-body";
    for body in [
        String::new(),
        "<html>secret-in-the-body</html>".to_owned(),
        "[]".to_owned(),
        format!(r#"{{"data":"{secret}","has_more":false}}"#),
        format!(r#"{{"data":[],"has_more":"{secret}"}}"#),
        format!(r#"{{"data":[],"has_more":true,"next_page":["{secret}"]}}"#),
        r#"{"data":[]}"#.to_owned(),
        r#"{"has_more":false}"#.to_owned(),
        r#"{"data":[],"data":[],"has_more":false}"#.to_owned(),
        r#"{"data":[null],"has_more":false}"#.to_owned(),
        format!(r#"{{"data":[{{"start_time":{FIRST},"results":[1]}}],"has_more":false}}"#),
        r#"{"data":[],"has_more":false} trailing"#.to_owned(),
        r#"{"data":[],"has_more":fal"#.to_owned(),
        "[".repeat(10_000),
    ] {
        let error = decode_page(body.as_bytes(), &asked()).unwrap_err();
        assert_eq!(error.code, IssueCode::BodyInvalid, "{body}");
        assert!(!error.message.contains(secret), "{}", error.message);
    }
}

/// The wire form of a row, absent values as null.
fn wire(endpoint: Endpoint, row: &UsageRow) -> Value {
    let mut object = json!({"object": Surface::of(endpoint).unwrap().result_object});
    for metric in endpoint.metrics() {
        object[metric.as_str()] = json!(row.metrics.get(*metric));
    }
    for dimension in endpoint.dimensions().iter() {
        object[dimension.as_str()] = match dimension {
            Dimension::Batch => json!(row.dimensions.batch),
            _ => json!(row.dimensions.get(dimension)),
        };
    }
    object
}

fn any_row(endpoint: Endpoint) -> impl Strategy<Value = UsageRow> {
    let counts = proptest::collection::vec(proptest::option::of(0..=i64::MAX), Metric::ALL.len());
    let text = proptest::option::of("[^\\p{Cc}]{1,12}");
    let texts = proptest::collection::vec(text, Dimension::USAGE.len());
    (counts, texts, any::<Option<bool>>()).prop_map(move |(counts, texts, batch)| {
        let mut row = UsageRow::default();
        for metric in endpoint.metrics() {
            *row.metrics.get_mut(*metric) = counts[*metric as usize];
        }
        for metric in endpoint.required_metrics() {
            row.metrics.get_mut(*metric).get_or_insert(0);
        }
        for dimension in endpoint.dimensions().iter() {
            match row.dimensions.text_mut(dimension) {
                Some(place) => place.clone_from(&texts[dimension as usize]),
                None => row.dimensions.batch = batch,
            }
        }
        row
    })
}

fn any_rows() -> impl Strategy<Value = (Endpoint, Vec<UsageRow>)> {
    prop::sample::select(Endpoint::USAGE.to_vec())
        .prop_flat_map(|endpoint| (Just(endpoint), proptest::collection::vec(any_row(endpoint), 0..6)))
}

proptest! {
    #[test]
    fn rows_come_back_as_they_were_sent((endpoint, rows) in any_rows()) {
        let results: Vec<_> = rows.iter().map(|row| wire(endpoint, row)).collect();
        let bucket = json!({"start_time": FIRST, "end_time": FIRST + DAY, "results": results});
        let asked = Asked {
            surface: Surface::of(endpoint).unwrap(),
            grouped_by: endpoint.dimensions(),
            ..asked()
        };
        let page = decode_page(page(&json!([bucket])).to_string().as_bytes(), &asked).unwrap();
        prop_assert_eq!(page.buckets[0].rows.as_ref().unwrap(), &rows);
        prop_assert!(page.tally.unknown.is_empty());
    }

    #[test]
    fn a_damaged_page_is_an_error_or_stays_inside_the_range(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = include_bytes!("../../fixtures/openai/completions_page.json").to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(page) = decode_page(&body, &asked()) {
            prop_assert!(page.buckets.iter().all(|bucket| asked().windows.contains(bucket.window)));
        }
    }
}
