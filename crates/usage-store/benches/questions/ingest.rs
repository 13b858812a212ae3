//! What keeping sums costs who stores: the same windows into a ledger with sums and into one whose triggers are gone, in turns.

use std::time::{Duration, Instant};

use usage_core::{
    Account, Clock as _, DimensionSet, Dimensions, Endpoint, Metrics, ProjectFilter, Provider, Scope,
    SystemClock, UsageRow, Width, Window,
};
use usage_store::{LeaseAttempt, Replacement, WindowRows};

use crate::database::{DAY, Database, FIRST_DAY};
use crate::options::Options;
use crate::{Outcome, percentile, say};

/// Longer than any run takes.
const LEASE: Duration = Duration::from_hours(1);

/// What makes days stale, without which no sums are made.
const TRIGGERS: [(&str, &str); 6] = [
    ("usage_events_insert_stale", "usage_events"),
    ("usage_events_update_stale", "usage_events"),
    ("usage_events_delete_stale", "usage_events"),
    ("usage_coverage_insert_stale", "usage_coverage"),
    ("usage_coverage_update_stale", "usage_coverage"),
    ("usage_coverage_delete_stale", "usage_coverage"),
];

pub(crate) async fn measure(options: &Options, name: &str) -> Outcome<()> {
    let mut first = Vec::with_capacity(options.rounds);
    let mut again = Vec::with_capacity(options.rounds);
    for _ in 0..options.rounds {
        let with = store(options, name, true).await?;
        let without = store(options, name, false).await?;
        first.push((with.0, without.0));
        again.push((with.1, without.1));
    }
    for (what, rounds) in [("first load", first), ("unchanged re-read", again)] {
        let median = |pick: fn(&(Duration, Duration)) -> Duration| {
            let mut picked: Vec<Duration> = rounds.iter().map(pick).collect();
            percentile(&mut picked, 50).as_secs_f64()
        };
        let mut ratios: Vec<f64> = rounds
            .iter()
            .map(|(with, without)| with.as_secs_f64() / without.as_secs_f64())
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let text: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        say(format_args!(
            "{what} of {} rows, {} a day: {:.2} s with sums, {:.2} s without, ratios {}",
            options.ingest_rows,
            options.rows_a_day,
            median(|(with, _)| *with),
            median(|(_, without)| *without),
            text.join(" ")
        ))?;
    }
    Ok(())
}

async fn store(options: &Options, name: &str, sums: bool) -> Outcome<(Duration, Duration)> {
    let database = Database::open(name, None)?;
    let ledger = database.ledger().await?;
    if !sums {
        for (trigger, table) in TRIGGERS {
            let on = if name == "postgres" {
                format!(" ON {table}")
            } else {
                String::new()
            };
            database.execute(&format!("DROP TRIGGER {trigger}{on}"))?;
        }
    }
    let account = ledger
        .add_account(Account::new(Provider::OpenAi, "org-bench")?)
        .await?;
    let LeaseAttempt::Acquired(lease) = ledger
        .acquire_lease(account.id, "the benchmark", LEASE, None)
        .await?
    else {
        return Err("somebody else has the lease".into());
    };
    let mut took = [Duration::ZERO; 2];
    for took in &mut took {
        let read = Replacement {
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
            windows: windows(options.ingest_rows, options.rows_a_day)?,
        };
        let began = Instant::now();
        ledger.replace_windows(&lease, read).await?;
        *took = began.elapsed();
    }
    let made = database
        .ask("SELECT count(*) FROM usage_days WHERE events > 0")?
        .0;
    if made.contains(|digit: char| ('1'..='9').contains(&digit)) != sums {
        return Err(format!("{made} days have sums").into());
    }
    Ok((took[0], took[1]))
}

fn windows(rows: usize, a_day: usize) -> Outcome<Vec<WindowRows>> {
    let days = rows.div_ceil(a_day);
    (0..days)
        .map(|day| {
            let start = FIRST_DAY + i64::try_from(day)? * DAY;
            let count = a_day.min(rows - day * a_day);
            Ok(WindowRows {
                window: Window::from_unix(start, Width::Day)?,
                rows: (0..count).map(|number| row(day, number)).collect(),
            })
        })
        .collect()
}

fn row(day: usize, number: usize) -> UsageRow {
    let tokens = i64::try_from(number * 37 % 50_000 + day).ok();
    let drawn = number.wrapping_mul(2_654_435_761) % 4_294_967_296;
    UsageRow {
        dimensions: Dimensions {
            project_id: Some(format!("proj_abcdefghijklmnop{}", drawn % 40)),
            api_key_id: Some(format!("key_abcdefghijklmnop{}", drawn % 200)),
            user_id: Some(format!("user-abcdefghijklmnop{number}")),
            model: Some(format!("gpt-model-2025-01-{}", drawn / 200 % 12)),
            service_tier: Some("default".to_owned()),
            batch: Some(false),
            ..Dimensions::default()
        },
        metrics: Metrics {
            input_tokens: tokens,
            output_tokens: tokens,
            input_cached_tokens: Some(0),
            input_uncached_tokens: tokens,
            input_text_tokens: tokens,
            output_text_tokens: tokens,
            num_model_requests: Some(1),
            ..Metrics::default()
        },
    }
}
