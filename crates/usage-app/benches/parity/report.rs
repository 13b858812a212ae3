//! The table, and the numbers for programs.

use serde_json::json;

use crate::children::Sample;
use crate::exports::Exports;
use crate::{Options, Outcome, Way};

/// Prints medians and their ratios.
pub(crate) fn print(options: &Options, exports: &Exports, ways: &[Way]) -> Outcome<()> {
    let of = |name: &str| ways.iter().find(|way| way.name.starts_with(name));
    line(&format!(
        "\n{} rows, {} days, {} MB a file, {} rounds, medians; every comparison found exactly what was planted.\n",
        options.rows,
        options.days,
        exports.bytes() / 1_000_000,
        options.rounds,
    ))?;
    line(&format!("{:<32} {:>9} {:>9}", "", "seconds", "peak MB"))?;
    for way in ways {
        line(&format!(
            "{:<32} {:>9.2} {:>9}",
            way.name,
            median(way, |sample| sample.seconds),
            peak_megabytes(way),
        ))?;
    }
    if let (Some(ours), Some(rival)) = (of("export against export"), of("DuckDB")) {
        let times = median(ours, |sample| sample.seconds) / median(rival, |sample| sample.seconds);
        let memory = f64::from(peak_megabytes(ours)) / f64::from(peak_megabytes(rival));
        line(&format!(
            "\nof DuckDB's time   {times:.2}   (target: at most 1)\nof DuckDB's memory {memory:.2}   (target: at most 0.25)"
        ))?;
    }
    if let Some(path) = &options.json {
        let ways: Vec<_> = ways
            .iter()
            .map(|way| {
                let samples = way.samples.iter().map(
                    |sample| json!({ "seconds": sample.seconds, "peakKilobytes": sample.peak_kilobytes }),
                );
                json!({ "name": way.name, "samples": samples.collect::<Vec<_>>() })
            })
            .collect();
        let report = json!({ "rows": options.rows, "days": options.days, "ways": ways });
        std::fs::write(path, format!("{report:#}\n"))?;
    }
    Ok(())
}

fn median(way: &Way, of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = way.samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The most of any round: memory is a promise, not an average.
fn peak_megabytes(way: &Way) -> u32 {
    let peak = way.samples.iter().map(|sample| sample.peak_kilobytes).max();
    u32::try_from(peak.unwrap_or(0) / 1_024).unwrap_or(u32::MAX)
}

fn line(text: &str) -> Outcome<()> {
    use std::io::Write;
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}
