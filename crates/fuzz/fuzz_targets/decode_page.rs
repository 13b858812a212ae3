//! A page of usage or costs is refused by name, or everything in it can be stored.
//!
//! The first byte of the input chooses the endpoint, the width and whether the page was grouped; the rest is the body.
//! From 66 on, which is every choice of usage, it chooses costs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use usage_core::{
    CostRow, DecimalText, Dimension, DimensionSet, Endpoint, Metric, UsageRow, Width, Window, WindowRange,
};
use usage_providers::fuzzing::{Page, decode_costs_page, decode_page};

/// 2024-11-01T00:00:00Z, the first day of most seeds.
const FIRST: i64 = 1_730_419_200;
const DAYS: i64 = 7;
/// Endpoint, width, grouped or not.
const CHOICES_OF_USAGE: usize = Endpoint::USAGE.len() * Width::ALL.len() * 2;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let choice = usize::from(choice);
    if let Some(choice) = choice.checked_sub(CHOICES_OF_USAGE) {
        return read_costs(choice, body);
    }
    let endpoint = Endpoint::USAGE[choice % Endpoint::USAGE.len()];
    let choice = choice / Endpoint::USAGE.len();
    let windows = windows(Width::ALL[choice % Width::ALL.len()]);
    let grouped_by = match choice / Width::ALL.len() % 2 {
        0 => endpoint.dimensions(),
        _ => DimensionSet::EMPTY,
    };
    if let Ok(page) = decode_page(endpoint, windows, grouped_by, body) {
        check(&page, windows, grouped_by, |row| {
            check_row(row, endpoint, grouped_by)
        });
    }
});

fn read_costs(choice: usize, body: &[u8]) {
    let windows = windows(Width::Day);
    let grouped_by = match choice % 2 {
        0 => Endpoint::Costs.dimensions(),
        _ => DimensionSet::EMPTY,
    };
    if let Ok(page) = decode_costs_page(windows, grouped_by, body) {
        check(&page, windows, grouped_by, |row| check_cost(row, grouped_by));
    }
}

fn windows(width: Width) -> WindowRange {
    let first = Window::from_unix(FIRST, Width::Day).expect("a day");
    let last = Window::from_unix(FIRST + (DAYS - 1) * Width::Day.seconds(), Width::Day).expect("a day");
    WindowRange::new(first.start(), last.end(), width).expect("days hold whole hours and minutes")
}

/// `check_row` checks one row and says which dimensions it has.
fn check<R>(
    page: &Page<R>,
    windows: WindowRange,
    grouped_by: DimensionSet,
    check_row: impl Fn(&R) -> DimensionSet,
) {
    let mut kept = 0;
    let mut present = DimensionSet::EMPTY;
    for (window, rows) in &page.buckets {
        assert!(windows.contains(*window), "{window} is none of {windows}");
        for row in rows.iter().flatten() {
            kept += 1;
            present = present.union(check_row(row));
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

fn check_row(row: &UsageRow, endpoint: Endpoint, grouped_by: DimensionSet) -> DimensionSet {
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
        check_text(row.dimensions.get(dimension));
    }
    row.dimensions.present()
}

fn check_cost(row: &CostRow, grouped_by: DimensionSet) -> DimensionSet {
    let group = &row.group;
    let dimensions = [
        (Dimension::ProjectId, group.project_id.as_deref()),
        (Dimension::ApiKeyId, group.api_key_id.as_deref()),
        (Dimension::LineItem, group.line_item.as_deref()),
    ];
    let texts = dimensions.iter().map(|(_, text)| *text);
    for text in texts.chain([group.currency.as_deref(), row.quantity_unit.as_deref()]) {
        check_text(text);
    }
    for decimal in [&row.amount, &row.quantity].into_iter().flatten() {
        check_decimal(decimal);
    }
    if !grouped_by.contains(Dimension::LineItem) {
        assert_eq!((&row.quantity, &row.quantity_unit), (&None, &None));
    }
    let present = dimensions.into_iter().filter(|(_, text)| text.is_some());
    let present: DimensionSet = present.map(|(dimension, _)| dimension).collect();
    assert!(present.is_subset(grouped_by));
    present
}

fn check_decimal(decimal: &DecimalText) {
    assert!(
        decimal.value().to_nanos().is_some(),
        "{decimal} is too large to be summed"
    );
    assert_eq!(decimal.text().parse::<DecimalText>().as_ref(), Ok(decimal));
}

fn check_text(text: Option<&str>) {
    if let Some(text) = text {
        assert!(
            !text.is_empty() && !text.chars().any(char::is_control),
            "{text:?}"
        );
    }
}
