//! How a simulator is set up.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::sync::watch;
use usage_core::{Clock, DimensionSet, SystemClock};

use super::key::AdminKey;
use super::shared::{CostSettings, LogLines, Settings, Shared};
use super::simulator::Simulator;
use crate::faults::Injection;
use crate::organization::{LivingOrganization, Organization};

/// 2025-12-06, as the provider says where it refuses.
const API_KEY_COSTS_SINCE: i64 = 1_764_979_200;

/// Sets up a [`Simulator`]; see [`Simulator::builder`].
#[derive(Clone)]
pub struct SimulatorBuilder {
    organization: Organization,
    living: Option<LivingOrganization>,
    keys: Vec<AdminKey>,
    clock: Arc<dyn Clock>,
    port: u16,
    faults: Vec<Injection>,
    log_lines: Option<LogLines>,
    settings: Settings,
}

/// One way to write an array parameter into a query. All three are in the wild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayEncoding {
    /// `group_by=model&group_by=batch`, as the provider's specification has it.
    Repeated,
    /// `group_by[]=model&group_by[]=batch`, as the provider's own SDK sends it.
    Bracketed,
    /// `group_by=model,batch`, one value.
    CommaJoined,
}

/// The simulator could not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on 127.0.0.1:{port}: {source}")]
pub struct StartError {
    port: u16,
    source: io::Error,
}

impl SimulatorBuilder {
    pub(super) fn new() -> Self {
        Self {
            organization: Organization::new("org-simulated"),
            living: None,
            keys: Vec::new(),
            clock: Arc::new(SystemClock),
            port: 0,
            faults: Vec::new(),
            log_lines: None,
            settings: Settings {
                array_encodings: vec![
                    ArrayEncoding::Repeated,
                    ArrayEncoding::Bracketed,
                    ArrayEncoding::CommaJoined,
                ],
                refused_dimensions: DimensionSet::EMPTY,
                split_every: None,
                requests_per_minute: None,
                keeps_requests: true,
                costs: CostSettings {
                    amounts_are_numbers: false,
                    has_live_fields: true,
                    api_keys_since: API_KEY_COSTS_SINCE,
                    names_api_keys_since: true,
                },
            },
        }
    }

    /// The organisation to serve; an empty one unless told.
    #[must_use]
    pub fn organization(mut self, organization: Organization) -> Self {
        self.organization = organization;
        self
    }

    /// Serves an organisation that lives on the simulator's clock, in place of one that stands still.
    ///
    /// What a test ([`Simulator::update`]) or a fault changes of it is forgotten at the next midnight or 01:00 UTC.
    #[must_use]
    pub fn living(mut self, organization: LivingOrganization) -> Self {
        self.living = Some(organization);
        self
    }

    /// Accepts another key. Without any, every answer is 401.
    #[must_use]
    pub fn key(mut self, key: AdminKey) -> Self {
        self.keys.push(key);
        self
    }

    /// What tells the server the time; the machine's clock unless told. Usage later than now is not shown yet.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The port on 127.0.0.1; any free one unless told.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Which encodings of arrays are understood; all unless told. Arrays in another encoding are silently ignored,
    /// as seen live.
    #[must_use]
    pub fn array_encodings(mut self, encodings: impl IntoIterator<Item = ArrayEncoding>) -> Self {
        self.settings.array_encodings = encodings.into_iter().collect();
        self
    }

    /// Refuses to group by these dimensions with a 400, as if this organisation did not have them yet.
    #[must_use]
    pub fn refuse_dimensions(mut self, dimensions: DimensionSet) -> Self {
        self.settings.refused_dimensions = dimensions;
        self
    }

    /// Sends every `n`-th row of a bucket of a grouped answer as two rows with the identical dimensions, whose sum
    /// is the row; seen live. 0 splits none.
    #[must_use]
    pub fn split_every_nth_row(mut self, n: usize) -> Self {
        self.settings.split_every = Some(n).filter(|n| *n > 0);
        self
    }

    /// Answers 429 with `Retry-After` to more than so many requests in a minute. No limit unless told.
    ///
    /// The minute is one of real time, and so is `Retry-After`. On a faster clock so many times more requests are answered
    /// in it.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.settings.requests_per_minute = Some(requests);
        self
    }

    /// Writes each request, once it is answered, as one line of JSON: `time` (by the simulator's clock), `method`, `path`,
    /// `query` (its decoded pairs), `status` and `key` (its label), never a secret. A line is written at once.
    #[must_use]
    pub fn request_log(mut self, to: impl Write + Send + 'static) -> Self {
        self.log_lines = Some(Arc::new(Mutex::new(to)));
        self
    }

    /// Keeps no request in memory, so that [`Simulator::requests`] knows none and a long life takes no more than a short one.
    #[must_use]
    pub fn keep_no_requests(mut self) -> Self {
        self.settings.keeps_requests = false;
        self
    }

    /// Sends amounts of costs as JSON numbers, as the specification has it. They are texts unless told, as seen live.
    #[must_use]
    pub fn cost_amounts_as_numbers(mut self) -> Self {
        self.settings.costs.amounts_are_numbers = true;
        self
    }

    /// Leaves out of rows of costs what was seen live and is not documented: `organization_id`, `organization_name`,
    /// `project_name`, `user_email`.
    #[must_use]
    pub fn without_live_cost_fields(mut self) -> Self {
        self.settings.costs.has_live_fields = false;
        self
    }

    /// Refuses, with a 400 that names it, to group costs by API key in a range that starts before this instant;
    /// 2025-12-06 UTC unless told, as seen live. The beginning of Unix time refuses nothing.
    #[must_use]
    pub fn api_key_costs_since(mut self, instant: DateTime<Utc>) -> Self {
        self.settings.costs.api_keys_since = instant.timestamp();
        self
    }

    /// Lets the refusal of [`SimulatorBuilder::api_key_costs_since`] not say since when costs have API keys.
    #[must_use]
    pub fn without_naming_api_key_costs_since(mut self) -> Self {
        self.settings.costs.names_api_keys_since = false;
        self
    }

    /// Injects a fault from the start, as [`Simulator::inject`] does later. May be called more than once.
    #[must_use]
    pub fn fault(mut self, injection: Injection) -> Self {
        self.faults.push(injection);
        self
    }

    /// Binds the port and serves until the simulator is shut down or dropped.
    pub async fn start(self) -> Result<Simulator, StartError> {
        let failed = |source| StartError {
            port: self.port,
            source,
        };
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, running) = watch::channel(());
        let shared = Shared::new(
            self.organization,
            self.living,
            self.keys,
            self.clock,
            self.log_lines,
            self.settings,
            running,
        );
        let simulator = Simulator::serve(Arc::new(shared), listener, address, stop);
        for injection in self.faults {
            simulator.inject(injection);
        }
        Ok(simulator)
    }
}
