//! `usage demo`: everything on a simulated organisation, with nothing to configure and nothing left behind.

use std::fmt;
use std::time::Duration;

use chrono::NaiveDate;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::Instant;
use usage_core::{Account, Decimal, Endpoint, ProjectFilter, Provider, WindowRange};
use usage_ingest::Progress;
use usage_simulator::{AdminKey, Generate, Organization, Simulator};

use super::backfill::{BackfillOptions, BackfillReport, backfill};
use super::keys::{AddKeyOptions, add};
use super::parity::{ParityOptions, ParityReport, parity};
use super::reconcile::{ReconcileOptions, ReconcileReport, reconcile};
use crate::error::AppError;
use crate::settings::{Environment, Flags, Settings, Sources};
use crate::text::count;
use crate::wiring::{App, Exit};

/// A key that only the demonstration's own simulator accepts.
pub(crate) const KEY: &str = "sk-admin-demo-not-a-real-key";
/// The simulator has no limit to respect.
const REQUESTS_PER_MINUTE: &str = "60000";

/// What the demonstration did.
pub struct DemoReport {
    organization: String,
    backfill: BackfillReport,
    requests: usize,
    directory_requests: usize,
    parity: ParityReport,
    bill: ReconcileReport,
    elapsed: Duration,
}

/// Starts a simulated provider, reads 31 days from it over HTTP into a ledger of its own in a temporary folder, and
/// compares the ledger with the organisation's own export, and its price with the bill. No setting is used and nothing is
/// left.
pub async fn demo(progress: &dyn Progress, stop: watch::Receiver<bool>) -> Result<DemoReport, AppError> {
    let begun = Instant::now();
    let cannot = |what: &dyn fmt::Display| AppError::Demo(what.to_string());
    let folder = tempfile::tempdir().map_err(|error| cannot(&error))?;
    // Two models whose every tier has a price.
    let generate = Generate {
        models: 2,
        ..Generate::default()
    };
    let windows = days_of(&generate)?;
    let simulator = Simulator::builder()
        .organization(Organization::generate(&generate))
        .key(AdminKey::owner(KEY))
        // What the provider did not tell apart at that time would only be a warning here.
        .api_key_costs_since(windows.start())
        .start()
        .await
        .map_err(|error| cannot(&error))?;

    let app = App::new(own_settings(folder.path(), &simulator.base_url())?);
    let account = Account::new(Provider::OpenAi, &generate.organization)?;
    add(
        &app,
        AddKeyOptions {
            account: account.clone(),
            label: Some("demo".to_owned()),
            filter: ProjectFilter::ALL,
            secret: SecretString::from(KEY),
            check: true,
        },
    )
    .await?;
    let directory_requests = simulator.requests().len();

    let options = BackfillOptions {
        windows,
        endpoints: vec![Endpoint::Completions, Endpoint::Costs],
        accounts: vec![account],
        chunk_windows: None,
        label: Some("demo".to_owned()),
        plan_only: false,
        force: false,
        accept_retractions: false,
        artifact: None,
        group_by: None,
    };
    let backfill = backfill(&app, options, progress, stop).await?;
    let requests = simulator.requests().len() - directory_requests;

    let path = folder.path().join("completions_usage.csv");
    let export = simulator.inspect(|organization| organization.completions_csv(windows));
    std::fs::write(&path, export).map_err(|error| cannot(&error))?;
    simulator.shutdown().await;
    let options = ParityOptions {
        files: vec![path],
        audit_dir: folder.path().join("audit"),
        ..ParityOptions::default()
    };
    let parity = parity(&app, options).await?;
    let options = ReconcileOptions {
        first_day: windows.start().date_naive(),
        last_day: last_day(windows),
        invoice: None,
        account: None,
        max_variance: Decimal::default(),
        label: None,
        output: None,
        audit_dir: folder.path().join("audit"),
    };
    let bill = reconcile(&app, options).await?;
    Ok(DemoReport {
        organization: generate.organization,
        backfill,
        requests,
        directory_requests,
        parity,
        bill,
        elapsed: begun.elapsed(),
    })
}

impl DemoReport {
    /// 1 when the ledger differs from the organisation's export, or its price from the bill.
    pub fn exit(&self) -> Exit {
        self.parity.exit().max(self.bill.exit()).max(self.backfill.exit())
    }
}

impl fmt::Display for DemoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "simulated organization {}, served over HTTP on this machine",
            self.organization
        )?;
        writeln!(
            f,
            "key: checked and stored in {}; backfill: {} counted by the simulator",
            count(self.directory_requests as u64, "request"),
            count(self.requests as u64, "request"),
        )?;
        self.backfill.fmt(f)?;
        let counts = self.parity.comparison().counts;
        if self.parity.exit() == Exit::Clean {
            writeln!(
                f,
                "proof: {} in {} of the organization's own CSV export and of the ledger are equal to the integer",
                count(counts.matched, "group"),
                count(counts.windows_compared, "window"),
            )?;
        } else {
            writeln!(f, "{}", self.parity)?;
        }
        if self.bill.exit() == Exit::Clean {
            let bridge = &self.bill.found().bridge;
            writeln!(
                f,
                "bill: {} usd priced by the rows, {} rounding, {} usd charged by the organization's own prices",
                bridge.priced, bridge.rounding, bridge.charged,
            )?;
        } else {
            writeln!(f, "{}", self.bill)?;
        }
        writeln!(
            f,
            "done in {:.1} s; nothing is left behind",
            self.elapsed.as_secs_f64()
        )
    }
}

/// Settings that point into the folder and at the simulator, whatever the environment says.
pub(crate) fn own_settings(folder: &std::path::Path, base_url: &str) -> Result<Settings, AppError> {
    let path = |name: &str| folder.join(name).display().to_string();
    let environment = Environment::from_iter([
        // A settings file of the demonstration's own may lie in the folder.
        ("USAGE_DATABASE_URL", format!("sqlite:{}", path("ledger.db"))),
        ("USAGE_OPENAI_BASE_URL", base_url.to_owned()),
        ("USAGE_REQUESTS_PER_MINUTE", REQUESTS_PER_MINUTE.to_owned()),
        ("XDG_CONFIG_HOME", path("config")),
    ]);
    Ok(Settings::resolve(&Sources::gather(
        Flags::default(),
        environment,
        folder,
    ))?)
}

fn last_day(windows: WindowRange) -> NaiveDate {
    crate::text::days(windows).1
}

fn days_of(generate: &Generate) -> Result<WindowRange, AppError> {
    let days = u64::from(generate.days).max(1);
    let last = generate
        .first_day
        .checked_add_days(chrono::Days::new(days - 1))
        .unwrap_or(NaiveDate::MAX);
    Ok(WindowRange::days(generate.first_day, last)?)
}
