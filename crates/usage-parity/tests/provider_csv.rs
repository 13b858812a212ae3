//! The provider's usage exports, written.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use usage_core::{
    Dimension, Dimensions, Endpoint, Metric, Metrics, UsageRow, Width, Window, WindowRange, parse_day,
    parse_instant,
};
use usage_parity::{Layout, ProviderCsvError, ProviderCsvWriter};

#[test]
fn a_real_export_read_and_written_is_the_same_file() {
    let original = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv"),
    )
    .unwrap();
    let windows = read(&original);
    let rows = windows.iter().map(|(_, rows)| rows.len()).sum::<usize>();
    assert_eq!((windows.len(), rows), (31, 31), "days, rows with usage");
    assert_eq!(write(&windows), original);

    // The order in which rows were read or stored does not show.
    let reversed: Vec<_> = windows
        .into_iter()
        .map(|(window, rows)| (window, rows.into_iter().rev().collect()))
        .collect();
    assert_eq!(write(&reversed), original);
}

#[test]
fn rows_are_summed_where_the_layout_cannot_tell_them_apart() {
    let row = |api_source: Option<&str>, requests, cached| UsageRow {
        dimensions: Dimensions {
            model: Some("gpt-5".to_owned()),
            api_source: api_source.map(str::to_owned),
            ..Dimensions::default()
        },
        metrics: Metrics {
            num_model_requests: Some(requests),
            input_cached_tokens: cached,
            input_cache_write_tokens: Some(77),
            ..Metrics::default()
        },
    };
    let rows = vec![
        row(Some("agents_api"), 8, Some(100)),
        row(Some("unlabeled"), 1, None),
        row(None, 30, Some(0)),
    ];
    insta::assert_snapshot!(body(&[(day("2025-09-01"), rows)]), @"1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00,,39,,,gpt-5,,,,,100,,,,,,,,,,");
}

#[test]
fn rows_are_sorted_by_the_dimensions_in_column_order_absent_first() {
    let row = |project: &str, user: &str, model: &str, batch, tier: &str| UsageRow {
        dimensions: Dimensions {
            project_id: Some(project.to_owned()),
            user_id: Some(user.to_owned()),
            model: Some(model.to_owned()),
            service_tier: Some(tier.to_owned()),
            batch,
            ..Dimensions::default()
        },
        metrics: Metrics {
            num_model_requests: Some(1),
            output_image_tokens: Some(0),
            ..Metrics::default()
        },
    };
    let rows = vec![
        row("p2", "", "a", None, ""),
        row("p1", "u2", "a", None, ""),
        row("p1", "u1", "b", None, "default"),
        row("p1", "u1", "a", Some(true), "default"),
        row("p1", "u1", "a", Some(false), "flex"),
        row("p1", "u1", "a", Some(false), "default"),
        row("p1", "u1", "a", None, "priority"),
        row("p1", "", "z", Some(true), "scale"),
    ];
    let hour = Window::new(parse_instant("2025-09-01T23:00:00Z").unwrap(), Width::Hour).unwrap();
    insta::assert_snapshot!(body(&[(hour, rows)]), @r"
    1756767600,1756771200,2025-09-01T23:00:00+00:00,2025-09-02T00:00:00+00:00,p1,1,,,z,True,scale,,,,,,,,,,,,,0
    1756767600,1756771200,2025-09-01T23:00:00+00:00,2025-09-02T00:00:00+00:00,p1,1,u1,,a,,priority,,,,,,,,,,,,,0
    1756767600,1756771200,2025-09-01T23:00:00+00:00,2025-09-02T00:00:00+00:00,p1,1,u1,,a,False,default,,,,,,,,,,,,,0
    1756767600,1756771200,2025-09-01T23:00:00+00:00,2025-09-02T00:00:00+00:00,p1,1,u1,,a,False,flex,,,,,,,,,,,,,0
    1756767600,1756771200,2025-09-01T23:00:00+00:00,2025-09-02T00:00:00+00:00,p1,1,u1,,a,True,default,,,,,,,,,,,,,0
    1756767600,1756771200,2025-09-01T23:00:00+00:00,2025-09-02T00:00:00+00:00,p1,1,u1,,b,,default,,,,,,,,,,,,,0
    1756767600,1756771200,2025-09-01T23:00:00+00:00,2025-09-02T00:00:00+00:00,p1,1,u2,,a,,,,,,,,,,,,,,,0
    1756767600,1756771200,2025-09-01T23:00:00+00:00,2025-09-02T00:00:00+00:00,p2,1,,,a,,,,,,,,,,,,,,,0
    ");
}

#[test]
fn a_window_without_usage_has_its_times_alone() {
    insta::assert_snapshot!(body(&[(day("2025-09-06"), vec![])]), @"1757116800,1757203200,2025-09-06T00:00:00+00:00,2025-09-07T00:00:00+00:00,,,,,,,,,,,,,,,,,,,,");
}

#[test]
fn a_file_without_windows_is_a_header() {
    insta::assert_snapshot!(write(&[]), @"start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens,input_text_tokens,output_text_tokens,input_cached_text_tokens,input_audio_tokens,input_cached_audio_tokens,output_audio_tokens,input_image_tokens,input_cached_image_tokens,output_image_tokens");
}

#[test]
fn every_endpoint_has_a_header_and_rows_of_its_own() {
    let mut files = Vec::new();
    for endpoint in Endpoint::USAGE {
        let mut file = ProviderCsvWriter::new(Vec::new(), endpoint);
        file.write_window(
            hour("2025-09-01T22:00:00Z"),
            [&everything("b", 5), &everything("a", 7)],
        )
        .unwrap();
        file.write_window(hour("2025-09-01T23:00:00Z"), []).unwrap();
        let text = String::from_utf8(file.finish().unwrap()).unwrap();
        let columns = text.lines().next().unwrap().split(',').count();
        for line in text.lines() {
            assert_eq!(line.split(',').count(), columns, "{endpoint}: {line}");
        }
        files.push(format!("{endpoint}\n{text}\n"));
    }
    // The same times begin every row.
    insta::assert_snapshot!(
        files
            .concat()
            .replace("2025-09-01T22:00:00+00:00,2025-09-01T23:00:00+00:00", "22,23")
    );
}

#[test]
fn every_layout_sums_what_it_cannot_tell_apart() {
    for endpoint in Endpoint::USAGE {
        let mut other = everything("a", 5);
        for hidden in Dimension::USAGE {
            if !Layout::of(endpoint).dimensions().contains(hidden) {
                match other.dimensions.text_mut(hidden) {
                    Some(text) => *text = Some("another".to_owned()),
                    None => other.dimensions.batch = None,
                }
            }
        }
        let mut file = ProviderCsvWriter::new(Vec::new(), endpoint);
        file.write_window(day("2025-09-01"), [&everything("a", 7), &other])
            .unwrap();
        let text = String::from_utf8(file.finish().unwrap()).unwrap();
        let windows = read(&text);
        let [row] = windows[0].1.as_slice() else {
            panic!("{endpoint}: {text}");
        };
        for metric in Metric::ALL {
            let shown = Layout::of(endpoint).metrics().any(|shown| shown == metric);
            assert_eq!(
                row.metrics.get(metric),
                shown.then_some(12),
                "{endpoint}: {metric}"
            );
        }
    }
}

/// A row with every dimension and every metric, of which each layout shows its own.
fn everything(value: &str, number: i64) -> UsageRow {
    let mut row = UsageRow::default();
    for dimension in Dimension::USAGE {
        match row.dimensions.text_mut(dimension) {
            Some(text) => *text = Some(value.to_owned()),
            None => row.dimensions.batch = Some(true),
        }
    }
    for metric in Metric::ALL {
        *row.metrics.get_mut(metric) = Some(number);
    }
    row
}

#[test]
fn values_are_quoted_where_csv_needs_it_and_otherwise_left_alone() {
    let values = ["=1+1", "@cmd", "a,b", "say \"hi\"", "two\nlines", "é"];
    let rows: Vec<UsageRow> = values
        .iter()
        .map(|value| UsageRow {
            dimensions: Dimensions {
                model: Some((*value).to_owned()),
                ..Dimensions::default()
            },
            metrics: Metrics::default(),
        })
        .collect();
    let windows = [(day("2025-09-01"), rows)];
    let text = write(&windows);
    assert!(text.contains(",=1+1,") && text.contains(",@cmd,"), "{text}");
    let mut models: Vec<String> = read(&text)[0]
        .1
        .iter()
        .map(|row| row.dimensions.model.clone().unwrap())
        .collect();
    let mut expected = values.map(str::to_owned).to_vec();
    models.sort();
    expected.sort();
    assert_eq!(models, expected);
}

#[test]
fn windows_out_of_order_are_refused_by_name() {
    let hour = WindowRange::of(day("2025-09-02")).start();
    let hour = Window::new(hour, Width::Hour).unwrap();
    for (first, second) in [
        (day("2025-09-02"), day("2025-09-01")),
        (day("2025-09-02"), day("2025-09-02")),
        (day("2025-09-02"), hour),
    ] {
        let mut file = ProviderCsvWriter::new(Vec::new(), Endpoint::Completions);
        file.write_window(first, []).unwrap();
        assert_eq!(
            file.write_window(second, []).unwrap_err().to_string(),
            format!("the window {second} cannot follow {first}; write windows in time order, each once")
        );
    }
}

#[test]
fn a_sum_beyond_64_bits_names_window_and_metric() {
    let huge = UsageRow {
        metrics: Metrics {
            output_tokens: Some(i64::MAX),
            ..Metrics::default()
        },
        ..UsageRow::default()
    };
    let error = ProviderCsvWriter::new(Vec::new(), Endpoint::Completions)
        .write_window(day("2025-09-01"), [&huge, &huge])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write the window 2025-09-01T00:00:00Z/1d: the sum of output_tokens is beyond 64 bits"
    );
}

#[test]
fn a_full_disk_names_the_window() {
    let mut file = ProviderCsvWriter::new(Full, Endpoint::Completions);
    file.write_window(day("2025-09-01"), []).unwrap();
    let error = file.finish().unwrap_err();
    assert!(
        matches!(&error, ProviderCsvError::Window { error, .. } if error.kind() == io::ErrorKind::StorageFull),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "cannot write the window 2025-09-01T00:00:00Z/1d: disk full"
    );

    // Buffers hold a few rows back, so the error comes at some window, but it comes.
    let mut file = ProviderCsvWriter::new(Full, Endpoint::Completions);
    let year = WindowRange::days(parse_day("2025-01-01").unwrap(), parse_day("2025-12-31").unwrap()).unwrap();
    let error = year
        .windows()
        .find_map(|window| file.write_window(window, []).err())
        .unwrap();
    assert!(error.to_string().ends_with("/1d: disk full"), "{error}");
}

#[derive(Debug)]
struct Full;

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::StorageFull, "disk full"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hour(start: &str) -> Window {
    Window::new(parse_instant(start).unwrap(), Width::Hour).unwrap()
}

fn day(text: &str) -> Window {
    Window::day(parse_day(text).unwrap())
}

fn write(windows: &[(Window, Vec<UsageRow>)]) -> String {
    let mut file = ProviderCsvWriter::new(Vec::new(), Endpoint::Completions);
    for (window, rows) in windows {
        file.write_window(*window, rows).unwrap();
    }
    String::from_utf8(file.finish().unwrap()).unwrap()
}

/// The file without its header.
fn body(windows: &[(Window, Vec<UsageRow>)]) -> String {
    write(windows).split_once('\n').unwrap().1.to_owned()
}

/// A reader for these tests: it knows the columns by name and trusts the file.
fn read(text: &str) -> Vec<(Window, Vec<UsageRow>)> {
    let mut windows: Vec<(Window, Vec<UsageRow>)> = Vec::new();
    for fields in csv::Reader::from_reader(text.as_bytes()).deserialize() {
        let mut fields: HashMap<String, String> = fields.unwrap();
        fields.retain(|_, value| !value.is_empty());
        let start = fields["start_time"].parse().unwrap();
        let seconds = fields["end_time"].parse::<i64>().unwrap() - start;
        let window = Window::from_unix(start, Width::from_seconds(seconds).unwrap()).unwrap();
        if windows.last().is_none_or(|(last, _)| *last != window) {
            windows.push((window, Vec::new()));
        }
        if fields.len() == 4 {
            continue;
        }
        let value = |dimension: Dimension| fields.get(dimension.as_str()).cloned();
        let mut row = UsageRow {
            dimensions: Dimensions {
                project_id: value(Dimension::ProjectId),
                api_key_id: value(Dimension::ApiKeyId),
                user_id: value(Dimension::UserId),
                model: value(Dimension::Model),
                service_tier: value(Dimension::ServiceTier),
                batch: value(Dimension::Batch).map(|batch| batch == "True"),
                ..Dimensions::default()
            },
            metrics: Metrics::default(),
        };
        for metric in Metric::ALL {
            *row.metrics.get_mut(metric) = fields.get(metric.as_str()).map(|value| value.parse().unwrap());
        }
        windows.last_mut().unwrap().1.push(row);
    }
    windows
}
