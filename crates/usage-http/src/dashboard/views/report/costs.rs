//! The costs of a report of `usage parity`. Amounts keep every digit that the provider sent: the differences are often small.

use serde_json::Value;
use usage_core::Decimal;
use usage_store::StoredAccount;

use super::parity::{COUNTS, key_of, place_of, span, verdict};
use super::{counts, difference_list, list, text};
use crate::dashboard::display::{Absent, At, Fact, Html};
use crate::dashboard::pages::{BothSides, CostsReport, DifferenceList, DifferenceRow};

/// What was found of costs.
pub(super) fn costs(found: &Value, account: Option<&StoredAccount>) -> CostsReport {
    let (verdict, meaning) = verdict(&text(found, "/verdict"));
    let mut facts = Vec::new();
    for width in list(found, "/widths") {
        let name = format!("Costs, {}", text(width, "/width"));
        facts.push(Fact::new(&name, span(&text(width, "/from"), &text(width, "/to"))));
    }
    let tolerance = text(found, "/tolerancePerRow");
    if !tolerance.is_empty() {
        facts.push(Fact::new(
            "Tolerance",
            Html::text(&format!("up to {tolerance} a row")),
        ));
    }
    CostsReport {
        verdict,
        meaning,
        scope: facts,
        counts: counts(found, "/summary", &COUNTS),
        totals: list(found, "/widths").iter().flat_map(totals).collect(),
        lists: lists(found, account),
    }
}

/// The sums of each currency, of windows of one width: widths are never added.
fn totals(width: &Value) -> impl Iterator<Item = BothSides> {
    let name = text(width, "/width");
    list(width, "/totals").iter().map(move |sum| {
        let currency = text(sum, "/currency");
        let side = |name: &str| sum.get(name).and_then(decimal);
        let metric = match currency.as_str() {
            "" => format!("without a currency, {name}"),
            currency => format!("{}, {name}", currency.to_uppercase()),
        };
        amounts(metric, (side("csv"), side("db")), &currency)
    })
}

fn lists(found: &Value, account: Option<&StoredAccount>) -> Vec<DifferenceList> {
    let lists = [
        (
            "mismatched",
            "Costs whose amounts or quantities differ",
            "Read their windows again with usage backfill --force; if they still differ, the export is older or newer.",
        ),
        (
            "missingInDb",
            "Costs only in the export",
            "The provider exports them, and its API did not return them when these windows were read.",
        ),
        (
            "missingInCsv",
            "Costs only in the ledger",
            "The provider's API returned them, and its export has none of them.",
        ),
        (
            "restatedSince",
            "Costs that the provider restated since the export",
            "Undoing the restatements makes them equal: the export is older than the ledger.",
        ),
        (
            "notCoveredGroups",
            "Costs that the ledger never read",
            "Their windows were read without their projects, so nothing was compared.",
        ),
    ];
    let lists = lists.into_iter().filter_map(|(name, title, meaning)| {
        difference_list(
            format!("costs-{name}"),
            title,
            meaning,
            list(found, &format!("/{name}")),
            |group| difference(name, group, account),
        )
    });
    lists.collect()
}

fn difference(list: &str, group: &Value, account: Option<&StoredAccount>) -> DifferenceRow {
    let key = key_of(group);
    let (start, mut query) = place_of(key, account);
    let mut facts = Vec::new();
    for (name, label) in [
        ("lineItem", "line item"),
        ("projectId", "project"),
        ("apiKeyId", "API key"),
    ] {
        let value = text(key, &format!("/{name}"));
        if value.is_empty() {
            continue;
        }
        // Usage has no line items.
        if name != "lineItem" {
            query = query.with(name, &value);
        }
        facts.push(Fact::new(label, Html::code(&value)));
    }
    let (export, ledger) = match list {
        "missingInDb" | "notCoveredGroups" => (Some(group), None),
        "missingInCsv" => (None, Some(group)),
        _ => (group.get("csv"), group.get("db")),
    };
    let side = |side: Option<&Value>, name: &str| side.and_then(|side| side.get(name)).and_then(decimal);
    let mut metrics = vec![amounts(
        "amount".to_owned(),
        (side(export, "amount"), side(ledger, "amount")),
        &text(key, "/currency"),
    )];
    let quantities = (side(export, "quantity"), side(ledger, "quantity"));
    if quantities.0 != quantities.1 {
        let units = [export, ledger].into_iter().flatten();
        let unit = units
            .map(|side| text(side, "/quantityUnit"))
            .find(|unit| !unit.is_empty());
        metrics.push(amounts(
            "quantity".to_owned(),
            quantities,
            &unit.unwrap_or_default(),
        ));
    }
    DifferenceRow {
        window: Html::of(At(start)),
        group: facts,
        metrics,
        href: query.href("/explore"),
        leads_to: "Its usage",
    }
}

fn decimal(value: &Value) -> Option<Decimal> {
    value.as_str()?.parse().ok()
}

/// Both sides with their unit. What one side does not have is no zero, so their difference is told of what is there.
fn amounts(metric: String, (export, ledger): (Option<Decimal>, Option<Decimal>), unit: &str) -> BothSides {
    let unit = if unit.len() == 3 {
        unit.to_uppercase()
    } else {
        unit.to_owned()
    };
    let words = |amount: &Decimal| {
        let amount = amount.to_string().replace('-', "−");
        Html::text(format!("{amount} {unit}").trim_end())
    };
    let side = |amount: &Option<Decimal>| match amount {
        Some(amount) => words(amount),
        None => Html::of(Absent("none")),
    };
    let (shown_export, shown_ledger) = (side(&export), side(&ledger));
    BothSides {
        metric,
        export: shown_export,
        ledger: shown_ledger,
        difference: words(&(&ledger.unwrap_or_default() - &export.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parity;
    use super::super::tests::{account, now, real, texts};
    use super::*;
    use crate::dashboard::pages::Standing;

    #[test]
    fn a_real_report_of_costs_is_read() {
        let report = real(include_str!(
            "../../../../../../audit/telemetry-audit/2026-12-10T07-10-33Z-cron.json"
        ));
        let costs = parity(&report, None, now()).costs.unwrap();
        assert_eq!(
            (costs.verdict.text.as_str(), costs.verdict.standing),
            ("matched", Standing::Good)
        );
        assert!(costs.lists.is_empty());
        let total = &costs.totals[0];
        assert_eq!(total.metric, "USD, 1d");
        assert_eq!(
            [&total.export, &total.ledger, &total.difference].map(ToString::to_string),
            ["569.6492510675 USD", "569.6492510675 USD", "0 USD"]
        );
        assert!(texts(&costs.counts).contains(&"Groups that match: 1,221".to_owned()));
    }

    #[test]
    fn costs_that_differ_are_shown_with_both_amounts() {
        let key = serde_json::json!({
            "endpoint": "costs",
            "windowStartIso": "2025-09-01T00:00:00Z",
            "projectId": "proj_a",
            "apiKeyId": null,
            "lineItem": "gpt-5, input",
            "currency": "usd",
        });
        let side = |amount: &str, quantity: &str| {
            serde_json::json!({
                "amount": amount, "quantity": quantity, "quantityUnit": "tokens",
            })
        };
        let mut credit = key.clone();
        credit["amount"] = "-12.5".into();
        let report = serde_json::json!({
            "verdict": "different",
            "scope": { "endpoints": [] },
            "summary": { "matched": 0, "mismatched": 0 },
            "costs": {
                "verdict": "different",
                "mismatched": [{ "key": key, "csv": side("1234.75", "101"), "db": side("1234.5", "100") }],
                "missingInDb": [credit],
            },
        });
        let shown = parity(&report, Some(&account(7)), now());
        assert!(
            !shown.has_usage && shown.counts.is_empty(),
            "no usage was compared"
        );
        assert!(texts(&shown.scope).contains(&"Compared: costs, no usage".to_owned()));
        let costs = shown.costs.unwrap();
        assert_eq!(costs.verdict.standing, Standing::Bad);
        let both = |row: &BothSides| {
            format!(
                "{}: {} | {} | {}",
                row.metric, row.export, row.ledger, row.difference
            )
        };
        let row = &costs.lists[0].rows[0];
        assert_eq!(
            row.metrics.iter().map(both).collect::<Vec<_>>(),
            [
                "amount: 1234.75 USD | 1234.5 USD | −0.25 USD",
                "quantity: 101 tokens | 100 tokens | −1 tokens"
            ]
        );
        assert_eq!(
            row.href,
            "/explore?from=2025-09-01&to=2025-09-01&account=7&projectId=proj_a"
        );
        let missing = &costs.lists[1].rows[0].metrics[0];
        assert_eq!(
            (missing.export.to_string(), missing.difference.to_string()),
            ("−12.5 USD".to_owned(), "12.5 USD".to_owned())
        );
        assert!(missing.ledger.to_string().contains("none"));
    }
}
