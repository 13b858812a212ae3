//! The report in both forms.

use usage_core::{Account, Dimension, Endpoint, Provider};
use usage_parity::{CompareOptions, Comparison, LedgerFacts, ReportFacts, RestatementCounts, RunFact};

use crate::support::{
    MemoryLedger, at, compared, compared_with, csv, day, days, group, idle, line, options, tokens,
};

const A: &str = "proj_a/key_a/user-a/gpt-5/default/n";
const B: &str = "proj_b/key_b/user-b/gpt-5/flex/y";

fn facts() -> ReportFacts {
    ReportFacts {
        program: "usage 0.1.0".to_owned(),
        account: Some(Account::new(Provider::OpenAi, "org-a").unwrap()),
        label: Some("september".to_owned()),
        allow_coarse: false,
        skipped_files: [(
            "cost_2025-09.csv".to_owned(),
            "is the header of a costs export".to_owned(),
        )]
        .into(),
        ledger: LedgerFacts {
            database: "usage.db".to_owned(),
            runs: vec![RunFact {
                id: 1,
                kind: "backfill".to_owned(),
                label: None,
                status: "succeeded".to_owned(),
                started_at: "2025-10-10T00:00:00Z".to_owned(),
            }],
            restatements: RestatementCounts {
                changed: 1,
                retracted: 0,
                added: 2,
                cleaned: 0,
            },
        },
    }
}

fn json(comparison: &mut Comparison, options: &CompareOptions) -> String {
    let mut text = Vec::new();
    comparison.write_json(&facts(), options, &mut text).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert!(value.is_object(), "what is written is JSON");
    String::from_utf8(text).unwrap()
}

/// One of everything.
fn various() -> (Comparison, CompareOptions) {
    let mut ledger = MemoryLedger::covering(Endpoint::Completions, days(3))
        .with(day(0), group(A), tokens(100, 20, 40, 3))
        .with(day(0), group(B), tokens(1, 1, 0, 1))
        .with(day(1), group(A), tokens(5, 5, 0, 5));
    ledger
        .coverage
        .extend(MemoryLedger::covering(Endpoint::Completions, [day(5)]).coverage);
    let text = csv([
        line(day(0), &group(A), &tokens(7_000_100, 20, 40, 3)),
        line(day(0), &group("///gpt-5//"), &tokens(9, 9, 0, 9)),
        line(day(1), &group(A), &tokens(5, 5, 0, 5)),
        idle(day(2)),
        line(day(3), &group(A), &tokens(1, 1, 0, 1)),
        line(day(5), &group(A), &tokens(1, 1, 0, 1)),
    ]);
    let options = CompareOptions {
        now: at("2025-09-06T12:00:00Z"),
        ..options()
    };
    (compared_with(text, &ledger, &options), options)
}

#[test]
fn the_report_for_scripts() {
    let (mut comparison, options) = various();
    insta::assert_snapshot!(json(&mut comparison, &options));
    let again = json(&mut comparison, &options);
    assert_eq!(
        again.matches("\"csvSource\"").count(),
        3,
        "it can be written twice"
    );
}

#[test]
fn the_report_for_people() {
    let (comparison, _) = various();
    insta::assert_snapshot!(comparison.text(&facts()));
}

#[test]
fn the_report_of_a_match_and_of_a_coarse_one() {
    let text = csv([line(day(0), &group(A), &tokens(1_234_567, 2, 1, 1)), idle(day(1))]);
    let ledger = MemoryLedger::covering(Endpoint::Completions, days(2));
    let matched = ledger.clone().with(day(0), group(A), tokens(1_234_567, 2, 1, 1));
    insta::assert_snapshot!("matched", compared(text.clone(), &matched).text(&facts()));

    let mut coarse = ledger.with(
        day(0),
        group("proj_a/key_a/user-a/gpt-5//n"),
        tokens(1_234_567, 2, 1, 1),
    );
    for covered in &mut coarse.coverage {
        covered.grouped_by = covered.grouped_by.without(Dimension::ServiceTier);
    }
    insta::assert_snapshot!("coarse", compared(text, &coarse).text(&facts()));
}

#[test]
fn lists_longer_than_memory_are_written_whole() {
    let lines = (0..9_000).map(|number| {
        let who = format!("proj_a/key_{number}/user-a/gpt-5/default/n");
        line(day(0), &group(&who), &tokens(number, 1, 0, 1))
    });
    let ledger = MemoryLedger::covering(Endpoint::Completions, days(1));
    let mut comparison = compared(csv(lines), &ledger);
    let text = json(&mut comparison, &options());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["missingInDb"].as_array().unwrap().len(), 9_000);
    assert!(text.len() > 2 << 20, "longer than what stays in memory");
}
