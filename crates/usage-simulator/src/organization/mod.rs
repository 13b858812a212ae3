//! The organisation: what was used, and the names of everything that used it.

mod aggregate;
mod directory;
mod export;
mod generate;
mod generate_others;
mod import;
mod numbers;
mod prices;
mod tuples;
mod usage_log;

use usage_core::Endpoint;

pub(crate) use aggregate::{Aggregation, Filter, Selection};
pub use directory::{ApiKey, KeyOwner, Project, User};
pub use export::{BatchSpelling, Quirks};
pub use generate::Generate;
pub use import::CsvError;
pub(crate) use numbers::Sum;
pub use prices::CostError;
pub use usage_log::{Totals, UsageLog};

/// The state of a simulated organisation: usage of every endpoint, projects, API keys and users.
///
/// It knows no clock. The server shows the part of it that has happened by the server's time.
#[derive(Clone, Debug)]
pub struct Organization {
    id: String,
    usage: [UsageLog; Endpoint::USAGE.len()],
    projects: Vec<Project>,
    users: Vec<User>,
}

impl Organization {
    /// An organisation without usage, projects or users.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            usage: Endpoint::USAGE.map(UsageLog::new),
            projects: Vec::new(),
            users: Vec::new(),
        }
    }

    /// The organisation's id, `org-…`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The truth of one endpoint.
    pub fn usage(&self, endpoint: Endpoint) -> &UsageLog {
        &self.usage[endpoint as usize]
    }

    /// The truth of one endpoint, to be changed.
    pub fn usage_mut(&mut self, endpoint: Endpoint) -> &mut UsageLog {
        &mut self.usage[endpoint as usize]
    }
}
