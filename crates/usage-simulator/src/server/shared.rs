//! What every request of a running simulator shares.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::time::Instant;
use usage_core::{Clock, DimensionSet};

use super::builder::ArrayEncoding;
use super::faulty::Armed;
use super::key::AdminKey;
use super::request_log::LoggedRequest;
use crate::organization::Organization;

pub(super) struct Shared {
    organization: RwLock<Organization>,
    keys: RwLock<Vec<AdminKey>>,
    log: Mutex<Vec<LoggedRequest>>,
    failures: Mutex<VecDeque<OrderedFailure>>,
    recent: Mutex<VecDeque<Instant>>,
    faults: Mutex<Vec<Armed>>,
    /// Closed when the simulator stops.
    running: watch::Receiver<()>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Settings,
}

/// How the simulator was told to behave.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) array_encodings: Vec<ArrayEncoding>,
    pub(super) refused_dimensions: DimensionSet,
    /// Every so many rows of a bucket, one is sent as two.
    pub(super) split_every: Option<usize>,
    pub(super) requests_per_minute: Option<u32>,
    pub(super) costs: CostSettings,
}

/// How costs are served.
#[derive(Clone, Debug)]
pub(super) struct CostSettings {
    /// Whether amounts are JSON numbers; they are texts otherwise.
    pub(super) amounts_are_numbers: bool,
    /// Whether rows have the fields that nobody documents.
    pub(super) has_live_fields: bool,
    /// The first `start_time` for which costs can be grouped by API key, in Unix seconds.
    pub(super) api_keys_since: i64,
    /// Whether a refusal names it.
    pub(super) names_api_keys_since: bool,
}

/// A failure that a test ordered for one request.
#[derive(Clone, Debug)]
pub(super) struct OrderedFailure {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
}

impl Shared {
    pub(super) fn new(
        organization: Organization,
        keys: Vec<AdminKey>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        running: watch::Receiver<()>,
    ) -> Self {
        Self {
            organization: RwLock::new(organization),
            keys: RwLock::new(keys),
            log: Mutex::default(),
            failures: Mutex::default(),
            recent: Mutex::default(),
            faults: Mutex::default(),
            running,
            clock,
            settings,
        }
    }

    /// Waits until the simulator stops.
    pub(super) fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut running = self.running.clone();
        // Nothing is ever sent: the sender goes away with the simulator.
        async move { while running.changed().await.is_ok() {} }
    }

    // A test's closure may panic while it holds a lock. The simulator then serves what there is, so that the test
    // fails with its own message.

    pub(super) fn organization(&self) -> RwLockReadGuard<'_, Organization> {
        self.organization.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn organization_mut(&self) -> RwLockWriteGuard<'_, Organization> {
        self.organization.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keys(&self) -> RwLockReadGuard<'_, Vec<AdminKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keys_mut(&self) -> RwLockWriteGuard<'_, Vec<AdminKey>> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Vec<LoggedRequest>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failures(&self) -> MutexGuard<'_, VecDeque<OrderedFailure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults in force, in the order in which they were injected.
    pub(super) fn faults(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the requests of the last minute came in, for the rate limit.
    pub(super) fn recent(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An instant as headers have it.
pub(super) fn http_date(instant: DateTime<Utc>) -> String {
    instant.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
