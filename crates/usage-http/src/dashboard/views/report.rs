//! What the reports of `usage parity` and `usage reconcile` say, as pages show it. A field that a report lacks is left out: older
//! reports are read, too.

mod bill;
mod costs;
mod parity;

use serde_json::Value;

use crate::dashboard::display::{Count, Fact, Html};
use crate::dashboard::pages::{DifferenceList, DifferenceRow};

pub(super) use bill::{complaints, reconciliation};
pub(super) use parity::{parity, parity_standing};

/// How many groups of a list are shown; the report has all.
const GROUPS: usize = 100;

/// The text at a place; empty if there is none.
pub(super) fn text(report: &Value, place: &str) -> String {
    match report.pointer(place) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn number(report: &Value, place: &str) -> Option<i128> {
    let number = report.pointer(place)?;
    let wide = || number.as_u64().map(i128::from);
    number.as_i64().map(i128::from).or_else(wide)
}

fn list<'a>(report: &'a Value, place: &str) -> &'a [Value] {
    report
        .pointer(place)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The first of the groups, and how many there are; `None` without any.
fn difference_list(
    id: String,
    title: &'static str,
    meaning: &'static str,
    groups: &[Value],
    row: impl Fn(&Value) -> DifferenceRow,
) -> Option<DifferenceList> {
    (!groups.is_empty()).then(|| DifferenceList {
        id,
        title,
        meaning,
        count: groups.len() as u64,
        rows: groups.iter().take(GROUPS).map(row).collect(),
    })
}

/// Those of the counts that are there, each with whether it is shown if it is zero.
fn counts(report: &Value, place: &str, known: &[(&str, &str, bool)]) -> Vec<Fact> {
    let counts = known.iter().filter_map(|(label, name, is_shown)| {
        let count = number(report, &format!("{place}/{name}"))?;
        (count != 0 || *is_shown).then(|| Fact::new(label, Html::of(Count::known(count))))
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use usage_core::{Account, Provider, parse_instant};
    use usage_store::StoredAccount;

    use super::*;

    pub(super) fn now() -> DateTime<Utc> {
        parse_instant("2026-11-26T12:00:00Z").unwrap()
    }

    pub(super) fn account(id: i64) -> StoredAccount {
        StoredAccount {
            id,
            account: Account::new(Provider::OpenAi, "org-a").unwrap(),
        }
    }

    pub(super) fn real(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    /// Each fact on a line.
    pub(super) fn texts(facts: &[Fact]) -> Vec<String> {
        facts
            .iter()
            .map(|fact| format!("{}: {}", fact.label, fact.value))
            .collect()
    }
}
