//! The table and the JSON.

use std::fmt;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::Outcome;
use crate::child::Sample;
use crate::options::Options;

/// The first load is to reach this part of the limit.
const FIRST_LOAD_TARGET: f64 = 0.7;
/// An unchanged re-read is to be this many times as fast as the first load.
const UNCHANGED_TARGET: f64 = 1.5;
/// Peak memory of all months over that of half of them is to stay below this: what a chunk holds does not count, what
/// grows with the range does.
const GROWTH_TARGET: f64 = 1.1;

/// One database's measurements.
pub(crate) struct Database {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<Round>,
    pub(crate) growth: Option<Growth>,
}

/// What was measured next to each other.
pub(crate) struct Round {
    pub(crate) first_load: Sample,
    pub(crate) unchanged: Sample,
    pub(crate) restated: Sample,
    /// The first load through the manual path.
    pub(crate) without_index: Sample,
    /// The restated re-read of windows that were never read after their end.
    pub(crate) without_revisions: Sample,
    /// Windows without rows; counted in windows.
    pub(crate) quiet: Sample,
    pub(crate) limit: Sample,
    pub(crate) old_way: Sample,
}

/// Half of the months, and all of them.
pub(crate) struct Growth {
    pub(crate) half: Sample,
    pub(crate) last: Sample,
}

impl Growth {
    fn ratio(&self) -> f64 {
        kilobytes(self.last.peak_kilobytes) / kilobytes(self.half.peak_kilobytes)
    }
}

/// Picks a sample of a round.
type Pick = fn(&Round) -> &Sample;

/// A measured thing and what its speed is compared with.
struct Comparison {
    name: &'static str,
    of: Pick,
    to: Option<(&'static str, Pick)>,
    target: Option<f64>,
}

const COMPARISONS: [Comparison; 8] = [
    Comparison {
        name: "limit",
        of: |round| &round.limit,
        to: None,
        target: None,
    },
    Comparison {
        name: "first load",
        of: |round| &round.first_load,
        to: Some(("limit", |round| &round.limit)),
        target: Some(FIRST_LOAD_TARGET),
    },
    Comparison {
        name: "unchanged re-read",
        of: |round| &round.unchanged,
        to: Some(("first load", |round| &round.first_load)),
        target: Some(UNCHANGED_TARGET),
    },
    Comparison {
        name: "10 % restated re-read",
        of: |round| &round.restated,
        to: Some(("first load", |round| &round.first_load)),
        target: None,
    },
    Comparison {
        name: "without the index",
        of: |round| &round.without_index,
        to: Some(("first load", |round| &round.first_load)),
        target: None,
    },
    Comparison {
        name: "without revisions",
        of: |round| &round.without_revisions,
        to: Some(("restated", |round| &round.restated)),
        target: None,
    },
    Comparison {
        name: "coverage (windows)",
        of: |round| &round.quiet,
        to: Some(("first load", |round| &round.first_load)),
        target: None,
    },
    Comparison {
        name: "old way",
        of: |round| &round.old_way,
        to: Some(("first load", |round| &round.first_load)),
        target: None,
    },
];

impl Comparison {
    fn speed(&self, rounds: &[Round]) -> f64 {
        median(rounds.iter().map(|round| (self.of)(round).rows_a_second()))
    }

    /// The median of the rounds' ratios, not the ratio of medians: only what ran side by side is compared.
    fn ratio(&self, rounds: &[Round]) -> Option<f64> {
        self.to.map(|(_, to)| {
            median(
                rounds
                    .iter()
                    .map(|round| (self.of)(round).rows_a_second() / to(round).rows_a_second()),
            )
        })
    }

    fn verdict(&self, ratio: Option<f64>) -> Option<&'static str> {
        Some(verdict(ratio? >= self.target?))
    }
}

pub(crate) fn print(options: &Options, databases: &[Database]) -> Outcome<()> {
    let Options {
        rows,
        window,
        old_rows,
        rounds,
        ..
    } = options;
    line(format_args!(
        "\n{} rows in {} windows of {window}, {rounds} rounds, medians. The limit is COPY in binary on PostgreSQL and \
         INSERT\nof 50 rows on SQLite: rows ready-made in the order of the index, 20000 a transaction, every commit on \
         disk.\nThe old way looks each of {old_rows} rows up by its dimensions (it has an index over them) and inserts \
         it, each on\nits own. Without the \
         index, the first load takes the manual path; without revisions, the same tenth of the rows\nchanges in windows \
         that are still open; coverage alone is what windows without rows leave, counted in windows.\nMemory is the peak of the measuring process, and in brackets what it held before.\n",
        rows,
        rows.div_ceil(*window),
    ))?;
    for database in databases {
        line(format_args!(
            "{:<24}{:>10}  {:<20}{:<14}{:>16}",
            database.name, "rows/s", "ratio", "target", "MiB"
        ))?;
        for comparison in &COMPARISONS {
            let ratio = comparison.ratio(&database.rounds);
            let beside = match (ratio, comparison.to) {
                (Some(ratio), Some((to, _))) if ratio < 0.1 => format!("1/{:.0} of {to}", 1.0 / ratio),
                (Some(ratio), Some((to, _))) => format!("{ratio:.2} of {to}"),
                _ => String::new(),
            };
            let target = match (comparison.target, comparison.verdict(ratio)) {
                (Some(target), Some(verdict)) => format!(">= {target} {verdict}"),
                _ => String::new(),
            };
            let peak = |of: fn(&Sample) -> u64| {
                median(
                    database
                        .rounds
                        .iter()
                        .map(|round| kilobytes(of((comparison.of)(round)))),
                ) / 1024.0
            };
            line(format_args!(
                "  {:<22}{:>10.0}  {beside:<20}{target:<14}{:>9.0} ({:.0})",
                comparison.name,
                comparison.speed(&database.rounds),
                peak(|sample| sample.peak_kilobytes),
                peak(|sample| sample.held_kilobytes),
            ))?;
        }
        if let Some(growth) = &database.growth {
            let ratio = growth.ratio();
            line(format_args!(
                "  {} rows, a month at a time: {:.0} rows/s; peak {:.0} MiB for half of them, {:.0} MiB for all: \
                 {ratio:.2}, target <= {GROWTH_TARGET} {}",
                growth.last.rows,
                growth.last.rows_a_second(),
                kilobytes(growth.half.peak_kilobytes) / 1024.0,
                kilobytes(growth.last.peak_kilobytes) / 1024.0,
                verdict(ratio <= GROWTH_TARGET),
            ))?;
        }
        line(format_args!(""))?;
    }
    Ok(())
}

/// Medians, and every sample behind them.
pub(crate) fn json(options: &Options, databases: &[Database]) -> Value {
    let databases: Vec<Value> = databases
        .iter()
        .map(|database| {
            let measured: Vec<Value> = COMPARISONS
                .iter()
                .map(|comparison| {
                    let ratio = comparison.ratio(&database.rounds);
                    let samples: Vec<Value> = database
                        .rounds
                        .iter()
                        .map(|round| (comparison.of)(round).json())
                        .collect();
                    json!({
                        "name": comparison.name,
                        "rowsPerSecond": comparison.speed(&database.rounds).round(),
                        "ratio": ratio,
                        "ratioTo": comparison.to.map(|(to, _)| to),
                        "target": comparison.target,
                        "verdict": comparison.verdict(ratio),
                        "samples": samples,
                    })
                })
                .collect();
            let growth = database.growth.as_ref().map(|growth| {
                json!({
                    "halfOfTheMonths": growth.half.json(),
                    "allMonths": growth.last.json(),
                    "ratio": growth.ratio(),
                    "target": GROWTH_TARGET,
                    "verdict": verdict(growth.ratio() <= GROWTH_TARGET),
                })
            });
            json!({ "database": database.name, "measured": measured, "memory": growth })
        })
        .collect();
    json!({
        "rows": options.rows,
        "rowsPerWindow": options.window,
        "oldWayRows": options.old_rows,
        "rounds": options.rounds,
        "months": options.months,
        "databases": databases,
    })
}

/// Writes a line of the result.
pub(crate) fn line(text: fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Says on standard error what is being measured.
pub(crate) fn progress(text: fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stderr(), "{text}")
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

/// The middle value; of an even number, the lower of the two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
        .get((values.len().max(1) - 1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory in kilobytes is far below 2 to the power of 52"
)]
fn kilobytes(count: u64) -> f64 {
    count as f64
}
