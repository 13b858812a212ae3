//! The organisation: what was used, and the names of everything that used it.

mod aggregate;
mod costs;
mod directory;
mod export;
mod generate;
mod generate_others;
mod import;
mod living;
mod numbers;
mod prices;
mod tuples;
mod usage_log;

use chrono::{DateTime, Utc};
use usage_core::Endpoint;

pub(crate) use aggregate::{Aggregation, Filter, Selection};
pub(crate) use costs::Bill;
use costs::Billing;
pub use costs::{ChargeQuantity, Cost, CostCharge, CostError, PriceShare};
pub use directory::{ApiKey, KeyOwner, Project, User};
pub use export::{BatchSpelling, CostLayout, Quirks};
pub use generate::Generate;
pub use import::CsvError;
pub use living::{ExportsError, LivingOrganization};
pub(crate) use numbers::Sum;
pub use usage_log::{Totals, UsageLog};

/// The state of a simulated organisation: usage of every endpoint, what it is charged, projects, API keys and users.
///
/// It knows no clock. The server shows the part of it that has happened by the server's time.
#[derive(Clone, Debug)]
pub struct Organization {
    id: String,
    usage: [UsageLog; Endpoint::USAGE.len()],
    projects: Vec<Project>,
    users: Vec<User>,
    billing: Billing,
}

impl Organization {
    /// An organisation without usage, projects or users.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            usage: Endpoint::USAGE.map(UsageLog::new),
            projects: Vec::new(),
            users: Vec::new(),
            billing: Billing::default(),
        }
    }

    /// The organisation's id, `org-…`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What people call the organisation.
    pub(crate) fn name(&self) -> String {
        format!("Organization {}", self.id)
    }

    /// The truth of one usage endpoint. There is none of [`Endpoint::Costs`]: costs follow from usage and charges.
    pub fn usage(&self, endpoint: Endpoint) -> &UsageLog {
        &self.usage[endpoint as usize]
    }

    /// The truth of one usage endpoint, to be changed.
    pub fn usage_mut(&mut self, endpoint: Endpoint) -> &mut UsageLog {
        &mut self.usage[endpoint as usize]
    }

    /// Drops the usage that begins later.
    fn forget_usage_after(&mut self, time: DateTime<Utc>) {
        for log in &mut self.usage {
            log.minutes.split_off(&(time.timestamp() + 1));
        }
    }
}
