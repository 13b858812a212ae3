//! Serving the ledger: dashboard and routes, without a schedule.

use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;
use usage_http::{Dashboard, Limits, Listen, Server};
use usage_store::{AccountScope, Ledger, NewApiToken, TokenRole};

use super::dashboard::ForDashboard;
use super::reports::Reports;
use super::rest::closing_rested;
use super::{Served, warn_of_secret};
use crate::commands::names;
use crate::cron::{PassOptions, Passes, Surroundings};
use crate::error::AppError;
use crate::wiring::App;

/// What the token is called that the first start makes.
const FIRST_TOKEN: &str = "first admin";

/// What a process serves that keeps no schedule.
#[derive(Clone, Debug)]
pub struct ServeLedger {
    /// What a pass does that somebody asks for. Its folder for evidence is the one whose reports are shown.
    pub pass: PassOptions,
    /// What surrounds such a pass.
    pub surroundings: Surroundings,
    /// Where to listen; the address of the settings unless set.
    pub bind: Option<SocketAddr>,
    /// Whether a proxy that speaks TLS stands before the listener, so that it may listen beyond loopback.
    pub behind_proxy: bool,
}

/// What whoever started the process must know.
#[derive(Debug)]
pub struct Listening {
    /// Where, with the port that was given.
    pub address: SocketAddr,
    /// A token of the role admin, made since the ledger had none. It is told this once only.
    pub first_token: Option<SecretString>,
}

/// Serves dashboard and routes until told to stop; what is under way is finished. `tell` is called once, when whoever connects
/// is served.
///
/// # Errors
///
/// The address cannot be listened on, the ledger cannot be used, or `tell` fails.
pub async fn serve_ledger(
    app: App,
    serve: ServeLedger,
    tell: impl FnOnce(Listening) -> Result<(), AppError>,
    stop: watch::Receiver<bool>,
) -> Result<(), AppError> {
    // Before a token is made, which would be told to nobody if the address was taken.
    let server = Server::bind(Listen {
        bind: serve.bind.unwrap_or(app.settings.bind.value),
        behind_proxy: serve.behind_proxy,
    })
    .await?;
    let ledger = app.ledger().await?;
    // Names that were stored before they were not to be must not be served.
    names::enforce(&app, &ledger).await?;
    warn_of_secret(&app.settings);
    let audit_dir = serve.pass.audit_dir.clone();
    let horizon_days = serve.pass.horizon_days;
    let passes = Arc::new(Passes::new(
        app.clone(),
        serve.pass,
        serve.surroundings,
        stop.clone(),
    ));
    let operations = Arc::new(Served {
        app: app.clone(),
        ledger: ledger.clone(),
        passes: passes.clone(),
        horizon_days,
    });
    let for_dashboard = Arc::new(ForDashboard {
        app: app.clone(),
        ledger: ledger.clone(),
        passes: passes.clone(),
        reports: Arc::new(Reports::new(audit_dir)),
        stop: stop.clone(),
    });
    tell(Listening {
        address: server.address(),
        first_token: first_token(&ledger).await?,
    })?;
    let options = usage_http::ServeOptions {
        cron_secret: app.settings.cron_secret.clone().map(|secret| secret.value),
        clock: app.clock.clone(),
        limits: Limits::default(),
        dashboard: Some(Dashboard {
            ledger: ledger.clone(),
            operations: for_dashboard,
        }),
    };
    closing_rested(&ledger, server.serve(operations, options, stop)).await;
    passes.ended().await;
    Ok(())
}

/// A token for whoever starts a ledger that has none; one that was revoked counts, too.
async fn first_token(ledger: &Ledger) -> Result<Option<SecretString>, AppError> {
    if ledger.has_api_tokens().await? {
        return Ok(None);
    }
    let new = NewApiToken {
        name: FIRST_TOKEN.to_owned(),
        role: TokenRole::Admin,
        scope: AccountScope::All,
        expires_at: None,
    };
    let (token, secret) = ledger.add_api_token(new).await?;
    tracing::info!(token = token.id, "the first token of the ledger was made");
    Ok(Some(secret))
}
