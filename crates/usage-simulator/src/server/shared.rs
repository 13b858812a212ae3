//! What every request of a running simulator shares.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::time::Instant;
use usage_core::{Clock, DimensionSet};

use super::builder::ArrayEncoding;
use super::faulty::Armed;
use super::key::AdminKey;
use super::request_log::LoggedRequest;
use crate::organization::{LivingOrganization, Organization};

/// How many days of a living organisation are kept at hand; others are made when somebody asks.
const DAYS_AT_HAND: i64 = 40;

pub(super) struct Shared {
    organization: RwLock<Organization>,
    /// What the organisation follows, if it lives.
    living: Option<LivingOrganization>,
    /// Which part of its life the organisation is. Changes while that is locked for writing only.
    at_hand: Mutex<Option<AtHand>>,
    keys: RwLock<Vec<AdminKey>>,
    log: Mutex<Vec<LoggedRequest>>,
    /// Takes each request as a line, besides.
    log_lines: Option<LogLines>,
    failures: Mutex<VecDeque<Option<OrderedFailure>>>,
    recent: Mutex<VecDeque<Instant>>,
    faults: Mutex<Vec<Armed>>,
    /// Closed when the simulator stops.
    running: watch::Receiver<()>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Settings,
}

/// Where lines of the request log go.
pub(super) type LogLines = Arc<Mutex<dyn Write + Send>>;

/// A part of a life: as it is from a change on, and the days from one on.
#[derive(Clone, Copy)]
struct AtHand {
    changed_at: DateTime<Utc>,
    first_day: NaiveDate,
}

/// How the simulator was told to behave.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) array_encodings: Vec<ArrayEncoding>,
    pub(super) refused_dimensions: DimensionSet,
    /// Every so many rows of a bucket, one is sent as two.
    pub(super) split_every: Option<usize>,
    pub(super) requests_per_minute: Option<u32>,
    /// Whether answered requests are kept in memory.
    pub(super) keeps_requests: bool,
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
        living: Option<LivingOrganization>,
        keys: Vec<AdminKey>,
        clock: Arc<dyn Clock>,
        log_lines: Option<LogLines>,
        settings: Settings,
        running: watch::Receiver<()>,
    ) -> Self {
        Self {
            organization: RwLock::new(organization),
            living,
            at_hand: Mutex::default(),
            keys: RwLock::new(keys),
            log: Mutex::default(),
            log_lines,
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

    /// The organisation as it is now; of one that lives, the last days.
    pub(super) fn organization(&self) -> RwLockReadGuard<'_, Organization> {
        self.organization_since(None)
    }

    /// The organisation as it is now, with the usage of this day and all after it, if it has any.
    pub(super) fn organization_since(
        &self,
        first_day: Option<NaiveDate>,
    ) -> RwLockReadGuard<'_, Organization> {
        let Some(living) = &self.living else {
            return self.organization.read().unwrap_or_else(PoisonError::into_inner);
        };
        let now = self.clock.now();
        let usual = (now - TimeDelta::days(DAYS_AT_HAND)).date_naive();
        let wanted = AtHand {
            changed_at: LivingOrganization::last_change(now),
            first_day: first_day.unwrap_or(usual).min(usual).max(living.first_day()),
        };
        loop {
            let organization = self.organization.read().unwrap_or_else(PoisonError::into_inner);
            if self.at_hand().is_some_and(|at_hand| at_hand.covers(wanted)) {
                return organization;
            }
            drop(organization);
            self.take_at_hand(living, wanted);
        }
    }

    /// The organisation as it is now, to be changed. One that lives forgets the change when it next changes by itself.
    pub(super) fn organization_mut(&self) -> RwLockWriteGuard<'_, Organization> {
        drop(self.organization());
        self.organization.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_at_hand(&self, living: &LivingOrganization, wanted: AtHand) {
        let mut organization = self.organization.write().unwrap_or_else(PoisonError::into_inner);
        let mut at_hand = self.at_hand();
        if at_hand.is_some_and(|at_hand| at_hand.covers(wanted)) {
            return;
        }
        // Another request may have been answered with a later state, behind which there is no way back.
        let latest = at_hand.map_or(wanted.changed_at, |at_hand| {
            at_hand.changed_at.max(wanted.changed_at)
        });
        *organization = living.foreseen(wanted.first_day, latest);
        *at_hand = Some(AtHand {
            changed_at: latest,
            ..wanted
        });
    }

    fn at_hand(&self) -> MutexGuard<'_, Option<AtHand>> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Files a request that was answered.
    pub(super) fn log_request(&self, request: LoggedRequest) {
        if let Some(lines) = &self.log_lines {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = lines.write_all(request.to_line().as_bytes()) {
                tracing::error!(%error, "a request could not be logged");
            }
        }
        if self.settings.keeps_requests {
            self.log().push(request);
        }
    }

    pub(super) fn failures(&self) -> MutexGuard<'_, VecDeque<Option<OrderedFailure>>> {
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

impl AtHand {
    fn covers(self, wanted: Self) -> bool {
        self.changed_at >= wanted.changed_at && self.first_day <= wanted.first_day
    }
}

/// An instant as headers have it.
pub(super) fn http_date(instant: DateTime<Utc>) -> String {
    instant.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
