//! A report of `usage reconcile`.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use usage_core::{parse_day, parse_instant};
use usage_store::StoredAccount;

use super::{list, number, text};
use crate::dashboard::display::{At, Count, Dollars, Fact, Html, ago, days_text};
use crate::dashboard::pages::{
    Badge, BridgeStep, ClassRow, FindingRow, InvoiceReport, ReconciliationReport, Standing,
};
use crate::dashboard::query::Query;

/// How many stretches of days are named; the report has all.
const SPANS: usize = 4;

/// A report of reconciliation.
pub(in crate::dashboard::views) fn reconciliation(
    report: &Value,
    account: Option<&StoredAccount>,
    now: DateTime<Utc>,
) -> ReconciliationReport {
    let is_reconciled = text(report, "/verdict") == "reconciled";
    let percent = text(report, "/variance/percent");
    let limit = text(report, "/scope/maxVariancePercent");
    let at = parse_instant(&text(report, "/generatedAt")).ok();
    let dollars = |place: &str| Dollars::of_text(&text(report, place));
    let step = |label, name: &str, is_sum| step(report, label, &format!("/bridge/{name}"), is_sum);
    let invoice = report.get("invoice").filter(|invoice| invoice.is_object());
    let whole = account.map(|account| Query::default().with("account", &account.id.to_string()));
    ReconciliationReport {
        verdict: if is_reconciled {
            Badge::new(Standing::Good, "reconciled")
        } else {
            Badge::new(Standing::Warn, "not reconciled")
        },
        at: At(at),
        ago: at.map_or_else(String::new, |at| ago(at, now)),
        meaning: match percent.as_str() {
            "" => "There is nothing of which a variance could be told.".to_owned(),
            percent => format!(
                "Where both are known, charges and prices are {percent}% apart; {limit}% are allowed."
            ),
        },
        complaints: complaints(report),
        scope: scope(report),
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
        invoice: invoice.map(invoice_report),
        whole: whole.map(|query| query.href("/api/reconciliation")),
    }
}

fn step(report: &Value, label: &'static str, place: &str, is_sum: bool) -> BridgeStep {
    BridgeStep {
        label,
        amount: Dollars::of_text(&text(report, place)),
        is_sum,
    }
}

/// Why a report is not reconciled, the first reason first.
pub(in crate::dashboard::views) fn complaints(report: &Value) -> Vec<String> {
    let mut complaints: Vec<String> = list(report, "/complaints").iter().map(complaint).collect();
    if let Some(invoice) = report.get("invoice").filter(|invoice| invoice.is_object())
        && invoice.get("isExplained").and_then(Value::as_bool) != Some(true)
    {
        let difference = Dollars::of_text(&text(invoice, "/difference"));
        complaints.push(format!(
            "the invoice is {} off what was charged",
            difference.short()
        ));
    }
    complaints
}

fn complaint(complaint: &Value) -> String {
    let amount = Dollars::of_text(&text(complaint, "/amount"));
    let amount = amount.short();
    match (
        text(complaint, "/kind").as_str(),
        text(complaint, "/class").as_str(),
    ) {
        ("variance", _) => format!(
            "charges and prices are {}% apart, where {}% are allowed",
            text(complaint, "/percent"),
            text(complaint, "/limit")
        ),
        ("unexplained", "notCharged") => format!("usage of {amount} was not charged"),
        ("unexplained", "chargedUnpriced") => format!("{amount} were charged for usage without a price"),
        ("unexplained", _) => format!("{amount} were charged that no usage explains"),
        ("nothingCompared", _) => "no line has both a price and a charge".to_owned(),
        ("notCovered", _) => match number(complaint, "/days") {
            Some(1) => "1 day was not read completely".to_owned(),
            days => format!("{} days were not read completely", days.unwrap_or(0)),
        },
        (kind, _) => kind.to_owned(),
    }
}

fn invoice_report(invoice: &Value) -> InvoiceReport {
    let is_explained = invoice.get("isExplained").and_then(Value::as_bool) == Some(true);
    let texts = |place| list(invoice, place).iter().filter_map(Value::as_str);
    let notes = texts("/missing").map(|missing| format!("Not in the sum: {missing}"));
    let explained = if is_explained { "Explained by" } else { "Could be" };
    let step = |label, place, is_sum| step(invoice, label, place, is_sum);
    InvoiceReport {
        verdict: if is_explained {
            Badge::new(Standing::Good, "explained")
        } else {
            Badge::new(Standing::Warn, "not explained")
        },
        steps: vec![
            step("Charges", "/charges", false),
            step("Credits", "/credits", false),
            step("Tax, by the words of the line items", "/tax", false),
            step("Sum of the costs", "/sum", true),
            step("The invoice", "/invoice", true),
            step("The invoice less the sum", "/difference", true),
        ],
        notes: notes
            .chain(texts("/explanations").map(|explanation| format!("{explained} {explanation}")))
            .collect(),
    }
}

fn scope(report: &Value) -> Vec<Fact> {
    // Both days are part of what was asked for.
    let day = |place| parse_day(&text(report, place));
    let asked = match (day("/scope/start"), day("/scope/end")) {
        (Ok(start), Ok(end)) => days_text(start, end),
        _ => format!(
            "{} – {}",
            text(report, "/scope/start"),
            text(report, "/scope/end")
        ),
    };
    let words = |label: &str, words: &str| Fact::new(label, Html::text(words));
    let mut facts = vec![
        words("Account", &text(report, "/scope/account")),
        words("Days", &asked),
        words("Compared", &format!("{} days", text(report, "/days/compared"))),
    ];
    for (label, name) in [
        ("Provisional", "provisional"),
        ("Waiting for costs", "withoutCosts"),
        ("Still open", "open"),
        ("Not read completely", "notCovered"),
    ] {
        let days = list(report, &format!("/days/{name}"));
        if !days.is_empty() {
            facts.push(words(label, &days_of(days)));
        }
    }
    let lacking = list(report, "/days/notCovered")
        .iter()
        .flat_map(|day| list(day, "/lacks"));
    let names = |values: &mut dyn Iterator<Item = &Value>| {
        let names: BTreeSet<&str> = values.filter_map(Value::as_str).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    for (label, named) in [
        ("What those days lack", names(&mut lacking.into_iter())),
        (
            "Never read in the range",
            names(&mut list(report, "/scope/neverRead").iter()),
        ),
        (
            "Not read by the day, so not compared",
            names(
                &mut list(report, "/scope/otherWidths")
                    .iter()
                    .filter_map(|width| width.get("endpoint")),
            ),
        ),
        (
            "Without a price, and not charged",
            names(&mut list(report, "/withoutPrice").iter()),
        ),
        (
            "Compared of these projects only",
            names(&mut list(report, "/scope/projects").iter()),
        ),
    ] {
        if !named.is_empty() {
            facts.push(words(label, &named));
        }
    }
    if let Some(lines) = number(report, "/scope/linesOfOtherProjects").filter(|lines| *lines > 0) {
        facts.push(Fact::new(
            "Lines of other projects, left out",
            Html::of(Count::known(lines)),
        ));
    }
    let others = report
        .pointer("/classes/otherCurrency/amounts")
        .and_then(Value::as_object);
    for (currency, amount) in others.into_iter().flatten() {
        let amount = amount.as_str().unwrap_or_default();
        facts.push(words(
            "Charged, not added to dollars",
            &format!("{amount} {}", currency.to_uppercase()),
        ));
    }
    if let Some(costs) = number(report, "/classes/withoutAmount").filter(|costs| *costs > 0) {
        facts.push(Fact::new(
            "Costs without an amount",
            Html::of(Count::known(costs)),
        ));
    }
    facts
}

/// How many days, and which.
fn days_of(days: &[Value]) -> String {
    let named = |day: &Value| match day {
        Value::String(day) => parse_day(day).ok(),
        day => parse_day(&text(day, "/day")).ok(),
    };
    let mut spans: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for day in days.iter().filter_map(named) {
        match spans.last_mut() {
            Some((_, last)) if last.succ_opt() == Some(day) => *last = day,
            _ => spans.push((day, day)),
        }
    }
    let noun = if days.len() == 1 { "day" } else { "days" };
    let mut words: Vec<String> = spans
        .iter()
        .take(SPANS)
        .map(|(first, last)| days_text(*first, *last))
        .collect();
    if spans.len() > SPANS {
        words.push("…".to_owned());
    }
    format!("{} {noun}: {}", days.len(), words.join(", "))
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
    use super::super::tests::{account, now, real, texts};
    use super::*;

    #[test]
    fn a_real_report_of_reconciliation_is_read() {
        let report = real(include_str!(
            "../../../../../../audit/reconciliation/2026-11-26T00-17-58Z-first-real-month-with-a-bill-of-extras.json"
        ));
        let shown = reconciliation(&report, Some(&account(7)), now());
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
        assert_eq!(days.value.to_string(), "1 Sep – 1 Oct 2025");
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
    fn every_reason_and_every_gap_is_said() {
        let report = serde_json::json!({
            "verdict": "notReconciled",
            "complaints": [
                { "kind": "unexplained", "class": "unexplained", "amount": "50" },
                { "kind": "unexplained", "class": "notCharged", "amount": "0.45" },
                { "kind": "unexplained", "class": "chargedUnpriced", "amount": "0.7" },
                { "kind": "nothingCompared" },
                { "kind": "notCovered", "days": 3 },
                { "kind": "variance", "percent": "6.19", "limit": "2" },
            ],
            "scope": {
                "start": "2025-09-01",
                "end": "2025-09-30",
                "maxVariancePercent": "2",
                "neverRead": ["decisions"],
                "otherWidths": [{ "endpoint": "images", "bucketWidth": "1h" }],
                "projects": ["proj_a", "<b>"],
                "linesOfOtherProjects": 12,
            },
            "days": {
                "compared": 26,
                "provisional": [],
                "withoutCosts": ["2025-09-30"],
                "notCovered": [
                    { "day": "2025-09-01", "lacks": ["completions", "costs"] },
                    { "day": "2025-09-02", "lacks": ["costs"] },
                    { "day": "2025-09-05", "lacks": ["costs"] },
                ],
            },
            "variance": { "charged": "0", "priced": "0", "absoluteDifference": "0", "percent": "0" },
            "classes": { "otherCurrency": { "groups": 1, "amounts": { "eur": "100" } }, "withoutAmount": 2 },
            "withoutPrice": ["gpt-nobody-knows"],
            "invoice": {
                "invoice": "60", "charges": "50", "credits": "0", "tax": "0", "sum": "50", "difference": "10",
                "missing": ["days not read completely: 3"], "isExplained": false,
                "explanations": ["100 EUR of costs, which are not added to dollars"],
            },
        });
        let shown = reconciliation(&report, Some(&account(7)), now());
        assert_eq!(shown.whole.as_deref(), Some("/api/reconciliation?account=7"));
        assert_eq!(
            shown.complaints,
            [
                "$50.00 were charged that no usage explains",
                "usage of $0.45 was not charged",
                "$0.70 were charged for usage without a price",
                "no line has both a price and a charge",
                "3 days were not read completely",
                "charges and prices are 6.19% apart, where 2% are allowed",
                "the invoice is $10.00 off what was charged"
            ]
        );
        assert_eq!(
            texts(&shown.scope)[1..],
            [
                "Days: 1–30 Sep 2025",
                "Compared: 26 days",
                "Waiting for costs: 1 day: 30 Sep 2025",
                "Not read completely: 3 days: 1–2 Sep 2025, 5 Sep 2025",
                "What those days lack: completions, costs",
                "Never read in the range: decisions",
                "Not read by the day, so not compared: images",
                "Without a price, and not charged: gpt-nobody-knows",
                "Compared of these projects only: &lt;b&gt;, proj_a",
                "Lines of other projects, left out: 12",
                "Charged, not added to dollars: 100 EUR",
                "Costs without an amount: 2"
            ]
        );
        let invoice = shown.invoice.unwrap();
        assert_eq!(invoice.verdict.standing, Standing::Warn);
        assert_eq!(
            invoice.notes,
            [
                "Not in the sum: days not read completely: 3",
                "Could be 100 EUR of costs, which are not added to dollars"
            ]
        );
    }
}
