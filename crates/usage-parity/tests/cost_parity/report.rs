//! Costs in the report, in both forms.

use usage_core::{Account, Dimension, Endpoint, Provider};
use usage_parity::costs::{CostChange, CostComparison, CostLayout, CostRow, summarize_costs};
use usage_parity::{
    CompareOptions, Comparison, ExportScope, ExportText, LedgerChange, LedgerCoverage, LedgerFacts,
    LedgerReader, LedgerRow, LedgerSelection, ReportFacts, UsageExport, Verdict, compare, summarize,
};

use crate::support::{
    MemoryLedger, all_compared, at, compared, compared_with, csv, day, days, group, named, options, row,
    value, wide,
};

const A: &str = "proj_a/key_a/gpt-5, input/usd";
const B: &str = "proj_b/key_b/gpt-5, output/usd";

/// A ledger that never read any usage.
struct NoUsage;

impl LedgerReader for NoUsage {
    type Error = std::convert::Infallible;

    fn begin(&mut self, _: &LedgerSelection) -> Result<Vec<LedgerCoverage>, Self::Error> {
        Ok(Vec::new())
    }

    fn rows(&mut self) -> Result<Vec<LedgerRow>, Self::Error> {
        Ok(Vec::new())
    }

    fn changes(&mut self, _: usage_core::Window) -> Result<Vec<LedgerChange>, Self::Error> {
        Ok(Vec::new())
    }
}

/// A report of costs alone.
fn alone(costs: CostComparison) -> Comparison {
    compare(&[], &mut NoUsage, &options()).unwrap().with_costs(costs)
}

/// A report of costs beside usage of one image, which the ledger never read.
fn beside_usage(costs: CostComparison) -> Comparison {
    let text = "start_time,end_time,images,num_model_requests\n1756684800,1756771200,6,6\n";
    let usage = UsageExport::open(Box::new(ExportText::new("images_usage.csv", text)), None).unwrap();
    compare(&[usage], &mut NoUsage, &options())
        .unwrap()
        .with_costs(costs)
}

fn facts() -> ReportFacts {
    ReportFacts {
        program: "usage 0.1.0".to_owned(),
        account: Some(Account::new(Provider::OpenAi, "org-a").unwrap()),
        label: Some("september".to_owned()),
        allow_coarse: false,
        skipped_files: std::collections::BTreeMap::new(),
        ledger: LedgerFacts::default(),
    }
}

fn json(comparison: &mut Comparison, options: &CompareOptions) -> String {
    let mut text = Vec::new();
    comparison.write_json(&facts(), options, &mut text).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert!(value["costs"].is_object(), "what is written is JSON");
    String::from_utf8(text).unwrap()
}

/// One of everything.
fn various() -> (CostComparison, CompareOptions) {
    let mut ledger = MemoryLedger::covering([0, 1, 2, 5, 8].map(day))
        .with(day(0), A, value("1234.5 100 tokens"))
        .with(
            day(0),
            B,
            value("0.123456789012345678901234567890123456789 7 tokens"),
        )
        .with(day(0), "proj_b/key_b/storage/usd", value("0.5 3 gibibyte_hours"))
        .with(day(0), "proj_b/key_b/images/usd", value("?"))
        .with(day(1), A, value("2"))
        .with(day(1), "proj_a/key_a/gpt-5, input/eur", value("3"));
    ledger.changes.insert(
        day(1),
        vec![CostChange {
            group: group(A),
            before: Some(value("1.75")),
            after: Some(value("2")),
            changed_at: at("2025-09-05T00:00:00Z"),
            run_id: 4,
        }],
    );
    let first = [
        row(day(0), A, "1000.25 100.0 tokens"),
        row(day(0), A, "234.5 1.0 tokens"),
        row(day(0), B, "0.123456789012345678901234567890 7.0 tokens"),
        row(day(0), "proj_b/key_b/storage/usd", "0.5 3 images"),
        row(day(0), "proj_b/key_b/images/usd", "0.04"),
        row(
            day(0),
            "proj_a/key_a/incentivized-tier | gpt-5, input/usd",
            "0E-6176",
        ),
        row(day(0), "//credit/usd", "-12.5"),
        row(day(1), A, "1.75"),
        CostRow::idle(day(2)),
        row(day(3), A, "1"),
    ];
    let second = [row(day(5), A, "1"), row(day(8), A, "1")];
    let files = [
        named("cost_a.csv", csv(CostLayout::SeventeenColumns, &first)),
        named("cost_b.csv", csv(CostLayout::SeventeenColumns, &second)),
    ];
    let options = CompareOptions {
        now: at("2025-09-09T12:00:00Z"),
        ..options()
    };
    (all_compared(&files, &ledger, &options), options)
}

#[test]
fn the_report_for_scripts() {
    let (costs, options) = various();
    let mut comparison = alone(costs);
    let text = json(&mut comparison, &options);
    insta::assert_snapshot!(text);
    assert_eq!(json(&mut comparison, &options), text, "it can be written twice");
}

#[test]
fn the_report_for_people() {
    let (costs, _) = various();
    insta::assert_snapshot!(alone(costs).text(&facts()));
}

#[test]
fn the_report_of_a_match_of_a_coarse_one_and_of_a_sum() {
    let file = || wide([row(day(0), A, "1.25"), CostRow::idle(day(1))]);
    let ledger = MemoryLedger::covering(days(2));
    let matched = compared(file(), &ledger.clone().with(day(0), A, value("1.250")));
    insta::assert_snapshot!("matched", alone(matched).text(&facts()));

    let coarse = ledger
        .with(day(0), "proj_a//gpt-5, input/usd", value("1.25"))
        .grouped_by(Endpoint::Costs.dimensions().without(Dimension::ApiKeyId));
    insta::assert_snapshot!("coarse", alone(compared(file(), &coarse)).text(&facts()));

    let summed = summarize(&[], &options())
        .unwrap()
        .with_costs(summarize_costs(&[file()], &options()).unwrap());
    insta::assert_snapshot!("summed", summed.text(&facts()));
}

#[test]
fn usage_and_costs_have_one_verdict() {
    let ledger = MemoryLedger::covering(days(1)).with(day(0), A, value("1"));
    let matched = || compared(wide([row(day(0), A, "1")]), &ledger);
    let comparison = beside_usage(matched());
    assert_eq!(
        (comparison.verdict(), comparison.usage_verdict()),
        (Verdict::NotCovered, Verdict::NotCovered)
    );
    assert_eq!(comparison.runs.len(), 1);
    insta::assert_snapshot!("beside_usage", comparison.text(&facts()));

    let different = compared(wide([row(day(0), A, "2")]), &ledger);
    let mut comparison = beside_usage(different);
    assert_eq!(comparison.verdict(), Verdict::Different);
    let text = json(&mut comparison, &options());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (
            &value["verdict"],
            &value["costs"]["verdict"],
            &value["summary"]["windowsNotCovered"]
        ),
        (&"different".into(), &"different".into(), &1.into())
    );
    assert_eq!(
        value["inspectedCsvFiles"],
        serde_json::json!(["images_usage.csv", "cost_2025-09.csv"])
    );

    assert_eq!(alone(matched()).verdict(), Verdict::Matched);
    let nothing = compared(wide([]), &ledger);
    assert_eq!(alone(nothing).verdict(), Verdict::NothingCompared);
}

#[test]
fn an_export_of_one_user_is_not_sent_to_backfill() {
    let scope = ExportScope {
        projects: Vec::new(),
        users: vec!["user-a".to_owned()],
    };
    let ledger = MemoryLedger::covering(days(1));
    let costs = compared_with(
        wide([row(day(0), A, "1")]),
        &ledger,
        &CompareOptions { scope, ..options() },
    );
    let text = alone(costs).text(&facts());
    assert!(text.starts_with("NOT COVERED: "), "{text}");
    assert!(text.contains("costs are not told apart by user"), "{text}");
    assert!(!text.contains("usage backfill"), "{text}");
}

#[test]
fn lists_longer_than_memory_are_written_whole() {
    let rows: Vec<CostRow> = (0..9_000)
        .map(|number| row(day(0), &format!("proj_a/key_{number}/gpt-5, input/usd"), "0.5"))
        .collect();
    let file = named("cost.csv", csv(CostLayout::SeventeenColumns, &rows));
    let costs = all_compared(&[file], &MemoryLedger::covering(days(1)), &options());
    let text = json(&mut alone(costs), &options());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["costs"]["missingInDb"].as_array().unwrap().len(), 9_000);
    assert!(text.len() > 2 << 20, "longer than what stays in memory");
}
