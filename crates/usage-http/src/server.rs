//! Listening, and serving until told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use usage_core::Clock;
use usage_store::Ledger;

use crate::access::{Guesses, RateLimit};
use crate::api::ApiState;
use crate::cached::Cached;
use crate::connections;
use crate::dashboard::{DashboardOperations, DashboardState, Sessions};
use crate::limits::Limits;
use crate::operations::Operations;
use crate::router::{ServerState, router};
use crate::secret::CronSecret;

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address and port; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Whether a proxy stands before the server, which speaks TLS to whoever is outside. Without one, only loopback is
    /// listened on: bearer tokens would pass the network in the clear.
    pub behind_proxy: bool,
}

/// Why nobody can be listened to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Others could read what is said.
    #[error(
        "{0} is not a loopback address, and this server speaks no TLS; listen on 127.0.0.1, or put a proxy that does before \
         it and give --behind-proxy"
    )]
    BeyondLoopback(SocketAddr),
    /// The system refuses the address.
    #[error("cannot listen on {address}: {source}; choose another address with --bind or USAGE_BIND")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// What serving depends on beside the operations.
#[derive(Clone)]
pub struct ServeOptions {
    /// What a caller of the cron routes must present. Without one, or with one that is blank, `undefined` or `null`, they
    /// answer nobody.
    pub cron_secret: Option<SecretString>,
    /// What time it is, for answers that tell it.
    pub clock: Arc<dyn Clock>,
    /// How much a client may ask for, and how long it may take.
    pub limits: Limits,
    /// What the dashboard is made of; without it there is none.
    pub dashboard: Option<Dashboard>,
}

/// What the dashboard is made of.
#[derive(Clone)]
pub struct Dashboard {
    /// The ledger that it shows.
    pub ledger: Ledger,
    /// What it asks for and cannot do itself.
    pub operations: Arc<dyn DashboardOperations>,
}

/// A server that listens. Whoever connects waits until it serves.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    behind_proxy: bool,
}

impl Server {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// The address is beyond loopback and no proxy stands before it, or the system refuses it.
    pub async fn bind(listen: Listen) -> Result<Self, ListenError> {
        let address = listen.bind;
        if !address.ip().to_canonical().is_loopback() && !listen.behind_proxy {
            return Err(ListenError::BeyondLoopback(address));
        }
        let refused = |source| ListenError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self {
            listener,
            address,
            behind_proxy: listen.behind_proxy,
        })
    }

    /// Where it listens, with the port it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` turns true: then nobody new is let in, idle connections are closed, and what is under way is
    /// finished, passes whose client has gone among it.
    pub async fn serve(
        self,
        operations: Arc<dyn Operations>,
        options: ServeOptions,
        stop: watch::Receiver<bool>,
    ) {
        let ServeOptions {
            cron_secret,
            clock,
            limits,
            dashboard,
        } = options;
        let tasks = TaskTracker::new();
        let dashboard = dashboard.and_then(|dashboard| self.dashboard(dashboard, &clock, &tasks, &limits));
        let api = dashboard.as_ref().map(api);
        let state = ServerState {
            operations,
            cron_secret: cron_secret.as_ref().and_then(CronSecret::new),
            clock,
            tasks: tasks.clone(),
            metrics: Arc::new(Cached::for_(limits.cached)),
            readiness: Arc::new(Cached::for_(limits.cached)),
        };
        tracing::info!(
            address = %self.address,
            cron_route = state.cron_secret.is_some(),
            "listening"
        );
        connections::serve(
            self.listener,
            router(state, dashboard, api, &limits),
            &limits,
            &tasks,
            stop,
        )
        .await;
        tasks.close();
        tasks.wait().await;
        tracing::info!(address = %self.address, "no longer listening");
    }

    /// The dashboard, unless the system gives no random bytes for its sessions.
    fn dashboard(
        &self,
        dashboard: Dashboard,
        clock: &Arc<dyn Clock>,
        tasks: &TaskTracker,
        limits: &Limits,
    ) -> Option<DashboardState> {
        let sessions = Sessions::new(self.behind_proxy).inspect_err(|error| {
            tracing::error!("there is no dashboard, since the system gives no random bytes: {error}");
        });
        Some(DashboardState {
            ledger: dashboard.ledger.answering_within(limits.answer),
            operations: dashboard.operations,
            sessions: sessions.ok()?,
            clock: clock.clone(),
            rate_limit: Arc::new(RateLimit::new(limits.token_per_minute, limits.token_at_once)),
            guesses: Arc::new(Guesses::new(limits.wrong_tokens_per_minute)),
            uses: Arc::default(),
            tasks: tasks.clone(),
            facts: Arc::default(),
        })
    }
}

/// The API shows what the dashboard does, and knows its sessions.
fn api(dashboard: &DashboardState) -> ApiState {
    ApiState {
        ledger: dashboard.ledger.clone(),
        operations: dashboard.operations.clone(),
        sessions: dashboard.sessions.clone(),
        clock: dashboard.clock.clone(),
        rate_limit: dashboard.rate_limit.clone(),
        guesses: dashboard.guesses.clone(),
        uses: dashboard.uses.clone(),
        prices: Arc::default(),
        tasks: dashboard.tasks.clone(),
    }
}
