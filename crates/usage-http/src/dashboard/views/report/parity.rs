//! A report of `usage parity`.

use chrono::{DateTime, Utc};
use serde_json::Value;
use usage_core::{Dimension, Endpoint, parse_instant};
use usage_parity::event_lines::camel_case;
use usage_store::StoredAccount;

use super::{costs, counts, difference_list, list, number, text};
use crate::dashboard::display::{At, Count, Fact, Html, ago};
use crate::dashboard::pages::{Badge, BothSides, DifferenceList, DifferenceRow, ParityReport, Standing};
use crate::dashboard::query::{DIMENSIONS, NONE, Query};

/// How a verdict of parity stands.
pub(in crate::dashboard::views) fn parity_standing(verdict: &str) -> Standing {
    match verdict {
        "matched" => Standing::Good,
        "matchedCoarse" | "notCovered" => Standing::Warn,
        "different" => Standing::Bad,
        _ => Standing::Unknown,
    }
}

/// A verdict in a word or two, and what it means.
pub(super) fn verdict(verdict: &str) -> (Badge, &'static str) {
    let (words, meaning) = match verdict {
        "matched" => (
            "matched",
            "What was compared is in the export and in the ledger with the same numbers.",
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
        "noLedger" => ("no ledger", "The export was summed up, and held against nothing."),
        _ => ("no verdict", "The report does not say what it found."),
    };
    (Badge::new(parity_standing(verdict), words), meaning)
}

/// A report of parity.
pub(in crate::dashboard::views) fn parity(
    report: &Value,
    account: Option<&StoredAccount>,
    now: DateTime<Utc>,
) -> ParityReport {
    let (verdict, meaning) = verdict(&text(report, "/verdict"));
    let at = parse_instant(&text(report, "/generatedAt")).ok();
    let has_usage = !list(report, "/scope/endpoints").is_empty();
    let label = text(report, "/label");
    let whole = account.map(|account| Query::default().with("account", &account.id.to_string()));
    ParityReport {
        verdict,
        at: At(at),
        ago: at.map_or_else(String::new, |at| ago(at, now)),
        label: (!label.is_empty()).then_some(label),
        meaning,
        scope: scope(report),
        has_usage,
        // Of costs alone, all of them are zero, which is not what was found of usage.
        counts: if has_usage {
            counts(report, "/summary", &COUNTS)
        } else {
            Vec::new()
        },
        totals: both_sides(report.pointer("/totals/csv"), report.pointer("/totals/db"), false),
        lists: difference_lists(report, account),
        costs: report.get("costs").map(|found| costs::costs(found, account)),
        whole: whole.map(|query| query.href("/api/parity")),
    }
}

/// What is counted of usage; much of it of costs, too. Whether it is shown although there is none of it.
pub(super) const COUNTS: [(&str, &str, bool); 15] = [
    ("Groups that match", "matched", true),
    ("Match coarsely", "matchedCoarse", false),
    ("Match within the tolerance only", "matchedWithinTolerance", true),
    ("Differ", "mismatched", true),
    ("Only in the export", "missingInDb", true),
    ("Only in the ledger", "missingInCsv", true),
    ("Restated since the export", "restatedSince", false),
    ("Never read by the ledger", "groupsNotCovered", false),
    ("Left out of the export", "outOfScopeCsv", false),
    ("Left out of the ledger", "outOfScopeDb", false),
    ("Windows compared", "windowsCompared", true),
    ("Windows without usage or costs", "windowsIdle", false),
    ("Windows not covered", "windowsNotCovered", false),
    ("Windows still open", "windowsOpen", false),
    ("Windows between the exports", "windowsBetweenExports", false),
];

fn scope(report: &Value) -> Vec<Fact> {
    let has_usage = !list(report, "/scope/endpoints").is_empty();
    let compared = match (has_usage, report.get("costs").is_some()) {
        (true, true) => "usage and costs",
        (true, false) => "usage, no costs",
        (false, true) => "costs, no usage",
        (false, false) => "nothing",
    };
    let mut facts = vec![
        Fact::new("Account", Html::text(&text(report, "/scope/account"))),
        Fact::new("Compared", Html::text(compared)),
    ];
    let asked = (text(report, "/scope/from"), text(report, "/scope/to"));
    facts.push(Fact::new(
        "Range asked for",
        match asked {
            (from, to) if from.is_empty() && to.is_empty() => Html::text("all that the exports have"),
            (from, to) => span(&from, &to),
        },
    ));
    for compared in list(report, "/scope/endpoints") {
        let name = format!("{}, {}", text(compared, "/endpoint"), text(compared, "/width"));
        facts.push(Fact::new(
            &name,
            span(&text(compared, "/from"), &text(compared, "/to")),
        ));
        let missing = list(compared, "/metricsNotExported");
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().filter_map(Value::as_str).collect();
            facts.push(Fact::new("Not in the export", Html::text(&names.join(", "))));
        }
    }
    for (label, place, all) in [
        ("Projects", "/scope/projects", "every project"),
        ("Users", "/scope/users", "every user"),
    ] {
        let named: Vec<&str> = list(report, place).iter().filter_map(Value::as_str).collect();
        let value = match named.as_slice() {
            [] => Html::text(all),
            named => Html::text(&format!("only {}", named.join(", "))),
        };
        facts.push(Fact::new(label, value));
    }
    if let Some(tolerance) = number(report, "/scope/tolerance") {
        let value = match tolerance {
            0 => Html::text("none"),
            tolerance => Html::text("up to ").then("", &Html::of(Count::known(tolerance))),
        };
        facts.push(Fact::new("Tolerance", value));
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

/// From one moment to another; either may be open.
pub(super) fn span(from: &str, to: &str) -> Html {
    let at = |text: &str, open: &str| match parse_instant(text) {
        Ok(at) => Html::of(At(Some(at))),
        Err(_) => Html::text(open),
    };
    at(from, "the first").then(" – ", &at(to, "the last"))
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
    let rows = names.into_iter().filter_map(|name| {
        let (export, ledger) = (value(export, name), value(ledger, name));
        let difference = ledger.unwrap_or(0) - export.unwrap_or(0);
        (difference != 0 || !only_differences).then(|| BothSides {
            metric: name.clone(),
            export: Html::of(Count(export)),
            ledger: Html::of(Count(ledger)),
            difference: Html::of(Count::known(difference)),
        })
    });
    rows.collect()
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
        (
            "notCoveredGroups",
            "Groups that the ledger never read",
            "Their windows were read without their projects, so nothing was compared.",
        ),
    ];
    let lists = lists.into_iter().filter_map(|(name, title, meaning)| {
        difference_list(
            name.to_owned(),
            title,
            meaning,
            list(report, &format!("/{name}")),
            |group| difference(name, group, account),
        )
    });
    lists.collect()
}

fn difference(list: &str, group: &Value, account: Option<&StoredAccount>) -> DifferenceRow {
    let key = key_of(group);
    let (start, mut query) = place_of(key, account);
    if let Ok(endpoint) = text(key, "/endpoint").parse::<Endpoint>() {
        query = query.with("endpoint", endpoint.as_str());
    }
    let mut facts = vec![Fact::new("endpoint", Html::code(&text(key, "/endpoint")))];
    for dimension in Dimension::USAGE {
        let name = camel_case(dimension.as_str());
        let Some(value) = key.get(&name) else {
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
            let label = known.map_or_else(
                || dimension.as_str().replace('_', " "),
                |known| known.2.to_owned(),
            );
            facts.push(Fact::new(&label, Html::code(&value)));
        }
    }
    let (export, ledger) = match list {
        "missingInDb" | "notCoveredGroups" => (group.get("metrics"), None),
        "missingInCsv" => (None, group.get("metrics")),
        _ => (group.pointer("/csv/metrics"), group.pointer("/db/metrics")),
    };
    DifferenceRow {
        window: Html::of(At(start)),
        group: facts,
        metrics: both_sides(export, ledger, true),
        href: query.href("/explore"),
        leads_to: "In Explore",
    }
}

/// What tells a group apart: an object of its own where both sides have the group.
pub(super) fn key_of(group: &Value) -> &Value {
    group.get("key").unwrap_or(group)
}

/// When the window of a group begins, and its day and account as pages are asked for them.
pub(super) fn place_of(key: &Value, account: Option<&StoredAccount>) -> (Option<DateTime<Utc>>, Query) {
    let start = parse_instant(&text(key, "/windowStartIso")).ok();
    let mut query = Query::default();
    if let Some(start) = start {
        let day = start.date_naive().to_string();
        query = query.with("from", &day).with("to", &day);
    }
    if let Some(account) = account {
        query = query.with("account", &account.id.to_string());
    }
    (start, query)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{account, now, real, texts};
    use super::*;

    #[test]
    fn a_real_report_of_parity_is_read() {
        let report = real(include_str!(
            "../../../../../../audit/telemetry-audit/2026-11-25T16-40-10Z-first-real-month.json"
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
            (input.export.to_string(), input.ledger.to_string()),
            ("173,264,675".to_owned(), "173,264,675".to_owned())
        );
        assert!(shown.lists.is_empty() && shown.costs.is_none());
    }

    #[test]
    fn what_was_looked_at_is_said() {
        let whole = real(include_str!(
            "../../../../../../audit/telemetry-audit/2026-12-10T07-10-33Z-cron.json"
        ));
        let shown = parity(&whole, None, now());
        let scope = texts(&shown.scope);
        for line in [
            "Compared: usage and costs",
            "Range asked for: all that the exports have",
            "Projects: every project",
            "Users: every user",
            "Tolerance: none",
        ] {
            assert!(scope.iter().any(|fact| fact == line), "{line}: {scope:#?}");
        }
        let range = scope.iter().find(|fact| fact.starts_with("completions, 1d: "));
        let range = range.unwrap();
        assert!(
            range.contains("5 Nov 2026 00:00") && range.contains("10 Dec 2026 00:00"),
            "{range}"
        );
        let narrowed = serde_json::json!({
            "scope": {
                "from": "2025-09-01T00:00:00Z",
                "to": null,
                "projects": ["proj_a", "<b>"],
                "users": ["user_a"],
                "tolerance": 1000,
                "endpoints": [{ "endpoint": "completions", "width": "1d" }],
            },
            "summary": { "matched": 31, "matchedWithinTolerance": 3 },
        });
        let shown = parity(&narrowed, None, now());
        let scope = texts(&shown.scope);
        for line in [
            "Compared: usage, no costs",
            "Projects: only proj_a, &lt;b&gt;",
            "Users: only user_a",
            "Tolerance: up to 1,000",
        ] {
            assert!(scope.iter().any(|fact| fact == line), "{line}: {scope:#?}");
        }
        let counts = texts(&shown.counts);
        assert!(
            counts.contains(&"Match within the tolerance only: 3".to_owned()),
            "{counts:#?}"
        );
    }

    #[test]
    fn a_difference_leads_to_its_windows() {
        let key = serde_json::json!({
            "endpoint": "completions",
            "windowStartIso": "2025-09-03T00:00:00Z",
            "projectId": "proj_1",
            "userId": null,
            "batch": false,
            "apiSource": "playground",
        });
        let mut missing = key.clone();
        missing["metrics"] = serde_json::json!({ "input_tokens": 5, "output_tokens": 0 });
        let report = serde_json::json!({
            "verdict": "different",
            "missingInDb": [missing],
            "mismatched": [{
                "key": key,
                "csv": { "metrics": { "input_tokens": 7 } },
                "db": { "metrics": { "input_tokens": 5 } },
            }],
        });
        let shown = parity(&report, Some(&account(7)), now());
        assert_eq!(shown.verdict.standing, Standing::Bad);
        assert_eq!(shown.whole.as_deref(), Some("/api/parity?account=7"));
        for (place, difference) in [(0, "−2"), (1, "−5")] {
            let row = &shown.lists[place].rows[0];
            assert_eq!(
                row.href,
                "/explore?from=2025-09-03&to=2025-09-03&account=7&endpoint=completions\
                 &projectId=proj_1&userId=%28none%29&batch=false&apiSource=playground"
            );
            assert_eq!(
                texts(&row.group),
                [
                    "endpoint: <code>completions</code>",
                    "project: <code>proj_1</code>",
                    "batch: <code>false</code>",
                    "API source: <code>playground</code>"
                ]
            );
            assert!(row.window.to_string().contains("3 Sep 2025"), "{}", row.window);
            assert_eq!(
                row.metrics.len(),
                1,
                "what is equal on both sides is no difference"
            );
            assert_eq!(row.metrics[0].difference.to_string(), difference);
        }
    }

    #[test]
    fn where_exports_lie_is_nobodys_affair() {
        let report = serde_json::json!({ "inspectedCsvFiles": ["/srv/exports/completions.csv"] });
        let shown = parity(&report, None, now());
        assert!(
            texts(&shown.scope).contains(&"Export: <code>completions.csv</code>".to_owned()),
            "{:#?}",
            texts(&shown.scope)
        );
    }
}
