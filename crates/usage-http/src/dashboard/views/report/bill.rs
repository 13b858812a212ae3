//! A report of `usage reconcile`.

use chrono::{DateTime, Utc};
use serde_json::Value;
use usage_core::{parse_day, parse_instant};

use super::{list, number, text};
use crate::dashboard::display::{At, Count, Dollars, Fact, Html, ago, day_text};
use crate::dashboard::pages::{Badge, BridgeStep, ClassRow, FindingRow, ReconciliationReport, Standing};

/// A report of reconciliation.
pub(in crate::dashboard::views) fn reconciliation(
    report: &Value,
    now: DateTime<Utc>,
) -> ReconciliationReport {
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
    use super::super::tests::{now, real};
    use super::*;

    #[test]
    fn a_real_report_of_reconciliation_is_read() {
        let report = real(include_str!(
            "../../../../../../audit/reconciliation/2026-11-26T00-17-58Z-first-real-month-with-a-bill-of-extras.json"
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
}
