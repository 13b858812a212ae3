//! What pricing adds to a first load: the same rows into new databases in turns, with a price list and without.
//!
//! ```text
//! cargo bench -p usage-ingest --bench pricing -- --rows 200000 --rounds 5
//! ```
//!
//! Forty days of tiers, batches and models, most of which the price list has, some of which it has not. A row gets its price
//! looked up, its cost computed, and two columns written; each database also keeps the prices themselves.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Days;
use usage_core::{
    Account, Clock as _, DimensionSet, Dimensions, Endpoint, Metrics, ProjectFilter, Provider, Scope,
    SystemClock, UsageRow, Width, Window, parse_day,
};
use usage_ingest::CataloguePricer;
use usage_pricing::Catalogue;
use usage_store::{LeaseAttempt, Ledger, OpenMode, Replacement, RowPricer as _, RowToPrice, WindowRows};
use usage_testkit::PostgresCluster;

type Outcome<T> = Result<T, Box<dyn Error>>;

const DAYS: usize = 40;
const MODELS: [&str; 10] = [
    "gpt-5-2025-08-07",
    "gpt-5-mini-2025-08-07",
    "gpt-5-nano-2025-08-07",
    "gpt-4.1-2025-04-14",
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
    "o3-2025-04-16",
    "o4-mini-2025-04-16",
    "gpt-4o-audio-preview-2024-12-17",
    "ft:gpt-4.1-mini-2025-04-14:example-org:support:C1a2B3c4",
];
const TIERS: [&str; 4] = ["default", "flex", "priority", "incentivized-tier"];

fn main() -> Outcome<()> {
    let (mut rows, mut rounds) = (200_000, 5);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rows" => rows = arguments.next().ok_or("--rows needs a number")?.parse()?,
            "--rounds" => rounds = arguments.next().ok_or("--rounds needs a number")?.parse()?,
            // Cargo says so to every benchmark.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let cluster = PostgresCluster::start_durable()?;
    let mut out = std::io::stdout();
    for postgres in [false, true] {
        let (mut ratios, mut alone) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let load = |priced| -> Outcome<Duration> {
                if postgres {
                    let database = cluster.create_database();
                    database.execute("checkpoint");
                    runtime.block_on(first_load(database.url(), rows, priced))
                } else {
                    let folder = tempfile::tempdir()?;
                    let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
                    runtime.block_on(first_load(&url, rows, priced))
                }
            };
            // The first of two finds the machine in another state than the second, so they take turns.
            let first = load(round % 2 == 0)?;
            let second = load(round % 2 != 0)?;
            let (with, without) = if round % 2 == 0 {
                (first, second)
            } else {
                (second, first)
            };
            ratios.push(with.as_secs_f64() / without.as_secs_f64());
            alone.push(pricing_alone(rows)?.as_secs_f64() / without.as_secs_f64());
        }
        alone.sort_by(f64::total_cmp);
        let shown: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
        ratios.sort_by(f64::total_cmp);
        writeln!(
            out,
            "{}: a first load of {rows} rows with prices takes {:.3} of the time without (limit 1.1); finding prices and \
             costs alone {:.3} of it; rounds: {}",
            if postgres { "PostgreSQL" } else { "SQLite" },
            ratios[ratios.len() / 2],
            alone[alone.len() / 2],
            shown.join(", ")
        )?;
    }
    Ok(())
}

/// Stores the rows in a new database, a day at a time; only storing is timed.
async fn first_load(url: &str, rows: usize, priced: bool) -> Outcome<Duration> {
    let ledger = Ledger::open(url, Arc::new(SystemClock), OpenMode::SetUpIfEmpty).await?;
    let ledger = if priced {
        ledger.with_pricer(Arc::new(CataloguePricer::new(Catalogue::bundled()?)))
    } else {
        ledger
    };
    let account = ledger
        .add_account(Account::new(Provider::OpenAi, "org-bench")?)
        .await?;
    let attempt = ledger
        .acquire_lease(account.id, "the benchmark", Duration::from_mins(10), None)
        .await?;
    let LeaseAttempt::Acquired(lease) = attempt else {
        return Err("the lease is held".into());
    };
    let mut took = Duration::ZERO;
    for number in 0..DAYS {
        let replacement = Replacement {
            scope: Scope {
                account: account.account.clone(),
                endpoint: Endpoint::Completions,
                width: Width::Day,
                filter: ProjectFilter::ALL,
                grouped_by: Endpoint::Completions.dimensions(),
            },
            refused: DimensionSet::EMPTY,
            empty: DimensionSet::EMPTY,
            read_started_at: SystemClock.now(),
            run_id: 1,
            accept_retractions: false,
            windows: vec![day(number, rows / DAYS)?],
        };
        let begin = Instant::now();
        let outcomes = ledger.replace_windows(&lease, replacement).await?;
        took += begin.elapsed();
        if let Some(issue) = outcomes.into_iter().find_map(|outcome| outcome.result.err()) {
            return Err(issue.to_string().into());
        }
    }
    Ok(took)
}

/// Finds the price and the cost of every row, and stores nothing.
fn pricing_alone(rows: usize) -> Outcome<Duration> {
    let pricer = CataloguePricer::new(Catalogue::bundled()?);
    let mut took = Duration::ZERO;
    for number in 0..DAYS {
        let WindowRows { window, rows } = day(number, rows / DAYS)?;
        let begin = Instant::now();
        for row in &rows {
            std::hint::black_box(pricer.price(&RowToPrice {
                endpoint: Endpoint::Completions,
                window,
                dimensions: &row.dimensions,
                metrics: &row.metrics,
                grouped_by: Endpoint::Completions.dimensions(),
            }));
        }
        took += begin.elapsed();
    }
    Ok(took)
}

fn day(number: usize, rows: usize) -> Outcome<WindowRows> {
    let first = parse_day("2026-10-01")?;
    let day = first
        .checked_add_days(Days::new(number as u64))
        .ok_or("no such day")?;
    let tokens = |row: usize| i64::try_from(row).unwrap_or_default();
    let row = |row: usize| UsageRow {
        dimensions: Dimensions {
            project_id: Some(format!("proj_{:020}", row % 40)),
            api_key_id: Some(format!("key_{:016}", row % 200)),
            user_id: Some(format!("user-{row:024}")),
            model: Some(MODELS[row % MODELS.len()].to_owned()),
            service_tier: Some(TIERS[row / 7 % TIERS.len()].to_owned()),
            batch: Some(row.is_multiple_of(11)),
            ..Dimensions::default()
        },
        metrics: Metrics {
            input_tokens: Some(1_000_000 + tokens(row)),
            input_cached_tokens: Some(300_000),
            input_uncached_tokens: Some(700_000 + tokens(row)),
            input_cache_write_tokens: Some(0),
            input_text_tokens: Some(700_000 + tokens(row)),
            input_cached_text_tokens: Some(300_000),
            output_tokens: Some(50_000),
            output_text_tokens: Some(50_000),
            num_model_requests: Some(17),
            ..Metrics::default()
        },
    };
    Ok(WindowRows {
        window: Window::day(day),
        rows: (0..rows).map(row).collect(),
    })
}
