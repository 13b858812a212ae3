//! The running simulator.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::builder::SimulatorBuilder;
use super::faulty::{Armed, Connection, Connections};
use super::key::AdminKey;
use super::request_log::LoggedRequest;
use super::router::router;
use super::shared::{OrderedFailure, Shared};
use crate::faults::Injection;
use crate::organization::Organization;

/// A simulated provider that listens on 127.0.0.1. It stops when it is dropped.
///
/// ```
/// use usage_simulator::{AdminKey, Generate, Organization, Simulator};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let simulator = Simulator::builder()
///     .organization(Organization::generate(&Generate::default()))
///     .key(AdminKey::owner("sk-admin-test-not-a-real-key"))
///     .start()
///     .await?;
/// assert!(simulator.base_url().starts_with("http://127.0.0.1:"));
/// // … point a client at it …
/// assert!(simulator.requests().is_empty());
/// simulator.shutdown().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Dropping it tells the server to stop.
    stop: watch::Sender<()>,
    server: JoinHandle<()>,
}

impl Simulator {
    /// Starts to set one up.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::new()
    }

    pub(super) fn serve(
        shared: Arc<Shared>,
        listener: TcpListener,
        address: SocketAddr,
        stop: watch::Sender<()>,
    ) -> Self {
        let stopping = shared.stopping();
        let app = router(Arc::clone(&shared)).into_make_service_with_connect_info::<Connection>();
        let server = tokio::spawn(async move {
            let serving = axum::serve(Connections(listener), app).with_graceful_shutdown(stopping);
            if let Err(error) = serving.await {
                tracing::error!(%error, "the simulator stopped serving");
            }
        });
        Self {
            shared,
            address,
            stop,
            server,
        }
    }

    /// Where the API is, with its version: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Changes the truth while it is being served. Requests wait until the change is done and see all of it. A living
    /// organisation forgets the change when it next changes by itself, at midnight or 01:00 UTC.
    pub fn update<T>(&self, change: impl FnOnce(&mut Organization) -> T) -> T {
        change(&mut self.shared.organization_mut())
    }

    /// Reads the truth.
    pub fn inspect<T>(&self, read: impl FnOnce(&Organization) -> T) -> T {
        read(&self.shared.organization())
    }

    /// Accepts another key from now on.
    pub fn add_key(&self, key: AdminKey) {
        self.shared.keys_mut().push(key);
    }

    /// Refuses the keys with this label from now on. Returns whether there were any.
    pub fn revoke_key(&self, label: &str) -> bool {
        let mut keys = self.shared.keys_mut();
        let before = keys.len();
        keys.retain(|key| key.label() != label);
        keys.len() < before
    }

    /// Answers the next `count` requests with this status, whatever they ask, and with a `Retry-After` header of
    /// this text (seconds or a date) if one is given. Orders queue up. A status that HTTP does not have becomes 500.
    pub fn fail_next(&self, count: usize, status: u16, retry_after: Option<&str>) {
        let failure = OrderedFailure {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            retry_after: retry_after.map(str::to_owned),
        };
        self.shared
            .failures()
            .extend(std::iter::repeat_n(Some(failure), count));
    }

    /// Answers the next `count` requests as usual, before whatever is ordered afterwards.
    pub fn pass_next(&self, count: usize) {
        self.shared.failures().extend(std::iter::repeat_n(None, count));
    }

    /// Lets a fault happen to the requests chosen from now on, besides those already injected. Where several happen
    /// to one request, faults of the content add up in the order of their injection, and the first of those that
    /// replace the answer or its way to the client wins.
    pub fn inject(&self, injection: Injection) {
        self.shared.faults().push(Armed::new(injection));
    }

    /// Takes back every injection. What is under way keeps its faults.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// Every request answered since the start or [`Simulator::clear_requests`], in the order of the answers; none if
    /// [`SimulatorBuilder::keep_no_requests`] was asked for.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log().clone()
    }

    /// How many requests were answered whose path ends with this, for example `/usage/completions`.
    pub fn count_requests(&self, path: &str) -> usize {
        let log = self.shared.log();
        log.iter().filter(|request| request.path.ends_with(path)).count()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.log().clear();
    }

    /// Stops listening, answers what is under way and returns when everything is closed.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the simulator did not stop cleanly");
        }
    }
}
