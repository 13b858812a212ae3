//! Faults of a page: its data, its cursor, its buckets.

use serde_json::{Value, json};

use super::chosen::{Chosen, REPEATED};
use super::rows;
use crate::faults::Fault;

/// Marks a text that is to be spelled as it is, without quotes: a number that a JSON value cannot hold.
const LITERAL: char = '\u{e000}';

const OVERLONG: usize = 1_000_000;
const FAR_AWAY: i64 = 1_000;

/// Whether the fault changes what a page says.
pub(super) fn changes(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::DataIsText
            | Fault::UnknownFields
            | Fault::CursorMissing
            | Fault::CursorEmpty
            | Fault::CursorRepeated
            | Fault::CursorWhitespace
            | Fault::CursorControl
            | Fault::CursorOverlong
            | Fault::CursorUrl
            | Fault::BucketTwice
            | Fault::BucketsOutOfOrder
            | Fault::BucketOutsideRange
            | Fault::BucketMissing
            | Fault::NullResults
    ) || rows::changes(fault)
}

/// Lets the fault happen to a page.
pub(super) fn change(fault: Fault, page: &mut Value, chosen: &Chosen) {
    match fault {
        Fault::DataIsText => page["data"] = json!("none"),
        Fault::UnknownFields => add_unknown_fields(page),
        Fault::CursorMissing => set_cursor(page, Value::Null),
        Fault::CursorEmpty => set_cursor(page, json!("")),
        Fault::CursorRepeated => {
            let cursor = match (chosen.page(), &page["next_page"]) {
                (Some(asked), _) => json!(asked),
                (None, Value::Null) => json!(REPEATED),
                (None, real) => real.clone(),
            };
            set_cursor(page, cursor);
        }
        Fault::CursorWhitespace => set_cursor(page, json!(" page AAAA\u{a0}== ")),
        Fault::CursorControl => set_cursor(page, json!("page_AAAA\r\nX-Injected: 1\u{0}\u{1b}[2J")),
        Fault::CursorOverlong => set_cursor(page, json!("page_".to_owned() + &"A".repeat(OVERLONG - 5))),
        Fault::CursorUrl => set_cursor(
            page,
            json!("https://elsewhere.invalid/v1/organization/usage?page=2"),
        ),
        _ => change_buckets(fault, page, chosen),
    }
}

/// The text of a page.
pub(super) fn spell(page: &Value) -> serde_json::Result<String> {
    let text = serde_json::to_string(page)?;
    Ok(text
        .replace(&format!("\"{LITERAL}"), "")
        .replace(&format!("{LITERAL}\""), ""))
}

/// A value that is spelled as it is.
pub(super) fn literal(text: &str) -> Value {
    Value::String(format!("{LITERAL}{text}{LITERAL}"))
}

/// The text of a value that is spelled as it is.
pub(super) fn literal_text(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(LITERAL)?.strip_suffix(LITERAL)
}

fn set_cursor(page: &mut Value, cursor: Value) {
    page["has_more"] = json!(true);
    page["next_page"] = cursor;
}

fn change_buckets(fault: Fault, page: &mut Value, chosen: &Chosen) {
    let Some(buckets) = page["data"].as_array_mut() else {
        return;
    };
    let is_used = |bucket: &Value| bucket["results"].as_array().is_some_and(|rows| !rows.is_empty());
    let Some(first) = buckets
        .iter()
        .position(is_used)
        .or_else(|| (!buckets.is_empty()).then_some(0))
    else {
        return;
    };
    match fault {
        Fault::BucketTwice => buckets.insert(first, buckets[first].clone()),
        Fault::BucketsOutOfOrder => buckets.reverse(),
        Fault::BucketOutsideRange => {
            let mut far = buckets[first].clone();
            let last_end = buckets.last().and_then(|bucket| bucket["end_time"].as_i64());
            if let (Some(start), Some(end), Some(last_end)) =
                (far["start_time"].as_i64(), far["end_time"].as_i64(), last_end)
            {
                let start_far = last_end + (end - start) * FAR_AWAY;
                far["start_time"] = json!(start_far);
                far["end_time"] = json!(start_far + (end - start));
                if let Some(fields) = far.as_object_mut() {
                    // Times as text are optional, and would contradict.
                    fields.remove("start_time_iso");
                    fields.remove("end_time_iso");
                }
                buckets.push(far);
            }
        }
        Fault::BucketMissing => {
            buckets.remove(first);
        }
        Fault::NullResults => buckets[first]["results"] = Value::Null,
        _ => rows::change(fault, buckets, first, chosen),
    }
}

fn add_unknown_fields(page: &mut Value) {
    let add = |place: &mut Value| {
        if let Some(fields) = place.as_object_mut() {
            fields.insert("x_unheard_of".to_owned(), json!({"deep": [1, null, "text"]}));
        }
    };
    add(page);
    for bucket in page["data"].as_array_mut().into_iter().flatten() {
        add(bucket);
        for row in bucket["results"].as_array_mut().into_iter().flatten() {
            add(row);
        }
    }
}
