//! How fast the ledger answers what a dashboard asks, beside the same questions put to its events in SQL.
//!
//! ```text
//! cargo bench -p usage-store --bench questions
//! cargo bench -p usage-store --bench questions -- --events 100000 --asks 50 --on sqlite
//! ```
//!
//! The ledger is filled through the ledger's own writes, so its sums of days are what they are in use. Then one client asks
//! each question many times, each time of another stretch of time, and sixteen do at once; the bare SQL answers the first few
//! of the same. Nothing here fails on a slow day: targets are printed as met or missed.

mod bare;
mod fill;
mod measure;
mod options;
mod question;
mod report;
#[expect(dead_code, reason = "only some of the rows' forms are needed here")]
#[path = "../ledger/rows.rs"]
mod rows;

use std::error::Error;
use std::sync::Arc;

use usage_core::SystemClock;
use usage_store::{Ledger, OpenMode};
use usage_testkit::PostgresCluster;

use bare::{Bare, Prompt};
use options::{Database, Options};
use question::Question;
use report::Line;

/// Any failure ends the benchmark with its message.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let options = Options::from_arguments()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for database in &options.databases {
        match database {
            Database::Sqlite => {
                let directory = tempfile::tempdir()?;
                let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
                runtime.block_on(filled(&url, &options))?;
                runtime.block_on(asked("SQLite", &url, &options))?;
            }
            Database::Postgres => {
                // Nothing is to be kept, and only reading is measured: the disk need not be waited for.
                let cluster = PostgresCluster::start()?;
                let database = cluster.create_database();
                runtime.block_on(filled(database.url(), &options))?;
                // The server would do so by itself, a while later.
                database.execute("ANALYZE");
                runtime.block_on(asked("PostgreSQL", database.url(), &options))?;
            }
        }
    }
    Ok(())
}

async fn filled(url: &str, options: &Options) -> Outcome<()> {
    let (events, took) = fill::fill(&open(url).await?, options).await?;
    report::line(format_args!(
        "{events} events of {} accounts and {} days stored in {:.0} s",
        options.accounts,
        options.days,
        took.as_secs_f64()
    ))
}

async fn asked(name: &str, url: &str, options: &Options) -> Outcome<()> {
    let ledger = Arc::new(open(url).await?);
    let mut prompt = Prompt::open(url)?;
    let megabytes = prompt.number("sum(length(cells))", "usage_rollups")? / 1_000_000;
    let last = fill::end(options)?;
    report::line(format_args!("\n{name}; sums of days take {megabytes} MB\n"))?;
    let mut lines = Vec::new();
    for question in Question::ALL {
        let one = measure::one_client(&ledger, question, options.asks, last).await?;
        let many = measure::clients(&ledger, question, options.clients, options.asks, last).await?;
        let mut bare =
            async |kind| measure::bare(&ledger, &mut prompt, question, kind, options.bare_asks, last).await;
        lines.push(Line {
            question,
            one,
            many,
            plain: bare(Bare::Plain).await?,
            best_width: bare(Bare::BestWidth).await?,
        });
    }
    report::print(&lines, options.clients)
}

async fn open(url: &str) -> Outcome<Ledger> {
    Ok(Ledger::open(url, Arc::new(SystemClock), OpenMode::SetUpIfEmpty).await?)
}
