//! The table and the JSON.

use std::fmt;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::Outcome;
use crate::processes::Sample;

/// Ours is to be this many times as fast as the rival.
const RIVAL_TARGET: f64 = 8.0;
/// Ours is to stay below this, whatever the range.
const MEMORY_TARGET_KILOBYTES: u64 = 200 * 1024;

/// A first load with prices is to take at most this many times as long as one without.
const PRICING_LIMIT: f64 = 1.1;

/// The same load into both databases.
pub(crate) struct Pair {
    pub(crate) postgres: Sample,
    pub(crate) sqlite: Sample,
}

/// Which of the two loads of a pair.
type OfPair = fn(&Pair) -> &Sample;

/// What was measured next to each other.
pub(crate) struct Round {
    pub(crate) ours: Pair,
    pub(crate) unpriced: Pair,
    pub(crate) rival: Option<Sample>,
}

/// Everything measured.
pub(crate) struct Table {
    days: u32,
    groups: u32,
    pub(crate) rounds: Vec<Round>,
    /// Groups a day, with what PostgreSQL and SQLite took for them.
    pub(crate) large: Option<(u32, Pair)>,
}

impl Table {
    pub(crate) fn new(days: u32, groups: u32) -> Self {
        Self {
            days,
            groups,
            rounds: Vec::new(),
            large: None,
        }
    }

    /// How many times as fast as the rival, round by round.
    fn ratios(&self) -> Vec<f64> {
        self.rounds
            .iter()
            .filter_map(|round| Some(round.rival.as_ref()?.seconds / round.ours.postgres.seconds))
            .collect()
    }

    /// How many times as long a load with prices takes as one without, round by round.
    fn pricing_ratios(&self, of: impl Fn(&Pair) -> &Sample) -> Vec<f64> {
        self.rounds
            .iter()
            .map(|round| of(&round.ours).seconds / of(&round.unpriced).seconds)
            .collect()
    }

    fn peak_kilobytes(&self) -> u64 {
        let rounds = self.rounds.iter().map(|round| &round.ours);
        let large = self.large.iter().map(|(_, pair)| pair);
        rounds
            .chain(large)
            .flat_map(|pair| [&pair.postgres, &pair.sqlite])
            .map(|sample| sample.peak_kilobytes)
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn print(&self) -> Outcome<()> {
        let mut out = io::stdout();
        writeln!(out, "{} days of {} groups, over HTTP", self.days, self.groups)?;
        for (number, round) in self.rounds.iter().enumerate() {
            line(&mut out, number + 1, "ours, PostgreSQL", &round.ours.postgres)?;
            line(&mut out, number + 1, "ours, SQLite", &round.ours.sqlite)?;
            line(
                &mut out,
                number + 1,
                "unpriced, PostgreSQL",
                &round.unpriced.postgres,
            )?;
            line(&mut out, number + 1, "unpriced, SQLite", &round.unpriced.sqlite)?;
            if let Some(rival) = &round.rival {
                line(&mut out, number + 1, "dlt, PostgreSQL", rival)?;
            }
        }
        if let Some((groups, Pair { postgres, sqlite })) = &self.large {
            writeln!(out, "{} days of {groups} groups", self.days)?;
            line(&mut out, 1, "ours, PostgreSQL", postgres)?;
            line(&mut out, 1, "ours, SQLite", sqlite)?;
        }
        let ratios = self.ratios();
        if let Some(median) = median(&ratios) {
            writeln!(
                out,
                "dlt takes {median:.1} times as long (rounds: {}); target {RIVAL_TARGET}: {}",
                shown(&ratios, 1),
                met(median >= RIVAL_TARGET)
            )?;
        }
        let databases: [(&str, OfPair); 2] = [
            ("PostgreSQL", |pair| &pair.postgres),
            ("SQLite", |pair| &pair.sqlite),
        ];
        for (name, of) in databases {
            let ratios = self.pricing_ratios(of);
            if let Some(median) = median(&ratios) {
                writeln!(
                    out,
                    "{name}: with prices a first load takes {median:.3} times as long as without (rounds: {}); limit \
                     {PRICING_LIMIT}: {}",
                    shown(&ratios, 3),
                    met(median <= PRICING_LIMIT)
                )?;
            }
        }
        let peak = self.peak_kilobytes();
        writeln!(
            out,
            "most memory of ours: {} MB; target {} MB: {}",
            peak / 1024,
            MEMORY_TARGET_KILOBYTES / 1024,
            met(peak <= MEMORY_TARGET_KILOBYTES)
        )?;
        Ok(())
    }

    pub(crate) fn json(&self) -> Value {
        let rounds: Vec<Value> = self
            .rounds
            .iter()
            .map(|round| {
                json!({
                    "postgres": round.ours.postgres.json(),
                    "sqlite": round.ours.sqlite.json(),
                    "unpricedPostgres": round.unpriced.postgres.json(),
                    "unpricedSqlite": round.unpriced.sqlite.json(),
                    "rival": round.rival.as_ref().map(Sample::json),
                })
            })
            .collect();
        let large = self.large.as_ref().map(|(groups, Pair { postgres, sqlite })| {
            json!({"groupsADay": groups, "postgres": postgres.json(), "sqlite": sqlite.json()})
        });
        json!({
            "days": self.days,
            "groupsADay": self.groups,
            "rounds": rounds,
            "large": large,
            "rivalTimesAsLong": median(&self.ratios()),
            "peakKilobytes": self.peak_kilobytes(),
        })
    }
}

fn line(out: &mut impl Write, round: usize, name: &str, sample: &Sample) -> io::Result<()> {
    writeln!(
        out,
        "  round {round}  {name:<20} {:>8} rows  {:>3} requests  {:>7.2} s  {:>4} MB",
        sample.rows,
        sample.requests,
        sample.seconds,
        sample.peak_kilobytes / 1024
    )
}

fn shown(ratios: &[f64], digits: usize) -> String {
    let shown: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.digits$}")).collect();
    shown.join(", ")
}

fn met(reached: bool) -> &'static str {
    if reached { "met" } else { "missed" }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What is being done, for whoever watches.
pub(crate) fn progress(what: fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stderr(), "{what}")
}
