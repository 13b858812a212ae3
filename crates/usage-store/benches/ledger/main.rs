//! How fast the ledger stores, beside the fastest that its database can do.
//!
//! ```text
//! cargo bench -p usage-store --bench ledger
//! cargo bench -p usage-store --bench ledger -- --rows 30000 --rounds 5 --months 0 --json ledger.json
//! ```
//!
//! Absolute numbers say more about the machine than about the ledger, so each comes with a ratio to something measured
//! in the same round: the first load to the limit, everything else to the first load. Everything measured runs in a
//! child process of its own, on a database of its own, so that its peak memory is its own too. Nothing here fails on a
//! slow day: targets are printed as met or missed.

mod child;
mod limit;
mod old_way;
mod options;
mod ours;
mod report;
mod rows;
// The limit is measured in the very tables that the ledger writes.
#[path = "../../src/schema.rs"]
mod schema;

use std::error::Error;
use std::fs;

use usage_testkit::PostgresCluster;

use child::{Child, Job, Place, Sample};
use options::Options;
use report::{Database, Growth, Round};

/// Any failure ends the benchmark with its message.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    if let Some(child) = Child::from_arguments()? {
        return child.work();
    }
    let options = Options::from_arguments()?;
    let cluster = PostgresCluster::start_durable()?;
    let databases = [
        measure("SQLite", &options, &Place::Sqlite)?,
        measure("PostgreSQL", &options, &Place::Postgres(&cluster))?,
    ];
    report::print(&options, &databases)?;
    if let Some(file) = &options.json {
        fs::write(
            file,
            serde_json::to_string_pretty(&report::json(&options, &databases))? + "\n",
        )
        .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// Ours and the limit take turns, so that a busy moment of the machine meets both.
fn measure(name: &'static str, options: &Options, place: &Place<'_>) -> Outcome<Database> {
    let run = |job| child::run(job, options, place);
    let mut rounds = Vec::with_capacity(options.rounds);
    for round in 1..=options.rounds {
        report::progress(format_args!("{name}, round {round} of {}", options.rounds))?;
        let [first_load, unchanged, restated] = <[Sample; 3]>::try_from(run(Job::Ours)?)
            .map_err(|samples| format!("three phases expected: {samples:?}"))?;
        let [without_index, without_revisions, quiet] = <[Sample; 3]>::try_from(run(Job::Costs)?)
            .map_err(|samples| format!("three costs expected: {samples:?}"))?;
        rounds.push(Round {
            first_load,
            unchanged,
            restated,
            without_index,
            without_revisions,
            quiet,
            limit: only(run(Job::Limit)?)?,
            old_way: only(run(Job::OldWay)?)?,
        });
    }
    let growth = if options.months == 0 {
        None
    } else {
        let half = options.months.div_ceil(2);
        report::progress(format_args!("{name}, {half} months and {}", options.months))?;
        Some(Growth {
            half: only(run(Job::Months(half))?)?,
            last: only(run(Job::Months(options.months))?)?,
        })
    };
    Ok(Database { name, rounds, growth })
}

fn only(samples: Vec<Sample>) -> Outcome<Sample> {
    match <[Sample; 1]>::try_from(samples) {
        Ok([sample]) => Ok(sample),
        Err(samples) => Err(format!("one sample expected: {samples:?}").into()),
    }
}
