//! Measuring in processes of their own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use usage_app::App;
use usage_app::commands::parity::{ParityOptions, parity};
use usage_app::settings::{Environment, Flags, Settings, Sources};
use usage_core::{
    Account, DimensionSet, Endpoint, ProjectFilter, Provider, Scope, SystemClock, UsageRow, Width, Window,
};
use usage_parity::{CompareOptions, ExportFile, ExportScope, TimeRange, UsageExport, compare_exports};
use usage_store::{AccountScope, EventQuery, LeaseAttempt, Ledger, OpenMode, Replacement, WindowRows};

use crate::Outcome;

/// One process, from its start to its end.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) peak_kilobytes: u64,
    pub(crate) found: Option<Found>,
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) mismatched: u64,
    pub(crate) missing_in_second: u64,
    pub(crate) missing_in_first: u64,
    pub(crate) matched: u64,
}

/// Runs this program as a child.
pub(crate) fn run_self(arguments: &[&str]) -> Outcome<Sample> {
    let mut command = Command::new(std::env::current_exe()?);
    time(command.arg("--child").args(arguments))
}

/// Joins the two files with `DuckDB`.
pub(crate) fn run_rival(python: &Path, first: &str, second: &str) -> Outcome<Sample> {
    let home = tempfile::tempdir()?;
    let script = home.path().join("rival_duckdb.py");
    std::fs::write(&script, include_str!("rival_duckdb.py"))?;
    time(Command::new(python).arg(&script).args([first, second]))
}

fn time(command: &mut Command) -> Outcome<Sample> {
    let start = Instant::now();
    let output = command.stderr(Stdio::inherit()).output()?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let told: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let number = |name: &str| told[name].as_u64();
    let found = number("mismatched").map(|mismatched| Found {
        mismatched,
        missing_in_second: number("missingInSecond").unwrap_or_default(),
        missing_in_first: number("missingInFirst").unwrap_or_default(),
        matched: number("matched").unwrap_or_default(),
    });
    Ok(Sample {
        seconds,
        peak_kilobytes: number("peakKilobytes").ok_or("no peak")?,
        found,
    })
}

/// What a child does.
pub(crate) fn run(arguments: &[&str]) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut told = match arguments {
        ["exports", first, second] => exports(first, second)?,
        ["load", csv, ledger] => runtime.block_on(load(csv, ledger))?,
        ["ledger", csv, ledger] => runtime.block_on(with_ledger(csv, ledger))?,
        ["read", ledger] => runtime.block_on(read(ledger))?,
        other => return Err(format!("unknown child {other:?}").into()),
    };
    told["peakKilobytes"] = peak_kilobytes()?.into();
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    {
        println!("{told}");
    }
    Ok(())
}

fn exports(first: &str, second: &str) -> Outcome<Value> {
    let open = |path: &str| -> Outcome<UsageExport> {
        Ok(UsageExport::open(
            Box::new(ExportFile::new(Path::new(path))?),
            None,
        )?)
    };
    let options = CompareOptions {
        range: TimeRange::default(),
        scope: ExportScope::default(),
        tolerance: 0,
        now: DateTime::<Utc>::MAX_UTC,
    };
    let comparison = compare_exports(&[open(first)?], &[open(second)?], &options)?;
    Ok(found(&comparison.counts))
}

fn found(counts: &usage_parity::Counts) -> Value {
    json!({
        "mismatched": counts.mismatched,
        "missingInSecond": counts.missing_in_db,
        "missingInFirst": counts.missing_in_csv,
        "matched": counts.matched,
    })
}

async fn with_ledger(csv: &str, ledger: &str) -> Outcome<Value> {
    let folder = tempfile::tempdir()?;
    let environment = Environment::from_iter([("USAGE_DATABASE_URL", format!("sqlite:{ledger}"))]);
    let settings = Settings::resolve(&Sources::gather(Flags::default(), environment, folder.path()))?;
    let options = ParityOptions {
        files: vec![csv.into()],
        audit_dir: folder.path().join("audit"),
        ..ParityOptions::default()
    };
    let report = parity(&App::new(settings), options).await?;
    Ok(found(&report.comparison().counts))
}

async fn read(ledger: &str) -> Outcome<Value> {
    let ledger = open(ledger).await?;
    let query = EventQuery::daily(AccountScope::All);
    let (mut after, mut events) = (None, 0);
    loop {
        let page = ledger.events(query.clone(), after, 5_000).await?;
        events += page.events.len();
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(json!({ "events": events })),
        }
    }
}

async fn open(ledger: &str) -> Outcome<Ledger> {
    let url = format!("sqlite:{ledger}");
    Ok(Ledger::open(&url, Arc::new(SystemClock), OpenMode::SetUpIfEmpty).await?)
}

/// Fills a ledger with what an export says, as a backfill would.
async fn load(csv: &str, ledger: &str) -> Outcome<Value> {
    let ledger = open(ledger).await?;
    let account = ledger
        .add_account(Account::new(Provider::OpenAi, "org-bench")?)
        .await?;
    let LeaseAttempt::Acquired(lease) = ledger
        .acquire_lease(account.id, "bench", Duration::from_hours(1), None)
        .await?
    else {
        return Err("a new ledger is nobody's".into());
    };
    let mut reader = csv::Reader::from_path(csv)?;
    let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let mut windows: Vec<WindowRows> = Vec::new();
    for record in reader.records() {
        let record = record?;
        let window = Window::from_unix(record[0].parse()?, Width::Day)?;
        let mut row = UsageRow::default();
        for (name, value) in header.iter().zip(&record).skip(4) {
            if name == "batch" {
                row.dimensions.batch = Some(value == "True");
            } else if let Ok(dimension) = name.parse() {
                if let Some(place) = row.dimensions.text_mut(dimension) {
                    *place = Some(value.to_owned());
                }
            } else if let Some(metric) = usage_core::Metric::ALL
                .into_iter()
                .find(|metric| metric.as_str() == name)
            {
                *row.metrics.get_mut(metric) = Some(value.parse()?);
            }
        }
        if windows.last().is_none_or(|last| last.window != window) {
            store(&ledger, &lease, &account.account, &mut windows).await?;
            windows.push(WindowRows {
                window,
                rows: Vec::new(),
            });
        }
        if let Some(last) = windows.last_mut() {
            last.rows.push(row);
        }
    }
    store(&ledger, &lease, &account.account, &mut windows).await?;
    Ok(json!({}))
}

async fn store(
    ledger: &Ledger,
    lease: &usage_store::Lease,
    account: &Account,
    windows: &mut Vec<WindowRows>,
) -> Outcome<()> {
    let replacement = Replacement {
        scope: Scope {
            account: account.clone(),
            endpoint: Endpoint::Completions,
            width: Width::Day,
            filter: ProjectFilter::ALL,
            grouped_by: Endpoint::Completions.dimensions(),
        },
        refused: DimensionSet::EMPTY,
        empty: DimensionSet::EMPTY,
        read_started_at: ledger.now(),
        run_id: 1,
        accept_retractions: false,
        windows: std::mem::take(windows),
    };
    for outcome in ledger.replace_windows(lease, replacement).await? {
        outcome.result.map_err(|issue| issue.to_string())?;
    }
    Ok(())
}

/// The most memory that this process has held.
fn peak_kilobytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .ok_or("no VmHWM")?;
    Ok(number.trim().parse()?)
}
