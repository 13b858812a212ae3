//! Several files as one export.

use usage_core::Endpoint;
use usage_parity::{CompareOptions, Comparison, ParityError, TimeRange, UsageExport, Verdict, compare};

use crate::support::{MemoryLedger, at, csv, day, days, export, group, idle, line, named, options, tokens};

const A: &str = "proj_a/key_a/user-a/gpt-5/default/n";

fn rows(numbers: impl IntoIterator<Item = i64>) -> String {
    csv(numbers
        .into_iter()
        .map(|number| line(day(number), &group(A), &tokens(number, 1, 0, 1))))
}

fn ledger(numbers: impl IntoIterator<Item = i64>) -> MemoryLedger {
    let covered = MemoryLedger::covering(Endpoint::Completions, days(10));
    numbers.into_iter().fold(covered, |ledger, number| {
        ledger.with(day(number), group(A), tokens(number, 1, 0, 1))
    })
}

fn compared(files: &[(&str, String)], ledger: &MemoryLedger) -> Result<Comparison, String> {
    let exports: Vec<UsageExport> = files
        .iter()
        .map(|(name, text)| named(name, text.clone()))
        .collect();
    compare(&exports, &mut ledger.clone(), &options()).map_err(|error: ParityError<_>| error.to_string())
}

#[test]
fn overlapping_files_that_agree_count_once() {
    let files = [
        ("a.csv", rows(0..4)),
        ("b.csv", rows(2..6)),
        ("again.csv", rows(0..4)),
    ];
    let comparison = compared(&files, &ledger(0..6)).unwrap();
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 6)
    );
    let paths: Vec<&str> = comparison.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a.csv", "b.csv", "again.csv"]);
    assert_eq!(comparison.files[0].sha256, comparison.files[2].sha256);
    assert_ne!(comparison.files[0].sha256, comparison.files[1].sha256);
}

#[test]
fn two_files_that_disagree_are_both_named() {
    let other = rows(2..6).replace(",3,1,0\n", ",4,1,0\n");
    let error = compared(&[("a.csv", rows(0..4)), ("b.csv", other)], &ledger(0..6)).unwrap_err();
    assert_eq!(
        error,
        "b.csv has other usage of completions in the window 2025-09-04T00:00:00Z/1d than a.csv; give only the newer one"
    );
    let error = compared(
        &[("a.csv", rows(0..1)), ("b.csv", csv([idle(day(0))]))],
        &ledger(0..1),
    )
    .unwrap_err();
    assert!(error.contains("b.csv") && error.contains("a.csv"), "{error}");
}

#[test]
fn what_lies_between_two_files_was_not_asked() {
    // The ledger has usage in between, of which neither file speaks.
    let comparison = compared(&[("a.csv", rows(0..2)), ("b.csv", rows(6..8))], &ledger(0..8)).unwrap();
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 4)
    );
    assert_eq!(comparison.counts.windows_compared, 4);
    // But it is said, and a range asks for it.
    assert_eq!(comparison.counts.windows_between_exports, 4);
    assert_eq!(comparison.between_exports[0].1.len(), 4);
    let exports = [named("a.csv", rows(0..2)), named("b.csv", rows(6..8))];
    for range in [
        TimeRange {
            from: Some(at("2025-09-01T00:00:00Z")),
            to: None,
        },
        TimeRange {
            from: None,
            to: Some(at("2025-09-09T00:00:00Z")),
        },
    ] {
        let asked = CompareOptions { range, ..options() };
        let comparison = compare(&exports, &mut ledger(0..8), &asked).unwrap();
        assert_eq!(comparison.counts.missing_in_csv, 4, "{range:?}");
    }
}

#[test]
fn a_file_that_passes_a_window_over_disagrees_with_one_that_has_usage_in_it() {
    let passing = csv([0, 2].map(|number| line(day(number), &group(A), &tokens(number, 1, 0, 1))));
    let error = compared(&[("a.csv", passing), ("b.csv", rows(1..2))], &ledger(0..3)).unwrap_err();
    assert!(error.contains("a.csv") && error.contains("b.csv"), "{error}");
}

#[test]
fn a_name_that_says_another_endpoint_is_right_against_the_one_asked_for() {
    let text = "start_time,end_time,model,input_tokens,num_model_requests\n1756684800,1756771200,m,1,1\n";
    let open = |name: &str| {
        let source = Box::new(usage_parity::ExportText::new(name, text));
        UsageExport::open(source, Some(Endpoint::Embeddings)).map(|export| export.endpoint())
    };
    assert_eq!(open("x.csv").unwrap(), Endpoint::Embeddings);
    assert_eq!(open("embeddings_usage_2025.csv").unwrap(), Endpoint::Embeddings);
    let error = open("moderations_usage_2025.csv").unwrap_err().to_string();
    assert!(
        error.ends_with("is not the header of an export of embeddings"),
        "{error}"
    );
}

#[test]
fn rows_out_of_order_are_sorted() {
    let mut lines: Vec<String> = rows(0..8).lines().skip(1).map(str::to_owned).collect();
    lines.reverse();
    let comparison = compared(&[("a.csv", csv(lines))], &ledger(0..8)).unwrap();
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 8)
    );
    assert!(comparison.files[0].was_sorted);
}

#[test]
fn a_file_without_rows_is_hashed_and_compares_nothing() {
    let header = csv([]);
    let comparison = compared(&[("a.csv", header)], &ledger(0..8)).unwrap();
    assert_eq!(comparison.verdict(), Verdict::NothingCompared);
    assert_eq!(
        (comparison.files[0].rows, comparison.files[0].sha256.len()),
        (0, 64)
    );
    assert_eq!(export(csv([])).width(), None);
}

#[test]
fn endpoints_are_compared_each_on_its_own() {
    // A ledger in memory has one endpoint, so both files meet it in turn; the counts say that both were.
    let images = "start_time,end_time,images,num_model_requests\n1756684800,1756771200,2,1\n".to_owned();
    let comparison = compared(&[("a.csv", rows(0..1)), ("images.csv", images)], &ledger(0..1)).unwrap();
    let endpoints: Vec<Endpoint> = comparison
        .surfaces
        .iter()
        .map(|surface| surface.endpoint)
        .collect();
    assert_eq!(endpoints, [Endpoint::Completions, Endpoint::Images]);
}
