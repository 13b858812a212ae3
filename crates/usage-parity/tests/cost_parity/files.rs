//! Several files, files out of order, and files that cannot be used.

use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicU32, Ordering};

use usage_core::{Width, Window};
use usage_parity::costs::{CostExport, CostLayout, CostRow, CostTolerance, compare_costs};
use usage_parity::{CompareOptions, ExportSource, ExportText, TimeRange, Verdict};

use crate::support::{
    MemoryLedger, all_compared, at, csv, day, days, export, named, narrow, options, row, value, wide,
};

const A: &str = "proj_a/key_a/gpt-5, input/usd";
const B: &str = "proj_a/key_b/gpt-5, input/usd";

fn file(name: &str, rows: &[CostRow]) -> CostExport {
    named(name, csv(CostLayout::SeventeenColumns, rows))
}

fn error_of(exports: &[CostExport]) -> String {
    let mut ledger = MemoryLedger::covering(days(5));
    compare_costs(exports, &mut ledger, &options(), CostTolerance::default())
        .unwrap_err()
        .to_string()
}

fn refused(text: impl Into<Vec<u8>>) -> String {
    CostExport::open(Box::new(ExportText::new("cost.csv", text)))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_file_out_of_order_is_compared_like_one_in_order() {
    let ledger = MemoryLedger::covering(days(3))
        .with(day(0), A, value("3"))
        .with(day(2), A, value("4"));
    let rows = [row(day(2), A, "4"), row(day(0), A, "1"), row(day(0), A, "2")];
    let comparison = all_compared(&[file("cost.csv", &rows)], &ledger, &options());
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!(
        (comparison.counts.matched, comparison.counts.windows_idle),
        (2, 1)
    );
    assert!(comparison.files[0].was_sorted);
}

#[test]
fn overlapping_files_count_once_and_must_agree() {
    let ledger = MemoryLedger::covering(days(3))
        .with(day(0), A, value("1"))
        .with(day(1), A, value("2"))
        .with(day(2), A, value("3"));
    let first = || file("a.csv", &[row(day(0), A, "1"), row(day(1), A, "2")]);
    let second = file("b.csv", &[row(day(1), A, "2.0"), row(day(2), A, "3")]);
    let comparison = all_compared(&[first(), second], &ledger, &options());
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 3)
    );

    let other = file("b.csv", &[row(day(1), A, "2.5"), row(day(2), A, "3")]);
    assert_eq!(
        error_of(&[first(), other]),
        "b.csv has other costs in the window 2025-09-02T00:00:00Z/1d than a.csv; give only the newer one"
    );
    // A file that goes on says that what it passes over was idle.
    let silent = file("c.csv", &[row(day(0), A, "1"), CostRow::idle(day(2))]);
    assert_eq!(
        error_of(&[first(), silent]),
        "c.csv has other costs in the window 2025-09-02T00:00:00Z/1d than a.csv; give only the newer one"
    );
}

#[test]
fn of_two_layouts_the_one_that_tells_more_apart_counts() {
    let ledger = MemoryLedger::covering(days(1))
        .with(day(0), A, value("1"))
        .with(day(0), B, value("2"));
    let newer = || wide([row(day(0), A, "1"), row(day(0), B, "2")]);
    let older = || narrow([row(day(0), "proj_a//gpt-5, input/usd", "3")]);
    for files in [[newer(), older()], [older(), newer()]] {
        let comparison = all_compared(&files, &ledger, &options());
        assert_eq!(
            (comparison.verdict(), comparison.counts.matched),
            (Verdict::Matched, 2)
        );
    }
    let wrong = narrow([row(day(0), "proj_a//gpt-5, input/usd", "3.5")]);
    assert!(error_of(&[newer(), wrong]).contains("has other costs in the window 2025-09-01T00:00:00Z/1d"));
}

#[test]
fn windows_between_two_files_are_said_and_not_compared_unless_asked_for() {
    let ledger = MemoryLedger::covering(days(5))
        .with(day(0), A, value("1"))
        .with(day(2), A, value("9"))
        .with(day(4), A, value("1"));
    let files = || {
        [
            file("a.csv", &[row(day(0), A, "1")]),
            file("b.csv", &[row(day(4), A, "1")]),
        ]
    };
    let comparison = all_compared(&files(), &ledger, &options());
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!(comparison.counts.windows_between_exports, 3);
    assert_eq!(comparison.between_exports.len(), 1);
    let asked = CompareOptions {
        range: TimeRange {
            from: Some(at("2025-09-01T00:00:00Z")),
            to: None,
        },
        ..options()
    };
    let comparison = all_compared(&files(), &ledger, &asked);
    assert_eq!(comparison.counts.missing_in_csv, 1);
}

#[test]
fn a_range_is_looked_at_even_where_the_export_has_nothing() {
    let header = "start_time,end_time,amount_value,amount_currency\n";
    let ledger = MemoryLedger::covering(days(3)).with(day(1), A, value("1"));
    let range = CompareOptions {
        range: TimeRange {
            from: Some(at("2025-09-01T00:00:00Z")),
            to: Some(at("2025-09-04T00:00:00Z")),
        },
        ..options()
    };
    let comparison = all_compared(&[export(header)], &ledger, &range);
    assert_eq!(
        (
            comparison.counts.windows_compared,
            comparison.counts.missing_in_csv
        ),
        (3, 1)
    );
    let comparison = all_compared(&[export(header)], &ledger, &options());
    assert_eq!(comparison.verdict(), Verdict::NothingCompared);
    assert_eq!(comparison.files[0].width, None);
}

#[test]
fn files_of_two_widths_are_compared_apart() {
    let hour = Window::from_unix(day(0).start_unix(), Width::Hour).unwrap();
    let mut ledger = MemoryLedger::covering([day(0), hour]).with(day(0), A, value("5"));
    ledger = ledger.with(hour, A, value("1"));
    let files = [
        file("a.csv", &[row(day(0), A, "5")]),
        file("b.csv", &[row(hour, A, "1")]),
    ];
    let comparison = all_compared(&files, &ledger, &options());
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 2)
    );
    let sums: Vec<_> = comparison
        .surfaces
        .iter()
        .map(|surface| surface.csv.get(Some("usd")).unwrap().to_string())
        .collect();
    assert_eq!(sums, ["1", "5"], "minutes, hours and days are never added");
}

#[test]
fn what_cannot_be_used_is_said_with_file_and_line() {
    let header = "start_time,end_time,amount_value,amount_currency,line_item\n";
    let line = |cells: &str| format!("{header}1756684800,1756771200,{cells}\n");
    let hour = format!("{}1756771200,1756774800,1,usd,x\n", line("1,usd,x"));
    for (text, expected) in [
        (
            String::new(),
            "cost.csv line 1: there is no column `start_time`; give a costs export of the provider's dashboard, \
             cost_<from>_<to>.csv",
        ),
        (
            line("a lot,usd,x"),
            "cost.csv line 2, column amount_value: `a lot` is not a decimal number",
        ),
        (
            line("1,usd"),
            "cost.csv line 2: 4 cells where the header has 5; export the file again",
        ),
        (
            hour,
            "cost.csv line 3: is a window of 1h, while the rows before it are of 1d; export each width into a file of \
             its own",
        ),
        (
            line(&format!("1,usd,\"{}", "x".repeat(2 << 20))),
            "cost.csv line 2: is longer than 1024 KiB; this is no CSV export, or a quote is left open",
        ),
    ] {
        assert_eq!(refused(text), expected);
    }
}

/// Another file at every reading.
struct Growing(AtomicU32);

impl ExportSource for Growing {
    fn name(&self) -> &'static str {
        "growing.csv"
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let rows = self.0.fetch_add(1, Ordering::SeqCst);
        let mut text = "start_time,end_time,amount_value,amount_currency\n".to_owned();
        for _ in 0..rows {
            text.push_str("1756684800,1756771200,1,usd\n");
        }
        Ok(Box::new(Cursor::new(text)))
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_compared() {
    let growing = CostExport::open(Box::new(Growing(AtomicU32::new(1)))).unwrap();
    assert_eq!(
        error_of(&[growing]),
        "growing.csv changed while it was read; try again"
    );
}
