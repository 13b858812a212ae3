//! A server with something to show: a simulated organisation, two passes over it, and the dashboard.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Days, TimeDelta, Utc};
use secrecy::SecretString;
use tokio::sync::watch;
use usage_core::{Account, Clock, Decimal, Endpoint, ProjectFilter, Provider, SystemClock};
use usage_ingest::Silent;
use usage_simulator::{AdminKey, Generate, LivingOrganization, Simulator};

use super::{Listening, ServeLedger, serve_ledger};
use crate::commands::demo::{KEY, own_settings};
use crate::commands::keys::{AddKeyOptions, add};
use crate::cron::{PassOptions, Surroundings, run_pass};
use crate::error::AppError;
use crate::wiring::App;

/// How many days of usage there are.
const HISTORY_DAYS: u32 = 60;
/// For how many days the organisation has been watched.
const LIVED_DAYS: i64 = 4;
/// One budget that is kept and one that is not.
const BUDGETS: &str = r#"
[[budgets]]
name = "everything"
period = "monthly"
amount_usd = "100000"
warn_at = "80%"

[[budgets]]
name = "a tight day"
period = "daily"
amount_usd = "0.50"
"#;

/// Starts a simulated provider, reads two months of an organisation that goes on using, and once more a day later, into a ledger
/// in a temporary folder, and serves it until told to stop. No setting is used and nothing is left.
///
/// # Errors
///
/// The address cannot be listened on, or the demonstration cannot be made.
pub async fn serve_demo(
    bind: Option<SocketAddr>,
    behind_proxy: bool,
    tell: impl FnOnce(Listening) -> Result<(), AppError>,
    stop: watch::Receiver<bool>,
) -> Result<(), AppError> {
    let folder = tempfile::tempdir().map_err(|error| cannot(&error))?;
    let now = SystemClock.now();
    let clock = Arc::new(LateClock(AtomicI64::new(TimeDelta::days(1).num_seconds())));
    let origin = now - TimeDelta::days(LIVED_DAYS);
    let living = LivingOrganization::new(
        Generate {
            first_day: first_day(now)?,
            projects: 5,
            users: 8,
            groups_per_day: 60,
            // Those whose every tier has a price.
            models: 2,
            ..Generate::default()
        },
        origin,
    );
    let simulator = Simulator::builder()
        .living(living.clone())
        .clock(clock.clone())
        .key(AdminKey::owner(KEY))
        .keep_no_requests()
        .start()
        .await
        .map_err(|error| cannot(&error))?;
    fs::write(folder.path().join("usage.toml"), BUDGETS).map_err(|error| cannot(&error))?;
    let app = App {
        clock: clock.clone(),
        ..App::new(own_settings(folder.path(), &simulator.base_url())?)
    };
    add(
        &app,
        AddKeyOptions {
            account: Account::new(Provider::OpenAi, &Generate::default().organization)?,
            label: Some("demo".to_owned()),
            filter: ProjectFilter::ALL,
            secret: SecretString::from(KEY),
            check: true,
        },
    )
    .await?;
    let pass = pass_options(folder.path());
    for late in [TimeDelta::days(1), TimeDelta::zero()] {
        clock.0.store(late.num_seconds(), Ordering::Relaxed);
        living
            .write_exports(clock.now(), &folder.path().join("exports"))
            .map_err(|error| cannot(&error))?;
        run_pass(&app, &pass, &Silent, stop.clone()).await?;
    }
    let serve = ServeLedger {
        pass,
        surroundings: Surroundings::default(),
        // Any free port, unless told: a demonstration must not fail because of another server.
        bind: Some(bind.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))),
        behind_proxy,
    };
    let served = serve_ledger(app, serve, tell, stop).await;
    simulator.shutdown().await;
    served
}

/// The machine's clock, so many seconds late.
#[derive(Debug)]
struct LateClock(AtomicI64);

impl Clock for LateClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() - TimeDelta::seconds(self.0.load(Ordering::Relaxed))
    }
}

fn pass_options(folder: &Path) -> PassOptions {
    PassOptions {
        accounts: Vec::new(),
        endpoints: Endpoint::ALL.to_vec(),
        horizon_days: HISTORY_DAYS,
        due: None,
        label: Some("demo".to_owned()),
        plan_only: false,
        exports: Some(folder.join("exports")),
        audit_dir: folder.join("audit"),
        max_variance: Decimal::from(2_i64),
        keeps_reports: true,
    }
}

fn first_day(now: DateTime<Utc>) -> Result<chrono::NaiveDate, AppError> {
    now.date_naive()
        .checked_sub_days(Days::new(HISTORY_DAYS.into()))
        .ok_or(AppError::EndOfCalendar)
}

fn cannot(what: &dyn fmt::Display) -> AppError {
    AppError::Demo(what.to_string())
}
