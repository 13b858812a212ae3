//! Faults of the rows in buckets.

use serde_json::{Map, Value, json};
use usage_core::Dimension;

use super::chosen::Chosen;
use super::page::literal;
use crate::faults::Fault;
use crate::server::surface::Surface;

/// Whether the fault changes rows.
pub(super) fn changes(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::MetricIsText
            | Fault::MetricIsList
            | Fault::MetricNegative
            | Fault::MetricFractional
            | Fault::MetricIntegralFloat
            | Fault::MetricEnormous
            | Fault::MetricExponent
            | Fault::MetricMissing
            | Fault::RowTwice
            | Fault::UnknownObject
            | Fault::GroupingIgnored
            | Fault::DimensionNull(_)
            | Fault::RowsOutsideFilter
    )
}

/// Lets the fault happen to buckets, of which the one with this index is the first with rows, if any has.
pub(super) fn change(fault: Fault, buckets: &mut [Value], first: usize, chosen: &Chosen) {
    let surface = chosen.surface;
    match fault {
        Fault::MetricIntegralFloat => respell(buckets, surface, |number| format!("{number}.0")),
        Fault::MetricExponent => respell(buckets, surface, with_exponent),
        Fault::GroupingIgnored => {
            let dimensions = surface.dimensions;
            rows_of_each(buckets).for_each(|rows| forget(rows, dimensions, surface));
        }
        Fault::DimensionNull(dimension) => {
            rows_of_each(buckets).for_each(|rows| forget(rows, &[dimension], surface));
        }
        _ => {
            let rows = buckets[first]["results"].as_array_mut();
            if let Some(rows) = rows.filter(|rows| !rows.is_empty()) {
                change_first(fault, rows, chosen);
            }
        }
    }
}

/// Changes the first of these rows, of which there is one.
fn change_first(fault: Fault, rows: &mut Vec<Value>, chosen: &Chosen) {
    let metric = metric(chosen.surface);
    let number = rows[0][metric].clone();
    match fault {
        Fault::MetricIsText => rows[0][metric] = json!(number.to_string()),
        Fault::MetricIsList => rows[0][metric] = json!([number]),
        Fault::MetricNegative => rows[0][metric] = json!(-1),
        Fault::MetricFractional => rows[0][metric] = json!(1.5),
        Fault::MetricEnormous => rows[0][metric] = literal("100000000000000000000"),
        Fault::MetricMissing => {
            if let Some(fields) = rows[0].as_object_mut() {
                fields.remove(metric);
            }
        }
        Fault::RowTwice => {
            let row = rows.remove(0);
            let half = with_numbers(&row, |number| number / 2);
            let rest = with_numbers(&row, |number| number % 2);
            if rest != with_numbers(&row, |_| 0) {
                rows.insert(0, rest);
            }
            rows.insert(0, half.clone());
            rows.insert(0, half);
        }
        Fault::UnknownObject => rows.insert(
            0,
            json!({"object": "organization.usage.novelties.result", "novelties": 3}),
        ),
        Fault::RowsOutsideFilter if chosen.has_project_filter() => {
            let mut row = rows[0].clone();
            row["project_id"] = json!("proj_outside_the_filter");
            rows.push(row);
        }
        _ => {}
    }
}

/// The name of the metric that faults spoil.
fn metric(surface: &Surface) -> &'static str {
    surface.required.first().map_or("", |metric| metric.as_str())
}

fn rows_of_each(buckets: &mut [Value]) -> impl Iterator<Item = &mut Vec<Value>> {
    buckets
        .iter_mut()
        .filter_map(|bucket| bucket["results"].as_array_mut())
}

fn respell(buckets: &mut [Value], surface: &Surface, spelling: impl Fn(i64) -> String) {
    for row in rows_of_each(buckets).flatten() {
        if let Some(number) = row[metric(surface)].as_i64() {
            row[metric(surface)] = literal(&spelling(number));
        }
    }
}

/// `5.92e4` for 59200: the same number.
fn with_exponent(number: i64) -> String {
    let digits = number.to_string();
    let (first, rest) = digits.split_at(1);
    let fraction = rest.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{first}{point}{fraction}e{}", rest.len())
}

fn with_numbers(row: &Value, change: impl Fn(i64) -> i64) -> Value {
    let mut row = row.clone();
    for value in row.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(number) = value.as_i64() {
            *value = json!(change(number));
        }
    }
    row
}

/// Makes these dimensions null and adds up rows that are then alike.
fn forget(rows: &mut Vec<Value>, forgotten: &[Dimension], surface: &Surface) {
    let mut kept: Vec<Value> = Vec::new();
    for mut row in rows.drain(..) {
        for dimension in forgotten {
            if surface.dimensions.contains(dimension) {
                row[dimension.as_str()] = Value::Null;
            }
        }
        let is_alike = |other: &&mut Value| {
            let mut dimensions = surface.dimensions.iter();
            dimensions.all(|dimension| other[dimension.as_str()] == row[dimension.as_str()])
        };
        match kept.iter_mut().find(is_alike) {
            Some(other) => add(other, &row),
            None => kept.push(row),
        }
    }
    *rows = kept;
}

fn add(sum: &mut Value, row: &Value) {
    for (name, value) in row.as_object().into_iter().flatten() {
        if let Some(number) = value.as_i64() {
            sum[name] = json!(sum[name].as_i64().unwrap_or(0).saturating_add(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_spell_the_same_number() {
        for (number, spelling) in [
            (0, "0e0"),
            (7, "7e0"),
            (10, "1e1"),
            (59_200, "5.92e4"),
            (12_345, "1.2345e4"),
        ] {
            assert_eq!(with_exponent(number), spelling);
        }
    }
}
