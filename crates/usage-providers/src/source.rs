//! The contract between the ledger and any provider.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use usage_core::{
    CostRow, Dimension, DimensionSet, Directory, Endpoint, Issue, IssueCode, ProjectFilter, Provider,
    Severity, UsageRow, Width, Window, WindowRange,
};

/// A provider's admin API as the ledger sees it: complete windows, or a named reason why not.
///
/// The shape leaves room for providers that differ: token classes may be disjoint and counts absent (metrics are
/// nullable), a query may take only a few dimensions ([`UsageSource::grouping_limit`]), rows may come flat and quiet
/// windows not at all (the source sorts rows into windows and answers for every window asked), and one provider may
/// have two generations of endpoints (an [`Endpoint`] each).
#[async_trait]
pub trait UsageSource: Send + Sync {
    /// Whose API it is.
    fn provider(&self) -> Provider;

    /// The endpoints this source can read.
    fn endpoints(&self) -> &[Endpoint];

    /// How many windows of this width one page of the endpoint can hold; what the planner counts requests with.
    fn windows_per_page(&self, endpoint: Endpoint, width: Width) -> usize;

    /// What one query can be grouped by.
    fn grouping_limit(&self, endpoint: Endpoint) -> GroupingLimit;

    /// Reads every window of the query, all pages of it. Costs are read by [`UsageSource::read_costs`].
    ///
    /// A fault of one bucket fails its window; a fault of the transport, the cursor or the grouping fails the read,
    /// since then no window can be known to be complete.
    async fn read_usage(&self, query: &UsageQuery) -> Result<UsageRead, ReadError>;

    /// As [`UsageSource::read_usage`], and hands out the pages as the provider sent them: what a fixture is made of.
    ///
    /// They are as private as the usage itself, and all of them are in memory at once.
    async fn read_usage_raw(&self, query: &UsageQuery) -> Result<RawUsageRead, ReadError> {
        Err(ReadError::new(
            IssueCode::RequestRefused,
            format!(
                "{} {} {}: this client hands out no raw pages",
                self.provider(),
                query.endpoint,
                query.windows
            ),
        ))
    }

    /// Reads what was charged: one read for each part of the range that was grouped alike, in time order, together
    /// exactly the windows of the query.
    ///
    /// The query's endpoint must be a costs endpoint, its windows days. A provider may group by a dimension only from
    /// some day on: the days before it are then read without the dimension, those from it on with it. Faults are
    /// handled as in [`UsageSource::read_usage`]; one that fails a part of the range fails the whole.
    async fn read_costs(&self, query: &UsageQuery) -> Result<Vec<CostsRead>, ReadError> {
        Err(ReadError::new(
            IssueCode::RequestRefused,
            format!(
                "{} {} {}: this client reads no costs",
                self.provider(),
                query.endpoint,
                query.windows
            ),
        ))
    }

    /// Reads the names of projects (archived ones too), API keys and users.
    ///
    /// All or nothing, with one exception: the API keys of an archived project may be missing.
    async fn read_directory(&self) -> Result<Directory, ReadError>;

    /// How many requests [`UsageSource::read_directory`] sends if there are as many names as told, refusals left out.
    fn directory_requests(&self, size: &DirectorySize) -> usize;

    /// Asks what the key may do, in as few requests as that takes. A key that is limited to projects must be asked for
    /// those: the provider refuses anything wider. A key that is not accepted at all
    /// ([`ReadError::is_key_refused`]) is told after the first request, and every answer is that error.
    async fn check_key(&self, filter: &ProjectFilter) -> KeyReport;

    /// What has gone over the wire since the source was made: cumulative, over all reads. Take a reading before and
    /// one after, and [`Traffic::since`], to know what a run took.
    fn traffic(&self) -> Traffic;
}

/// One read: a range of windows of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    /// The surface to read.
    pub endpoint: Endpoint,
    /// The windows to read; one query, so one cursor chain.
    pub windows: WindowRange,
    /// The projects to ask for.
    pub filter: ProjectFilter,
    /// The dimensions to group by; none gives the control totals.
    pub group_by: DimensionSet,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRead {
    /// Exactly the windows of the query, in time order.
    pub windows: Vec<WindowRead>,
    /// What the rows are grouped by: the query's dimensions less those the provider refused.
    pub grouped_by: DimensionSet,
    /// Dimensions that were asked for and are null in every row; worth a warning, kept in coverage.
    pub empty_dimensions: DimensionSet,
    /// Warnings and notes about the read as a whole. A dimension's refusal is told by the read that met with it; later
    /// reads only lack the dimension in `grouped_by`.
    pub issues: Vec<Issue>,
    /// The time just before the first request of the pages that count: everything here was read at or after it.
    pub started_at: DateTime<Utc>,
}

/// The answer to a query, with the pages it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawUsageRead {
    /// What the pages say.
    pub read: UsageRead,
    /// The bodies, decompressed and otherwise untouched, in the order of the cursor chain. Pages of an attempt that had
    /// to be grouped otherwise are not among them.
    pub pages: Vec<Vec<u8>>,
}

/// One window of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRead {
    /// The window.
    pub window: Window,
    /// Its rows as the provider sent them (identical groups not yet summed), or why it cannot be trusted. A window that
    /// the answer lacks is `BUCKET_MISSING`: an error if it was over when the read began, else a warning.
    pub rows: Result<Vec<UsageRow>, Issue>,
}

/// The answer to a query of costs, or to the part of it that was grouped alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostsRead {
    /// Its windows, neighbours in time order.
    pub windows: Vec<CostsWindow>,
    /// What the rows are grouped by: the query's dimensions less those the provider refused for these windows.
    pub grouped_by: DimensionSet,
    /// Dimensions that were asked for and are null in every row; worth a warning, kept in coverage.
    pub empty_dimensions: DimensionSet,
    /// Warnings and notes about the read as a whole. A dimension's refusal is told by the read that met with it; later
    /// reads only lack the dimension in `grouped_by`.
    pub issues: Vec<Issue>,
    /// The time just before the first request of the pages that count: everything here was read at or after it.
    pub started_at: DateTime<Utc>,
}

/// One window of a read of costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostsWindow {
    /// The window.
    pub window: Window,
    /// Its rows as the provider sent them (identical groups not yet summed), or why it cannot be trusted. A window that
    /// the answer lacks is `BUCKET_MISSING`: an error if it was over when the read began, else a warning.
    pub rows: Result<Vec<CostRow>, Issue>,
}

/// What one query can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupingLimit {
    /// The dimensions on offer.
    pub dimensions: DimensionSet,
    /// How many of them fit into one query.
    pub at_once: usize,
}

/// How many names a provider has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectorySize {
    /// How many API keys each project has.
    pub keys_of_projects: Vec<usize>,
    /// How many users there are.
    pub users: usize,
}

/// Why a read as a whole failed. The ledger keeps what it had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{issue}")]
pub struct ReadError {
    /// What happened and where. Always of severity error: a caller that knows more may judge it more mildly.
    pub issue: Issue,
    /// The HTTP status that was the last word, if there was one.
    pub status: Option<u16>,
    /// The dimension the provider refused by name, if that was the reason.
    pub refused: Option<Dimension>,
}

impl ReadError {
    /// A failure that no status explains. It is an error, also for a code that is usually only a warning.
    pub fn new(code: IssueCode, message: impl Into<String>) -> Self {
        let mut issue = Issue::new(code, message);
        issue.severity = Severity::Error;
        Self {
            issue,
            status: None,
            refused: None,
        }
    }

    /// Whether the key itself is the trouble, so that asking further is pointless.
    pub fn is_key_refused(&self) -> bool {
        self.issue.code == IssueCode::Unauthorized
    }
}

/// What a key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// The answer of each endpoint, of costs too if the source reads them.
    pub endpoints: Vec<EndpointAccess>,
    /// The answer of the directory.
    pub directory: Access,
    /// What the directory said, if it may be read.
    pub names: Directory,
}

/// What one endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointAccess {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Whether the key may read it.
    pub access: Access,
}

/// Whether something may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Yes.
    Allowed,
    /// No, and why.
    Refused(ReadError),
}

impl Access {
    /// Whether the answer is yes.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// What has gone over the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent, retries among them.
    pub requests: u64,
    /// Requests sent again after a failure.
    pub retries: u64,
    /// Time spent waiting since the provider asked for it, or for the client's own pace.
    pub throttled: Duration,
    /// Bytes of response bodies, decompressed.
    pub bytes: u64,
    /// How the requests ended; together as many as `requests`, once none is under way.
    pub by_status: RequestsByStatus,
}

/// How requests ended: how many, by endpoint and status. Control totals and retries are among those of their endpoint.
///
/// The endpoint is [`Endpoint::as_str`], or `directory` for the names of projects, API keys and users. The status is that
/// of the answer: one of some twenty that providers use, as `429`, and for others the class, as `5xx`, or `other`; or
/// `timeout` (no whole answer in time), `connect` (no connection), `error` (cut off, too large, or given up meanwhile). So
/// whatever a provider answers, these are few.
pub type RequestsByStatus = BTreeMap<&'static str, BTreeMap<&'static str, u64>>;

impl Traffic {
    /// What came on top of an earlier reading.
    #[must_use]
    pub fn since(self, earlier: &Self) -> Self {
        let mut by_status = self.by_status;
        for (endpoint, counts) in &mut by_status {
            let before = earlier.by_status.get(endpoint);
            for (status, requests) in &mut *counts {
                let before = before.and_then(|before| before.get(status)).copied();
                *requests = requests.saturating_sub(before.unwrap_or(0));
            }
            counts.retain(|_, requests| *requests > 0);
        }
        by_status.retain(|_, counts| !counts.is_empty());
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            retries: self.retries.saturating_sub(earlier.retries),
            throttled: self.throttled.saturating_sub(earlier.throttled),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            by_status,
        }
    }
}
