//! What the reports of `usage parity` and `usage reconcile` say, as pages show it. A field that a report lacks is left out: older
//! reports are read, too.

use chrono::{DateTime, Utc};
use serde_json::Value;
use usage_core::{Dimension, parse_day, parse_instant};
use usage_store::StoredAccount;

use crate::dashboard::display::{At, Count, Dollars, Fact, Html, ago, day_text};
use crate::dashboard::pages::{
    Badge, BothSides, BridgeStep, ClassRow, DifferenceList, DifferenceRow, FindingRow, ParityReport,
    ReconciliationReport, Standing,
};
use crate::dashboard::query::{DIMENSIONS, NONE, Query};

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

/// How a verdict of parity stands.
pub(super) fn parity_standing(verdict: &str) -> Standing {
    match verdict {
        "matched" => Standing::Good,
        "matchedCoarse" | "notCovered" => Standing::Warn,
        "different" => Standing::Bad,
        _ => Standing::Unknown,
    }
}

/// A report of parity.
pub(super) fn parity(report: &Value, account: Option<&StoredAccount>, now: DateTime<Utc>) -> ParityReport {
    let verdict = text(report, "/verdict");
    let (words, meaning) = match verdict.as_str() {
        "matched" => (
            "matched",
            "Everything that the export has is in the ledger, and the other way round.",
        ),
        "matchedCoarse" => (
            "matched coarsely",
            "Equal only after summing over a dimension that the ledger lacks: no full proof.",
        ),
        "different" => ("differences", "The ledger and the export have different numbers."),
        "notCovered" => (
            "not covered",
            "What was compared is equal, but the ledger never read some of the export.",
        ),
        "nothingCompared" => (
            "nothing compared",
            "The export has nothing that the ledger could be held against.",
        ),
        _ => ("no verdict", "The report does not say what it found."),
    };
    let at = parse_instant(&text(report, "/generatedAt")).ok();
    let counts = [
        ("Groups that match", "matched"),
        ("Match coarsely", "matchedCoarse"),
        ("Differ", "mismatched"),
        ("Only in the export", "missingInDb"),
        ("Only in the ledger", "missingInCsv"),
        ("Restated since the export", "restatedSince"),
        ("Windows compared", "windowsCompared"),
        ("Windows without usage", "windowsIdle"),
        ("Windows not covered", "windowsNotCovered"),
        ("Windows still open", "windowsOpen"),
    ];
    let counts = counts.into_iter().filter_map(|(label, name)| {
        let count = number(report, &format!("/summary/{name}"))?;
        Some(Fact::new(label, Html::of(Count::known(count))))
    });
    let label = text(report, "/label");
    ParityReport {
        verdict: Badge::new(parity_standing(&verdict), words),
        at: At(at),
        ago: at.map_or_else(String::new, |at| ago(at, now)),
        label: (!label.is_empty()).then_some(label),
        meaning: meaning.to_owned(),
        scope: parity_scope(report),
        counts: counts.collect(),
        totals: both_sides(report.pointer("/totals/csv"), report.pointer("/totals/db"), false),
        lists: difference_lists(report, account),
    }
}

fn parity_scope(report: &Value) -> Vec<Fact> {
    let mut facts = vec![Fact::new("Account", Html::text(&text(report, "/scope/account")))];
    for compared in list(report, "/scope/endpoints") {
        let name = format!("{}, {}", text(compared, "/endpoint"), text(compared, "/width"));
        let at = |place| At(parse_instant(&text(compared, place)).ok());
        let range = Html::of(at("/from")).then(" – ", &Html::of(at("/to")));
        facts.push(Fact::new(&name, range));
        let missing = list(compared, "/metricsNotExported");
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().filter_map(Value::as_str).collect();
            facts.push(Fact::new("Not in the export", Html::text(&names.join(", "))));
        }
    }
    for file in list(report, "/inspectedCsvFiles")
        .iter()
        .filter_map(Value::as_str)
    {
        // The name alone: where files lie on the server is nobody's affair.
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        facts.push(Fact::new("Export", Html::code(name)));
    }
    facts
}

/// The metrics of both sides, or only those that differ.
fn both_sides(export: Option<&Value>, ledger: Option<&Value>, only_differences: bool) -> Vec<BothSides> {
    let names = [export, ledger]
        .into_iter()
        .flatten()
        .filter_map(Value::as_object);
    let mut names: Vec<&String> = names.flat_map(serde_json::Map::keys).collect();
    names.sort_unstable();
    names.dedup();
    let value = |side: Option<&Value>, name: &str| side.and_then(|side| number(side, &format!("/{name}")));
    let rows = names.into_iter().map(|name| {
        let (export, ledger) = (value(export, name), value(ledger, name));
        BothSides {
            metric: name.clone(),
            export: Count(export),
            ledger: Count(ledger),
            difference: Count::known(ledger.unwrap_or(0) - export.unwrap_or(0)),
        }
    });
    rows.filter(|row| !only_differences || row.difference != Count(Some(0)))
        .collect()
}

fn difference_lists(report: &Value, account: Option<&StoredAccount>) -> Vec<DifferenceList> {
    let lists = [
        (
            "mismatched",
            "Groups whose numbers differ",
            "Read their windows again with usage backfill --force; if they still differ, the export is older or newer.",
        ),
        (
            "missingInDb",
            "Groups only in the export",
            "The provider exports them, and its API did not return them when these windows were read.",
        ),
        (
            "missingInCsv",
            "Groups only in the ledger",
            "The provider's API returned them, and its export has none of them.",
        ),
        (
            "restatedSince",
            "Groups that the provider restated since the export",
            "Undoing the restatements makes them equal: the export is older than the ledger.",
        ),
    ];
    let lists = lists.into_iter().map(|(name, title, meaning)| {
        let groups = list(report, &format!("/{name}"));
        DifferenceList {
            id: name,
            title,
            meaning,
            count: groups.len() as u64,
            rows: groups
                .iter()
                .take(GROUPS)
                .map(|group| difference(name, group, account))
                .collect(),
        }
    });
    lists.filter(|list| list.count > 0).collect()
}

fn difference(list: &str, group: &Value, account: Option<&StoredAccount>) -> DifferenceRow {
    let start = parse_instant(&text(group, "/windowStartIso")).ok();
    let mut query = Query::default();
    if let Some(start) = start {
        let day = start.date_naive().to_string();
        query = query.with("from", &day).with("to", &day);
    }
    if let Some(account) = account {
        query = query.with("account", &account.id.to_string());
    }
    let mut facts = Vec::new();
    for dimension in Dimension::USAGE {
        let Some(value) = group.get(dimension.as_str()) else {
            continue;
        };
        let value = match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(is) => Some(is.to_string()),
            _ => None,
        };
        let known = DIMENSIONS.iter().find(|(known, _, _)| *known == dimension);
        if let Some((_, name, _)) = known {
            query = query.with(name, value.as_deref().unwrap_or(NONE));
        }
        if let Some(value) = value {
            facts.push(Fact::new(
                known.map_or(dimension.as_str(), |(_, _, label)| label),
                Html::code(&value),
            ));
        }
    }
    let (export, ledger) = match list {
        "missingInDb" => (group.get("metrics"), None),
        "missingInCsv" => (None, group.get("metrics")),
        _ => (group.pointer("/csv/metrics"), group.pointer("/db/metrics")),
    };
    DifferenceRow {
        window: Html::of(At(start)),
        group: facts,
        metrics: both_sides(export, ledger, true),
        href: query.href("/explore"),
    }
}

/// A report of reconciliation.
pub(super) fn reconciliation(report: &Value, now: DateTime<Utc>) -> ReconciliationReport {
    let is_reconciled = text(report, "/verdict") == "reconciled";
    let percent = text(report, "/variance/percent");
    let limit = text(report, "/scope/maxVariancePercent");
    let dollars = |place: &str| Dollars::of_text(&text(report, place));
    let at = parse_instant(&text(report, "/generatedAt")).ok();
    let meaning = match (is_reconciled, percent.as_str()) {
        (_, "") => "There is nothing of which a variance could be told.".to_owned(),
        (true, percent) => format!("Charges and prices are {percent}% apart; {limit}% are allowed."),
        (false, percent) => {
            format!(
                "Charges and prices are {percent}% apart, where {limit}% are allowed, or days are missing."
            )
        }
    };
    let step = |label, name: &str, is_sum| BridgeStep {
        label,
        amount: dollars(&format!("/bridge/{name}")),
        is_sum,
    };
    ReconciliationReport {
        verdict: if is_reconciled {
            Badge::new(Standing::Good, "reconciled")
        } else {
            Badge::new(Standing::Warn, "not reconciled")
        },
        at: At(at),
        ago: at.map_or_else(String::new, |at| ago(at, now)),
        meaning,
        scope: reconciliation_scope(report),
        bridge: vec![
            step("Usage by the price list", "priced", false),
            step("Rounding of rows", "rounding", false),
            step("Differences within half a cent", "withinACent", false),
            step("Differences beyond", "differs", false),
            step("Charges that no usage explains", "costWithoutUsage", false),
            step("Usage that was not charged", "usageWithoutCost", false),
            step("Charged by the provider", "charged", true),
        ],
        variance: vec![
            Fact::new(
                "Charged, of what is compared",
                Html::of(dollars("/variance/charged")),
            ),
            Fact::new(
                "Priced, of what is compared",
                Html::of(dollars("/variance/priced")),
            ),
            Fact::new(
                "Apart, group by group",
                Html::of(dollars("/variance/absoluteDifference")),
            ),
        ],
        classes: classes(report),
        findings: list(report, "/findings").iter().map(finding).collect(),
    }
}

fn reconciliation_scope(report: &Value) -> Vec<Fact> {
    // Both days are part of what was asked for.
    let day = |place| parse_day(&text(report, place)).map_or_else(|_| text(report, place), day_text);
    let mut facts = vec![
        Fact::new("Account", Html::text(&text(report, "/scope/account"))),
        Fact::new(
            "Days",
            Html::text(&format!("{} – {}", day("/scope/start"), day("/scope/end"))),
        ),
        Fact::new(
            "Compared",
            Html::text(&format!("{} days", text(report, "/days/compared"))),
        ),
    ];
    for (label, name) in [
        ("Provisional", "provisional"),
        ("Waiting for costs", "withoutCosts"),
        ("Still open", "open"),
        ("Not read", "notCovered"),
    ] {
        let count = list(report, &format!("/days/{name}")).len();
        if count > 0 {
            facts.push(Fact::new(label, Html::text(&format!("{count} days"))));
        }
    }
    facts
}

fn classes(report: &Value) -> Vec<ClassRow> {
    let classes = [
        ("equal to the cent", "equal"),
        ("differ", "differs"),
        ("free by rule", "usageWithoutCost/free"),
        ("usage without a price", "usageWithoutCost/unpriced"),
        ("usage that was not charged", "usageWithoutCost/notCharged"),
        ("credits", "costWithoutUsage/credit"),
        ("tax", "costWithoutUsage/tax"),
        ("charged in other units", "costWithoutUsage/otherUnits"),
        (
            "charged, and usage without a price",
            "costWithoutUsage/chargedUnpriced",
        ),
        ("charged without usage", "costWithoutUsage/unexplained"),
    ];
    let rows = classes.into_iter().filter_map(|(label, place)| {
        let class = report.pointer(&format!("/classes/{place}"))?;
        let groups = number(class, "/groups").filter(|groups| *groups > 0)?;
        let dollars = |name: &str| Dollars::of_text(&text(class, name));
        Some(ClassRow {
            label,
            groups: Count::known(groups),
            priced: dollars("/priced"),
            charged: dollars("/charged"),
            difference: dollars("/difference"),
        })
    });
    rows.collect()
}

fn finding(finding: &Value) -> FindingRow {
    let dollars = |name: &str| Dollars::of_text(&text(finding, name));
    let rate = |name: &str| match text(finding, name) {
        rate if rate.is_empty() => "unknown".to_owned(),
        rate if number(finding, "/ratePer") == Some(1_000_000) => format!("${rate} / 1M"),
        rate => format!("${rate}"),
    };
    let notes: Vec<&str> = list(finding, "/notes").iter().filter_map(Value::as_str).collect();
    FindingRow {
        model: text(finding, "/model"),
        unit: text(finding, "/unit"),
        days: format!("{} – {}", text(finding, "/firstDay"), text(finding, "/lastDay")),
        priced: dollars("/priced"),
        charged: dollars("/charged"),
        difference: dollars("/difference"),
        list_rate: rate("/listRate"),
        implied_rate: rate("/impliedRate"),
        notes: notes.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        parse_instant("2026-11-26T12:00:00Z").unwrap()
    }

    fn real(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_real_report_of_parity_is_read() {
        let report = real(include_str!(
            "../../../../../audit/telemetry-audit/2026-11-25T16-40-10Z-first-real-month.json"
        ));
        let shown = parity(&report, None, now());
        assert_eq!(shown.verdict.text, "matched");
        assert_eq!(shown.ago, "19 hours ago");
        assert_eq!(shown.label.as_deref(), Some("first-real-month"));
        let input = shown
            .totals
            .iter()
            .find(|row| row.metric == "input_tokens")
            .unwrap();
        assert_eq!(
            (input.export, input.ledger),
            (Count::known(173_264_675), Count::known(173_264_675))
        );
        assert!(shown.lists.is_empty());
    }

    #[test]
    fn a_real_report_of_reconciliation_is_read() {
        let report = real(include_str!(
            "../../../../../audit/reconciliation/2026-11-26T00-17-58Z-first-real-month-with-a-bill-of-extras.json"
        ));
        let shown = reconciliation(&report, now());
        assert_eq!(
            (shown.verdict.text.as_str(), shown.verdict.standing),
            ("not reconciled", Standing::Warn)
        );
        let steps: Vec<String> = shown.bridge.iter().map(|step| step.amount.exact()).collect();
        assert_eq!(
            steps,
            [
                "$163.7645785",
                "$0",
                "−$0.0048544",
                "−$3.96017265",
                "−$3.4104",
                "$0",
                "$156.38915145"
            ]
        );
        let days = shown.scope.iter().find(|fact| fact.label == "Days").unwrap();
        assert_eq!(days.value.to_string(), "1 Sep 2025 – 1 Oct 2025");
        assert_eq!(shown.findings.len(), 3);
        assert_eq!(
            (
                shown.findings[0].list_rate.as_str(),
                shown.findings[0].implied_rate.as_str()
            ),
            ("$1.25 / 1M", "$1 / 1M")
        );
    }

    #[test]
    fn a_difference_leads_to_its_windows() {
        let report = serde_json::json!({
            "verdict": "different",
            "missingInDb": [{
                "endpoint": "completions",
                "windowStartIso": "2025-09-03T00:00:00Z",
                "project_id": "proj_1",
                "user_id": null,
                "batch": false,
                "metrics": { "input_tokens": 5, "output_tokens": 0 },
            }],
        });
        let shown = parity(&report, None, now());
        assert_eq!(shown.verdict.standing, Standing::Bad);
        let row = &shown.lists[0].rows[0];
        assert_eq!(
            row.href,
            "/explore?from=2025-09-03&to=2025-09-03&projectId=proj_1&userId=%28none%29&batch=false"
        );
        assert_eq!(
            row.metrics.len(),
            1,
            "what is equal on both sides is no difference"
        );
        assert_eq!(row.metrics[0].difference, Count::known(-5));
    }

    #[test]
    fn where_exports_lie_is_nobodys_affair() {
        let report = serde_json::json!({ "inspectedCsvFiles": ["/srv/exports/completions.csv"] });
        let shown = parity(&report, None, now());
        assert!(
            shown
                .scope
                .iter()
                .any(|fact| fact.value.to_string() == "<code>completions.csv</code>")
        );
    }
}
