//! A year from the provider to the database, over HTTP, beside what a user would build instead.
//!
//! ```text
//! cargo bench -p usage-ingest --bench end_to_end
//! python3 -m venv rival && rival/bin/pip install "dlt[postgres]" psycopg2-binary
//! cargo bench -p usage-ingest --bench end_to_end -- --rival rival/bin/python --json end_to_end.json
//! ```
//!
//! The simulator answers from a process of its own; ours and the rival take turns, each in a new process, into a new
//! database of the same server, from the same pages. What is timed is the whole process, from its start to its end.
//! Ours takes a turn with prices, as the product does it, and one without, which shows what pricing adds to a first load.
//!
//! Ours also reads every range a second time without grouping, compares the sums, writes coverage and can be killed at
//! any moment; the rival does none of that, and needs rows of the same identity summed by hand before it stores them.
//! The rival wins in other places: it writes to dozens of destinations and follows a schema that changes.

mod ours;
mod processes;
mod provider;
mod report;

use std::error::Error;
use std::path::PathBuf;

use usage_testkit::PostgresCluster;

use processes::{Prices, Provider, Sample};
use report::{Pair, Round, Table};

/// Any failure ends the benchmark with its message.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// What to measure.
struct Options {
    days: u32,
    groups: u32,
    /// Groups a day of the run that shows bounded memory; 0 leaves it out.
    large_groups: u32,
    rounds: usize,
    /// A Python with dlt.
    rival: Option<PathBuf>,
    json: Option<PathBuf>,
}

impl Options {
    fn from_arguments() -> Outcome<Self> {
        let mut options = Self {
            days: 365,
            groups: 550,
            large_groups: 2_000,
            rounds: 3,
            rival: None,
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
                "--days" => options.days = value()?.parse()?,
                "--groups" => options.groups = value()?.parse()?,
                "--large-groups" => options.large_groups = value()?.parse()?,
                "--rounds" => options.rounds = value()?.parse()?,
                "--rival" => options.rival = Some(value()?.into()),
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
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["--provider", days, groups] => return provider::serve(days.parse()?, groups.parse()?),
        ["--ours", base_url, database, days] => {
            return ours::fill(base_url, database, days.parse()?, Prices::Found);
        }
        ["--ours-unpriced", base_url, database, days] => {
            return ours::fill(base_url, database, days.parse()?, Prices::LeftOut);
        }
        _ => {}
    }
    let options = Options::from_arguments()?;
    let cluster = PostgresCluster::start_durable()?;
    let mut table = Table::new(options.days, options.groups);
    {
        let provider = Provider::start(options.days, options.groups)?;
        for round in 1..=options.rounds {
            report::progress(format_args!("round {round} of {}", options.rounds))?;
            let fill = |prices| {
                Ok::<_, Box<dyn Error>>(Pair {
                    postgres: on_postgres(&cluster, |url| {
                        processes::ours(&provider, url, options.days, prices)
                    })?,
                    sqlite: on_sqlite(|url| processes::ours(&provider, url, options.days, prices))?,
                })
            };
            // The first of two finds the machine in another state than the second, so they take turns.
            let (ours, unpriced) = if round % 2 == 0 {
                let ours = fill(Prices::Found)?;
                (ours, fill(Prices::LeftOut)?)
            } else {
                let unpriced = fill(Prices::LeftOut)?;
                (fill(Prices::Found)?, unpriced)
            };
            table.rounds.push(Round {
                ours,
                unpriced,
                rival: match &options.rival {
                    Some(python) => Some(on_postgres(&cluster, |url| {
                        processes::rival(&provider, python, url, options.days)
                    })?),
                    None => None,
                },
            });
        }
    }
    if options.large_groups > 0 {
        report::progress(format_args!("{} groups a day", options.large_groups))?;
        let provider = Provider::start(options.days, options.large_groups)?;
        table.large = Some((
            options.large_groups,
            Pair {
                postgres: on_postgres(&cluster, |url| {
                    processes::ours(&provider, url, options.days, Prices::Found)
                })?,
                sqlite: on_sqlite(|url| processes::ours(&provider, url, options.days, Prices::Found))?,
            },
        ));
    }
    table.print()?;
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&table.json())? + "\n")?;
    }
    Ok(())
}

fn on_postgres(cluster: &PostgresCluster, run: impl FnOnce(&str) -> Outcome<Sample>) -> Outcome<Sample> {
    let database = cluster.create_database();
    // What an earlier measurement left unwritten must not be written on this one's time.
    database.execute("checkpoint");
    run(database.url())
}

fn on_sqlite(run: impl FnOnce(&str) -> Outcome<Sample>) -> Outcome<Sample> {
    let directory = tempfile::tempdir()?;
    run(&format!(
        "sqlite:{}",
        directory.path().join("ledger.db").display()
    ))
}
