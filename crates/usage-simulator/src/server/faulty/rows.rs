//! Faults of the rows in buckets.

use serde_json::{Map, Value, json};
use usage_core::Dimension;

use super::chosen::Chosen;
use super::cost_rows;
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
        Fault::MetricIntegralFloat if surface.is_costs() => {
            let rows = rows_of_each(buckets).flatten();
            rows.for_each(|row| cost_rows::respell(row, cost_rows::with_zero));
        }
        Fault::MetricExponent if surface.is_costs() => {
            let rows = rows_of_each(buckets).flatten();
            rows.for_each(|row| cost_rows::respell(row, cost_rows::with_exponent));
        }
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
    let surface = chosen.surface;
    let mut spoil = |change: &dyn Fn(Value) -> Value| {
        let place = metric_of(&mut rows[0], surface);
        *place = change(place.take());
    };
    match fault {
        Fault::MetricIsText if surface.is_costs() => spoil(&|_| json!(cost_rows::NO_NUMBER)),
        Fault::MetricIsText => spoil(&|number| json!(number.to_string())),
        Fault::MetricIsList => spoil(&|number| json!([number])),
        Fault::MetricNegative => spoil(&|_| json!(-1)),
        Fault::MetricFractional => spoil(&|_| json!(1.5)),
        Fault::MetricEnormous => spoil(&|_| literal("100000000000000000000")),
        Fault::MetricMissing => remove_metric(&mut rows[0], surface),
        Fault::RowTwice => {
            let row = rows.remove(0);
            let parts = if surface.is_costs() {
                cost_rows::in_halves(&row)
            } else {
                in_halves(&row)
            };
            rows.splice(0..0, parts);
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

/// The place of the metric that faults spoil.
fn metric_of<'a>(row: &'a mut Value, surface: &Surface) -> &'a mut Value {
    if surface.is_costs() {
        cost_rows::amount(row)
    } else {
        &mut row[metric(surface)]
    }
}

fn remove_metric(row: &mut Value, surface: &Surface) {
    let (fields, name) = if surface.is_costs() {
        (row["amount"].as_object_mut(), "value")
    } else {
        (row.as_object_mut(), metric(surface))
    };
    if let Some(fields) = fields {
        fields.remove(name);
    }
}

/// A row as two of its halves and, if a number was odd, a third with what is left.
fn in_halves(row: &Value) -> Vec<Value> {
    let half = with_numbers(row, |number| number / 2);
    let rest = with_numbers(row, |number| number % 2);
    let is_left = rest != with_numbers(row, |_| 0);
    let mut rows = vec![half.clone(), half];
    rows.extend(is_left.then_some(rest));
    rows
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
        if surface.is_costs() {
            cost_rows::forget_quantity(&mut row, forgotten);
        }
        let is_alike = |other: &&mut Value| {
            let mut dimensions = surface.dimensions.iter();
            // Amounts of different currencies are never added.
            dimensions.all(|dimension| other[dimension.as_str()] == row[dimension.as_str()])
                && other["amount"]["currency"] == row["amount"]["currency"]
        };
        match kept.iter_mut().find(is_alike) {
            Some(other) if surface.is_costs() => cost_rows::add(other, &row),
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
