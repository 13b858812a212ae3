//! Serving: the schedule of passes and, where an address is given, the HTTP routes beside it.

mod dashboard;
#[cfg(feature = "demo")]
mod demo;
mod ledger;
mod reports;
mod rest;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use usage_http::{
    JsonText, Limits, Listen, OperationFailed, Operations, Readiness, ReadinessCheck, Server,
    is_usable_cron_secret,
};
use usage_store::{Ledger, ProviderKey, SchemaState};

#[cfg(feature = "demo")]
pub use self::demo::serve_demo;
pub use self::ledger::{Listening, ServeLedger, serve_ledger};
use self::rest::closing_rested;
use crate::cron::{PassOptions, Passes, ServeOptions, Surroundings, serve_schedule};
use crate::error::AppError;
use crate::monitoring::{self, MetricsOptions};
use crate::settings::{Origin, Settings};
use crate::wiring::App;

/// How long looking whether everything is in order may take: whoever asks wants to know soon.
const READINESS_LIMIT: Duration = Duration::from_secs(5);

/// What a process serves.
#[derive(Clone, Debug)]
pub struct Serve {
    /// When passes are due.
    pub schedule: ServeOptions,
    /// What each of them does.
    pub pass: PassOptions,
    /// What surrounds each of them.
    pub surroundings: Surroundings,
    /// Where to listen; without an address, nowhere.
    pub bind: Option<SocketAddr>,
    /// Whether a proxy stands before the listener, so that it may listen beyond loopback.
    pub behind_proxy: bool,
}

/// Where to listen: the address of a flag, else that of the settings if somebody set one. The default is not taken: a
/// process that only keeps a schedule opens no port unasked, and several may run on one host.
pub fn listening_address(flag: Option<SocketAddr>, settings: &Settings) -> Option<SocketAddr> {
    let set = (settings.bind.origin != Origin::Default).then_some(settings.bind.value);
    flag.or(set)
}

/// Keeps the schedule and serves the routes until told to stop; what is under way is finished.
///
/// # Errors
///
/// The ledger cannot be used, or the address cannot be listened on. Passes that fail are logged.
pub async fn serve(app: App, serve: Serve, stop: watch::Receiver<bool>) -> Result<(), AppError> {
    let listening = match serve.bind {
        None => None,
        Some(bind) => Some(
            Server::bind(Listen {
                bind,
                behind_proxy: serve.behind_proxy,
            })
            .await?,
        ),
    };
    let ledger = app.ledger().await?;
    let horizon_days = serve.pass.horizon_days;
    let passes = Arc::new(Passes::new(
        app.clone(),
        serve.pass,
        serve.surroundings,
        stop.clone(),
    ));
    tracing::info!(schedule = %serve.schedule.schedule, "serving");
    // Whoever listens ends when the process is told to, or when there is no schedule any more to listen beside.
    let (end, ended) = watch::channel(false);
    let schedule = async {
        let kept = serve_schedule(
            app.clock.as_ref(),
            &ledger,
            &serve.schedule,
            stop.clone(),
            async |tick| {
                // The next pass may find the ledger or the keys in order again, so this one's failure is told and no more.
                let next = serve.schedule.schedule.next_after(tick.due);
                passes.scheduled_to_the_end(tick.due, next).await;
                true
            },
        );
        let kept = closing_rested(&ledger, kept).await;
        if kept.is_err() {
            end.send_replace(true);
        }
        kept
    };
    let Some(server) = listening else {
        return schedule.await;
    };
    warn_of_secret(&app.settings);
    let operations = Arc::new(Served {
        app: app.clone(),
        ledger: ledger.clone(),
        passes: passes.clone(),
        horizon_days,
    });
    let options = usage_http::ServeOptions {
        cron_secret: app.settings.cron_secret.clone().map(|secret| secret.value),
        clock: app.clock.clone(),
        limits: Limits::default(),
        dashboard: None,
    };
    let served = async { tokio::join!(schedule, server.serve(operations, options, ended)).0 };
    let mut stop = stop.clone();
    let told = async {
        if stop.wait_for(|stop| *stop).await.is_ok() {
            end.send_replace(true);
        }
        std::future::pending().await
    };
    tokio::select! {
        kept = served => kept,
        never = told => never,
    }
}

/// A secret that a script set without having one opens nothing, which somebody should know.
fn warn_of_secret(settings: &Settings) {
    if let Some(secret) = &settings.cron_secret
        && !is_usable_cron_secret(secret.value.expose_secret())
    {
        tracing::warn!(
            "{} is `undefined` or `null`, so /api/cron/daily-usage answers nobody; set it to a secret",
            secret.origin
        );
    }
}

/// What the routes ask for.
struct Served {
    app: App,
    ledger: Ledger,
    passes: Arc<Passes>,
    horizon_days: u32,
}

#[async_trait]
impl Operations for Served {
    async fn run_pass(&self) -> Result<JsonText, OperationFailed> {
        match self.passes.requested().await {
            Ok(report) => JsonText::of(report.as_ref()),
            Err(error) => Err(OperationFailed::new(error.to_string())),
        }
    }

    async fn metrics(&self) -> Result<String, OperationFailed> {
        let options = MetricsOptions {
            horizon_days: self.horizon_days,
        };
        monitoring::collect(&self.ledger, self.app.clock.now(), &options)
            .await
            .map_err(|error| OperationFailed::new(error.to_string()))
    }

    async fn readiness(&self) -> Readiness {
        tokio::time::timeout(READINESS_LIMIT, self.look())
            .await
            .unwrap_or_else(|_| {
                tracing::warn!("the database does not answer");
                Readiness {
                    checks: vec![fault("database", "it does not answer in time")],
                    coverage_lag_seconds: None,
                }
            })
    }
}

impl Served {
    /// Looks at one thing after the other; what is behind one that is not in order cannot be looked at.
    async fn look(&self) -> Readiness {
        let mut checks = Vec::new();
        let coverage_lag_seconds = self.check(&mut checks).await;
        Readiness {
            checks,
            coverage_lag_seconds,
        }
    }

    async fn check(&self, checks: &mut Vec<ReadinessCheck>) -> Option<i64> {
        let state = match self.ledger.schema_state().await {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!("not ready: {error}");
                checks.push(fault("database", "it cannot be reached; the log says why"));
                return None;
            }
        };
        checks.push(fine("database"));
        let behind = match state {
            SchemaState::Current => None,
            SchemaState::Empty | SchemaState::Older(_) => Some("some are pending; run `usage migrate`"),
            SchemaState::Newer(_) => Some("a newer version wrote the ledger; update this program"),
            SchemaState::Foreign => Some("the database holds other tables; see `usage doctor`"),
        };
        if let Some(behind) = behind {
            tracing::warn!("not ready: migrations: {behind}");
            checks.push(fault("migrations", behind));
            return None;
        }
        checks.push(fine("migrations"));
        match self.ledger.keys().await {
            Ok(keys) => checks.push(self.check_master_key(&keys)),
            Err(error) => {
                tracing::warn!("not ready: {error}");
                checks.push(fault(
                    "master key",
                    "the provider keys cannot be read; the log says why",
                ));
            }
        }
        match monitoring::greatest_lag(&self.ledger, self.app.clock.now(), self.horizon_days).await {
            Ok(lag) => lag.map(|lag| lag.num_seconds()),
            Err(error) => {
                tracing::warn!("nobody knows how far the ledger is covered: {error}");
                None
            }
        }
    }

    fn check_master_key(&self, keys: &[ProviderKey]) -> ReadinessCheck {
        // Before the first provider key there need be none; it is made with that.
        let opens_all = if keys.is_empty() {
            self.app.check_master_key().map(|()| true)
        } else {
            self.app
                .load_master_key()
                .map(|master| keys.iter().all(|key| master.opens(&key.master_key_id)))
        };
        match opens_all {
            Ok(true) => fine("master key"),
            Ok(false) => {
                tracing::warn!("not ready: a provider key is sealed with another master key");
                fault(
                    "master key",
                    "it does not open every provider key; see `usage doctor`",
                )
            }
            Err(error) => {
                tracing::warn!("not ready: {error}");
                fault("master key", "it cannot be loaded; see `usage doctor`")
            }
        }
    }
}

fn fine(name: &'static str) -> ReadinessCheck {
    ReadinessCheck { name, fault: None }
}

fn fault(name: &'static str, fault: &str) -> ReadinessCheck {
    ReadinessCheck {
        name,
        fault: Some(fault.to_owned()),
    }
}
