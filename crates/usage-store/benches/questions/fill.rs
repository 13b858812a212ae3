//! A ledger of many events, filled as a program fills it.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use usage_core::{
    Account, DimensionSet, Endpoint, ProjectFilter, Provider, Scope, Width, Window, parse_instant,
};
use usage_store::{LeaseAttempt, Ledger, Replacement, WindowRows};

use crate::options::Options;
use crate::{Outcome, rows};

/// When everything was read: every window was settled by then.
const READ: &str = "2030-01-01T00:00:00Z";
/// Longer than any run takes.
const LEASE: Duration = Duration::from_hours(24);
/// Days of a read.
const CHUNK: usize = 30;

/// Stores the events; returns how many there are and how long it took.
pub(crate) async fn fill(ledger: &Ledger, options: &Options) -> Outcome<(u64, Duration)> {
    let started = Instant::now();
    let days = rows::days(0, options.days)?;
    let mut stored = 0;
    for number in 0..options.accounts {
        let account = Account::new(Provider::OpenAi, &format!("org-bench-{number}"))?;
        let account = ledger.add_account(account).await?;
        let lease = match ledger.acquire_lease(account.id, "benchmark", LEASE, None).await? {
            LeaseAttempt::Acquired(lease) => lease,
            held @ LeaseAttempt::Held { .. } => return Err(format!("{held:?}").into()),
        };
        for chunk in days.chunks(CHUNK) {
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
                read_started_at: parse_instant(READ)?,
                run_id: 1,
                accept_retractions: false,
                windows: chunk
                    .iter()
                    .map(|day| of_account(number, *day, options.events_a_day()))
                    .collect(),
            };
            for outcome in ledger.replace_windows(&lease, replacement).await? {
                stored += outcome.result.map_err(|issue| format!("{issue:?}"))?.inserted;
            }
        }
    }
    Ok((stored, started.elapsed()))
}

/// The end of the last day that was filled, UTC.
pub(crate) fn end(options: &Options) -> Outcome<DateTime<Utc>> {
    let days = rows::days(options.days - 1, 1)?;
    Ok(days.first().ok_or("a day expected")?.end())
}

/// Ids are an organisation's own.
fn of_account(number: usize, day: Window, count: usize) -> WindowRows {
    let mut window = rows::window_rows(day, count);
    for row in &mut window.rows {
        let dimensions = &mut row.dimensions;
        let ids = [
            &mut dimensions.project_id,
            &mut dimensions.api_key_id,
            &mut dimensions.user_id,
        ];
        for id in ids.into_iter().flatten() {
            id.push_str(&number.to_string());
        }
    }
    window
}
