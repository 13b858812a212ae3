//! How an export is cut, ordered or written again never changes the verdict.

use proptest::prelude::*;
use usage_core::{Dimensions, Endpoint, Metrics, Window};
use usage_parity::{Comparison, Counts, ProviderCsvWriter, UsageExport, compare};

use crate::support::{MemoryLedger, csv, day, days, export, idle, line, named, options};

const DAYS: i64 = 6;

fn values() -> impl Strategy<Value = (Dimensions, Metrics)> {
    let word = |words: &'static [&'static str]| {
        prop::option::of(prop::sample::select(words)).prop_map(|word| word.map(str::to_owned))
    };
    let dimensions = (
        word(&["proj_a", "proj_b"]),
        word(&["key_a", "key,b"]),
        word(&["user-a", "user-\"b\""]),
        word(&["gpt-5", "gpt-4.1\nmini"]),
        word(&["default", "flex"]),
        prop::option::of(any::<bool>()),
    );
    let number = || prop::option::of(0..1_000_000_i64);
    let metrics = (number(), number(), number(), 0..100_i64);
    (dimensions, metrics).prop_map(
        |((project_id, api_key_id, user_id, model, service_tier, batch), numbers)| {
            let dimensions = Dimensions {
                project_id,
                api_key_id,
                user_id,
                model,
                service_tier,
                batch,
                ..Dimensions::default()
            };
            let (input_tokens, output_tokens, input_cached_tokens, requests) = numbers;
            let metrics = Metrics {
                input_tokens,
                output_tokens,
                input_cached_tokens,
                num_model_requests: Some(requests),
                ..Metrics::default()
            };
            (dimensions, metrics)
        },
    )
}

type Rows = Vec<(i64, Dimensions, Metrics)>;

fn rows() -> impl Strategy<Value = Rows> {
    let row = (0..DAYS, values()).prop_map(|(day, (dimensions, metrics))| (day, dimensions, metrics));
    prop::collection::vec(row, 0..40)
}

fn quoted(window: Window, dimensions: &Dimensions, metrics: &Metrics) -> String {
    let quote = |text: &Option<String>| {
        text.as_ref()
            .map(|text| format!("\"{}\"", text.replace('"', "\"\"")))
    };
    let quoted = Dimensions {
        api_key_id: quote(&dimensions.api_key_id),
        user_id: quote(&dimensions.user_id),
        model: quote(&dimensions.model),
        ..dimensions.clone()
    };
    line(window, &quoted, metrics)
}

/// Every row, and an idle one for each day, so that the export spans all of them.
fn lines(rows: &Rows) -> Vec<(i64, String)> {
    let mut lines: Vec<(i64, String)> = (0..DAYS).map(|number| (number, idle(day(number)))).collect();
    lines.extend(
        rows.iter()
            .map(|(number, dimensions, metrics)| (*number, quoted(day(*number), dimensions, metrics))),
    );
    lines.sort_by_key(|(number, _)| *number);
    lines
}

fn ledger(rows: &Rows) -> MemoryLedger {
    // Each group once, as a ledger has it.
    let mut ledger = MemoryLedger::covering(Endpoint::Completions, days(DAYS));
    for (number, dimensions, metrics) in rows {
        let known = ledger
            .rows
            .iter_mut()
            .find(|row| row.window == day(*number) && row.dimensions == *dimensions);
        match known {
            Some(row) => row.metrics = row.metrics.checked_add(metrics).unwrap(),
            None => ledger = ledger.with(day(*number), dimensions.clone(), *metrics),
        }
    }
    ledger
}

fn judged(exports: &[UsageExport], ledger: &MemoryLedger) -> Comparison {
    compare(exports, &mut ledger.clone(), &options()).unwrap()
}

/// What must not change: how files are cut changes how often idle rows are said, no more.
fn verdict(comparison: &Comparison) -> (usage_parity::Verdict, Counts, Vec<Metrics>) {
    let counts = Counts {
        idle_rows: 0,
        ..comparison.counts
    };
    let sums = comparison
        .surfaces
        .iter()
        .flat_map(|surface| [surface.csv, surface.db]);
    (comparison.verdict(), counts, sums.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rows_changes_nothing(rows in rows(), other in rows(), seed in any::<u64>()) {
        let ledger = ledger(&other);
        let mut lines = lines(&rows);
        let straight = judged(&[export(csv(lines.iter().map(|(_, line)| line.clone())))], &ledger);
        let mut state = seed | 1;
        for place in (1..lines.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            lines.swap(place, usize::try_from(state >> 33).unwrap() % (place + 1));
        }
        let shuffled = judged(&[export(csv(lines.into_iter().map(|(_, line)| line)))], &ledger);
        prop_assert_eq!(verdict(&straight), verdict(&shuffled));
    }

    #[test]
    fn splitting_between_windows_changes_nothing(rows in rows(), other in rows(), at in 1..DAYS) {
        let ledger = ledger(&other);
        let lines = lines(&rows);
        let part = |is_in: &dyn Fn(i64) -> bool| {
            csv(lines.iter().filter(|(number, _)| is_in(*number)).map(|(_, line)| line.clone()))
        };
        let whole = judged(&[export(part(&|_| true))], &ledger);
        let halves = [named("a.csv", part(&|number| number < at)), named("b.csv", part(&|number| number >= at))];
        prop_assert_eq!(verdict(&whole), verdict(&judged(&halves, &ledger)));
    }

    #[test]
    fn what_a_ledger_writes_is_always_matched_by_it(rows in rows()) {
        let ledger = ledger(&rows);
        let mut writer = ProviderCsvWriter::new(Vec::new(), Endpoint::Completions);
        for window in days(DAYS) {
            writer.write_window(window, &ledger.window(window)).unwrap();
        }
        let comparison = judged(&[export(writer.finish().unwrap())], &ledger);
        prop_assert_eq!(comparison.verdict(), usage_parity::Verdict::Matched, "{:?}", comparison.worst);
        prop_assert_eq!(comparison.counts.matched, ledger.rows.len() as u64);
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut text = csv([idle(day(0))]).into_bytes();
        text.extend(bytes);
        let source = Box::new(usage_parity::ExportText::new("a.csv", text));
        if let Ok(export) = UsageExport::open(source, None) {
            let _ = compare(&[export], &mut ledger(&Vec::new()), &options());
        }
    }
}
