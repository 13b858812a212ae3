//! A page of usage is refused by name, or everything in it can be stored.
//!
//! The first byte of the input chooses the endpoint, the width and whether the page was grouped; the rest is the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use usage_core::{Dimension, DimensionSet, Endpoint, Metric, UsageRow, Width, Window, WindowRange};
use usage_providers::fuzzing::{Page, decode_page};

/// 2024-11-01T00:00:00Z, the first day of most seeds.
const FIRST: i64 = 1_730_419_200;
const DAYS: i64 = 7;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let choice = usize::from(choice);
    let endpoint = Endpoint::USAGE[choice % Endpoint::USAGE.len()];
    let choice = choice / Endpoint::USAGE.len();
    let windows = windows(Width::ALL[choice % Width::ALL.len()]);
    let grouped_by = match choice / Width::ALL.len() % 2 {
        0 => endpoint.dimensions(),
        _ => DimensionSet::EMPTY,
    };
    if let Ok(page) = decode_page(endpoint, windows, grouped_by, body) {
        check(&page, endpoint, windows, grouped_by);
    }
});

fn windows(width: Width) -> WindowRange {
    let first = Window::from_unix(FIRST, Width::Day).expect("a day");
    let last = Window::from_unix(FIRST + (DAYS - 1) * Width::Day.seconds(), Width::Day).expect("a day");
    WindowRange::new(first.start(), last.end(), width).expect("days hold whole hours and minutes")
}

fn check(page: &Page, endpoint: Endpoint, windows: WindowRange, grouped_by: DimensionSet) {
    let mut kept = 0;
    let mut present = DimensionSet::EMPTY;
    for (window, rows) in &page.buckets {
        assert!(windows.contains(*window), "{window} is none of {windows}");
        for row in rows.iter().flatten() {
            kept += 1;
            check_row(row, endpoint, grouped_by);
            present = row.dimensions.present().iter().fold(present, DimensionSet::with);
        }
    }
    assert!(kept <= page.rows, "rows that are used are counted");
    assert!(
        present.is_subset(page.present),
        "values that are used are counted"
    );
    assert!(
        page.present.is_subset(grouped_by),
        "only what was asked can be present"
    );
}

fn check_row(row: &UsageRow, endpoint: Endpoint, grouped_by: DimensionSet) {
    for metric in Metric::ALL {
        match row.metrics.get(metric) {
            Some(count) => {
                assert!(count >= 0, "{metric} is {count}");
                assert!(endpoint.metrics().contains(&metric), "{endpoint} has no {metric}");
            }
            None => assert!(
                !endpoint.required_metrics().contains(&metric),
                "a row without {metric} is incomplete"
            ),
        }
    }
    assert!(row.dimensions.present().is_subset(grouped_by));
    for dimension in Dimension::USAGE {
        if let Some(value) = row.dimensions.get(dimension) {
            assert!(
                !value.is_empty() && !value.chars().any(char::is_control),
                "{dimension}: {value:?}"
            );
        }
    }
}
