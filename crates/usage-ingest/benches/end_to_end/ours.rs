//! What this project does: plan, read, compare with control totals, store.

use std::fs;
use std::io::{self, Write};
use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;
use usage_core::{Account, Clock, Endpoint, ProjectFilter, Provider, SystemClock};
use usage_ingest::{
    Backfill, CataloguePricer, Outcome as RunOutcome, PlanRequest, Reader, ReadingKey, Silent, plan, run,
};
use usage_pricing::Catalogue;
use usage_providers::{OpenAi, OpenAiOptions, Pace};
use usage_store::{Ledger, OpenMode};

use crate::Outcome;
use crate::processes::Prices;
use crate::provider::{KEY, windows};

/// Fills an empty database and prints how many rows it has and how much memory that took.
pub(crate) fn fill(base_url: &str, database: &str, days: u32, prices: Prices) -> Outcome<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let (rows, requests) = runtime.block_on(backfill(base_url, database, days, prices))?;
    let sample = json!({"rows": rows, "requests": requests, "peakKilobytes": peak_kilobytes()?});
    writeln!(io::stdout(), "{sample}")?;
    Ok(())
}

async fn backfill(base_url: &str, database: &str, days: u32, prices: Prices) -> Outcome<(u64, u64)> {
    let clock = Arc::new(SystemClock);
    let ledger = Ledger::open(database, clock.clone(), OpenMode::SetUpIfEmpty).await?;
    let ledger = match prices {
        Prices::Found => ledger.with_pricer(Arc::new(CataloguePricer::new(Catalogue::bundled()?))),
        Prices::LeftOut => ledger,
    };
    let account = ledger
        .add_account(Account::new(Provider::OpenAi, "org-bench")?)
        .await?;
    let source = OpenAi::new(OpenAiOptions {
        base_url: base_url.parse()?,
        pace: Pace {
            requests_per_minute: 1_000_000,
            burst: 1_000_000,
        },
        clock: clock.clone(),
        ..OpenAiOptions::new(KEY.to_owned().into())
    })?;
    let reader = Reader {
        account,
        filter: ProjectFilter::ALL,
        key: ReadingKey {
            id: 1,
            label: None,
            source: Arc::new(source),
        },
        spare_keys: Vec::new(),
    };
    let windows = windows(days)?;
    let request = PlanRequest {
        windows,
        endpoints: vec![Endpoint::Completions],
        chunk_windows: None,
        group_by: None,
        force: false,
        fresh_since: None,
        now: clock.now(),
    };
    let plan = plan(&ledger, vec![reader], &request).await?;
    let backfill = Backfill {
        ledger: &ledger,
        kind: "backfill",
        label: None,
        range_start: windows.start(),
        range_end: windows.end(),
        accept_retractions: false,
        progress: &Silent,
        stop: watch::channel(false).1,
        notes: serde_json::Map::new(),
    };
    let report = run(backfill, &plan).await?;
    if report.outcome != RunOutcome::Clean {
        return Err(format!("the run was not clean: {:?}", report.issues).into());
    }
    Ok((report.telemetry.stored_events, report.telemetry.requests))
}

/// The most memory that this process ever held.
fn peak_kilobytes() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let text = line.and_then(|line| line.split_whitespace().next());
    Ok(text.ok_or("no VmHWM")?.parse()?)
}
