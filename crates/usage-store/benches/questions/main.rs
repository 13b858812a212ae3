//! How fast the ledger answers what a dashboard asks, beside the same questions put to its events in SQL.
//!
//! ```text
//! cargo bench -p usage-store --bench questions
//! cargo bench -p usage-store --bench questions -- --events 200000 --asked 50 --database sqlite
//! ```
//!
//! Five accounts and two years of daily windows are made by the database itself, their sums by the migration. Everything is
//! asked once before it is measured. Nothing here fails on a slow day: targets are printed as met or missed.

mod database;
mod ingest;
mod options;
mod questions;

use std::error::Error;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use database::Database;
use options::Options;
use questions::Question;

/// Any failure ends the benchmark with its message.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// One client's answers are to take no longer.
const ONE: Duration = Duration::from_millis(50);
/// Those of many clients at once are to take no longer.
const MANY: Duration = Duration::from_millis(400);
/// The bare SQL is to take so many times as long.
const RATIO: f64 = 10.0;

fn main() -> Outcome<()> {
    let options = Options::from_arguments()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for name in &options.databases {
        say(format_args!("# {name}, {} events", options.events))?;
        let began = Instant::now();
        let database = Database::open(name, options.keep.as_deref())?;
        runtime.block_on(measure(&options, &database, began))?;
        if options.ingest_rows > 0 {
            runtime.block_on(ingest::measure(&options, name))?;
        }
    }
    Ok(())
}

async fn measure(options: &Options, database: &Database, began: Instant) -> Outcome<()> {
    let ledger = database.ledger().await?;
    database.fill(&ledger, options.events).await?;
    say(format_args!("filled in {:.0} s", began.elapsed().as_secs_f64()))?;
    let began = Instant::now();
    ledger.migrate().await?;
    database.settle_down()?;
    let sums = database
        .ask("SELECT count(*), sum(length(cells)) FROM usage_rollups")?
        .0;
    say(format_args!(
        "sums made in {:.0} s: {sums} (rows|bytes)",
        began.elapsed().as_secs_f64()
    ))?;
    say(format_args!(
        "question | one p50 | one p99 | {} clients p50 | p99 | bare SQL p50 | bare / one p50 | targets",
        options.clients
    ))?;
    let asked_once = ledger.clone().keeping_no_answers();
    for question in Question::ALL {
        question.ask(&ledger).await?;
        let one = clients(&ledger, question, 1, options.asked).await?;
        let many = clients(&ledger, question, options.clients, options.asked.div_ceil(4)).await?;
        if question.is_kept() {
            // Of those who ask what nobody asked before.
            let one = clients(&asked_once, question, 1, options.asked).await?;
            let many = clients(&asked_once, question, options.clients, options.asked.div_ceil(4)).await?;
            say(format_args!(
                "{}, answers not kept | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | | | {} {}",
                question.name(),
                milliseconds(one.0),
                milliseconds(one.1),
                milliseconds(many.0),
                milliseconds(many.1),
                met(one.1 < ONE),
                met(many.1 < MANY),
            ))?;
        }
        let mut bare = Vec::with_capacity(options.bare);
        for _ in 0..=options.bare {
            let mut took = Duration::ZERO;
            for statement in question.bare() {
                took += database.ask(&statement)?.1;
            }
            bare.push(took);
        }
        // The first was for the caches.
        bare.remove(0);
        let bare = percentile(&mut bare, 50);
        let ratio = bare.as_secs_f64() / one.0.as_secs_f64();
        say(format_args!(
            "{} | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | {:.0} ms | {ratio:.1} | {} {} {}",
            question.name(),
            milliseconds(one.0),
            milliseconds(one.1),
            milliseconds(many.0),
            milliseconds(many.1),
            milliseconds(bare),
            met(one.1 < ONE),
            met(many.1 < MANY),
            met(ratio >= RATIO),
        ))?;
    }
    Ok(())
}

const fn met(yes: bool) -> &'static str {
    if yes { "met" } else { "missed" }
}

/// The median and the 99th percentile of answers to so many clients at once, each of which asks so often.
async fn clients(
    ledger: &usage_store::Ledger,
    question: Question,
    clients: usize,
    asked: usize,
) -> Outcome<(Duration, Duration)> {
    let asking = (0..clients).map(|_| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let mut took = Vec::with_capacity(asked);
            for _ in 0..asked {
                let began = Instant::now();
                question.ask(&ledger).await.map_err(|error| error.to_string())?;
                took.push(began.elapsed());
            }
            Ok::<_, String>(took)
        })
    });
    let mut took = Vec::with_capacity(clients * asked);
    for client in asking.collect::<Vec<_>>() {
        took.extend(client.await??);
    }
    Ok((percentile(&mut took, 50), percentile(&mut took, 99)))
}

/// The smallest that so many per cent do not exceed.
fn percentile(took: &mut [Duration], percent: usize) -> Duration {
    took.sort_unstable();
    let place = (took.len() * percent).div_ceil(100).saturating_sub(1);
    took.get(place).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn say(line: std::fmt::Arguments<'_>) -> Outcome<()> {
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}
