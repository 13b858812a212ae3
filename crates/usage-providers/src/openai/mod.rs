//! `OpenAI`'s admin API.

mod amount;
mod check;
mod cost_row;
mod costs;
mod count;
mod cursor;
mod directory;
mod page;
#[cfg(test)]
mod page_tests;
mod query;
mod read;
mod refusal;
mod refused;
mod replay;
mod row;
mod scalar;
mod surface;
mod unknown;
mod usage_row;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use usage_core::{Clock, Directory, Endpoint, Issue, IssueCode, ProjectFilter, Provider, UsageRow, Width};

use self::read::Bodies;
use self::refusal::{RefusedDimension, refused_dimension};
use self::refused::RefusedGroupings;
use self::surface::{ENDPOINTS, most_buckets};
use crate::options::{ArrayEncoding, InvalidOptions, OpenAiOptions};
use crate::source::{
    CostsRead, DirectorySize, GroupingLimit, KeyReport, RawUsageRead, ReadError, Traffic, UsageQuery,
    UsageRead, UsageSource,
};
use crate::transport::{Failure, Transport};

pub(crate) use self::page::Asked;
#[cfg(feature = "fuzzing")]
pub(crate) use self::{
    cursor::{CursorChain, LONGEST as LONGEST_CURSOR, check_cursor},
    page::decode_page,
    row::Row,
    surface::Surface,
};

/// A client of `OpenAI`'s usage endpoints, costs and directory.
///
/// It remembers which groupings the provider refused, so one client should serve a whole run. Several reads may run
/// at once; they share its pace.
pub struct OpenAi {
    transport: Transport,
    array_encoding: ArrayEncoding,
    clock: Arc<dyn Clock>,
    refused: RefusedGroupings,
}

impl OpenAi {
    /// Sets the client up. Nothing is sent yet.
    pub fn new(options: OpenAiOptions) -> Result<Self, InvalidOptions> {
        Ok(Self {
            transport: Transport::new(&options)?,
            array_encoding: options.array_encoding,
            clock: options.clock,
            refused: RefusedGroupings::default(),
        })
    }

    /// Reads usage, leaving out the dimensions that the provider refuses.
    async fn read(&self, query: &UsageQuery, bodies: Bodies) -> Result<RawUsageRead, ReadError> {
        let mut asked = Asked::by::<UsageRow>(query)?;
        asked.grouped_by = asked
            .grouped_by
            .difference(self.refused.dimensions(query.endpoint, query.windows));
        let mut issues = Vec::new();
        loop {
            let started_at = self.clock.now();
            match self.read_pages::<UsageRow>(&query.filter, asked, bodies).await {
                Ok((pages, bodies)) => {
                    return Ok(RawUsageRead {
                        read: pages.into_answer(&asked, started_at, issues)?.into(),
                        pages: bodies,
                    });
                }
                Err(failure) => {
                    // Each turn leaves out one more dimension, so this ends.
                    let (RefusedDimension { dimension, .. }, refusal) = self.learn(&asked, failure)?;
                    asked.grouped_by = asked.grouped_by.without(dimension);
                    issues.push(Issue::new(
                        IssueCode::DimensionRefused,
                        format!("{refusal}; reading without {dimension}"),
                    ));
                }
            }
        }
    }

    /// Learns from a refusal which dimension to leave out and when, and repeats its words; any other failure, and one that a
    /// read cannot do without, is handed back.
    fn learn(&self, asked: &Asked, failure: Failure) -> Result<(RefusedDimension, String), ReadError> {
        let Failure { mut error, refusal } = failure;
        if error.status != Some(400) {
            return Err(error);
        }
        let start = asked.windows.start().timestamp();
        let Some(refused) = refused_dimension(&refusal, asked.grouped_by, start) else {
            return Err(error);
        };
        error.refused = Some(refused.dimension);
        if !read::is_dispensable(refused.dimension) {
            return Err(error);
        }
        self.refused.remember(asked.surface.endpoint, refused);
        Ok((refused, error.issue.message))
    }
}

#[async_trait]
impl UsageSource for OpenAi {
    fn provider(&self) -> Provider {
        Provider::OpenAi
    }

    fn endpoints(&self) -> &[Endpoint] {
        &ENDPOINTS
    }

    fn windows_per_page(&self, endpoint: Endpoint, width: Width) -> usize {
        most_buckets(endpoint, width)
    }

    fn grouping_limit(&self, endpoint: Endpoint) -> GroupingLimit {
        let dimensions = endpoint.dimensions();
        GroupingLimit {
            dimensions,
            at_once: dimensions.len(),
        }
    }

    async fn read_usage(&self, query: &UsageQuery) -> Result<UsageRead, ReadError> {
        self.read(query, Bodies::Dropped).await.map(|raw| raw.read)
    }

    async fn read_usage_raw(&self, query: &UsageQuery) -> Result<RawUsageRead, ReadError> {
        self.read(query, Bodies::Kept).await
    }

    async fn read_costs(&self, query: &UsageQuery) -> Result<Vec<CostsRead>, ReadError> {
        self.costs(query).await
    }

    async fn read_directory(&self) -> Result<Directory, ReadError> {
        self.directory().await
    }

    fn directory_requests(&self, size: &DirectorySize) -> usize {
        directory::requests(size)
    }

    async fn check_key(&self, filter: &ProjectFilter) -> KeyReport {
        self.report_on_key(filter).await
    }

    fn traffic(&self) -> Traffic {
        self.transport.traffic()
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("transport", &self.transport)
            .field("array_encoding", &self.array_encoding)
            .finish_non_exhaustive()
    }
}
