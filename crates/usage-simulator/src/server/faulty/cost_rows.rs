//! What faults of rows do to rows of costs, whose metric is the decimal in `amount.value`.

use serde_json::{Value, json};
use usage_core::{Decimal, Dimension};

use super::page::{literal, literal_text};

/// What is no number, where a number is a text already.
pub(super) const NO_NUMBER: &str = "a lot";

/// The place of the amount.
pub(super) fn amount(row: &mut Value) -> &mut Value {
    &mut row["amount"]["value"]
}

/// Spells the amount otherwise.
pub(super) fn respell(row: &mut Value, spelling: impl Fn(&str) -> String) {
    let place = amount(row);
    match place {
        Value::String(text) => *place = json!(spelling(text)),
        Value::Number(number) => *place = literal(&spelling(&number.to_string())),
        _ => {}
    }
}

/// `0.060` for `0.06` and `12.0` for `12`: the same number.
pub(super) fn with_zero(number: &str) -> String {
    match (number.contains(['e', 'E']), number.contains('.')) {
        (true, _) => number.to_owned(),
        (false, true) => format!("{number}0"),
        (false, false) => format!("{number}.0"),
    }
}

/// `0.06e0` for `0.06`: the same number.
pub(super) fn with_exponent(number: &str) -> String {
    if number.contains(['e', 'E']) {
        number.to_owned()
    } else {
        format!("{number}e0")
    }
}

/// A row as two of its halves and, if something is left, a third with it.
pub(super) fn in_halves(row: &Value) -> Vec<Value> {
    let (mut half, mut rest) = (row.clone(), row.clone());
    let mut is_left = false;
    for pointer in ["/amount/value", "/quantity"] {
        let Some(whole) = row.pointer(pointer).and_then(decimal) else {
            continue;
        };
        let places = if pointer == "/quantity" { 0 } else { 60 };
        let halved = whole.over(&Decimal::from(2), places).unwrap_or_default();
        let left = &(&whole - &halved) - &halved;
        is_left |= !left.is_zero();
        put(&mut half, pointer, &halved);
        put(&mut rest, pointer, &left);
    }
    let mut rows = vec![half.clone(), half];
    rows.extend(is_left.then_some(rest));
    rows
}

/// Adds a row that is alike.
pub(super) fn add(sum: &mut Value, row: &Value) {
    for pointer in ["/amount/value", "/quantity"] {
        let numbers = sum
            .pointer(pointer)
            .and_then(decimal)
            .zip(row.pointer(pointer).and_then(decimal));
        if let Some((mut total, other)) = numbers {
            total += &other;
            put(sum, pointer, &total);
        }
    }
}

/// What a row no longer tells once its line item is gone.
pub(super) fn forget_quantity(row: &mut Value, forgotten: &[Dimension]) {
    if forgotten.contains(&Dimension::LineItem) {
        row["quantity"] = Value::Null;
        row["quantity_unit"] = Value::Null;
    }
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => literal_text(value).unwrap_or(text).parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// Puts a number where one was, a text where it was a text.
fn put(row: &mut Value, pointer: &str, number: &Decimal) {
    if let Some(place) = row.pointer_mut(pointer) {
        let is_text = place.is_string() && literal_text(place).is_none();
        *place = if is_text {
            json!(number.to_string())
        } else {
            literal(&number.to_string())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_spelled_otherwise_and_stay_what_they_are() {
        for text in ["0.06", "12", "-12.50", "0E-6176"] {
            let number: Decimal = text.parse().unwrap();
            for other in [with_zero(text), with_exponent(text)] {
                assert_eq!(other.parse(), Ok(number.clone()), "{other}");
            }
        }
    }

    #[test]
    fn rows_are_added_as_decimals_however_many_there_are() {
        let row = json!({"amount": {"value": "0.1"}, "quantity": 2});
        let mut sum = row.clone();
        add(&mut sum, &row);
        add(&mut sum, &row);
        assert_eq!(sum["amount"]["value"], "0.3");
        assert_eq!(decimal(&sum["quantity"]), Some(Decimal::from(6)));
        assert_eq!(literal_text(&sum["quantity"]), Some("6"), "still a number");
    }

    #[test]
    fn halves_and_what_is_left_add_up() {
        let row = json!({"amount": {"value": "0.000000000000000000000000000000000000003"}, "quantity": 7});
        let rows = in_halves(&row);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0], rows[1]);
        let sum: Decimal = rows
            .iter()
            .map(|row| decimal(&row["amount"]["value"]).unwrap())
            .collect::<Vec<_>>()
            .iter()
            .sum();
        assert_eq!(sum, decimal(&row["amount"]["value"]).unwrap());
    }
}
