//! The dashboard's exports, of every endpoint and width, against the truth counted another way.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use usage_core::{
    Dimension, DimensionSet, Dimensions, Endpoint, Metric, Metrics, Width, Window, WindowRange, parse_day,
    parse_instant,
};
use usage_simulator::{BatchSpelling, Generate, Organization, Quirks};

const TIMES: [&str; 4] = ["start_time", "end_time", "start_time_iso", "end_time_iso"];

/// What the 24 columns of completions and decisions lack.
const HIDDEN_METRICS: [Metric; 3] = [
    Metric::InputCacheWriteTokens,
    Metric::InputCacheWrite30mTokens,
    Metric::InputCacheWrite12hTokens,
];

/// By window, then by the values of the dimensions: the sums, and how many rows they are the sums of.
type Groups = BTreeMap<i64, BTreeMap<Vec<Option<String>>, (Metrics, usize)>>;

fn everything() -> Organization {
    Organization::generate(&Generate {
        days: 3,
        idle_days_percent: 0,
        cache_writes: true,
        every_endpoint: true,
        ..Generate::default()
    })
}

fn range(first: &str, last: &str, width: Width) -> WindowRange {
    let days = WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap();
    WindowRange::new(days.start(), days.end(), width).unwrap()
}

fn days() -> WindowRange {
    range("2025-09-01", "2025-09-03", Width::Day)
}

fn exported(endpoint: Endpoint) -> DimensionSet {
    match endpoint {
        Endpoint::Completions | Endpoint::Decisions => endpoint.dimensions().without(Dimension::ApiSource),
        _ => endpoint.dimensions(),
    }
}

fn values(dimensions: &Dimensions, by: DimensionSet) -> Vec<Option<String>> {
    let value = |dimension| dimensions.get(dimension).map(str::to_owned);
    by.iter().map(value).collect()
}

/// The truth, added up minute by minute.
fn counted(organization: &Organization, endpoint: Endpoint, range: WindowRange, by: DimensionSet) -> Groups {
    let mut groups = Groups::new();
    for window in range.windows() {
        let sums = groups.entry(window.start_unix()).or_default();
        for minute in window.split(Width::Minute).unwrap().windows() {
            for row in organization.usage(endpoint).rows(minute) {
                let mut metrics = row.metrics;
                for hidden in HIDDEN_METRICS {
                    *metrics.get_mut(hidden) = None;
                }
                let (sum, rows) = sums.entry(values(&row.dimensions, by)).or_default();
                *sum = sum.checked_add(&metrics).unwrap();
                *rows = 1;
            }
        }
    }
    groups
}

/// An export by the names of its columns. Every window of the file is there, idle ones without groups.
fn read(text: &str, by: DimensionSet) -> Groups {
    let mut groups = Groups::new();
    for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
        let mut cells: HashMap<String, String> = row.unwrap();
        cells.retain(|_, cell| !cell.is_empty());
        let integer = |name: &str| -> Option<i64> {
            let cell = cells.get(name)?;
            Some(cell.strip_suffix(".0").unwrap_or(cell).parse().unwrap())
        };
        let start = integer("start_time")
            .unwrap_or_else(|| parse_instant(&cells["start_time_iso"]).unwrap().timestamp());
        let sums = groups.entry(start).or_default();
        if cells.keys().all(|name| TIMES.contains(&name.as_str())) {
            continue;
        }
        let value = |dimension: Dimension| {
            let cell = cells.get(dimension.as_str()).cloned();
            if dimension == Dimension::Batch {
                cell.map(|cell| cell.to_lowercase())
            } else {
                cell
            }
        };
        let (sum, rows) = sums.entry(by.iter().map(value).collect()).or_default();
        let mut metrics = Metrics::default();
        for metric in Metric::ALL {
            *metrics.get_mut(metric) = integer(metric.as_str());
        }
        *sum = sum.checked_add(&metrics).unwrap();
        *rows += 1;
    }
    groups
}

fn quirky(endpoint: Endpoint, quirks: &Quirks) -> String {
    everything().quirky_usage_csv(endpoint, days(), quirks)
}

#[test]
fn the_export_of_every_endpoint_and_width_has_the_rows_of_the_organisation() {
    let organization = everything();
    for range in [
        days(),
        range("2025-09-01", "2025-09-02", Width::Hour),
        range("2025-09-02", "2025-09-02", Width::Minute),
    ] {
        for endpoint in Endpoint::USAGE {
            let by = exported(endpoint);
            let truth = counted(&organization, endpoint, range, by);
            let text = organization.usage_csv(endpoint, range);
            assert_eq!(read(&text, by), truth, "{endpoint} {range}");
            let rows: usize = truth.values().map(|groups| groups.len().max(1)).sum();
            assert_eq!(text.lines().count(), 1 + rows, "{endpoint} {range}");
            assert!(
                truth.values().any(|groups| !groups.is_empty()),
                "{endpoint} {range}"
            );

            let mut written = Vec::new();
            organization
                .write_usage_csv(endpoint, range, &mut written)
                .unwrap();
            assert_eq!(written, text.as_bytes());
        }
    }
}

#[test]
fn every_width_of_an_export_adds_up_to_the_same() {
    let organization = everything();
    let day = |width| range("2025-09-02", "2025-09-02", width);
    for endpoint in Endpoint::USAGE {
        let by = exported(endpoint);
        let total = |width| {
            let groups = read(&organization.usage_csv(endpoint, day(width)), by);
            let mut total: BTreeMap<Vec<Option<String>>, Metrics> = BTreeMap::new();
            for (values, (metrics, _)) in groups.into_values().flatten() {
                let sum = total.entry(values).or_default();
                *sum = sum.checked_add(&metrics).unwrap();
            }
            total
        };
        assert_eq!(total(Width::Hour), total(Width::Day), "{endpoint}");
        assert_eq!(total(Width::Minute), total(Width::Day), "{endpoint}");
    }
}

#[test]
fn the_header_names_what_the_endpoint_reports() {
    for endpoint in Endpoint::USAGE {
        let text = quirky(endpoint, &Quirks::default());
        let header = text.lines().next().unwrap();
        let named: BTreeSet<&str> = header.split(',').skip(TIMES.len()).collect();
        let dimensions = exported(endpoint)
            .iter()
            .map(Dimension::as_str)
            .collect::<Vec<_>>();
        let metrics = endpoint
            .metrics()
            .iter()
            .filter(|metric| !HIDDEN_METRICS.contains(metric));
        let expected: BTreeSet<&str> = dimensions
            .into_iter()
            .chain(metrics.map(|metric| metric.as_str()))
            .collect();
        assert_eq!(named, expected, "{endpoint}");
        assert!(
            header.starts_with(&format!("{},project_id", TIMES.join(","))),
            "{endpoint}"
        );
    }
}

/// Quirks that change how a number is written change no number.
#[test]
fn spelling_changes_nothing() {
    for quirks in [
        Quirks {
            integers_as_floats: true,
            ..Quirks::default()
        },
        Quirks {
            batch: BatchSpelling::Upper,
            ..Quirks::default()
        },
        Quirks {
            batch: BatchSpelling::Lower,
            byte_order_mark: true,
            crlf: true,
            iso_without_zone: true,
            extra_columns: vec!["news".to_owned(), "a, b".to_owned()],
            ..Quirks::default()
        },
        Quirks {
            iso_without_zone: true,
            left_out_columns: vec!["start_time".to_owned(), "end_time".to_owned()],
            ..Quirks::default()
        },
    ] {
        for endpoint in Endpoint::USAGE {
            let plain = read(&quirky(endpoint, &Quirks::default()), exported(endpoint));
            let text = quirky(endpoint, &quirks);
            assert_eq!(read(&text, exported(endpoint)), plain, "{endpoint}: {text}");
        }
    }
}

#[test]
fn each_quirk_shows() {
    let lines = |quirks: Quirks| quirky(Endpoint::Decisions, &quirks);
    let floats = lines(Quirks {
        integers_as_floats: true,
        ..Quirks::default()
    });
    let row = floats.lines().nth(1).unwrap();
    assert!(
        row.starts_with("1756684800,1756771200,"),
        "times stay whole: {row}"
    );
    assert!(row.split(',').skip(11).all(|cell| cell.ends_with(".0")), "{row}");

    for (batch, spellings) in [
        (BatchSpelling::Title, ["True", "False"]),
        (BatchSpelling::Upper, ["TRUE", "FALSE"]),
        (BatchSpelling::Lower, ["true", "false"]),
    ] {
        let text = lines(Quirks {
            batch,
            ..Quirks::default()
        });
        let seen: BTreeSet<&str> = text
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(9).unwrap())
            .collect();
        assert_eq!(seen, BTreeSet::from(spellings));
    }

    let disguised = lines(Quirks {
        byte_order_mark: true,
        crlf: true,
        iso_without_zone: true,
        extra_columns: vec!["news".to_owned()],
        ..Quirks::default()
    });
    assert!(
        disguised.starts_with("\u{feff}start_time,end_time,start_time_iso,end_time_iso,news,project_id,")
    );
    assert!(
        disguised.lines().count() > 1 && disguised.matches('\n').count() == disguised.matches("\r\n").count()
    );
    assert!(
        disguised.contains("\r\n1756684800,1756771200,2025-09-01T00:00:00,2025-09-02T00:00:00,x,proj_"),
        "{disguised}"
    );
}

#[test]
fn optional_numbers_may_be_blank_where_they_are_zero() {
    let by = exported(Endpoint::Completions);
    let quirks = Quirks {
        blank_optional_zeros: true,
        ..Quirks::default()
    };
    let mut blanks = 0;
    let plain = read(&quirky(Endpoint::Completions, &Quirks::default()), by);
    let blank = read(&quirky(Endpoint::Completions, &quirks), by);
    for (plain, blank) in plain.values().flatten().zip(blank.values().flatten()) {
        assert_eq!(plain.0, blank.0);
        let (plain, blank) = (plain.1.0, blank.1.0);
        for metric in Metric::ALL {
            let required = Endpoint::Completions.required_metrics().contains(&metric);
            let expected = plain.get(metric).filter(|value| required || *value != 0);
            assert_eq!(blank.get(metric), expected, "{metric}");
            blanks += usize::from(blank.get(metric) != plain.get(metric));
        }
    }
    assert!(blanks > 0);
}

#[test]
fn rows_that_a_left_out_column_told_apart_are_summed() {
    let left_out = [Dimension::UserId, Dimension::ApiKeyId, Dimension::Model];
    let quirks = Quirks {
        left_out_columns: left_out.map(|dimension| dimension.to_string()).to_vec(),
        ..Quirks::default()
    };
    for endpoint in Endpoint::USAGE {
        let by = left_out
            .into_iter()
            .fold(exported(endpoint), DimensionSet::without);
        let text = quirky(endpoint, &quirks);
        assert_eq!(
            read(&text, by),
            counted(&everything(), endpoint, days(), by),
            "{endpoint}"
        );
        assert!(!text.lines().next().unwrap().contains("user_id"), "{text}");
    }
}

#[test]
fn a_split_row_is_two_with_the_identical_dimensions() {
    let quirks = Quirks {
        split_rows: true,
        ..Quirks::default()
    };
    for endpoint in Endpoint::USAGE {
        let by = exported(endpoint);
        let mut twice = read(&quirky(endpoint, &quirks), by);
        for (_, rows) in twice.values_mut().flat_map(BTreeMap::values_mut) {
            assert_eq!(*rows, 2, "{endpoint}");
            *rows = 1;
        }
        assert_eq!(
            twice,
            read(&quirky(endpoint, &Quirks::default()), by),
            "{endpoint}"
        );
    }
}

#[test]
fn a_filtered_export_holds_the_chosen_projects_and_users_only() {
    let organization = everything();
    let project = organization.projects()[0].id.clone();
    let user = organization.users()[0].id.clone();
    for (quirks, dimension, kept) in [
        (
            Quirks {
                only_projects: vec![project.clone()],
                ..Quirks::default()
            },
            Dimension::ProjectId,
            project,
        ),
        (
            Quirks {
                only_users: vec![user.clone()],
                ..Quirks::default()
            },
            Dimension::UserId,
            user,
        ),
    ] {
        for endpoint in Endpoint::USAGE {
            let by = exported(endpoint);
            let position = by.iter().position(|known| known == dimension);
            let mut expected = counted(&organization, endpoint, days(), by);
            for groups in expected.values_mut() {
                groups.retain(|values, _| position.is_some_and(|at| values[at].as_ref() == Some(&kept)));
            }
            let text = organization.quirky_usage_csv(endpoint, days(), &quirks);
            assert_eq!(read(&text, by), expected, "{endpoint} of {kept}");
            if position.is_none() {
                assert_eq!(
                    text.lines().next().unwrap(),
                    TIMES.join(","),
                    "{endpoint} tells no users"
                );
            }
        }
    }
}

#[test]
fn values_are_quoted_where_csv_needs_it() {
    let mut organization = Organization::new("org-odd");
    let dimensions = Dimensions {
        project_id: Some("a, \"b\"\nc".to_owned()),
        ..Dimensions::default()
    };
    let metrics = Metrics {
        usage_bytes: Some(1),
        ..Metrics::default()
    };
    let day = Window::day(parse_day("2025-09-01").unwrap());
    organization
        .usage_mut(Endpoint::VectorStores)
        .add(day.start(), &dimensions, &metrics);
    let text = organization.usage_csv(Endpoint::VectorStores, WindowRange::of(day));
    assert!(text.ends_with(",\"a, \"\"b\"\"\nc\",1\n"), "{text}");
}
