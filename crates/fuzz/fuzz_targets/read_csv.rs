//! An export is refused by line, or it equals itself, and both readers of this repository read it to the same sums.

#![no_main]

use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;
use usage_core::{Endpoint, Metric, Metrics, Width, Window, WindowRange};
use usage_parity::{
    CompareOptions, ExportScope, ExportText, TimeRange, UsageExport, Verdict, compare_exports,
};
use usage_simulator::Organization;

/// A longer span has more days than are worth writing out.
const MOST_DAYS: usize = 400;

/// What the export has no columns for.
const NOT_EXPORTED: [Metric; 9] = [
    Metric::InputCacheWriteTokens,
    Metric::InputCacheWrite30mTokens,
    Metric::InputCacheWrite12hTokens,
    Metric::Images,
    Metric::Characters,
    Metric::Seconds,
    Metric::UsageBytes,
    Metric::NumSessions,
    Metric::NumRequests,
];

fuzz_target!(|text: &[u8]| {
    let sums = equal_to_itself(text);
    let Ok(organization) = Organization::from_completions_csv("org-fuzz", text) else {
        return;
    };
    let Some(days) = days(&organization) else {
        return;
    };
    let usage = organization.usage(Endpoint::Completions);
    let totals = usage.totals(days);
    if let Some(sums) = sums {
        for metric in Metric::ALL {
            let (one, other) = (sums.get(metric), totals.metrics.get(metric));
            assert_eq!(one.unwrap_or(0), other.unwrap_or(0), "{metric}");
        }
    }
    let rows: usize = days.windows().map(|day| usage.rows(day).len()).sum();
    assert_eq!(totals.rows, rows, "every row lies in the span");
    assert!(totals.active_windows <= totals.windows && totals.active_windows <= rows);

    let export = organization.completions_csv(days);
    let again = Organization::from_completions_csv("org-fuzz", export.as_bytes())
        .unwrap_or_else(|error| panic!("an export of our own is not readable: {error}"));
    let again = again.usage(Endpoint::Completions).totals(days);
    for metric in Metric::ALL {
        let (sum, sum_again) = (totals.metrics.get(metric), again.metrics.get(metric));
        let is_exported = !NOT_EXPORTED.contains(&metric);
        assert_eq!(sum.filter(|_| is_exported), sum_again, "{metric}");
    }
});

/// Its sums, if it is an export of completions by the day.
fn equal_to_itself(text: &[u8]) -> Option<Metrics> {
    let open = || {
        let source = ExportText::new("completions_usage.csv", text);
        UsageExport::open(Box::new(source), Some(Endpoint::Completions)).ok()
    };
    let options = CompareOptions {
        range: TimeRange::default(),
        scope: ExportScope::default(),
        tolerance: 0,
        now: DateTime::<Utc>::MAX_UTC,
    };
    let comparison = compare_exports(&[open()?], &[open()?], &options).ok()?;
    let verdict = comparison.verdict();
    assert!(
        matches!(verdict, Verdict::Matched | Verdict::NothingCompared),
        "{verdict:?}: {:?}",
        comparison.worst
    );
    let surface = comparison.surfaces.first()?;
    assert_eq!(surface.csv, surface.db);
    (surface.width == Width::Day).then_some(surface.csv)
}

/// The days with usage; none if there is none, or if they lie too far apart.
fn days(organization: &Organization) -> Option<WindowRange> {
    let usage = organization.usage(Endpoint::Completions);
    let Some((first, last)) = usage.span() else {
        assert!(usage.is_empty(), "usage has a time");
        return None;
    };
    assert!(first <= last);
    let end = Window::containing(last, Width::Day).end();
    let days = WindowRange::new(Window::containing(first, Width::Day).start(), end, Width::Day).ok()?;
    (days.len() <= MOST_DAYS).then_some(days)
}
