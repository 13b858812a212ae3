//! `OpenAI`'s admin API.

mod check;
mod count;
mod cursor;
mod directory;
mod page;
#[cfg(test)]
mod page_tests;
mod query;
mod read;
mod refusal;
mod replay;
mod row;
mod scalar;
mod surface;
mod unknown;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use usage_core::{
    Clock, Dimension, DimensionSet, Directory, Endpoint, Issue, IssueCode, ProjectFilter, Provider, Width,
    WindowRange,
};

use self::read::Bodies;
use self::refusal::{RefusedDimension, refused_dimension};
use self::surface::{ENDPOINTS, most_buckets};
use crate::options::{ArrayEncoding, InvalidOptions, OpenAiOptions};
use crate::source::{
    GroupingLimit, KeyReport, RawUsageRead, ReadError, Traffic, UsageQuery, UsageRead, UsageSource,
};
use crate::transport::{Failure, Transport};

pub(crate) use self::page::Asked;
#[cfg(feature = "fuzzing")]
pub(crate) use self::{
    cursor::{CursorChain, LONGEST as LONGEST_CURSOR, check_cursor},
    page::decode_page,
    surface::Surface,
};

/// A client of `OpenAI`'s usage endpoints and directory.
///
/// It remembers which groupings the provider refused, so one client should serve a whole run. Several reads may run
/// at once; they share its pace.
pub struct OpenAi {
    transport: Transport,
    array_encoding: ArrayEncoding,
    clock: Arc<dyn Clock>,
    refused: Mutex<Vec<(Endpoint, RefusedDimension)>>,
}

impl OpenAi {
    /// Sets the client up. Nothing is sent yet.
    pub fn new(options: OpenAiOptions) -> Result<Self, InvalidOptions> {
        Ok(Self {
            transport: Transport::new(&options)?,
            array_encoding: options.array_encoding,
            clock: options.clock,
            refused: Mutex::new(Vec::new()),
        })
    }

    /// Reads a query, leaving out the dimensions that the provider refuses.
    async fn read(&self, query: &UsageQuery, bodies: Bodies) -> Result<RawUsageRead, ReadError> {
        let mut asked = Asked::by(query)?;
        asked.grouped_by = asked
            .grouped_by
            .difference(self.refused(query.endpoint, query.windows));
        let mut issues = Vec::new();
        loop {
            let started_at = self.clock.now();
            match self.read_pages(query, asked, bodies).await {
                Ok((pages, bodies)) => {
                    return Ok(RawUsageRead {
                        read: pages.into_read(&asked, started_at, issues)?,
                        pages: bodies,
                    });
                }
                Err(failure) => {
                    // Each turn leaves out one more dimension, so this ends.
                    let (dimension, issue) = self.learn(&asked, failure)?;
                    asked.grouped_by = asked.grouped_by.without(dimension);
                    issues.push(issue);
                }
            }
        }
    }

    /// The dimensions that the provider is known to refuse for a query of these windows.
    fn refused(&self, endpoint: Endpoint, windows: WindowRange) -> DimensionSet {
        let start = windows.start().timestamp();
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused
            .iter()
            .filter(|(of, refused)| *of == endpoint && refused.reach.covers(start))
            .map(|(_, refused)| refused.dimension)
            .collect()
    }

    fn remember_refused(&self, endpoint: Endpoint, refused: RefusedDimension) {
        let mut known = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&(endpoint, refused)) {
            known.push((endpoint, refused));
        }
    }

    /// Learns from a refusal which dimension to leave out; any other failure, and one that a read cannot do without,
    /// is handed back.
    fn learn(&self, asked: &Asked, failure: Failure) -> Result<(Dimension, Issue), ReadError> {
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
        self.remember_refused(asked.surface.endpoint, refused);
        let issue = Issue::new(
            IssueCode::DimensionRefused,
            format!("{}; reading without {}", error.issue.message, refused.dimension),
        );
        Ok((refused.dimension, issue))
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

    fn windows_per_page(&self, width: Width) -> usize {
        most_buckets(width)
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

    async fn read_directory(&self) -> Result<Directory, ReadError> {
        self.directory().await
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
