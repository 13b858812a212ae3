//! Parity of large exports, beside `DuckDB`'s full outer join of the same two files.
//!
//! ```text
//! cargo bench -p usage-app --bench parity
//! python3 -m venv rival && rival/bin/pip install duckdb
//! cargo bench -p usage-app --bench parity -- --rival rival/bin/python --json parity.json
//! ```
//!
//! Two exports of the same organisation differ in a hundred places of every kind, and a ledger in SQLite holds what the
//! second of them says. Ours and the rival take turns, each in a new process: the join of the two files; then export
//! against ledger, whole, and the reading of the ledger by itself. Every run must find exactly the hundred.
//!
//! The rival finds differences of numbers in a table; it knows nothing of coverage, open days, scopes, dimensions that
//! one side lacks, or restatements, and writes no report. It wins where this does not compete: any other question about
//! the same files is one more line of SQL.

mod children;
mod exports;
mod report;

use std::error::Error;
use std::path::PathBuf;

use children::{Sample, run_rival, run_self};
use exports::Exports;

/// Any failure ends the benchmark with its message.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// What to measure.
struct Options {
    rows: u64,
    days: u32,
    rounds: usize,
    /// A Python with duckdb.
    rival: Option<PathBuf>,
    /// Whether to load a ledger, which takes longer than everything else.
    with_ledger: bool,
    json: Option<PathBuf>,
}

impl Options {
    fn from_arguments() -> Outcome<Self> {
        let mut options = Self {
            rows: 1_000_000,
            days: 31,
            rounds: 3,
            rival: None,
            with_ledger: true,
            json: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--rows" => options.rows = value()?.parse()?,
                "--days" => options.days = value()?.parse()?,
                "--rounds" => options.rounds = value()?.parse()?,
                "--rival" => options.rival = Some(value()?.into()),
                "--no-ledger" => options.with_ledger = false,
                "--json" => options.json = Some(value()?.into()),
                // Cargo says so to every benchmark.
                "--bench" => {}
                other => return Err(format!("unknown argument {other}").into()),
            }
        }
        Ok(options)
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--child", ref child @ ..] => children::run(child),
        _ => measure(&Options::from_arguments()?),
    }
}

/// What was measured of one way, in the order of the rounds.
struct Way {
    name: &'static str,
    samples: Vec<Sample>,
}

fn measure(options: &Options) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let exports = Exports::write(folder.path(), options.rows, options.days)?;
    say(&format!(
        "two exports of {} rows in {} days, {} MB each, {} planted differences",
        options.rows,
        options.days,
        exports.bytes() / 1_000_000,
        exports::PLANTED,
    ))?;
    let mut ways = vec![Way::new("export against export")];
    if options.rival.is_some() {
        ways.push(Way::new("DuckDB, export against export"));
    }
    if options.with_ledger {
        say("loading the ledger")?;
        run_self(&["load", exports.second_path(), exports.ledger_path()])?;
        ways.push(Way::new("export against ledger"));
        ways.push(Way::new("the ledger read alone"));
    }
    for round in 1..=options.rounds {
        say(&format!("round {round} of {}", options.rounds))?;
        for way in &mut ways {
            let (first, second, ledger) =
                (exports.first_path(), exports.second_path(), exports.ledger_path());
            let sample = match (way.name, &options.rival) {
                ("export against export", _) => run_self(&["exports", first, second])?,
                ("export against ledger", _) => run_self(&["ledger", first, ledger])?,
                ("the ledger read alone", _) => run_self(&["read", ledger])?,
                (_, Some(python)) => run_rival(python, first, second)?,
                (_, None) => continue,
            };
            if let Some(found) = &sample.found {
                exports.check(way.name, found)?;
            }
            way.samples.push(sample);
        }
    }
    report::print(options, &exports, &ways)
}

fn say(text: &str) -> Outcome<()> {
    use std::io::Write;
    writeln!(std::io::stderr().lock(), "{text}")?;
    Ok(())
}

impl Way {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            samples: Vec::new(),
        }
    }
}
